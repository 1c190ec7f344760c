import type { PathSlot } from "../base/ids.ts";

/** The longest queue is that of one to two of these. */
const LONGEST_US = 5_000_000;
/** How much of a difference between measurement and model is believed. */
const GAIN = 0.5;
/** The floor is the lowest delay of one to two of these. */
const FLOOR_US = 30_000_000;
const RATE_GAIN = 0.25;
/** A rate that is so many times what was known is believed at once. */
const RATE_JUMP = 1.4;
/** A lower rate is believed the less, the more delays differ from what was thought. */
const DOUBT_US = 2_000;
/** Whether queues turn out much shorter than was thought is judged by so many measurements, for so long. */
const COMPARED = 5;
const COMPARE_US = 100_000;
/** A queue that is shorter says nothing of the rate, nor does a measurement say more exactly how long it is. */
const SHORT_US = 2_000;
const MEASURED_MIN_US = 500;
/** If they are shorter by such a factor, or such a one if it is only assumed, the rate is raised by half of that, within bounds. */
const SHORTER_TIMES = 3;
const ASSUMED_TIMES = 1.5;
const RAISE_MIN = 1.5;
const RAISE_MAX = 4;
const DEVIATION_SMOOTHING = 1 / 8;
/** The longest queues that are common: a longer one counts more than a shorter one. */
const PEAK_UP = 0.2;
const PEAK_DOWN = 0.01;
/** No queue that loses packets is taken to be shorter. */
const LOSS_MIN_US = 1_000;
const LOSS_SMOOTHING = 0.25;
/** A queue is long if it is this part of the longest of late. */
const LONG_PART = 0.7;
const LONG_MIN_US = 1_000;
/**
 * A queue is full if a long one loses so many times what a short one does, and such a part of its packets; if short ones
 * lose, too, so many.
 */
const FULL_TIMES = 2;
const FULL_LOSS = 0.003;
const FULL_LOST = 3;
/** A path loses at random if its short queues have lost so many, and such a part of their packets. */
const RANDOM_LOST = 2;
const RANDOM_LOSS = 0.002;
/** So many packets of each kind are remembered. */
const CLASS_PACKETS = 4_000;
/** The most that is believed of a queue. */
const QUEUE_MAX_US = 5_000_000;

/**
 * How long a packet would wait on each of our paths if it were sent now. What has been sent and not yet been measured
 * makes the difference, so this is a model: the queue drains as time goes by, each packet makes it longer by its bytes
 * over the path's rate, and every delay that the peer measures corrects it, by comparison with what the model said when
 * that packet left.
 *
 * The rate is what the peer has seen come through while packets had to wait (PathTrains); a higher one where packets
 * turn out to wait much less than was thought; Infinity while nothing has had to wait. Times are µs of our clock; delays
 * have the difference of the clocks in them, which is the same on all paths of a node.
 */
export class PathQueues {
  /** Columns by path slot. The lowest delay of late; NaN where none is known. */
  readonly floorUs: Float64Array;
  readonly rateBytesPerS: Float64Array;
  /** The queue at which packets were lost of late, an average; 0 where none was. */
  readonly lossUs: Float64Array;
  /** How far measurements are from what was thought, an average. */
  readonly deviationUs: Float64Array;
  /** Bytes that wait for the path here (router/waiting.ts), and are no part of the queue yet. */
  readonly heldBytes: Float64Array;
  /** What measurements and changes of the rate have made the queue longer by, in all. */
  readonly corrected: Float64Array;
  /** How far they are above it, less how far below. */
  private readonly biasUs: Float64Array;
  private readonly queue: Float64Array;
  private readonly updatedUs: Float64Array;
  private readonly oldFloorUs: Float64Array;
  private readonly newFloorUs: Float64Array;
  private readonly floorSinceUs: Float64Array;
  /** Whether the rate is only assumed, and what the peer said of it last, or at most while it is not known. */
  private readonly isAssumed: Uint8Array;
  private readonly lastRate: Float64Array;
  private readonly peakUs: Float64Array;
  private readonly oldLongestUs: Float64Array;
  private readonly newLongestUs: Float64Array;
  private readonly longestSinceUs: Float64Array;
  private readonly compared: Float64Array;
  private readonly comparedUs: Float64Array;
  private readonly highExpectedUs: Float64Array;
  private readonly highMeasuredUs: Float64Array;
  /** Packets sent and lost while the queue was short, and while it was long. */
  private readonly sentShort: Float64Array;
  private readonly sentLong: Float64Array;
  private readonly lostShort: Float64Array;
  private readonly lostLong: Float64Array;

  constructor(capacity: number) {
    this.floorUs = new Float64Array(capacity);
    this.rateBytesPerS = new Float64Array(capacity);
    this.lossUs = new Float64Array(capacity);
    this.deviationUs = new Float64Array(capacity);
    this.biasUs = new Float64Array(capacity);
    this.heldBytes = new Float64Array(capacity);
    this.corrected = new Float64Array(capacity);
    this.queue = new Float64Array(capacity);
    this.updatedUs = new Float64Array(capacity);
    this.oldFloorUs = new Float64Array(capacity);
    this.newFloorUs = new Float64Array(capacity);
    this.floorSinceUs = new Float64Array(capacity);
    this.isAssumed = new Uint8Array(capacity);
    this.lastRate = new Float64Array(capacity);
    this.peakUs = new Float64Array(capacity);
    this.oldLongestUs = new Float64Array(capacity);
    this.newLongestUs = new Float64Array(capacity);
    this.longestSinceUs = new Float64Array(capacity);
    this.compared = new Float64Array(capacity);
    this.comparedUs = new Float64Array(capacity);
    this.highExpectedUs = new Float64Array(capacity);
    this.highMeasuredUs = new Float64Array(capacity);
    this.sentShort = new Float64Array(capacity);
    this.sentLong = new Float64Array(capacity);
    this.lostShort = new Float64Array(capacity);
    this.lostLong = new Float64Array(capacity);
  }

  /** All but what waits here, which goes on waiting. */
  reset(slot: PathSlot): void {
    this.forgetDelays(slot);
    this.floorUs[slot] = Number.NaN;
    this.rateBytesPerS[slot] = Number.POSITIVE_INFINITY;
    this.lossUs[slot] = 0;
    this.corrected[slot] = 0;
    this.updatedUs[slot] = 0;
    this.floorSinceUs[slot] = 0;
    this.isAssumed[slot] = 0;
    this.lastRate[slot] = 0;
    this.longestSinceUs[slot] = 0;
    this.compared[slot] = 0;
    this.comparedUs[slot] = 0;
    this.highExpectedUs[slot] = 0;
    this.highMeasuredUs[slot] = 0;
    this.sentShort[slot] = 0;
    this.sentLong[slot] = 0;
    this.lostShort[slot] = 0;
    this.lostLong[slot] = 0;
  }

  /** What delays have shown; the rate stays. */
  private forgetDelays(slot: PathSlot): void {
    this.oldFloorUs[slot] = Number.POSITIVE_INFINITY;
    this.newFloorUs[slot] = Number.POSITIVE_INFINITY;
    this.deviationUs[slot] = 0;
    this.biasUs[slot] = 0;
    this.queue[slot] = 0;
    this.peakUs[slot] = 0;
    this.oldLongestUs[slot] = 0;
    this.newLongestUs[slot] = 0;
  }

  /** How long a packet would wait that leaves now. */
  queueUs(slot: PathSlot, nowUs: number): number {
    const left = this.queue[slot]! - (nowUs - this.updatedUs[slot]!);
    return left > 0 ? left : 0;
  }

  /** When all that has left will have gone through. */
  emptiesUs(slot: PathSlot): number {
    return this.updatedUs[slot]! + this.queue[slot]!;
  }

  /** How long it would wait in all if it came behind what waits here. */
  waitUs(slot: PathSlot, nowUs: number): number {
    const heldBytes = this.heldBytes[slot]!;
    const queueUs = this.queueUs(slot, nowUs);
    return heldBytes === 0 ? queueUs : queueUs + (heldBytes * 1e6) / this.rateBytesPerS[slot]!;
  }

  /** By how much delays vary, whatever is sent: a wrong rate makes them differ from what was thought in one direction. */
  noiseUs(slot: PathSlot): number {
    return Math.max(this.deviationUs[slot]! - Math.abs(this.biasUs[slot]!), 0);
  }

  /** Of a path that has had no queue so far something is to be expected, or it would be given everything. */
  assume(slot: PathSlot, rateBytesPerS: number): void {
    if (this.rateBytesPerS[slot] !== Number.POSITIVE_INFINITY) return;
    this.rateBytesPerS[slot] = rateBytesPerS;
    this.isAssumed[slot] = 1;
  }

  handleSent(slot: PathSlot, packets: number, bytes: number, nowUs: number): void {
    const left = this.queueUs(slot, nowUs);
    const queue = Math.min(left + (bytes * 1e6) / this.rateBytesPerS[slot]!, QUEUE_MAX_US);
    const isLong = this.isLong(slot, (left + queue) / 2);
    if (isLong || this.rateBytesPerS[slot]! < Number.POSITIVE_INFINITY) {
      const sent = isLong ? this.sentLong : this.sentShort;
      sent[slot] = sent[slot]! + packets;
    }
    this.queue[slot] = queue;
    this.updatedUs[slot] = nowUs;
  }

  /**
   * A packet that was sent was on its way for `delayUs`, with the clocks' difference in it. When it left it was thought
   * that it would have to wait for `thoughtUs`, and `corrected` was what it is said to be now below; NaN where that is
   * not known.
   */
  handleDelay(slot: PathSlot, delayUs: number, nowUs: number, thoughtUs: number, corrected: number): void {
    this.noteFloor(slot, delayUs, nowUs);
    const measured = delayUs - this.floorUs[slot]!;
    this.noteLongest(slot, measured, nowUs);
    const left = this.queueUs(slot, nowUs);
    const isKnown = !Number.isNaN(thoughtUs);
    const expected = isKnown ? Math.max(thoughtUs + this.corrected[slot]! - corrected, 0) : left;
    const error = measured - expected;
    const { deviationUs, biasUs } = this;
    deviationUs[slot] = deviationUs[slot]! + DEVIATION_SMOOTHING * (Math.abs(error) - deviationUs[slot]!);
    biasUs[slot] = biasUs[slot]! + DEVIATION_SMOOTHING * (error - biasUs[slot]!);
    this.correct(slot, left, left + GAIN * error, nowUs);
    if (isKnown) this.compare(slot, measured, expected, nowUs);
  }

  /**
   * Packets that had to wait came through at this rate. Where they were sent faster than that, or others wait for the
   * path here, the path carries no more; otherwise it carries that much at least. One such rate may have been taken when
   * something stood still for a moment, so it takes two to change what is known, and what is known first is the highest so far.
   */
  handleRate(slot: PathSlot, bytesPerS: number, isFaster: boolean, nowUs: number): void {
    // None had to wait. Or the report is forged: what would wait for such a path would wait for ever.
    if (bytesPerS === 0) return;
    const known = this.rateBytesPerS[slot]!;
    const last = this.lastRate[slot]!;
    if (known === Number.POSITIVE_INFINITY || this.isAssumed[slot] === 1) {
      const most = Math.max(bytesPerS, last);
      this.lastRate[slot] = most;
      if (!isFaster && most < known) return;
      this.changeRate(slot, most, nowUs);
      // What was not sent faster shows the least that it carries. Where delays vary by themselves nothing shows more.
      if (isFaster || this.noiseUs(slot) > DOUBT_US) this.isAssumed[slot] = 0;
      return;
    }
    this.lastRate[slot] = bytesPerS;
    const lower = Math.min(bytesPerS, last);
    const higher = Math.max(bytesPerS, last);
    if (lower > known) {
      const gain = lower > RATE_JUMP * known ? 1 : RATE_GAIN;
      this.changeRate(slot, known + gain * (lower - known), nowUs);
    } else if (higher < known && (isFaster || this.heldBytes[slot]! > 0)) {
      const doubt = 1 + this.deviationUs[slot]! / DOUBT_US;
      this.changeRate(slot, known + (RATE_GAIN / (doubt * doubt)) * (higher - known), nowUs);
    }
  }

  /**
   * A packet that had to wait for `queueUs` was lost. Answers whether such losses come from a queue that is full: when
   * it is long, more is lost than when it is short. A path that loses at random loses the same whatever its queue.
   */
  handleLoss(slot: PathSlot, queueUs: number): boolean {
    const { lostShort, lostLong, sentShort, sentLong } = this;
    if (!this.isLong(slot, queueUs)) {
      if (this.rateBytesPerS[slot] === Number.POSITIVE_INFINITY) return false;
      lostShort[slot] = lostShort[slot]! + 1;
      this.forget(lostShort, sentShort, slot);
      return false;
    }
    lostLong[slot] = lostLong[slot]! + 1;
    this.forget(lostLong, sentLong, slot);
    const byChance = (sentLong[slot]! * lostShort[slot]!) / Math.max(sentShort[slot]!, 1);
    const few = lostShort[slot]! > 0 ? FULL_LOST : 0;
    if (lostLong[slot]! < FULL_TIMES * byChance + Math.max(FULL_LOSS * sentLong[slot]!, few)) return false;
    // What came through while it was full is what the path carries.
    if (this.rateBytesPerS[slot] === Number.POSITIVE_INFINITY && this.lastRate[slot]! > 0)
      this.rateBytesPerS[slot] = this.lastRate[slot]!;
    const known = this.lossUs[slot]!;
    const fullUs = Math.max(this.peakUs[slot]!, LOSS_MIN_US);
    this.lossUs[slot] = known === 0 ? fullUs : known + LOSS_SMOOTHING * (fullUs - known);
    return true;
  }

  /** Whether packets get lost that had nothing to wait for, so that any other may be, too. */
  losesAtRandom(slot: PathSlot): boolean {
    return this.lostShort[slot]! >= Math.max(RANDOM_LOSS * this.sentShort[slot]!, RANDOM_LOST);
  }

  /** Whether a queue is one of the longest of late. */
  private isLong(slot: PathSlot, queueUs: number): boolean {
    const longest = Math.max(this.oldLongestUs[slot]!, this.newLongestUs[slot]!);
    return longest > LONG_MIN_US && queueUs > LONG_PART * longest;
  }

  /** Half of what is counted, when it is enough: what happened of late weighs more. */
  private forget(lost: Float64Array, sent: Float64Array, slot: PathSlot): void {
    if (sent[slot]! < CLASS_PACKETS) return;
    sent[slot] = sent[slot]! / 2;
    lost[slot] = lost[slot]! / 2;
  }

  /**
   * Where packets wait here although queues turn out much shorter than was thought, all the time, the path is faster; it
   * may be where its rate is only assumed and they are shorter.
   */
  private compare(slot: PathSlot, measured: number, expected: number, nowUs: number): void {
    this.highMeasuredUs[slot] = Math.max(this.highMeasuredUs[slot]!, measured);
    this.highExpectedUs[slot] = Math.max(this.highExpectedUs[slot]!, expected);
    this.compared[slot] = this.compared[slot]! + 1;
    if (nowUs - this.comparedUs[slot]! < COMPARE_US || this.compared[slot]! < COMPARED) return;
    const times = this.highExpectedUs[slot]! / (this.highMeasuredUs[slot]! + MEASURED_MIN_US);
    const isAssumed = this.isAssumed[slot] === 1;
    const isTooLow = isAssumed ? times > ASSUMED_TIMES : times > SHORTER_TIMES && this.heldBytes[slot]! > 0;
    if (isTooLow && this.highExpectedUs[slot]! > SHORT_US) {
      const raise = Math.min(Math.max(times / 2, RAISE_MIN), RAISE_MAX);
      this.changeRate(slot, raise * this.rateBytesPerS[slot]!, nowUs);
    }
    this.compareAnew(slot, nowUs);
  }

  private compareAnew(slot: PathSlot, nowUs: number): void {
    this.compared[slot] = 0;
    this.highMeasuredUs[slot] = 0;
    this.highExpectedUs[slot] = 0;
    this.comparedUs[slot] = nowUs;
  }

  /**
   * What is on the path takes longer or shorter than was thought by as much as the rate was wrong; what was thought of it with
   * another rate is nothing to compare measurements with.
   */
  private changeRate(slot: PathSlot, bytesPerS: number, nowUs: number): void {
    const known = this.rateBytesPerS[slot]!;
    this.rateBytesPerS[slot] = bytesPerS;
    if (known === Number.POSITIVE_INFINITY) return;
    const left = this.queueUs(slot, nowUs);
    this.correct(slot, left, (left * known) / bytesPerS, nowUs);
    if (Math.max(bytesPerS / known, known / bytesPerS) > RATE_JUMP) this.compareAnew(slot, nowUs);
  }

  /** The queue is `queueUs` instead of `left`. */
  private correct(slot: PathSlot, left: number, queueUs: number, nowUs: number): void {
    const queue = Math.min(Math.max(queueUs, 0), QUEUE_MAX_US);
    this.queue[slot] = queue;
    this.updatedUs[slot] = nowUs;
    this.corrected[slot] = this.corrected[slot]! + queue - left;
  }

  private noteFloor(slot: PathSlot, delayUs: number, nowUs: number): void {
    // No queue is that long: a clock was set, or stood still while its host slept.
    if (delayUs - this.floorUs[slot]! > QUEUE_MAX_US) this.forgetDelays(slot);
    if (nowUs - this.floorSinceUs[slot]! > FLOOR_US) {
      this.oldFloorUs[slot] = this.newFloorUs[slot]!;
      this.newFloorUs[slot] = delayUs;
      this.floorSinceUs[slot] = nowUs;
    }
    if (delayUs < this.newFloorUs[slot]!) this.newFloorUs[slot] = delayUs;
    this.floorUs[slot] = Math.min(this.oldFloorUs[slot]!, this.newFloorUs[slot]!);
  }

  private noteLongest(slot: PathSlot, queueUs: number, nowUs: number): void {
    const above = queueUs - this.peakUs[slot]!;
    this.peakUs[slot] = this.peakUs[slot]! + (above > 0 ? PEAK_UP : PEAK_DOWN) * above;
    const elapsedUs = nowUs - this.longestSinceUs[slot]!;
    if (elapsedUs > LONGEST_US) {
      this.oldLongestUs[slot] = elapsedUs > 2 * LONGEST_US ? 0 : this.newLongestUs[slot]!;
      this.newLongestUs[slot] = queueUs;
      this.longestSinceUs[slot] = nowUs;
    } else if (queueUs > this.newLongestUs[slot]!) {
      this.newLongestUs[slot] = queueUs;
    }
  }
}
