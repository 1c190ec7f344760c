import type { NodeSlot } from "../base/ids.ts";

/** The fastest path is in use if so much of what it carries goes to the node, and deserted if no more than this does. */
const FULL_PART = 0.9;
const DESERTED_PART = 0.5;
/** It has to be either for so long. */
const LASTS_US = 1_000_000;
/**
 * A sender that has filled it of late will do so again: CUBIC grows slowly for that long before. One that no longer
 * fills it with batches, however far apart, for so long, is left alone for the same time.
 */
const FILLED_US = 15_000_000;
const REFUSES_US = 500_000;
/** A queue grows if it is longer than it was by such a part, and so much. */
const GROWS_TIMES = 1.1;
const GROWS_US = 1_000;
/**
 * The time between batches, in parts of what the other path takes longer: the shorter, the longer the shortest round trip,
 * and the smaller what is acknowledged at once. It becomes a bit shorter in each tick, and much longer in one after which
 * clearly less is sent than at best of late.
 */
const GAP_MAX = 0.95;
const GAP_MIN = 0.3;
const GAP_FIRST = 0.9;
const GAP_DOWN = 0.005;
const GAP_UP = 0.03;
const LESS_PART = 0.9;
const BEST_KEEPS = 0.995;
const SMOOTHING = 0.2;
/** A batch ends when the queue of the fastest path is no longer than this part of it. */
const SHORT_PART = 0.05;

/**
 * Makes senders use slower paths too that never fill the fastest one, so that nothing would ever arrive earlier by
 * another. Such a sender (BBR) has as much under way as it sends in twice its shortest round trip of the last ten
 * seconds, and what is acknowledged at once beyond what it expects. More it cannot send over a path that takes longer.
 *
 * So where the fastest path is in use, has not been filled of late and its queue does not grow, a small batch takes
 * another one now and then, and all that follows by the fastest is handed on behind it in one piece: the sender sees
 * large acknowledgements and has more under way. The more it has, the more closely batches can follow each other, until
 * even the shortest round trip is a long one; when the sender measures it anew it goes by that, and fills both.
 */
export class Lure {
  /** Columns by node slot. Since when the fastest path has been in use without a queue much longer than this one. */
  private readonly fullSinceUs: Float64Array;
  private readonly longestUs: Float64Array;
  /** Until when batches are sent if it is deserted, when the next one is, and after which time that after it. */
  private readonly untilUs: Float64Array;
  private readonly nextUs: Float64Array;
  private readonly gap: Float64Array;
  /** What part of the fastest path's rate is sent, an average, and at best of late. */
  private readonly sentPart: Float64Array;
  private readonly bestPart: Float64Array;
  private readonly isInBatch: Uint8Array;
  /** Since when less is sent than the fastest path carries, with batches as far apart as can be; Infinity while it is not. */
  private readonly refusedUs: Float64Array;

  constructor(nodes: number) {
    this.fullSinceUs = new Float64Array(nodes);
    this.longestUs = new Float64Array(nodes);
    this.untilUs = new Float64Array(nodes);
    this.nextUs = new Float64Array(nodes);
    this.gap = new Float64Array(nodes);
    this.sentPart = new Float64Array(nodes);
    this.bestPart = new Float64Array(nodes);
    this.isInBatch = new Uint8Array(nodes);
    this.refusedUs = new Float64Array(nodes);
  }

  isOn(node: NodeSlot, nowUs: number): boolean {
    return nowUs < this.untilUs[node]!;
  }

  /** Of late `part` of what the fastest path carries went to the node, and its queue is `queueUs` now. */
  noteDemand(node: NodeSlot, part: number, queueUs: number, nowUs: number): void {
    if (this.isOn(node, nowUs)) {
      if (part > DESERTED_PART) this.untilUs[node] = nowUs + LASTS_US;
      this.adjustGap(node, part);
      if (this.isRefused(node, nowUs)) {
        this.untilUs[node] = nowUs;
        this.beginAnew(node, nowUs + FILLED_US);
      }
      return;
    }
    if (part < FULL_PART) this.beginAnew(node, nowUs);
    if (queueUs > GROWS_TIMES * this.longestUs[node]! + GROWS_US) {
      this.beginAnew(node, nowUs);
      this.longestUs[node] = queueUs;
    }
    if (nowUs - this.fullSinceUs[node]! < LASTS_US) return;
    this.beginAnew(node, nowUs);
    this.sentPart[node] = part;
    this.bestPart[node] = part;
    this.gap[node] = GAP_FIRST;
    this.refusedUs[node] = Number.POSITIVE_INFINITY;
    this.untilUs[node] = nowUs + LASTS_US;
    this.nextUs[node] = nowUs;
  }

  /** The fastest path has been filled, and the others are used as well. */
  noteFilled(node: NodeSlot, nowUs: number): void {
    if (!this.isOn(node, nowUs)) this.beginAnew(node, nowUs + FILLED_US);
  }

  /** Whether packets are to take the other path, which takes `longerUs` longer than the fastest. */
  isDue(node: NodeSlot, longerUs: number, queueUs: number, nowUs: number): boolean {
    if (nowUs >= this.nextUs[node]!) {
      this.nextUs[node] = nowUs + this.gap[node]! * longerUs;
      this.isInBatch[node] = 1;
    } else if (this.isInBatch[node] === 1 && queueUs < SHORT_PART * longerUs) {
      this.isInBatch[node] = 0;
    }
    return this.isInBatch[node] === 1;
  }

  private beginAnew(node: NodeSlot, sinceUs: number): void {
    this.fullSinceUs[node] = Math.max(this.fullSinceUs[node]!, sinceUs);
    this.longestUs[node] = 0;
  }

  private adjustGap(node: NodeSlot, part: number): void {
    const sentPart = this.sentPart[node]! + SMOOTHING * (part - this.sentPart[node]!);
    const bestPart = Math.max(BEST_KEEPS * this.bestPart[node]!, sentPart);
    this.sentPart[node] = sentPart;
    this.bestPart[node] = bestPart;
    const gap = this.gap[node]! + (sentPart < LESS_PART * bestPart ? GAP_UP : -GAP_DOWN);
    this.gap[node] = Math.min(Math.max(gap, GAP_MIN), GAP_MAX);
  }

  /** Whether the sender does not bear batches, however far apart. */
  private isRefused(node: NodeSlot, nowUs: number): boolean {
    const isLess = this.gap[node] === GAP_MAX && this.sentPart[node]! < FULL_PART;
    this.refusedUs[node] = isLess ? Math.min(this.refusedUs[node]!, nowUs) : Number.POSITIVE_INFINITY;
    return nowUs - this.refusedUs[node]! >= REFUSES_US;
  }
}
