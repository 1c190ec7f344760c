import type { NodeSlot, PathSlot } from "../base/ids.ts";
import { addressText } from "../wire/address.ts";
import type { Paths } from "./paths.ts";

/** By USE_*. */
const USE_NAMES = ["no", "suspect", "backup", "yes"] as const;

/** A path for people. */
export interface PathReport {
  slot: PathSlot;
  node: NodeSlot;
  id: number;
  peerId: number;
  name: string;
  device: string;
  local: string;
  remote: string;
  port: number;
  state: number;
  use: (typeof USE_NAMES)[number];
  weight: number;
  /** The largest outer IP packet that gets through. */
  mtuBytes: number;
  /** One way, with the clocks' difference taken out as far as it is known. */
  delayUs: number | undefined;
  queuingUs: number | undefined;
  queuingMaxUs: number | undefined;
  rttUs: number | undefined;
  deliveredBytesPerS: number;
  /** What the path was seen to carry while packets had to wait for it. */
  capacityBytesPerS: number | undefined;
  /** The wait at which packets are lost. */
  lossQueueUs: number | undefined;
  loss: number;
  sentPackets: number;
  sentBytes: number;
  receivedPackets: number;
  receivedBytes: number;
  receivedLost: number;
  duplicates: number;
}

export function pathReport(paths: Paths, slot: PathSlot): PathReport {
  const { delays, arrivals, delivery, queues } = paths;
  const node = paths.nodeOf(slot);
  const isMeasured = delays.samples[slot] !== 0;
  const delayUs = delays.delayUs[slot]! - paths.clockOffsetUs(node);
  return {
    slot,
    node,
    id: paths.id[slot]!,
    peerId: paths.peerId[slot]!,
    name: paths.names[slot]!,
    device: paths.devices[slot]!,
    local: addressText(paths.locals, 4 * slot),
    remote: addressText(paths.remotes, paths.remoteAt(slot)),
    port: paths.port(slot),
    state: paths.state[slot]!,
    use: USE_NAMES[paths.useOf(slot)]!,
    weight: paths.weight[slot]!,
    mtuBytes: paths.mtuBytes[slot]!,
    delayUs: isMeasured && !Number.isNaN(delayUs) ? delayUs : undefined,
    queuingUs: isMeasured ? delays.queuingUs[slot]! : undefined,
    queuingMaxUs: isMeasured ? delays.queuingMaxUs[slot]! : undefined,
    rttUs: delays.rttUs[slot] || undefined,
    deliveredBytesPerS: delivery.rateBytesPerS[slot]!,
    capacityBytesPerS: Number.isFinite(queues.rateBytesPerS[slot]!) ? queues.rateBytesPerS[slot]! : undefined,
    lossQueueUs: queues.lossUs[slot] || undefined,
    loss: delivery.loss[slot]!,
    sentPackets: paths.sentPackets[slot]!,
    sentBytes: paths.sentBytes[slot]!,
    receivedPackets: arrivals.packets[slot]!,
    receivedBytes: arrivals.bytes[slot]!,
    receivedLost: arrivals.lost[slot]!,
    duplicates: arrivals.duplicates[slot]!,
  };
}

/** All paths, in the order of the slots. */
export function pathReports(paths: Paths): PathReport[] {
  const reports: PathReport[] = [];
  for (let slot = 0; slot < paths.slab.top; slot++) {
    if (paths.slab.has(slot)) reports.push(pathReport(paths, slot as PathSlot));
  }
  return reports;
}
