/**
 * IPv4 (RFC 791), by offset from the header's start. `ipv4HeaderBytes` checks the lengths once; everything else trusts
 * that it was asked.
 */
export const IPV4_MIN_BYTES = 20;
export const IPV4_TOS = 1;
export const IPV4_TOTAL_LENGTH = 2;
export const IPV4_ID = 4;
export const IPV4_FRAGMENT = 6;
export const IPV4_TTL = 8;
export const IPV4_PROTOCOL = 9;
export const IPV4_CHECKSUM = 10;
export const IPV4_SOURCE = 12;
export const IPV4_DESTINATION = 16;

export const IPV4_DONT_FRAGMENT = 0x4000;
/** More fragments, or a fragment offset. */
export const IPV4_FRAGMENT_MASK = 0x3fff;

export const PROTOCOL_ICMP = 1;
export const PROTOCOL_TCP = 6;
export const PROTOCOL_UDP = 17;

/** The length of the header at `at`, or 0 where `length` bytes hold no valid one. */
export function ipv4HeaderBytes(view: DataView, at: number, length: number): number {
  if (length < IPV4_MIN_BYTES) return 0;
  const first = view.getUint8(at);
  const headerBytes = (first & 0x0f) << 2;
  if (first >> 4 !== 4 || headerBytes < IPV4_MIN_BYTES || headerBytes > length) return 0;
  return headerBytes;
}
