import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * A run is one lab that is up. Its ID, part of the name of everything it makes outside of itself, holds its owner's
 * pid and that process's start time, so that whoever finds a leftover knows whether the owner lives.
 */

/** Where runs keep their directories: one place, whatever TMPDIR an owner has; empty after a boot. */
export const runParent = "/run";

const prefix = "mpip-lab-";
const runNamePattern = /^mpip-lab-((\d+)-([0-9a-z]+)-\d+)(?:$|\.)/;

/** Takes a new ID for this process by making its directory. */
export function claimRunId(): string {
  const ticks = startTicks(process.pid);
  if (ticks === undefined) throw new Error("cannot read this process's start time from /proc");
  for (let sequence = 0; ; sequence++) {
    const runId = formatRunId(process.pid, ticks, sequence);
    try {
      mkdirSync(runDirectory(runId), { mode: 0o700 });
      return runId;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

export function formatRunId(pid: number, ticks: number, sequence: number): string {
  return `${pid}-${ticks.toString(36)}-${sequence}`;
}

export function runDirectory(runId: string): string {
  return join(runParent, `${prefix}${runId}`);
}

export function namespaceName(runId: string, host: string): string {
  return `${prefix}${runId}.${host}`;
}

/** The run ID in the name of a namespace or directory; undefined for what no lab has made. */
export function runIdOf(name: string): string | undefined {
  return runNamePattern.exec(name)?.[1];
}

export function ownerPid(runId: string): number {
  return Number(runNamePattern.exec(prefix + runId)?.[2]);
}

/** Whether the process that claimed the ID still runs; a later process with the same pid is another one. */
export function isOwnerAlive(runId: string): boolean {
  const [, , pid, ticks] = runNamePattern.exec(prefix + runId) ?? [];
  return startTicks(Number(pid))?.toString(36) === ticks;
}

function startTicks(pid: number): number | undefined {
  try {
    return parseStartTicks(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return undefined;
  }
}

/** Start time of a process from its /proc/PID/stat (proc(5), field 22); undefined once it is a zombie. */
export function parseStartTicks(stat: string): number | undefined {
  // The command, field 2, may itself hold blanks and brackets.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const state = fields[0];
  return state === "Z" || state === "X" ? undefined : Number(fields[19]);
}
