import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Machine, machine } from "../lab/index.ts";
import type { Run } from "./experiment.ts";

/** What one command measured. */
export interface Results {
  command: string;
  startedAt: string;
  machine: Machine;
  runs: Run[];
}

/** Keeps the runs of a command in a file, which is written again with each: a run that is ended loses nothing. */
export class ResultsFile {
  readonly path: string;
  readonly results: Results;

  constructor(directory: string, name: string, command: string) {
    const startedAt = new Date().toISOString();
    this.path = join(directory, `${name}-${startedAt.replaceAll(/[-:]|\..*/g, "")}.json`);
    this.results = { command, startedAt, machine: machine(), runs: [] };
    mkdirSync(directory, { recursive: true });
  }

  add(run: Run): void {
    this.results.runs.push(run);
    writeFileSync(this.path, `${JSON.stringify(this.results, shortNumbers)}\n`);
  }
}

export function readResults(path: string): Results {
  try {
    const results = JSON.parse(readFileSync(path, "utf8")) as Results;
    if (Array.isArray(results.runs)) return results;
  } catch (error) {
    throw new Error(`cannot read ${path}: ${(error as Error).message}`);
  }
  throw new Error(`${path} does not come from lab run`);
}

/** Six digits are more than any of the measurements has. */
function shortNumbers(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;
}
