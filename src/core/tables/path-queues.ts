import type { PathSlot } from "../base/ids.ts";

/** The longest queue is that of one to two of these. */
const LONGEST_US = 5_000_000;
/** How much of a difference between measurement and model is believed. */
const GAIN = 0.5;
/** The floor is the lowest delay of one to two of these. */
const FLOOR_US = 30_000_000;
/**
 * The rate is an average over intervals of so long at least; longer ones than the last were idle. What shows that a rate
 * is too low must not be a matter of when the peer looked.
 */
const INTERVAL_MIN_US = 10_000;
const IDLE_INTERVAL_MIN_US = 50_000;
const FIRST_INTERVAL_US = 8_000;
const INTERVAL_MAX_US = 1_000_000;
const RATE_GAIN = 0.5;
/** By how much a rate grows that has proved too low for so long. */
const RAISE = 1.3;
const COMPARE_US = 100_000;
/** What has lost packets was full at some time: good enough for a first rate. */
const FULL = 2;
/** A queue that is shorter says nothing of the rate. */
const SHORT_US = 2_000;
/** Whether a queue stands is judged by its average over about this time. */
const STANDING_US = 100_000;
/** A queue stands no more when its average is this part of what made it one. */
const LEAVING_PART = 0.1;
const LOSS_SMOOTHING = 0.25;
/** A queue is long if it is this part of the longest of late. */
const LONG_PART = 0.7;
const LONG_MIN_US = 1_000;
/** A queue is full if a long one loses so many times what a short one does, and such a part of its packets. */
const FULL_TIMES = 2;
const FULL_LOSS = 0.003;
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
 * The rate is what the peer received while the queue was not empty; a higher one where more has come in than was thought
 * possible, or where packets had to wait less than was thought; Infinity while there has been no queue. Times are µs of our clock; delays have the difference of the clocks in them, which is the
 * same on all paths of a node.
 */
export class PathQueues {
  /** Columns by path slot. The lowest delay of late; NaN where none is known. */
  readonly floorUs: Float64Array;
  readonly rateBytesPerS: Float64Array;
  /** The queue at which packets were lost of late, an average; 0 where none was. */
  readonly lossUs: Float64Array;
  private readonly queue: Float64Array;
  private readonly updatedUs: Float64Array;
  /** What measurements have made the queue longer by, in all. */
  readonly corrected: Float64Array;
  private readonly oldFloorUs: Float64Array;
  private readonly newFloorUs: Float64Array;
  private readonly floorSinceUs: Float64Array;
  private readonly averageUs: Float64Array;
  private readonly averagedUs: Float64Array;
  private readonly standing: Uint8Array;
  private readonly oldLongestUs: Float64Array;
  private readonly newLongestUs: Float64Array;
  private readonly longestSinceUs: Float64Array;
  /** The last measurement, the lowest in this time of the rate, and when its packet came in, by a clock of its own. */
  private readonly measuredUs: Float64Array;
  private readonly arrivedUs: Float64Array;
  /** What had been received at the start of this interval, and when that was. */
  private readonly comparedUs: Float64Array;
  private readonly highExpectedUs: Float64Array;
  private readonly highMeasuredUs: Float64Array;
  private readonly countedBytes: Float64Array;
  private readonly countedUs: Float64Array;
  private readonly lastMeasuredUs: Float64Array;
  private readonly sentUs: Float64Array;
  private readonly busy: Uint8Array;
  private readonly lastSentUs: Float64Array;
  /** Packets sent and lost while the queue was short, and while it was long. */
  private readonly sentShort: Float64Array;
  private readonly sentLong: Float64Array;
  private readonly lostShort: Float64Array;
  private readonly lostLong: Float64Array;

  constructor(capacity: number) {
    this.floorUs = new Float64Array(capacity);
    this.rateBytesPerS = new Float64Array(capacity);
    this.lossUs = new Float64Array(capacity);
    this.queue = new Float64Array(capacity);
    this.updatedUs = new Float64Array(capacity);
    this.corrected = new Float64Array(capacity);
    this.oldFloorUs = new Float64Array(capacity);
    this.newFloorUs = new Float64Array(capacity);
    this.floorSinceUs = new Float64Array(capacity);
    this.averageUs = new Float64Array(capacity);
    this.averagedUs = new Float64Array(capacity);
    this.standing = new Uint8Array(capacity);
    this.oldLongestUs = new Float64Array(capacity);
    this.newLongestUs = new Float64Array(capacity);
    this.longestSinceUs = new Float64Array(capacity);
    this.measuredUs = new Float64Array(capacity);
    this.arrivedUs = new Float64Array(capacity);
    this.comparedUs = new Float64Array(capacity);
    this.highExpectedUs = new Float64Array(capacity);
    this.highMeasuredUs = new Float64Array(capacity);
    this.countedBytes = new Float64Array(capacity);
    this.countedUs = new Float64Array(capacity);
    this.lastMeasuredUs = new Float64Array(capacity);
    this.sentUs = new Float64Array(capacity);
    this.busy = new Uint8Array(capacity);
    this.lastSentUs = new Float64Array(capacity);
    this.sentShort = new Float64Array(capacity);
    this.sentLong = new Float64Array(capacity);
    this.lostShort = new Float64Array(capacity);
    this.lostLong = new Float64Array(capacity);
  }

  reset(slot: PathSlot): void {
    this.floorUs[slot] = Number.NaN;
    this.rateBytesPerS[slot] = Number.POSITIVE_INFINITY;
    this.lossUs[slot] = 0;
    this.queue[slot] = 0;
    this.updatedUs[slot] = 0;
    this.corrected[slot] = 0;
    this.oldFloorUs[slot] = Number.POSITIVE_INFINITY;
    this.newFloorUs[slot] = Number.POSITIVE_INFINITY;
    this.floorSinceUs[slot] = 0;
    this.averageUs[slot] = 0;
    this.averagedUs[slot] = 0;
    this.standing[slot] = 0;
    this.oldLongestUs[slot] = 0;
    this.newLongestUs[slot] = 0;
    this.longestSinceUs[slot] = 0;
    this.measuredUs[slot] = 0;
    this.arrivedUs[slot] = 0;
    this.lastMeasuredUs[slot] = 0;
    this.sentUs[slot] = 0;
    this.busy[slot] = 0;
    this.lastSentUs[slot] = 0;
    this.comparedUs[slot] = 0;
    this.highExpectedUs[slot] = 0;
    this.highMeasuredUs[slot] = 0;
    this.countedBytes[slot] = 0;
    this.countedUs[slot] = Number.NEGATIVE_INFINITY;
    this.sentShort[slot] = 0;
    this.sentLong[slot] = 0;
    this.lostShort[slot] = 0;
    this.lostLong[slot] = 0;
  }

  /** How long a packet would wait that is sent now. */
  queueUs(slot: PathSlot, nowUs: number): number {
    const left = this.queue[slot]! - (nowUs - this.updatedUs[slot]!);
    return left > 0 ? left : 0;
  }

  /** Of a path that has had no queue so far something is to be expected, or it would be given everything. */
  assume(slot: PathSlot, rateBytesPerS: number): void {
    if (this.rateBytesPerS[slot] === Number.POSITIVE_INFINITY) this.rateBytesPerS[slot] = rateBytesPerS;
  }

  /**
   * Whether the path is given all that it can carry: packets have had to wait for `leastUs` on average, and since then
   * there has been something to do most of the time.
   */
  isStanding(slot: PathSlot, leastUs: number, nowUs: number): boolean {
    this.noteQueue(slot, this.queueUs(slot, nowUs), nowUs);
    if (this.standing[slot] === 1) {
      if (this.averageUs[slot]! < LEAVING_PART * leastUs) this.standing[slot] = 0;
    } else if (this.averageUs[slot]! > leastUs) {
      this.standing[slot] = 1;
    }
    return this.standing[slot] === 1;
  }

  handleSent(slot: PathSlot, packets: number, bytes: number, nowUs: number): void {
    const left = this.queueUs(slot, nowUs);
    this.noteQueue(slot, left, nowUs);
    const queue = Math.min(left + (bytes * 1e6) / this.rateBytesPerS[slot]!, QUEUE_MAX_US);
    const sent = this.isLong(slot, (left + queue) / 2) ? this.sentLong : this.sentShort;
    sent[slot] = sent[slot]! + packets;
    this.queue[slot] = queue;
    this.updatedUs[slot] = nowUs;
  }

  /**
   * A packet that was sent at `sentUs` was on its way for `delayUs`, with the clocks' difference in it. When it left it
   * was thought that it would have to wait for `thoughtUs`, and `corrected` was what it is said to be now below; NaN
   * where that is not known.
   */
  handleDelay(
    slot: PathSlot,
    delayUs: number,
    sentUs: number,
    nowUs: number,
    thoughtUs: number,
    corrected: number,
  ): void {
    this.noteFloor(slot, delayUs, nowUs);
    this.arrivedUs[slot] = sentUs + delayUs;
    this.sentUs[slot] = sentUs;
    const measured = delayUs - this.floorUs[slot]!;
    this.measuredUs[slot] = measured;
    this.noteLongest(slot, measured, nowUs);
    const left = this.queueUs(slot, nowUs);
    const isKnown = !Number.isNaN(thoughtUs);
    const expected = isKnown ? Math.max(thoughtUs + this.corrected[slot]! - corrected, 0) : left;
    if (isKnown) this.compare(slot, measured, expected, nowUs);
    const error = measured - expected;
    const queue = Math.min(Math.max(left + GAIN * error, 0), QUEUE_MAX_US);
    this.queue[slot] = queue;
    this.updatedUs[slot] = nowUs;
    this.corrected[slot] = this.corrected[slot]! + queue - left;
  }

  /**
   * The peer had received `bytes` bytes on the path in all when the packet of the last `handleDelay` came in. What came in
   * since the one before is what the path carries, if it had something to do all the time: if no longer passed from one
   * packet to the other than the first one had to wait. Otherwise the path carries that much at least.
   */
  handleReceived(slot: PathSlot, bytes: number): void {
    const { measuredUs, sentUs, busy } = this;
    const isIdle = sentUs[slot]! - this.lastSentUs[slot]! > this.lastMeasuredUs[slot]!;
    if (isIdle && busy[slot] !== FULL) busy[slot] = 0;
    this.lastSentUs[slot] = sentUs[slot]!;
    this.lastMeasuredUs[slot] = measuredUs[slot]!;
    const arrivedUs = this.arrivedUs[slot]!;
    const elapsedUs = arrivedUs - this.countedUs[slot]!;
    const isFirst = this.rateBytesPerS[slot] === Number.POSITIVE_INFINITY;
    const wasBusy = busy[slot]! > 0;
    if (elapsedUs < (isFirst ? FIRST_INTERVAL_US : wasBusy ? INTERVAL_MIN_US : IDLE_INTERVAL_MIN_US)) return;
    const rate = ((bytes - this.countedBytes[slot]!) * 1e6) / elapsedUs;
    this.countedBytes[slot] = bytes;
    this.countedUs[slot] = arrivedUs;
    busy[slot] = 1;
    if (elapsedUs > INTERVAL_MAX_US || rate < 0) return;
    const known = this.rateBytesPerS[slot]!;
    if (isFirst) {
      if (wasBusy) this.rateBytesPerS[slot] = rate;
    } else if (wasBusy || rate > known) {
      this.rateBytesPerS[slot] = known + RATE_GAIN * (rate - known);
    }
  }

  /**
   * A packet that had to wait for `queueUs` was lost. Answers whether such losses come from a queue that is full: when
   * it is long, more is lost than when it is short. A path that loses at random loses the same whatever its queue.
   */
  handleLoss(slot: PathSlot, queueUs: number): boolean {
    const { lostShort, lostLong, sentShort, sentLong } = this;
    if (!this.isLong(slot, queueUs)) {
      lostShort[slot] = lostShort[slot]! + 1;
      this.forget(lostShort, sentShort, slot);
      return false;
    }
    if (this.rateBytesPerS[slot] === Number.POSITIVE_INFINITY) this.busy[slot] = FULL;
    lostLong[slot] = lostLong[slot]! + 1;
    this.forget(lostLong, sentLong, slot);
    const short = lostShort[slot]! / Math.max(sentShort[slot]!, 1);
    const long = lostLong[slot]! / Math.max(sentLong[slot]!, 1);
    if (long < FULL_TIMES * short + FULL_LOSS) return false;
    const known = this.lossUs[slot]!;
    this.lossUs[slot] = known === 0 ? queueUs : known + LOSS_SMOOTHING * (queueUs - known);
    this.standing[slot] = 1;
    return true;
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

  /** Where queues turn out to be much shorter than was thought, all the time, the path is faster. */
  private compare(slot: PathSlot, measured: number, expected: number, nowUs: number): void {
    this.highMeasuredUs[slot] = Math.max(this.highMeasuredUs[slot]!, measured);
    this.highExpectedUs[slot] = Math.max(this.highExpectedUs[slot]!, expected);
    if (nowUs - this.comparedUs[slot]! < COMPARE_US) return;
    const highest = this.highExpectedUs[slot]!;
    if (highest > SHORT_US && this.highMeasuredUs[slot]! < highest / 2)
      this.rateBytesPerS[slot] = this.rateBytesPerS[slot]! * RAISE;
    this.highMeasuredUs[slot] = 0;
    this.highExpectedUs[slot] = 0;
    this.comparedUs[slot] = nowUs;
  }

  private noteFloor(slot: PathSlot, delayUs: number, nowUs: number): void {
    if (nowUs - this.floorSinceUs[slot]! > FLOOR_US) {
      this.oldFloorUs[slot] = this.newFloorUs[slot]!;
      this.newFloorUs[slot] = delayUs;
      this.floorSinceUs[slot] = nowUs;
    }
    if (delayUs < this.newFloorUs[slot]!) this.newFloorUs[slot] = delayUs;
    this.floorUs[slot] = Math.min(this.oldFloorUs[slot]!, this.newFloorUs[slot]!);
  }

  private noteLongest(slot: PathSlot, queueUs: number, nowUs: number): void {
    const elapsedUs = nowUs - this.longestSinceUs[slot]!;
    if (elapsedUs > LONGEST_US) {
      this.oldLongestUs[slot] = elapsedUs > 2 * LONGEST_US ? 0 : this.newLongestUs[slot]!;
      this.newLongestUs[slot] = queueUs;
      this.longestSinceUs[slot] = nowUs;
    } else if (queueUs > this.newLongestUs[slot]!) {
      this.newLongestUs[slot] = queueUs;
    }
  }

  private noteQueue(slot: PathSlot, queueUs: number, nowUs: number): void {
    const lookedUs = this.averagedUs[slot]!;
    const sinceUs = nowUs - lookedUs;
    this.averagedUs[slot] = nowUs;
    // Between two looks the queue drained, and from its end on there was none.
    const firstUs = Math.min(this.queueUs(slot, lookedUs), this.queue[slot]!);
    const busyUs = queueUs > 0 ? sinceUs : Math.min(firstUs, sinceUs);
    const waited = ((firstUs + queueUs) / 2) * busyUs;
    const known = this.averageUs[slot]!;
    this.averageUs[slot] = known + (waited - sinceUs * known) / (sinceUs + STANDING_US);
  }
}
