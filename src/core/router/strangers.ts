import { NONE, type NodeSlot } from "../base/ids.ts";
import { addressText } from "../wire/address.ts";
import type { ControlBlock } from "../wire/control-block.ts";
import { nodeIdText } from "../wire/print.ts";
import type { Context } from "./context.ts";
import type { PathKeeper } from "./path-keeper.ts";
import { type Peer, REFUSAL_NONE } from "./peer.ts";

/** How often strangers are looked at; for how long nothing may have gone to one, or no path may have worked. */
const LOOK_MS = 1_000;
const IDLE_MS = 600_000;
const LOST_MS = 60_000;
/** One without a path that works is asked again less often than a peer. */
const ASK_AGAIN_MS = 10_000;

interface Stranger extends Peer {
  /** When it was in use last, or is taken to have been. */
  usedMs: number;
}

/**
 * Nodes that are in no configuration, while traffic to real addresses is carried: destinations that turned out to be
 * nodes, and nodes that asked us. They go when nothing goes to them any more.
 */
export class Strangers {
  private readonly context: Context;
  private readonly keeper: PathKeeper;
  private readonly removeNode: (node: NodeSlot, nowMs: number) => void;
  private list: Stranger[] = [];
  private lookedMs = Number.NEGATIVE_INFINITY;

  constructor(context: Context, keeper: PathKeeper, removeNode: (node: NodeSlot, nowMs: number) => void) {
    this.context = context;
    this.keeper = keeper;
    this.removeNode = removeNode;
  }

  /** The stranger that has introduced itself from an address; `isTaken` says which names peers have. */
  of(
    block: Readonly<ControlBlock>,
    from: Int32Array,
    fromAt: number,
    nowMs: number,
    isTaken: (name: string) => boolean,
  ): Peer | undefined {
    const { nodes, real } = this.context;
    if (!real.isOn) return undefined;
    const node = nodes.find(block.nodeHigh, block.nodeLow);
    const known = this.find(node);
    if (known !== undefined) return known;
    const address = addressText(from, fromAt);
    const isKnown = isTaken(address) || this.list.some(({ spec }) => spec.name === address);
    const name = isKnown ? nodeIdText(block.nodeHigh, block.nodeLow) : address;
    const stranger = { spec: { name, endpoints: [], routes: [] }, node: NONE, usedMs: nowMs, askedMs: nowMs };
    return { ...stranger, refusal: REFUSAL_NONE, clashes: 0 } as Stranger;
  }

  find(node: number): Peer | undefined {
    return node === NONE ? undefined : this.list.find((stranger) => stranger.node === node);
  }

  /** It was taken in as a node. */
  add(stranger: Peer): void {
    this.list.push(stranger as Stranger);
  }

  forget(node: NodeSlot): void {
    this.list = this.list.filter((stranger) => stranger.node !== node);
  }

  clear(nowMs: number): void {
    for (const { node } of [...this.list]) this.removeNode(node as NodeSlot, nowMs);
  }

  handleTick(nowMs: number): void {
    if (nowMs - this.lookedMs < LOOK_MS) return;
    this.lookedMs = nowMs;
    for (const stranger of [...this.list]) this.look(stranger, stranger.node as NodeSlot, nowMs);
  }

  private look(stranger: Stranger, node: NodeSlot, nowMs: number): void {
    const isReached = this.keeper.hasUsable(node);
    if (isReached) stranger.usedMs = Math.max(stranger.usedMs, this.keeper.dataMsOf(node));
    else if (nowMs - stranger.askedMs >= ASK_AGAIN_MS) this.askAgain(stranger, node, nowMs);
    const idleMs = nowMs - stranger.usedMs;
    if (idleMs < (isReached ? IDLE_MS : LOST_MS)) return;
    if (!isReached || !this.context.sessions.hasNode(node)) this.removeNode(node, nowMs);
  }

  /** It may have been started anew, and know nothing of us. */
  private askAgain(stranger: Stranger, node: NodeSlot, nowMs: number): void {
    const { availability, paths } = this.context;
    stranger.askedMs = nowMs;
    for (let place = 0; place < paths.count(node); place++) {
      const path = paths.at(node, place);
      const slot = availability.ask(paths.remotes, paths.remoteAt(path), paths.port(path), false, nowMs);
      if (slot !== NONE && !availability.isAsking(slot)) availability.askAgain(slot, nowMs);
    }
  }
}
