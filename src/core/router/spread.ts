import type { NodeSlot, SessionSlot } from "../base/ids.ts";
import type { Context } from "./context.ts";

/** A path that has brought no data for so long has no say in what may still come. */
const ACTIVE_US = 200_000;
/** On top of the spread between the paths. */
const MARGIN_US = 5_000;
const HOLD_MAX_US = 250_000;
/** Packets of a session that has changed its path so recently are put in order: longer than any is held. */
const SEVERAL_US = ACTIVE_US + HOLD_MAX_US;
/** A request and its answer take a round trip on the fastest path, and wait for their turn at both ends; what is lost again, two. */
const REPAIR_RTTS = 1.25;
const REPAIR_AGAIN_RTTS = 2.5;
const REPAIR_MARGIN_US = 8_000;
const SMOOTHING = 1 / 16;
/** How much later packets left than those behind them is forgotten in about this time; and what is believed of it. */
const LATE_US = 1_000_000;
const LATE_MAX_US = 100_000;
const LATE_MARGIN = 1.2;
/** Later than this part of the longest round trip, or so much, is what the sender's TCP has sent again. */
const AGAIN_RTTS = 0.75;
const AGAIN_MIN_US = 20_000;

/**
 * How far apart the paths of a node are, as seen by the receiver: how long what is missing may still be on the way.
 * Delays are those of the sender's clock against ours, so only their differences mean something.
 */
export class Spread {
  /** Columns by path slot: moving averages of the delay and of its deviation, in µs. */
  private readonly delayUs: Float64Array;
  private readonly deviationUs: Float64Array;
  private readonly dataUs: Float64Array;
  /** By node: how much later a packet left than one that belongs behind it, and when that was found. */
  private readonly lateUs: Float64Array;
  private readonly latedUs: Float64Array;
  /** By session: the path that has brought its last packet, and when that was another one than before. */
  private readonly sessionPath: Int32Array;
  private readonly changedUs: Float64Array;
  private readonly context: Context;

  constructor(context: Context) {
    const { paths, nodes, sessions } = context.limits;
    this.context = context;
    this.delayUs = new Float64Array(paths);
    this.deviationUs = new Float64Array(paths);
    this.lateUs = new Float64Array(nodes);
    this.latedUs = new Float64Array(nodes);
    this.dataUs = new Float64Array(paths).fill(Number.NEGATIVE_INFINITY);
    this.sessionPath = new Int32Array(sessions);
    this.changedUs = new Float64Array(sessions).fill(Number.NEGATIVE_INFINITY);
  }

  /** A path has brought data, `sampleUs` (int32) after it was sent. */
  note(path: number, sampleUs: number, nowUs: number): void {
    if (nowUs - this.dataUs[path]! > ACTIVE_US) {
      this.delayUs[path] = sampleUs;
      this.deviationUs[path] = 0;
    } else {
      const difference = (sampleUs - this.delayUs[path]!) | 0;
      this.delayUs[path] = this.delayUs[path]! + SMOOTHING * difference;
      const deviation = Math.abs(difference) - this.deviationUs[path]!;
      this.deviationUs[path] = this.deviationUs[path]! + SMOOTHING * deviation;
    }
    this.dataUs[path] = nowUs;
  }

  /** The sender keeps packets back for one path while later ones leave by another: so much later one has left. */
  noteLate(node: NodeSlot, lateUs: number, nowUs: number): void {
    if (lateUs > Math.max(AGAIN_RTTS * this.longestRttUs(node, nowUs), AGAIN_MIN_US)) return;
    this.lateUs[node] = Math.max(this.latestUs(node, nowUs), Math.min(lateUs, LATE_MAX_US));
    this.latedUs[node] = nowUs;
  }

  /** A path has brought a packet of a session: whether several have of late, so that one packet may overtake another. */
  noteSession(session: SessionSlot, path: number, nowUs: number): boolean {
    if (this.sessionPath[session] !== path) {
      this.sessionPath[session] = path;
      this.changedUs[session] = nowUs;
    }
    return nowUs - this.changedUs[session]! <= SEVERAL_US;
  }

  /**
   * What is to be put in order, was sent before this, as int32, and is not there will not come: nothing older is on the
   * way any more, less what packets may be kept back for.
   */
  passedUs(node: NodeSlot, nowUs: number): number {
    return (this.newestUs(node, nowUs) - LATE_MARGIN * this.latestUs(node, nowUs)) | 0;
  }

  /** The oldest of the newest timestamps that a node's active paths have brought, as int32. */
  newestUs(node: NodeSlot, nowUs: number): number {
    const { paths } = this.context;
    let passedUs = 0;
    let found = false;
    for (let place = 0; place < paths.count(node); place++) {
      const path = paths.at(node, place);
      if (nowUs - this.dataUs[path]! > ACTIVE_US) continue;
      const newestUs = paths.arrivals.newestTimestampUs[path]!;
      if (found && ((newestUs - passedUs) | 0) >= 0) continue;
      passedUs = newestUs;
      found = true;
    }
    return passedUs;
  }

  /** How long a packet of a node may be held. */
  holdUs(node: NodeSlot, nowUs: number): number {
    const { paths } = this.context;
    // By the first path, since they are the same plus or minus the clocks' difference, and may pass the wrap.
    let firstUs = Number.NaN;
    let slowestUs = 0;
    let fastestUs = 0;
    let deviationUs = 0;
    for (let place = 0; place < paths.count(node); place++) {
      const path = paths.at(node, place);
      if (nowUs - this.dataUs[path]! > ACTIVE_US) continue;
      if (Number.isNaN(firstUs)) firstUs = this.delayUs[path]!;
      const laterUs = (this.delayUs[path]! - firstUs) | 0;
      slowestUs = Math.max(slowestUs, laterUs);
      fastestUs = Math.min(fastestUs, laterUs);
      deviationUs = Math.max(deviationUs, this.deviationUs[path]!);
    }
    const lateUs = this.latestUs(node, nowUs);
    return Math.min(HOLD_MAX_US, slowestUs - fastestUs + 4 * deviationUs + lateUs + MARGIN_US);
  }

  private latestUs(node: NodeSlot, nowUs: number): number {
    const lateUs = this.lateUs[node]!;
    return lateUs === 0 ? 0 : lateUs * Math.exp(-(nowUs - this.latedUs[node]!) / LATE_US);
  }

  /**
   * How long what every path has passed is waited for: as long as it takes to have it sent again, and once more where paths
   * have lost something of late, last found at `missedUs`. What none has lost was left out to tell TCP, or takes a path
   * that has brought nothing yet.
   */
  patienceUs(node: NodeSlot, missedUs: number, nowUs: number): number {
    const { paths } = this.context;
    const { rttUs } = paths.delays;
    let shortestUs = Number.POSITIVE_INFINITY;
    for (let place = 0; place < paths.count(node); place++) {
      const path = paths.at(node, place);
      if (paths.isEligible(path) && rttUs[path]! > 0) shortestUs = Math.min(shortestUs, rttUs[path]!);
    }
    if (shortestUs === Number.POSITIVE_INFINITY) return 0;
    const againUs = Math.min(REPAIR_AGAIN_RTTS * shortestUs + REPAIR_MARGIN_US, HOLD_MAX_US);
    if (nowUs - missedUs < againUs) return againUs;
    return Math.min(REPAIR_RTTS * shortestUs + REPAIR_MARGIN_US, HOLD_MAX_US);
  }

  /** Of the paths that bring data. */
  private longestRttUs(node: NodeSlot, nowUs: number): number {
    const { paths } = this.context;
    let longestUs = 0;
    for (let place = 0; place < paths.count(node); place++) {
      const path = paths.at(node, place);
      if (nowUs - this.dataUs[path]! <= ACTIVE_US) longestUs = Math.max(longestUs, paths.delays.rttUs[path]!);
    }
    return longestUs;
  }
}
