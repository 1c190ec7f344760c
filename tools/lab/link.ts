import { emulatedLink, emulatorOf } from "./build.ts";
import { run } from "./command.ts";
import { checkedLine } from "./description.ts";
import type { Emulator, LinkStats } from "./emulator.ts";
import { interfaceCommands } from "./host-setup.ts";
import {
  type Direction,
  directions,
  type End,
  ends,
  type LineParams,
  type LineState,
  mergeLine,
} from "./line.ts";
import { ipBatch, namespaced } from "./namespace.ts";
import { ingressAcceptRules, ingressDropRules } from "./nft-rules.ts";
import { namespaceName } from "./run-id.ts";
import type { RunState } from "./run-state.ts";
import { hostPlan, interfacePlan, type LinkPlan, linkPlan, type Topology } from "./topology.ts";

/**
 * - `carrier`: the interface stays up but has no carrier, as with a pulled plug;
 * - `admin`: the interface is set down, and loses its routes;
 * - `silent`: nothing is seen at the interface, but packets vanish.
 */
export const cutKinds = ["carrier", "admin", "silent"] as const;
export type CutKind = (typeof cutKinds)[number];

export interface LineChange {
  ab?: LineParams;
  ba?: LineParams;
  both?: LineParams;
}

/** A link of a running lab, between its host `a` and its host `b`. */
export class Link {
  readonly name: string;
  readonly #state: RunState;

  constructor(name: string, state: RunState) {
    this.name = name;
    this.#state = state;
  }

  get plan(): LinkPlan {
    return linkPlan(this.#state.read().topology, this.name);
  }

  /** Changes the line while it runs; what is not named stays as it was. */
  async set(change: LineChange): Promise<void> {
    await this.#changeLines((line, direction) => {
      const merged = mergeLine(mergeLine(line, change.both ?? {}), change[direction] ?? {});
      return checkedLine(merged, `link ${this.name} ${direction}`);
    });
  }

  /** Cuts the link at one end or both; a silent cut is of a direction instead. */
  async cut(kind: "carrier" | "admin", end?: End | "both"): Promise<void>;
  async cut(kind: "silent", direction?: Direction | "both"): Promise<void>;
  async cut(kind: CutKind, where: End | Direction | "both" = "both"): Promise<void> {
    if (kind === "silent") {
      await this.#setSilent(chosen(directions, where, kind), true);
    } else if (kind === "admin") {
      for (const end of chosen(ends, where, kind)) await this.#setDown(end);
    } else {
      await this.#cutCarrier(chosen(ends, where, kind));
    }
  }

  /** Undoes every cut of the link. */
  async restore(): Promise<void> {
    if (this.plan.emulated) {
      const { emulator, link } = this.#emulation();
      for (const end of ends) await emulator.setCarrier(link, end, true);
    }
    await this.#setSilent(directions, false);
    for (const end of ends) await this.#bringUp(end);
  }

  async stats(): Promise<LinkStats> {
    const { emulator, link } = this.#emulation();
    return emulator.stats(link);
  }

  async #changeLines(change: (line: LineState, direction: Direction) => LineState): Promise<void> {
    const { emulator, link } = this.#emulation();
    const changed = this.#state.change((topology) => {
      const { line } = linkPlan(topology, this.name);
      return directions.filter((direction) => {
        const before = JSON.stringify(line[direction]);
        line[direction] = change(line[direction], direction);
        return JSON.stringify(line[direction]) !== before;
      });
    });
    const { line } = this.plan;
    for (const direction of changed) await emulator.setLine(link, direction, line[direction]);
  }

  async #cutCarrier(cutEnds: readonly End[]): Promise<void> {
    if (this.plan.emulated) {
      const { emulator, link } = this.#emulation();
      for (const end of cutEnds) await emulator.setCarrier(link, end, false);
    } else if (cutEnds.length === 1) {
      await this.#setDown(otherEnd(cutEnds[0]!));
    } else {
      // A bare veth end has no carrier when the other end is down; both at once would show two interfaces set down.
      throw new Error(`link ${this.name} is not emulated: its carrier can be cut at one end only (a or b)`);
    }
  }

  async #setSilent(cutDirections: readonly Direction[], silent: boolean): Promise<void> {
    if (this.plan.emulated) {
      await this.#changeLines((line, direction) =>
        cutDirections.includes(direction) ? { ...line, silent } : line,
      );
      return;
    }
    for (const direction of cutDirections) {
      const rules = ingressAcceptRules(this.name) + (silent ? ingressDropRules(this.name) : "");
      const host = direction === "ab" ? this.plan.b : this.plan.a;
      await run(["nft", "-f", "-"], { input: rules, host, prefix: namespaced(this.#namespace(host)) });
    }
  }

  async #setDown(end: End): Promise<void> {
    await ipBatch([`link set ${this.name} down`], this.#namespace(this.plan[end]));
  }

  /** An interface that was not down is left alone: setting it up again would look like news to who watches it. */
  async #bringUp(end: End): Promise<void> {
    const topology = this.#topology();
    const host = hostPlan(topology, linkPlan(topology, this.name)[end]);
    const namespace = this.#namespace(host.name);
    const { stdout } = await run(["ip", "-netns", namespace, "-json", "link", "show", "dev", this.name]);
    const [shown] = JSON.parse(stdout) as { flags: string[] }[];
    if (shown!.flags.includes("UP")) return;
    await ipBatch(interfaceCommands(host, interfacePlan(host, this.name)), namespace);
  }

  #emulation() {
    const { backend, topology } = this.#state.read();
    const plan = linkPlan(topology, this.name);
    if (!plan.emulated || backend === undefined) {
      throw new Error(
        `link ${this.name} is not emulated: give it a rate or a delay (delayMs: 0) in the description`,
      );
    }
    return {
      emulator: emulatorOf(this.#state.runId, backend) as Emulator,
      link: emulatedLink(topology, plan),
    };
  }

  #topology(): Topology {
    return this.#state.read().topology;
  }

  #namespace(host: string): string {
    return namespaceName(this.#state.runId, host);
  }
}

function chosen<T extends string>(all: readonly T[], where: string, kind: CutKind): readonly T[] {
  if (where === "both") return all;
  const found = all.filter((candidate) => candidate === where);
  if (found.length === 0) throw new Error(`a ${kind} cut is at ${all.join(", ")} or both, not ${where}`);
  return found;
}

function otherEnd(end: End): End {
  return end === "a" ? "b" : "a";
}
