import { run } from "./command.ts";
import type { DirectionStats, EmulatedLink, Emulator, LinkStats } from "./emulator.ts";
import { burstLoss, type Direction, directions, type End, type LineState } from "./line.ts";
import { ipBatch, namespaced } from "./namespace.ts";

const fullFrameBytes = 1514;
const defaultQueueMs = 100;
const leastQueueFrames = 10;
/** Without a rate nothing but frames under way is held. */
const unratedLimitFrames = 100_000;

/** Whether the kernel has netem; asks in a namespace of ours. */
export async function hasNetem(namespace: string): Promise<boolean> {
  const options = { prefix: namespaced(namespace), allowFailure: true };
  const probe = await run(["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"], options);
  if (probe.code !== 0) return false;
  await run(["tc", "qdisc", "del", "dev", "lo", "root"], options);
  return true;
}

/** Links made of a bridge in the middle namespace whose two ports delay what leaves through them. */
export class Netem implements Emulator {
  readonly #namespace: string;

  constructor(namespace: string) {
    this.#namespace = namespace;
  }

  async addLinks(links: readonly EmulatedLink[]): Promise<void> {
    await ipBatch(links.flatMap(bridgeCommands), this.#namespace);
    for (const link of links) {
      for (const direction of directions) await this.setLine(link, direction, link.line[direction]);
    }
  }

  async setLine(link: EmulatedLink, direction: Direction, state: LineState): Promise<void> {
    await run(netemCommand(exitPort(link, direction), state), { prefix: namespaced(this.#namespace) });
  }

  async setCarrier(link: EmulatedLink, end: End, up: boolean): Promise<void> {
    const port = end === "a" ? link.interfaceA : link.interfaceB;
    await ipBatch([`link set ${port} ${up ? "up" : "down"}`], this.#namespace);
  }

  async stats(link: EmulatedLink): Promise<LinkStats> {
    const [ab, ba] = await Promise.all(
      directions.map((direction) => this.#directionStats(exitPort(link, direction))),
    );
    return { ab: ab!, ba: ba! };
  }

  async #directionStats(port: string): Promise<DirectionStats> {
    const options = { prefix: namespaced(this.#namespace) };
    return netemStats((await run(["tc", "-s", "-j", "qdisc", "show", "dev", port], options)).stdout);
  }
}

export function bridgeCommands(link: EmulatedLink): string[] {
  const bridge = `${link.interfaceA}-b`;
  return [
    `link add ${bridge} type bridge forward_delay 0 stp_state 0 mcast_snooping 0`,
    `link set ${link.interfaceA} master ${bridge}`,
    `link set ${link.interfaceB} master ${bridge}`,
    `link set ${bridge} up`,
  ];
}

export function netemCommand(port: string, state: LineState): string[] {
  // netem's own reordering sends frames early, before the delay of the line is over.
  if (state.reorderPercent) throw new Error("reorderPercent is not possible on links emulated by netem");
  const words = ["tc", "qdisc", "replace", "dev", port, "root", "netem", "limit", String(limitFrames(state))];
  const delayMs = state.delayMs ?? 0;
  const jitterMs = state.jitterMs ?? 0;
  // Ours waits up to the jitter longer; netem's varies both ways around the delay.
  words.push("delay", `${microseconds(delayMs + jitterMs / 2)}us`, `${microseconds(jitterMs / 2)}us`);
  const burst = burstLoss(state);
  if (state.silent === true) {
    words.push("loss", "100%");
  } else if (burst !== undefined) {
    words.push("loss", "gemodel", percent(burst.enter), percent(burst.leave), "100%", "0%");
  } else if (state.lossPercent !== undefined) {
    words.push("loss", `${state.lossPercent}%`);
  }
  if (state.rateMbit !== undefined) words.push("rate", `${Math.round(state.rateMbit * 1e6)}bit`);
  return words;
}

/** netem has one limit for the frames that wait for the line and those that are under way. */
export function limitFrames(state: LineState): number {
  if (state.rateMbit === undefined) return unratedLimitFrames;
  const bytesPerMs = (state.rateMbit * 1e6) / 8 / 1000;
  const queueBytes =
    state.queueKb !== undefined ? state.queueKb * 1000 : bytesPerMs * (state.queueMs ?? defaultQueueMs);
  const underWayBytes = bytesPerMs * ((state.delayMs ?? 0) + (state.jitterMs ?? 0));
  return (
    Math.max(leastQueueFrames, Math.ceil(queueBytes / fullFrameBytes)) +
    Math.ceil(underWayBytes / fullFrameBytes)
  );
}

/** Reads `tc -s -j qdisc show dev PORT`. */
export function netemStats(json: string): DirectionStats {
  const [qdisc] = JSON.parse(json) as {
    bytes: number;
    packets: number;
    drops: number;
    backlog: number;
    qlen: number;
  }[];
  const { bytes, packets, drops, backlog, qlen } = qdisc!;
  return {
    framesIn: packets + drops + qlen,
    framesOut: packets,
    bytesOut: bytes,
    queueFrames: qlen,
    queueBytes: backlog,
    dropped: { any: drops },
  };
}

/** The port through which the frames of a direction leave the middle namespace. */
function exitPort(link: EmulatedLink, direction: Direction): string {
  return direction === "ab" ? link.interfaceB : link.interfaceA;
}

function microseconds(ms: number): number {
  return Math.round(ms * 1000);
}

function percent(fraction: number): string {
  return `${Number((fraction * 100).toFixed(4))}%`;
}
