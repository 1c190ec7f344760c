import type { NodeSlot } from "../base/ids.ts";

/** Delays are compared with those of the last one of these. */
const WINDOW_US = 4_000_000;
/** No clock goes faster or slower by this part, also while it is being set right; what changes faster is something else. */
const RATE_MAX = 1e-3;

/**
 * How fast the peers' clocks go by ours. Delays have the difference of the two clocks in them. If it grows, by 0.5 ms a
 * second while one of them is being set right, all of them seem to have a queue that grows: the lowest delay of late, which
 * they are compared with, is as much too low as it is old.
 *
 * A clock that gains makes delays longer one way and shorter the other way by the same; a queue does not. So what the
 * shortest delays of both ways have changed by is compared, and what both show is what the clock has gained.
 */
export class NodeClocks {
  /**
   * By node: what the peer's clock has gained on ours, in µs. It only means something by comparison with earlier. Whole, so
   * that it can be handed on for every packet without being boxed.
   */
  readonly gainedUs: Int32Array;
  // By node: the same with its fraction, and when that was; what it gains in a µs; what the last two windows showed of that.
  private readonly gained: Float64Array;
  private readonly gainedAtUs: Float64Array;
  private readonly rate: Float64Array;
  private readonly lastRate: Float64Array;
  private readonly rateBefore: Float64Array;
  // By node: since when the shortest delays are looked for, those found so far, and those of the window before.
  private readonly beganUs: Float64Array;
  private readonly thereUs: Float64Array;
  private readonly backUs: Float64Array;
  private readonly lastThereUs: Float64Array;
  private readonly lastBackUs: Float64Array;

  constructor(nodes: number) {
    this.gainedUs = new Int32Array(nodes);
    this.gained = new Float64Array(nodes);
    this.gainedAtUs = new Float64Array(nodes);
    this.rate = new Float64Array(nodes);
    this.lastRate = new Float64Array(nodes);
    this.rateBefore = new Float64Array(nodes);
    this.beganUs = new Float64Array(nodes).fill(Number.NEGATIVE_INFINITY);
    this.thereUs = new Float64Array(nodes).fill(Number.POSITIVE_INFINITY);
    this.backUs = new Float64Array(nodes).fill(Number.POSITIVE_INFINITY);
    this.lastThereUs = new Float64Array(nodes);
    this.lastBackUs = new Float64Array(nodes);
  }

  /** Another one has the place, or it has been started anew: nothing is known of its clock. */
  reset(node: NodeSlot): void {
    this.gainedUs[node] = 0;
    this.gained[node] = 0;
    this.rate[node] = 0;
    this.lastRate[node] = 0;
    this.rateBefore[node] = 0;
    this.beganUs[node] = Number.NEGATIVE_INFINITY;
    this.thereUs[node] = Number.POSITIVE_INFINITY;
    this.backUs[node] = Number.POSITIVE_INFINITY;
  }

  /** A packet took `thereUs` to the node, with the clocks' difference in it, and `rttUs` with what told us of it. */
  handleRoundTrip(node: NodeSlot, thereUs: number, rttUs: number, nowUs: number): void {
    const elapsedUs = nowUs - this.beganUs[node]!;
    if (elapsedUs > WINDOW_US) this.endWindow(node, elapsedUs, nowUs);
    this.thereUs[node] = Math.min(this.thereUs[node]!, thereUs);
    this.backUs[node] = Math.min(this.backUs[node]!, rttUs - thereUs);
    // While nothing is heard nothing is known.
    const sinceUs = Math.min(nowUs - this.gainedAtUs[node]!, WINDOW_US);
    this.gained[node] = this.gained[node]! + this.rate[node]! * sinceUs;
    this.gainedUs[node] = this.gained[node]!;
    this.gainedAtUs[node] = nowUs;
  }

  private endWindow(node: NodeSlot, elapsedUs: number, nowUs: number): void {
    const longerUs = this.thereUs[node]! - this.lastThereUs[node]!;
    const shorterUs = this.lastBackUs[node]! - this.backUs[node]!;
    const bothUs = Math.abs(longerUs) < Math.abs(shorterUs) ? longerUs : shorterUs;
    const isClock = longerUs * shorterUs > 0 && elapsedUs < 2 * WINDOW_US;
    const rate = isClock && Math.abs(bothUs) < RATE_MAX * elapsedUs ? bothUs / elapsedUs : 0;
    // A queue that comes or goes shows in one of three.
    this.rate[node] = middle(rate, this.lastRate[node]!, this.rateBefore[node]!);
    this.rateBefore[node] = this.lastRate[node]!;
    this.lastRate[node] = rate;
    this.lastThereUs[node] = this.thereUs[node]!;
    this.lastBackUs[node] = this.backUs[node]!;
    this.thereUs[node] = Number.POSITIVE_INFINITY;
    this.backUs[node] = Number.POSITIVE_INFINITY;
    this.beganUs[node] = nowUs;
  }
}

function middle(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
