import type { NodeSlot, PathSlot } from "../base/ids.ts";
import { type Paths, USE_YES } from "../tables/paths.ts";

const TICK_MS = 100;
/** A node that little is sent to is looked at seldom. */
const TICK_IDLE_MS = 1_000;
const IDLE_BYTES_PER_S = 5_000;
const SMOOTHING = 0.3;
/** The paths are full when packets have to wait for so long for each of them, or on it, for so long. */
const FULL_US = 30_000;
const FULL_MS = 300;
/** There is room again when less is sent than this part of what the paths carried when they were full, for so long … */
const ROOM_PART = 0.85;
const ROOM_MS = 2_000;
/** … or when packets have not had to wait at all, for so long: the paths may have become better. */
const EMPTY_US = 3_000;
const EMPTY_MS = 10_000;

/**
 * Whether the paths that cost nothing can carry what is sent to a node, for those that do: they are opened when all
 * others have queues, and closed when these could do without them again.
 */
export class Overflow {
  onChange: (node: NodeSlot) => void = () => {};
  private readonly paths: Paths;
  private readonly isMetered: (path: PathSlot) => boolean;
  /** Nodes that are looked at. */
  private readonly nodes = new Set<NodeSlot>();
  // By node.
  private readonly open: Uint8Array;
  private readonly fullSinceMs: Float64Array;
  private readonly roomSinceMs: Float64Array;
  private readonly emptySinceMs: Float64Array;
  /** What is sent in all, and by the paths that cost nothing: averages; and what these carried when they were full. */
  private readonly loadBytesPerS: Float64Array;
  private readonly freeBytesPerS: Float64Array;
  private readonly fullBytesPerS: Float64Array;
  /** By path, at the last look. */
  private readonly sentBytes: Float64Array;
  private lookedMs = Number.NEGATIVE_INFINITY;
  private nextMs = Number.POSITIVE_INFINITY;

  constructor(paths: Paths, isMetered: (path: PathSlot) => boolean) {
    const nodes = paths.version.length;
    this.paths = paths;
    this.isMetered = isMetered;
    this.open = new Uint8Array(nodes);
    this.fullSinceMs = new Float64Array(nodes);
    this.roomSinceMs = new Float64Array(nodes);
    this.emptySinceMs = new Float64Array(nodes);
    this.loadBytesPerS = new Float64Array(nodes);
    this.freeBytesPerS = new Float64Array(nodes);
    this.fullBytesPerS = new Float64Array(nodes);
    this.sentBytes = new Float64Array(paths.node.length);
  }

  /** A path of the node costs money. */
  watch(node: NodeSlot): void {
    if (this.nodes.has(node)) return;
    this.nodes.add(node);
    this.begin(node);
    if (this.nodes.size === 1) this.nextMs = Number.NEGATIVE_INFINITY;
  }

  isOpen(node: NodeSlot): boolean {
    return this.open[node] === 1;
  }

  nextDeadlineMs(): number {
    return this.nextMs;
  }

  handleTick(nowMs: number): void {
    if (nowMs < this.nextMs) return;
    const elapsedMs = nowMs - this.lookedMs;
    this.lookedMs = nowMs;
    let isIdle = true;
    for (const node of this.nodes) {
      if (!this.hasMetered(node)) {
        this.nodes.delete(node);
        this.set(node, 0);
        continue;
      }
      this.look(node, elapsedMs, nowMs);
      if (this.open[node] === 1 || this.loadBytesPerS[node]! > IDLE_BYTES_PER_S) isIdle = false;
    }
    this.nextMs =
      this.nodes.size === 0 ? Number.POSITIVE_INFINITY : nowMs + (isIdle ? TICK_IDLE_MS : TICK_MS);
  }

  private begin(node: NodeSlot): void {
    this.open[node] = 0;
    this.loadBytesPerS[node] = 0;
    this.freeBytesPerS[node] = 0;
    this.forgetTimes(node);
  }

  private hasMetered(node: NodeSlot): boolean {
    const { paths } = this;
    for (let place = 0; place < paths.count(node); place++)
      if (this.isMetered(paths.at(node, place))) return true;
    return false;
  }

  private look(node: NodeSlot, elapsedMs: number, nowMs: number): void {
    const { paths } = this;
    let sent = 0;
    let sentFree = 0;
    let free = 0;
    let leastUs = Number.POSITIVE_INFINITY;
    for (let place = 0; place < paths.count(node); place++) {
      const path = paths.at(node, place);
      const bytes = Math.max(paths.sentBytes[path]! - this.sentBytes[path]!, 0);
      this.sentBytes[path] = paths.sentBytes[path]!;
      sent += bytes;
      if (this.isMetered(path) || paths.useOf(path) !== USE_YES) continue;
      free++;
      sentFree += bytes;
      leastUs = Math.min(leastUs, this.waitUs(path, nowMs));
    }
    average(this.loadBytesPerS, node, sent, elapsedMs);
    average(this.freeBytesPerS, node, sentFree, elapsedMs);
    // Where all others are down, what costs money is their backup anyway.
    if (free === 0) this.set(node, 0);
    else if (this.open[node] === 0) this.lookForFull(node, leastUs, nowMs);
    else this.lookForRoom(node, leastUs, nowMs);
  }

  /** What packets of late had to wait for on a path; for those that wait for it here, FULL_US at least. */
  private waitUs(path: PathSlot, nowMs: number): number {
    const { delays, queues } = this.paths;
    if (queues.heldBytes[path]! > 0) return Math.max(queues.waitUs(path, nowMs * 1000), FULL_US);
    return delays.samples[path] === 0 ? 0 : delays.queuingUs[path]!;
  }

  private lookForFull(node: NodeSlot, leastUs: number, nowMs: number): void {
    this.fullSinceMs[node] = since(this.fullSinceMs[node]!, leastUs >= FULL_US, nowMs);
    if (nowMs - this.fullSinceMs[node]! < FULL_MS) return;
    this.fullBytesPerS[node] = this.freeBytesPerS[node]!;
    this.set(node, 1);
  }

  private lookForRoom(node: NodeSlot, leastUs: number, nowMs: number): void {
    if (leastUs >= FULL_US) {
      this.fullBytesPerS[node] = Math.max(this.fullBytesPerS[node]!, this.freeBytesPerS[node]!);
    }
    const hasRoom = this.loadBytesPerS[node]! < ROOM_PART * this.fullBytesPerS[node]!;
    this.roomSinceMs[node] = since(this.roomSinceMs[node]!, hasRoom, nowMs);
    this.emptySinceMs[node] = since(this.emptySinceMs[node]!, leastUs < EMPTY_US, nowMs);
    const hadRoom = nowMs - this.roomSinceMs[node]! >= ROOM_MS;
    if (hadRoom || nowMs - this.emptySinceMs[node]! >= EMPTY_MS) this.set(node, 0);
  }

  private set(node: NodeSlot, open: number): void {
    this.forgetTimes(node);
    if (this.open[node] === open) return;
    this.open[node] = open;
    this.onChange(node);
  }

  private forgetTimes(node: NodeSlot): void {
    this.fullSinceMs[node] = Number.POSITIVE_INFINITY;
    this.roomSinceMs[node] = Number.POSITIVE_INFINITY;
    this.emptySinceMs[node] = Number.POSITIVE_INFINITY;
  }
}

/** Since when something has been so, given since when it was at the last look; Infinity while it is not. */
function since(beforeMs: number, isSo: boolean, nowMs: number): number {
  if (!isSo) return Number.POSITIVE_INFINITY;
  return Math.min(beforeMs, nowMs);
}

function average(column: Float64Array, node: NodeSlot, bytes: number, elapsedMs: number): void {
  const rate = elapsedMs > 0 ? (bytes * 1000) / elapsedMs : 0;
  column[node] = column[node]! + SMOOTHING * (rate - column[node]!);
}
