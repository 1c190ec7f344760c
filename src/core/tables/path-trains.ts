import type { PathSlot } from "../base/ids.ts";
import { CARRIES_FASTER, CARRIES_MASK } from "../wire/control-body.ts";

/** A packet that is so much later than the fastest of late has waited behind others. */
const WAITED_US = 800;
/** The fastest is that of one to two of these. */
const FLOOR_US = 30_000_000;
/** So much, and for so long, shows what a path carries; and then the next train begins. */
const TRAIN_BYTES = 24_000;
const TRAIN_US = 4_000;
const TRAIN_ENDS_US = 12_000;
/** A slow path shows it with fewer bytes after so long, unless delays vary by themselves. */
const SLOW_US = 40_000;
/** Packets that had to queue come evenly: no two so far apart. Others waited for something else. */
const GAP_PART = 0.25;
/**
 * They were sent faster than they came if it took this part of the time at most, or where delays vary by themselves, this
 * part: while they become longer, any packets come more slowly than they were sent.
 */
const FASTER_PART = 0.8;
const FASTER_PART_NOISY = 0.5;
/** And there it must have lasted so many times as long as those take longer. */
const NOISY_TIMES = 3;
/** They vary if most packets that were due so long after the one before came take so much longer than the fastest. */
const SPARSE_US = 5_000;
const NOISY_US = 1_000;
/**
 * How much longer half of them take at least, found in steps by this factor, after so many for which it is the average; at
 * first it is not known that it is less.
 */
const USUAL_STEP = 1.5;
const USUAL_AVERAGED = 16;
const USUAL_FIRST_US = NOISY_US;
const USUAL_MIN_US = 100;
const USUAL_MAX_US = 50_000;

/** What has come in on the paths in all, and what has not; columns by path slot. */
export interface ArrivalCounts {
  readonly bytes: Float64Array;
  readonly packets: Float64Array;
  readonly lost: Float64Array;
}

/**
 * What the peer's paths carry, as whoever receives on them sees it: packets that have had to wait behind each other
 * come as fast as the narrowest part of the path lets them through. That needs no long queue, and shows in a few
 * milliseconds.
 */
export class PathTrains {
  private readonly counts: ArrivalCounts;
  // Columns by path slot. The lowest delay of late, as int32, with the clocks' difference in it.
  private readonly floorUs: Int32Array;
  private readonly newFloorUs: Int32Array;
  private readonly floorSinceUs: Float64Array;
  /** When the train's first packet came in, NaN where there is no train, when it was sent, and the bytes up to it. */
  private readonly beganUs: Float64Array;
  private readonly beganStamp: Int32Array;
  private readonly beganBytes: Float64Array;
  private readonly beganPackets: Float64Array;
  private readonly beganLost: Float64Array;
  /**
   * When the last packet came, of a train or not; how much longer than the fastest those take that come alone, half of them;
   * and of how many that is the average as yet.
   */
  private readonly lastUs: Float64Array;
  private readonly usualUs: Float64Array;
  private readonly averaged: Uint8Array;
  private readonly longestGapUs: Float64Array;
  /** What is to be told, as it stands in a report. */
  private readonly found: Int32Array;

  constructor(capacity: number, counts: ArrivalCounts) {
    this.counts = counts;
    this.floorUs = new Int32Array(capacity);
    this.newFloorUs = new Int32Array(capacity);
    this.floorSinceUs = new Float64Array(capacity).fill(Number.NEGATIVE_INFINITY);
    this.beganUs = new Float64Array(capacity).fill(Number.NaN);
    this.beganStamp = new Int32Array(capacity);
    this.beganBytes = new Float64Array(capacity);
    this.beganPackets = new Float64Array(capacity);
    this.beganLost = new Float64Array(capacity);
    this.lastUs = new Float64Array(capacity);
    this.usualUs = new Float64Array(capacity).fill(USUAL_FIRST_US);
    this.averaged = new Uint8Array(capacity);
    this.longestGapUs = new Float64Array(capacity);
    this.found = new Int32Array(capacity);
  }

  reset(slot: PathSlot): void {
    this.floorSinceUs[slot] = Number.NEGATIVE_INFINITY;
    this.beganUs[slot] = Number.NaN;
    this.found[slot] = 0;
    this.usualUs[slot] = USUAL_FIRST_US;
    this.averaged[slot] = 0;
  }

  /**
   * A packet that was sent at `stamp` of the peer's clock came in at `nowUs` of ours, `delayUs` later as an int32, and is
   * counted.
   */
  handlePacket(slot: PathSlot, stamp: number, delayUs: number, nowUs: number): void {
    this.noteFloor(slot, delayUs, nowUs);
    const waitedUs = (delayUs - this.floorUs[slot]!) | 0;
    const gapUs = nowUs - this.lastUs[slot]!;
    this.lastUs[slot] = nowUs;
    if (gapUs - waitedUs > SPARSE_US) this.noteUsual(slot, waitedUs);
    if (waitedUs < WAITED_US) {
      this.beganUs[slot] = Number.NaN;
      return;
    }
    const elapsedUs = nowUs - this.beganUs[slot]!;
    if (Number.isNaN(elapsedUs)) {
      this.begin(slot, stamp, nowUs);
      return;
    }
    this.longestGapUs[slot] = Math.max(this.longestGapUs[slot]!, gapUs);
    const { bytes, packets, lost } = this.counts;
    const trainBytes = bytes[slot]! - this.beganBytes[slot]!;
    const isNoisy = this.usualUs[slot]! >= NOISY_US;
    const isSlow = elapsedUs > SLOW_US && !isNoisy;
    if (elapsedUs < TRAIN_US || (trainBytes < TRAIN_BYTES && !isSlow)) return;
    if (this.longestGapUs[slot]! < GAP_PART * elapsedUs) {
      const part = isNoisy ? FASTER_PART_NOISY : FASTER_PART;
      const noiseUs = isNoisy ? NOISY_TIMES * this.usualUs[slot]! : 0;
      const sentUs = (stamp - this.beganStamp[slot]!) | 0;
      // Where a queue is full, what comes takes as long as it took to send it with what is lost.
      const came = packets[slot]! - this.beganPackets[slot]!;
      const camePart = came / (came + Math.max(lost[slot]! - this.beganLost[slot]!, 0));
      // Faster than they were sent they come only if something on the way stood still before.
      const bytesPerMs = Math.min((trainBytes * 1000) / Math.max(elapsedUs, sentUs), CARRIES_MASK);
      const isFaster = elapsedUs > noiseUs && sentUs * camePart < part * elapsedUs;
      // Where it takes long to show, the shorter trains behind it are not to hide it.
      if (isFaster) this.found[slot] = bytesPerMs | CARRIES_FASTER;
      else if (!isNoisy || this.found[slot]! >= 0) this.found[slot] = bytesPerMs;
      if (elapsedUs < Math.max(TRAIN_ENDS_US, noiseUs)) return;
    }
    this.begin(slot, stamp, nowUs);
  }

  /** A packet came in that was sent again: its delay says nothing, but it was in the train, too. */
  handleOld(slot: PathSlot, nowUs: number): void {
    this.longestGapUs[slot] = Math.max(this.longestGapUs[slot]!, nowUs - this.lastUs[slot]!);
    this.lastUs[slot] = nowUs;
  }

  /** What has been found since this was asked last, as RECEIVED has it; 0 where nothing was. */
  take(slot: PathSlot): number {
    const found = this.found[slot]!;
    this.found[slot] = 0;
    return found;
  }

  private begin(slot: PathSlot, stamp: number, nowUs: number): void {
    const { bytes, packets, lost } = this.counts;
    this.beganUs[slot] = nowUs;
    this.beganStamp[slot] = stamp;
    this.beganBytes[slot] = bytes[slot]!;
    this.beganPackets[slot] = packets[slot]!;
    this.beganLost[slot] = lost[slot]!;
    this.longestGapUs[slot] = 0;
  }

  private noteUsual(slot: PathSlot, waitedUs: number): void {
    const known = this.usualUs[slot]!;
    const isYoung = this.averaged[slot]! < USUAL_AVERAGED;
    if (isYoung) this.averaged[slot] = this.averaged[slot]! + 1;
    const average = known + (waitedUs - known) / this.averaged[slot]!;
    const step = waitedUs > known ? known * USUAL_STEP : known / USUAL_STEP;
    const next = isYoung ? average : step;
    this.usualUs[slot] = Math.min(Math.max(next, USUAL_MIN_US), USUAL_MAX_US);
  }

  private noteFloor(slot: PathSlot, delayUs: number, nowUs: number): void {
    const elapsedUs = nowUs - this.floorSinceUs[slot]!;
    if (elapsedUs > FLOOR_US) {
      this.floorUs[slot] = elapsedUs > 2 * FLOOR_US ? delayUs : this.newFloorUs[slot]!;
      this.newFloorUs[slot] = delayUs;
      this.floorSinceUs[slot] = nowUs;
    }
    if (((delayUs - this.newFloorUs[slot]!) | 0) < 0) this.newFloorUs[slot] = delayUs;
    if (((delayUs - this.floorUs[slot]!) | 0) < 0) this.floorUs[slot] = delayUs;
  }
}
