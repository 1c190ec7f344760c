import { NONE, type None, type PathSlot } from "../base/ids.ts";

/** What may be sent at once after a pause: so much time at the rate, and at least one super-packet's half. */
const BURST_US = 150_000;
const BURST_MIN_BYTES = 32_768;
/** UDP and IPv4. */
const HEADER_BYTES = 28;

/**
 * How much may be sent: buckets of bytes that fill at a rate and are emptied by what leaves. What is in a bucket may be
 * sent at any speed; one packet, or one super-packet, may take more than is left, and the next waits until that has
 * filled up again. So the rate is kept over any longer time, whatever the size of the packets.
 *
 * A path may have two: that of our line, which all paths by it share, and one that the peer asks for.
 */
export class PathLimits {
  /** Whether there are any limits. */
  inUse = false;
  /** Columns by bucket. */
  private readonly rateBytesPerS: Float64Array;
  private readonly level: Float64Array;
  private readonly updatedUs: Float64Array;
  /** Columns by path: bucket + 1, 0 where there is none. */
  private readonly own: Uint16Array;
  private readonly told: Uint16Array;
  private limited = 0;

  constructor(paths: number, buckets: number) {
    this.rateBytesPerS = new Float64Array(buckets).fill(Number.POSITIVE_INFINITY);
    this.level = new Float64Array(buckets);
    this.updatedUs = new Float64Array(buckets);
    this.own = new Uint16Array(paths);
    this.told = new Uint16Array(paths);
  }

  reset(path: PathSlot): void {
    this.own[path] = 0;
    this.told[path] = 0;
  }

  /** The buckets that a path draws from, or NONE. */
  assign(path: PathSlot, own: number | None, told: number | None): void {
    this.own[path] = own + 1;
    this.told[path] = told + 1;
  }

  /** A bucket whose rate changes begins full. */
  setRate(bucket: number, bytesPerS: number, nowUs: number): void {
    const before = this.rateBytesPerS[bucket]!;
    if (before === bytesPerS) return;
    this.rateBytesPerS[bucket] = bytesPerS;
    this.level[bucket] = burstOf(bytesPerS);
    this.updatedUs[bucket] = nowUs;
    this.limited += Number(Number.isFinite(bytesPerS)) - Number(Number.isFinite(before));
    this.inUse = this.limited > 0;
  }

  /** The rate that a path is held to; Infinity where it is not. */
  rateOf(path: PathSlot): number {
    return Math.min(this.bucketRate(this.own[path]! - 1), this.bucketRate(this.told[path]! - 1));
  }

  /** `bytes` are those of the UDP payload; the headers around it count, too. */
  handleSent(path: PathSlot, packets: number, bytes: number, nowUs: number): void {
    if (!this.inUse) return;
    const total = bytes + packets * HEADER_BYTES;
    this.draw(this.own[path]! - 1, total, nowUs);
    this.draw(this.told[path]! - 1, total, nowUs);
  }

  /** Whether nothing may be sent by a path now. */
  isSpent(path: PathSlot, nowUs: number): boolean {
    if (!this.inUse) return false;
    return this.isEmpty(this.own[path]! - 1, nowUs) || this.isEmpty(this.told[path]! - 1, nowUs);
  }

  private bucketRate(bucket: number): number {
    return bucket === NONE ? Number.POSITIVE_INFINITY : this.rateBytesPerS[bucket]!;
  }

  private isEmpty(bucket: number, nowUs: number): boolean {
    return bucket !== NONE && this.levelAt(bucket, nowUs) <= 0;
  }

  private draw(bucket: number, bytes: number, nowUs: number): void {
    if (bucket === NONE) return;
    this.level[bucket] = this.levelAt(bucket, nowUs) - bytes;
    this.updatedUs[bucket] = nowUs;
  }

  private levelAt(bucket: number, nowUs: number): number {
    const rate = this.rateBytesPerS[bucket]!;
    if (rate === Number.POSITIVE_INFINITY) return rate;
    const filled = this.level[bucket]! + ((nowUs - this.updatedUs[bucket]!) * rate) / 1e6;
    return Math.min(filled, burstOf(rate));
  }
}

function burstOf(bytesPerS: number): number {
  if (bytesPerS === Number.POSITIVE_INFINITY) return bytesPerS;
  return Math.max((bytesPerS * BURST_US) / 1e6, BURST_MIN_BYTES);
}
