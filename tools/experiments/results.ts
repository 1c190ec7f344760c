import { mkdirSync, writeFileSync } from "node:fs";
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
  readonly #results: Results;

  constructor(directory: string, name: string, command: string) {
    const startedAt = new Date().toISOString();
    this.path = join(directory, `${name}-${startedAt.replaceAll(/[-:]|\..*/g, "")}.json`);
    this.#results = { command, startedAt, machine: machine(), runs: [] };
    mkdirSync(directory, { recursive: true });
  }

  get runs(): readonly Run[] {
    return this.#results.runs;
  }

  add(run: Run): void {
    this.#results.runs.push(run);
    writeFileSync(this.path, `${JSON.stringify(this.#results)}\n`);
  }
}
