/**
 * Why packets are dropped, as whoever reads the counters will see it: "dropped: <reason>". A packet that is handed over
 * to something else (a copy sent on another path, a packet of a bypassed destination) is not dropped.
 */
export const DROP_REASONS = [
  // What the host gave us.
  "malformed-packet",
  "not-routed",
  "too-big",
  "session-table-full",
  "no-usable-path",
  "rate-limit",
  "queue-full",
  "told-to-slow-down",
  // What came in from the network.
  "malformed-datagram",
  "unknown-kind",
  "not-authentic",
  "own-node-id",
  "unknown-node",
  "node-id-clash",
  "node-table-full",
  "unknown-path",
  "no-session-for-compact-form",
  "source-not-of-peer",
  "duplicate-copy",
  "session-closed",
] as const;

export type DropReason = (typeof DROP_REASONS)[number];

/** The columns' indices by name. */
export const DROP = Object.fromEntries(DROP_REASONS.map((reason, index) => [reason, index])) as Readonly<
  Record<DropReason, number>
>;

/** Packets and bytes dropped, a column for each reason. */
export class DropCounters {
  readonly packets = new Float64Array(DROP_REASONS.length);
  readonly bytes = new Float64Array(DROP_REASONS.length);

  count(reason: number, bytes: number): void {
    this.packets[reason]!++;
    this.bytes[reason] = this.bytes[reason]! + bytes;
  }

  /** The reasons for which something was dropped. */
  snapshot(): { reason: DropReason; packets: number; bytes: number }[] {
    return DROP_REASONS.map((reason, i) => ({
      reason,
      packets: this.packets[i]!,
      bytes: this.bytes[i]!,
    })).filter(({ packets }) => packets > 0);
  }
}
