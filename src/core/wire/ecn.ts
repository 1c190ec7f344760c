import { foldSum } from "./checksum.ts";
import { IPV4_CHECKSUM, IPV4_TOS } from "./ipv4.ts";

/** Explicit congestion notification (RFC 3168): the last two bits of the TOS byte or traffic class. */
export const ECN_MASK = 0x03;
export const ECN_NOT_CAPABLE = 0;
export const ECN_CAPABLE_1 = 1;
export const ECN_CAPABLE_0 = 2;
export const ECN_CONGESTION = 3;

const DROP = -1;
/** RFC 6040, figure 4: rows by the inner field, columns by the outer one, in the order of their values. */
const DECAPSULATED = Int8Array.of(
  ...[ECN_NOT_CAPABLE, ECN_NOT_CAPABLE, ECN_NOT_CAPABLE, DROP],
  ...[ECN_CAPABLE_1, ECN_CAPABLE_1, ECN_CAPABLE_1, ECN_CONGESTION],
  ...[ECN_CAPABLE_0, ECN_CAPABLE_1, ECN_CAPABLE_0, ECN_CONGESTION],
  ...[ECN_CONGESTION, ECN_CONGESTION, ECN_CONGESTION, ECN_CONGESTION],
);

/** The field that a packet goes on with, given its own and that of the datagram it came in; -1: it must be dropped. */
export function decapsulatedEcn(inner: number, outer: number): number {
  return DECAPSULATED[((inner & ECN_MASK) << 2) | (outer & ECN_MASK)]!;
}

/** Sets the field in the IP header at `at`, and what its checksum changes by (RFC 1624). */
export function setEcn(view: DataView, at: number, ecn: number): void {
  if (view.getUint8(at) >> 4 === 6) {
    view.setUint8(at + 1, (view.getUint8(at + 1) & ~(ECN_MASK << 4)) | (ecn << 4));
    return;
  }
  const before = view.getUint8(at + IPV4_TOS);
  const after = (before & ~ECN_MASK) | ecn;
  const checksum = view.getUint16(at + IPV4_CHECKSUM);
  view.setUint8(at + IPV4_TOS, after);
  // The TOS byte is the lower half of its word: the upper half cancels out.
  view.setUint16(at + IPV4_CHECKSUM, ~foldSum((~checksum & 0xffff) + (~before & 0xffff) + after));
}
