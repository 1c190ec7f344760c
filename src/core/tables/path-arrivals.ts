import type { PathSlot } from "../base/ids.ts";
import { sequenceBefore, sequenceDistance } from "../base/seq.ts";
import type { Received } from "../wire/control-body.ts";
import { PathTrains } from "./path-trains.ts";

/** What a path sequence number says of the packet that it came with. */
export const ARRIVAL_NEW = 0;
/** It was counted as lost until now. */
export const ARRIVAL_LATE = 1;
export const ARRIVAL_DUPLICATE = 2;
/** So far behind the highest number that nobody knows whether it is a duplicate; not counted. */
export const ARRIVAL_OLD = 3;

/** Words of bits for each path. The one that is being filled is no part of the window. */
const BLOCKS = 64;
/** Numbers this far behind the highest are told from duplicates. */
export const ARRIVAL_WINDOW = (BLOCKS - 1) * 32;
/** After a silence of so long the newest timestamp is the next one: half the range of timestamps is not far away. */
const SILENCE_US = 60_000_000;
/** A number so far ahead of the highest is none that the peer has come to: hours of its fastest sending. */
const AHEAD_MAX = 1 << 24;
/** Packets too old in a row, numbered one by one, show that the peer counts anew. */
const STRAYS_MAX = 8;

/**
 * What has come in on the paths, by path sequence number: exact loss and duplicates, whatever the order. A number that
 * is missing counts as lost until it comes in after all. Numbers wrap; the bitmap is that of RFC 6479.
 *
 * What the path delivers of the peer's timestamps is kept here too: the delay to be fed back (paper §3.4.2), and the
 * newest timestamp, behind which nothing is on the way any more because a path is first-in first-out.
 */
export class PathArrivals {
  /** Columns by path slot. Packets and bytes are without duplicates. */
  readonly packets: Float64Array;
  readonly bytes: Float64Array;
  readonly lost: Float64Array;
  readonly duplicates: Float64Array;
  readonly old: Float64Array;
  /** The highest number, as int32, since there was one. */
  readonly highest: Int32Array;
  readonly newestTimestampUs: Int32Array;
  /** When that came in, by our clock. */
  readonly newestUs: Float64Array;
  /** The delay of the packet that came last, as int32, and whether it is still to be fed back. */
  readonly delayUs: Int32Array;
  readonly feedbackDue: Uint8Array;
  private readonly trains: PathTrains;
  /** How far the highest number lies behind the first. */
  private readonly span: Float64Array;
  private readonly bits: Int32Array;
  /** Whether there was a number. */
  private readonly isNumbered: Uint8Array;
  private readonly nextStray: Int32Array;
  private readonly strays: Uint8Array;

  constructor(capacity: number) {
    this.packets = new Float64Array(capacity);
    this.bytes = new Float64Array(capacity);
    this.lost = new Float64Array(capacity);
    this.duplicates = new Float64Array(capacity);
    this.old = new Float64Array(capacity);
    this.highest = new Int32Array(capacity);
    this.newestTimestampUs = new Int32Array(capacity);
    this.newestUs = new Float64Array(capacity).fill(Number.NEGATIVE_INFINITY);
    this.delayUs = new Int32Array(capacity);
    this.feedbackDue = new Uint8Array(capacity);
    this.trains = new PathTrains(capacity, this);
    this.span = new Float64Array(capacity);
    this.bits = new Int32Array(capacity * BLOCKS);
    this.isNumbered = new Uint8Array(capacity);
    this.nextStray = new Int32Array(capacity);
    this.strays = new Uint8Array(capacity);
  }

  /** How many numbers are missing between the highest one and `sequence`, which is the next to come in. */
  missingBefore(slot: PathSlot, sequence: number): number {
    return this.isNumbered[slot] === 0 ? 0 : Math.max(sequenceDistance(this.highest[slot]!, sequence) - 1, 0);
  }

  /** A packet of `bytes` bytes with this path sequence number; answers one of ARRIVAL_*. */
  handlePacket(slot: PathSlot, sequence: number, bytes: number): number {
    if (this.isNumbered[slot] === 0) {
      this.begin(slot, sequence);
      this.count(slot, bytes);
      return ARRIVAL_NEW;
    }
    const ahead = sequenceDistance(this.highest[slot]!, sequence);
    if (ahead > 0) {
      this.advance(slot, sequence, ahead);
      this.count(slot, bytes);
      return ARRIVAL_NEW;
    }
    if (-ahead >= ARRIVAL_WINDOW) return this.handleStray(slot, sequence, bytes);
    const block = slot * BLOCKS + ((sequence >>> 5) & (BLOCKS - 1));
    const bit = 1 << (sequence & 31);
    if ((this.bits[block]! & bit) !== 0) {
      this.duplicates[slot]!++;
      return ARRIVAL_DUPLICATE;
    }
    this.bits[block] = this.bits[block]! | bit;
    // What was sent before the first packet that came was never counted as lost.
    if (-ahead <= this.span[slot]!) this.lost[slot]!--;
    this.count(slot, bytes);
    return ARRIVAL_LATE;
  }

  /** Whether the peer may have come to this number: it is about where the others were. */
  mayFollow(slot: PathSlot, sequence: number): boolean {
    if (this.isNumbered[slot] === 0) return true;
    const ahead = sequenceDistance(this.highest[slot]!, sequence);
    return ahead > -ARRIVAL_WINDOW && ahead < AHEAD_MAX;
  }

  /** The peer counts its packets anew: it has another path here. */
  renew(slot: PathSlot): void {
    this.isNumbered[slot] = 0;
    this.strays[slot] = 0;
  }

  /** A packet without a number: the peer speaks the paper's wire format. */
  handleUnnumbered(slot: PathSlot, bytes: number): void {
    this.count(slot, bytes);
  }

  /** A packet that was sent at `timestampUs` of the peer's clock, which has gained so much on ours, came in at `nowUs`. */
  handleTimestamp(slot: PathSlot, timestampUs: number, nowUs: number, gainedUs: number): void {
    const silentUs = nowUs - this.newestUs[slot]!;
    // A path is first-in first-out: what is older than the newest was sent again, and says nothing of the delay.
    if (silentUs <= SILENCE_US && sequenceBefore(timestampUs, this.newestTimestampUs[slot]!)) {
      this.trains.handleOld(slot, nowUs);
      return;
    }
    this.delayUs[slot] = (nowUs | 0) - timestampUs;
    this.feedbackDue[slot] = 1;
    this.newestTimestampUs[slot] = timestampUs;
    this.newestUs[slot] = nowUs;
    this.trains.handlePacket(slot, timestampUs, (this.delayUs[slot]! + gainedUs) | 0, nowUs);
  }

  /** Puts what the peer is told of the path into `into`, once; its `path` is the caller's. */
  received(slot: PathSlot, into: Received): Received {
    const bytes = this.bytes[slot]!;
    into.packets = this.packets[slot]! | 0;
    into.bytesHigh = Math.floor(bytes / 2 ** 32) | 0;
    into.bytesLow = bytes | 0;
    into.lost = this.lost[slot]! | 0;
    into.highest = this.highest[slot]!;
    into.carries = this.trains.take(slot);
    return into;
  }

  reset(slot: PathSlot): void {
    this.packets[slot] = 0;
    this.bytes[slot] = 0;
    this.lost[slot] = 0;
    this.duplicates[slot] = 0;
    this.old[slot] = 0;
    this.highest[slot] = 0;
    this.newestTimestampUs[slot] = 0;
    this.delayUs[slot] = 0;
    this.feedbackDue[slot] = 0;
    this.strays[slot] = 0;
    this.isNumbered[slot] = 0;
    this.newestUs[slot] = Number.NEGATIVE_INFINITY;
    this.trains.reset(slot);
  }

  private count(slot: PathSlot, bytes: number): void {
    this.packets[slot]!++;
    this.bytes[slot] = this.bytes[slot]! + bytes;
    this.strays[slot] = 0;
  }

  private begin(slot: PathSlot, sequence: number): void {
    this.bits.fill(0, slot * BLOCKS, (slot + 1) * BLOCKS);
    this.bits[slot * BLOCKS + ((sequence >>> 5) & (BLOCKS - 1))] = 1 << (sequence & 31);
    this.highest[slot] = sequence;
    this.isNumbered[slot] = 1;
    this.span[slot] = 0;
  }

  private advance(slot: PathSlot, sequence: number, ahead: number): void {
    const from = this.highest[slot]! >>> 5;
    const blocks = Math.min(((sequence >>> 5) - from) & 0x07ff_ffff, BLOCKS);
    const first = slot * BLOCKS;
    for (let i = 1; i <= blocks; i++) this.bits[first + ((from + i) & (BLOCKS - 1))] = 0;
    const block = first + ((sequence >>> 5) & (BLOCKS - 1));
    this.bits[block] = this.bits[block]! | (1 << (sequence & 31));
    this.highest[slot] = sequence;
    this.span[slot] = this.span[slot]! + ahead;
    this.lost[slot] = this.lost[slot]! + ahead - 1;
  }

  private handleStray(slot: PathSlot, sequence: number, bytes: number): number {
    const inRow = this.strays[slot]! > 0 && sequence === this.nextStray[slot];
    this.strays[slot] = inRow ? this.strays[slot]! + 1 : 1;
    this.nextStray[slot] = sequence + 1;
    if (this.strays[slot]! < STRAYS_MAX) {
      this.old[slot]!++;
      return ARRIVAL_OLD;
    }
    this.begin(slot, sequence);
    this.count(slot, bytes);
    return ARRIVAL_NEW;
  }
}
