import { NONE, type NodeSlot, type None, type PathSlot } from "../base/ids.ts";
import type { Paths } from "../tables/paths.ts";
import { Cover } from "./cover.ts";
import { Lure } from "./lure.ts";
import type { PathChoice } from "./modes.ts";
import { NodeWeights } from "./node-weights.ts";
import { type Scheduler, SMALL_BYTES } from "./scheduler.ts";

/** Weights say what part of a node's packets each path got of late; they add up to this. */
const WEIGHT_TOTAL = 1000;
const WEIGHT_MIN = 1;
const INTERVAL_MS = 100;
const SMOOTHING = 0.25;
/** The paths are filled evenly until less goes to a node than this part of what its fastest path could carry. */
const LEAVING_PART = 0.9;
/** A path of unknown rate is thought to carry this part of what the fastest one does, and so much in a round trip, until it shows. */
const UNKNOWN_PART = 0.5;
const UNKNOWN_BYTES = 256_000;

/**
 * Sends packets where they arrive first, by the queues that PathQueues predicts and by what waits here.
 *
 * As long as nothing would arrive earlier by another path the fastest one gets everything: what a slower one adds to the
 * rate it would take from a sender that waits for the answers. Then all are filled evenly, each in proportion to what
 * it can hold before it loses packets. What is put in order again has to wait for the slowest of them in any case; a
 * queue on the fastest would only make it wait longer where the prediction is wrong. Once all are full the rest waits
 * here, in no path's queue, and goes by arrival again.
 */
export class EarliestArrival implements Scheduler {
  readonly mayWait = true;
  private readonly paths: Paths;
  private readonly byNode: NodeWeights;
  private readonly sentPackets: Float64Array;
  private nextMs = Number.NEGATIVE_INFINITY;
  /** Nodes that packets were sent to since the last tick. */
  private readonly busy: Int32Array;
  private readonly isBusy: Uint8Array;
  private busyCount = 0;
  /** By node: whether its paths are filled evenly, and what went to it since the last tick. */
  private readonly isEven: Uint8Array;
  private readonly sentBytes: Float64Array;
  private tickedMs = 0;
  /** For senders that never fill the fastest path. */
  private readonly lure: Lure;

  constructor(paths: Paths) {
    this.paths = paths;
    this.byNode = new NodeWeights(paths, (used) => WEIGHT_TOTAL / used, new Cover(paths));
    this.sentPackets = new Float64Array(paths.node.length);
    this.busy = new Int32Array(paths.version.length);
    this.isBusy = new Uint8Array(paths.version.length);
    this.isEven = new Uint8Array(paths.version.length);
    this.sentBytes = new Float64Array(paths.version.length);
    this.lure = new Lure(paths.version.length);
  }

  handleFeedback(): void {}

  beginTurn(): void {}

  weights(node: NodeSlot): Float64Array {
    return this.byNode.of(node);
  }

  next(choice: PathChoice, packets: number, bytes: number, nowUs: number): PathSlot {
    const { node } = choice;
    const path = this.choose(choice, bytes, nowUs);
    this.sentBytes[node] = this.sentBytes[node]! + bytes;
    this.sentPackets[path] = this.sentPackets[path]! + packets;
    if (this.isBusy[node] === 0) {
      this.isBusy[node] = 1;
      this.busy[this.busyCount++] = node;
    }
    return path;
  }

  handleTick(nowMs: number): void {
    if (nowMs < this.nextMs) return;
    this.nextMs = nowMs + INTERVAL_MS;
    const elapsedMs = nowMs - this.tickedMs;
    this.tickedMs = nowMs;
    for (let i = 0; i < this.busyCount; i++) {
      const node = this.busy[i]! as NodeSlot;
      this.isBusy[node] = 0;
      this.noteShares(node);
      this.noteDemand(node, elapsedMs, nowMs * 1000);
    }
    this.busyCount = 0;
  }

  nextDeadlineMs(): number {
    return this.busyCount === 0 ? Number.POSITIVE_INFINITY : this.nextMs;
  }

  private choose(choice: PathChoice, bytes: number, nowUs: number): PathSlot {
    const { paths } = this;
    const { queues } = paths;
    const { node, weights } = choice;
    let first: PathSlot | None = NONE;
    let firstUs = Number.POSITIVE_INFINITY;
    let fastest: PathSlot | None = NONE;
    let fastestUs = Number.POSITIVE_INFINITY;
    let any: PathSlot | None = NONE;
    for (let place = 0; place < weights.length; place++) {
      if (weights[place] === 0) continue;
      const path = paths.at(node, place);
      if (any === NONE) any = path;
      if (paths.limits.isSpent(path, nowUs)) continue;
      const floorUs = queues.floorUs[path]!;
      // Where no delay is known yet, a heartbeat will tell it soon.
      if (Number.isNaN(floorUs)) continue;
      if (floorUs < fastestUs) {
        fastest = path;
        fastestUs = floorUs;
      }
      const lastsUs = (bytes * 1e6) / queues.rateBytesPerS[path]!;
      const arrivalUs = floorUs + queues.waitUs(path, nowUs) + lastsUs;
      if (arrivalUs < firstUs) {
        first = path;
        firstUs = arrivalUs;
      }
    }
    if (first === NONE) return any as PathSlot;
    const isLured = this.lure.isOn(node, nowUs);
    if (isLured && queues.waitUs(fastest as PathSlot, nowUs) === 0) this.isEven[node] = 0;
    if (this.isEven[node] === 0) {
      if (first === fastest) return isLured && bytes > SMALL_BYTES ? this.lured(choice, first, nowUs) : first;
      // Delays that vary look like a queue before there is one.
      if (queues.rateBytesPerS[fastest as PathSlot] === Number.POSITIVE_INFINITY) return first;
      this.beginEven(node, fastest as PathSlot);
    }
    return bytes <= SMALL_BYTES ? first : this.emptiest(choice, bytes, nowUs, first);
  }

  /** The fastest path, or the next one where something is to be sent by that now. */
  private lured(choice: PathChoice, fastest: PathSlot, nowUs: number): PathSlot {
    const { paths } = this;
    const { queues } = paths;
    const { node, weights } = choice;
    let other: PathSlot | None = NONE;
    let otherUs = Number.POSITIVE_INFINITY;
    for (let place = 0; place < weights.length; place++) {
      const path = paths.at(node, place);
      if (weights[place] === 0 || path === fastest || paths.limits.isSpent(path, nowUs)) continue;
      // NaN, and so not less, where no delay is known yet.
      const arrivalUs = queues.floorUs[path]! + queues.waitUs(path, nowUs);
      if (arrivalUs < otherUs) {
        other = path;
        otherUs = arrivalUs;
      }
    }
    if (other === NONE) return fastest;
    const longerUs = queues.floorUs[other]! - queues.floorUs[fastest]!;
    if (!this.lure.isDue(node, longerUs, queues.waitUs(fastest, nowUs), nowUs)) return fastest;
    this.assumeRate(other, fastest);
    return other;
  }

  /** The path whose queue is the smallest part of what it can hold; where all are full the one that is `first` by arrival. */
  private emptiest(choice: PathChoice, bytes: number, nowUs: number, first: PathSlot): PathSlot {
    const { paths } = this;
    const { queues } = paths;
    const { node, weights } = choice;
    // A path that has not shown where it loses packets is taken for no better than the others.
    let leastUs = Number.POSITIVE_INFINITY;
    for (let place = 0; place < weights.length; place++) {
      const lossUs = queues.lossUs[paths.at(node, place)]!;
      if (weights[place]! > 0 && lossUs > 0 && lossUs < leastUs) leastUs = lossUs;
    }
    let best: PathSlot | None = NONE;
    let bestPart = Number.POSITIVE_INFINITY;
    for (let place = 0; place < weights.length; place++) {
      const path = paths.at(node, place);
      if (weights[place] === 0 || Number.isNaN(queues.floorUs[path]!)) continue;
      if (paths.limits.isSpent(path, nowUs)) continue;
      const holdsUs = queues.lossUs[path]! || (leastUs < Number.POSITIVE_INFINITY ? leastUs : 1);
      const endUs = queues.waitUs(path, nowUs) + (bytes * 1e6) / queues.rateBytesPerS[path]!;
      const part = endUs / holdsUs;
      if (best !== NONE && part >= bestPart) continue;
      best = path;
      bestPart = part;
    }
    const areFull = leastUs < Number.POSITIVE_INFINITY && bestPart > 1;
    return areFull ? first : (best as PathSlot);
  }

  private beginEven(node: NodeSlot, fastest: PathSlot): void {
    const { paths } = this;
    this.isEven[node] = 1;
    for (let place = 0; place < paths.count(node); place++) this.assumeRate(paths.at(node, place), fastest);
  }

  private assumeRate(path: PathSlot, fastest: PathSlot): void {
    const { queues, delays } = this.paths;
    // Until something is known of the path, what is sent comes late by as much as too much is assumed; no round trip yet is 0.
    const most = (UNKNOWN_BYTES * 1e6) / delays.rttUs[path]!;
    queues.assume(path, Math.min(UNKNOWN_PART * queues.rateBytesPerS[fastest]!, most));
  }

  /** Ends the even filling of a node's paths when its fastest one could carry everything; watches whether it is needed. */
  private noteDemand(node: NodeSlot, elapsedMs: number, nowUs: number): void {
    const { paths } = this;
    const { floorUs, rateBytesPerS } = paths.queues;
    const bytesPerS = (this.sentBytes[node]! * 1000) / elapsedMs;
    this.sentBytes[node] = 0;
    let fastest: PathSlot | None = NONE;
    for (let place = 0; place < paths.count(node); place++) {
      const path = paths.at(node, place);
      if (!paths.isEligible(path) || Number.isNaN(floorUs[path]!)) continue;
      if (fastest === NONE || floorUs[path]! < floorUs[fastest]!) fastest = path;
    }
    if (fastest === NONE) {
      this.isEven[node] = 0;
      return;
    }
    const part = bytesPerS / rateBytesPerS[fastest]!;
    if (part < LEAVING_PART) this.isEven[node] = 0;
    else if (this.isEven[node] === 1) this.lure.noteFilled(node, nowUs);
    this.lure.noteDemand(node, part, paths.queues.waitUs(fastest, nowUs), nowUs);
  }

  private noteShares(node: NodeSlot): void {
    const { paths, sentPackets } = this;
    const weights = this.byNode.of(node);
    let total = 0;
    for (let i = 0; i < weights.length; i++) total += sentPackets[paths.at(node, i)]!;
    for (let i = 0; i < weights.length; i++) {
      const path = paths.at(node, i);
      const packets = sentPackets[path]!;
      sentPackets[path] = 0;
      if (weights[i] === 0 || total === 0) continue;
      const known = weights[i]!;
      const weight = known + SMOOTHING * ((WEIGHT_TOTAL * packets) / total - known);
      weights[i] = Math.max(weight, WEIGHT_MIN);
      paths.weight[path] = weights[i]!;
    }
  }
}
