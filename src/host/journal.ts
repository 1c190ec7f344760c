import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeDirectory, writeWhole } from "./files.ts";
import type { Action } from "./plan.ts";

/** Who has changed the host, and how to undo what does not go by itself. */
export interface JournalEntry {
  readonly pid: number;
  /** Of the process, as the kernel counts it: a number that another process with the same pid does not have. */
  readonly startTime: string;
  /** In the order in which it is to be done. */
  readonly undo: readonly Action[];
}

/**
 * A file that outlives the daemon, so that the next one can undo what a killed one has left. It is written before the
 * host is changed.
 */
export class Journal {
  private readonly path: string;
  private readonly directory: string;

  constructor(directory: string, tun: string) {
    this.directory = directory;
    this.path = join(directory, `${tun}.json`);
  }

  write(undo: readonly Action[]): void {
    const entry: JournalEntry = { pid: process.pid, startTime: startTimeOf(process.pid) ?? "", undo };
    // What is in it is for those only who may change the host.
    makeDirectory(this.directory, 0o700);
    writeWhole(this.path, JSON.stringify(entry), { mode: 0o600 });
  }

  read(): JournalEntry | undefined {
    try {
      return JSON.parse(readFileSync(this.path, "utf8"));
    } catch {
      return undefined;
    }
  }

  remove(): void {
    rmSync(this.path, { force: true });
  }
}

const ENDED_STATES = ["Z", "X"];

export function isRunning(entry: JournalEntry | undefined): boolean {
  return entry !== undefined && startTimeOf(entry.pid) === entry.startTime;
}

/**
 * Field 22 of /proc/PID/stat (proc(5)); the name in front of it may hold anything. Of one that has ended, and whose
 * parent has not asked how, there is none.
 */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return ENDED_STATES.includes(fields[0]!) ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
