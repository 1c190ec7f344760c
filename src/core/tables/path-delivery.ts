import type { PathSlot } from "../base/ids.ts";
import { sequenceDistance } from "../base/seq.ts";
import type { Received } from "../wire/control-body.ts";

/** The rate is an average over about this time, the loss over about as many packets. */
const RATE_US = 1_000_000;
const LOSS_PACKETS = 256;

/**
 * What the peer says that it has received on our paths (RECEIVED in its control packets): delivered rate and loss in
 * our sending direction. Reports are totals, so one that is lost takes nothing with it; one that was overtaken is
 * ignored.
 */
export class PathDelivery {
  /** Columns by path slot. */
  readonly rateBytesPerS: Float64Array;
  /** From 0 to 1. */
  readonly loss: Float64Array;
  readonly reports: Uint32Array;
  /** The highest path sequence number that has come in, as int32. */
  readonly highest: Int32Array;
  /** Lost in all, as int32, by the last report. */
  readonly lost: Int32Array;
  // The last report.
  private readonly bytes: Float64Array;
  private readonly timestampUs: Int32Array;
  private readonly packets: Int32Array;

  constructor(capacity: number) {
    this.rateBytesPerS = new Float64Array(capacity);
    this.loss = new Float64Array(capacity);
    this.reports = new Uint32Array(capacity);
    this.highest = new Int32Array(capacity);
    this.timestampUs = new Int32Array(capacity);
    this.packets = new Int32Array(capacity);
    this.lost = new Int32Array(capacity);
    this.bytes = new Float64Array(capacity);
  }

  /** `timestampUs` is that of the packet that the report came in: the peer's clock when it was made. */
  handleReport(slot: PathSlot, report: Readonly<Received>, timestampUs: number): void {
    const isFirst = this.reports[slot] === 0;
    const elapsedUs = sequenceDistance(this.timestampUs[slot]!, timestampUs);
    const packets = sequenceDistance(this.packets[slot]!, report.packets);
    // Overtaken; with more packets it came after a silence of half the timestamps' range.
    if (!isFirst && elapsedUs <= 0 && packets <= 0) return;
    const bytes = (report.bytesHigh >>> 0) * 2 ** 32 + (report.bytesLow >>> 0);
    const lost = sequenceDistance(this.lost[slot]!, report.lost);
    const moreBytes = bytes - this.bytes[slot]!;
    // Totals that fall: the peer counts anew.
    if (!isFirst && elapsedUs > 0 && packets >= 0 && moreBytes >= 0) {
      const rate = (moreBytes * 1e6) / elapsedUs;
      const known = this.rateBytesPerS[slot]!;
      // The second report gives the first rate.
      const gain = this.reports[slot] === 1 ? 1 : elapsedUs / (elapsedUs + RATE_US);
      this.rateBytesPerS[slot] = known + gain * (rate - known);
      // Late packets are taken back out of the loss that they were counted in.
      const sent = Math.max(packets + lost, 0);
      const average = (this.loss[slot]! * LOSS_PACKETS + lost) / (LOSS_PACKETS + sent);
      this.loss[slot] = Math.min(Math.max(average, 0), 1);
    }
    this.highest[slot] = report.highest;
    this.timestampUs[slot] = timestampUs;
    this.packets[slot] = report.packets;
    this.lost[slot] = report.lost;
    this.bytes[slot] = bytes;
    this.reports[slot]!++;
  }

  reset(slot: PathSlot): void {
    this.rateBytesPerS[slot] = 0;
    this.loss[slot] = 0;
    this.reports[slot] = 0;
  }
}
