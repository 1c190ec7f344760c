import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { EmulatorBackend } from "./emulator.ts";
import { runDirectory } from "./run-id.ts";
import type { Topology } from "./topology.ts";

export interface RunContent {
  /** What the lab was made from, for people. */
  source: string;
  /** Absent from a lab without emulated links. */
  backend?: EmulatorBackend;
  topology: Topology;
}

/**
 * What a lab is at the moment, in its run directory. Every user of the lab reads it before a change and writes it
 * after, so that the owner and the commands given from other processes agree.
 */
export class RunState {
  readonly runId: string;

  constructor(runId: string) {
    this.runId = runId;
  }

  static create(runId: string, content: RunContent): RunState {
    const state = new RunState(runId);
    state.#write(content);
    return state;
  }

  read(): RunContent {
    return JSON.parse(readFileSync(this.#path, "utf8")) as RunContent;
  }

  /** Reads, lets `change` alter what it is given, and writes that; returns what `change` returns. */
  change<T>(change: (topology: Topology) => T): T {
    const content = this.read();
    const result = change(content.topology);
    this.#write(content);
    return result;
  }

  get #path(): string {
    return join(runDirectory(this.runId), "state.json");
  }

  #write(content: RunContent): void {
    const temporary = `${this.#path}.new`;
    writeFileSync(temporary, JSON.stringify(content));
    renameSync(temporary, this.#path);
  }
}
