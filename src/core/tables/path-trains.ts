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
/** Packets that had to queue come evenly: no two so far apart. Others waited for something else. */
const GAP_PART = 0.25;
/** They were sent faster than they came if it took this part of the time at most. */
const FASTER_PART = 0.8;

/**
 * What the peer's paths carry, as whoever receives on them sees it: packets that have had to wait behind each other
 * come as fast as the narrowest part of the path lets them through. That needs no long queue, and shows in a few
 * milliseconds.
 */
export class PathTrains {
  // Columns by path slot. The lowest delay of late, as int32, with the clocks' difference in it.
  private readonly floorUs: Int32Array;
  private readonly newFloorUs: Int32Array;
  private readonly floorSinceUs: Float64Array;
  /** When the train's first packet came in, NaN where there is no train, when it was sent, and the bytes up to it. */
  private readonly beganUs: Float64Array;
  private readonly beganStamp: Int32Array;
  private readonly beganBytes: Float64Array;
  private readonly lastUs: Float64Array;
  private readonly longestGapUs: Float64Array;
  /** What is to be told, as it stands in a report. */
  private readonly found: Int32Array;

  constructor(capacity: number) {
    this.floorUs = new Int32Array(capacity);
    this.newFloorUs = new Int32Array(capacity);
    this.floorSinceUs = new Float64Array(capacity).fill(Number.NEGATIVE_INFINITY);
    this.beganUs = new Float64Array(capacity).fill(Number.NaN);
    this.beganStamp = new Int32Array(capacity);
    this.beganBytes = new Float64Array(capacity);
    this.lastUs = new Float64Array(capacity);
    this.longestGapUs = new Float64Array(capacity);
    this.found = new Int32Array(capacity);
  }

  reset(slot: PathSlot): void {
    this.floorSinceUs[slot] = Number.NEGATIVE_INFINITY;
    this.beganUs[slot] = Number.NaN;
    this.found[slot] = 0;
  }

  /**
   * A packet that was sent at `stamp` of the peer's clock came in at `nowUs` of ours, `delayUs` later as an int32;
   * `bytes` have come in on the path in all.
   */
  handlePacket(slot: PathSlot, stamp: number, delayUs: number, bytes: number, nowUs: number): void {
    this.noteFloor(slot, delayUs, nowUs);
    if (((delayUs - this.floorUs[slot]!) | 0) < WAITED_US) {
      this.beganUs[slot] = Number.NaN;
      return;
    }
    const elapsedUs = nowUs - this.beganUs[slot]!;
    if (Number.isNaN(elapsedUs)) {
      this.begin(slot, stamp, bytes, nowUs);
      return;
    }
    this.longestGapUs[slot] = Math.max(this.longestGapUs[slot]!, nowUs - this.lastUs[slot]!);
    this.lastUs[slot] = nowUs;
    const trainBytes = bytes - this.beganBytes[slot]!;
    if (elapsedUs < TRAIN_US || trainBytes < TRAIN_BYTES) return;
    if (this.longestGapUs[slot]! < GAP_PART * elapsedUs) {
      const sentUs = (stamp - this.beganStamp[slot]!) | 0;
      const bytesPerMs = Math.min((trainBytes * 1000) / elapsedUs, CARRIES_MASK);
      this.found[slot] = bytesPerMs | (sentUs < FASTER_PART * elapsedUs ? CARRIES_FASTER : 0);
      if (elapsedUs < TRAIN_ENDS_US) return;
    }
    this.begin(slot, stamp, bytes, nowUs);
  }

  /** What has been found since this was asked last, as RECEIVED has it; 0 where nothing was. */
  take(slot: PathSlot): number {
    const found = this.found[slot]!;
    this.found[slot] = 0;
    return found;
  }

  private begin(slot: PathSlot, stamp: number, bytes: number, nowUs: number): void {
    this.beganUs[slot] = nowUs;
    this.beganStamp[slot] = stamp;
    this.beganBytes[slot] = bytes;
    this.lastUs[slot] = nowUs;
    this.longestGapUs[slot] = 0;
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
