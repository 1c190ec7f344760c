import { IPV4_CHECKSUM, IPV4_SOURCE, PROTOCOL_UDP } from "./ipv4.ts";
import { IPV6_SOURCE } from "./ipv6.ts";
import { UDP_CHECKSUM } from "./udp.ts";

/**
 * The Internet checksum (RFC 1071). A sum is a plain number that is folded at the end: the words of the longest packet
 * add up to less than 2^32.
 */

/** Adds `length` bytes from `at` on. Where pieces are added one by one, all but the last must have an even length. */
export function sumBytes(view: DataView, at: number, length: number, sum: number): number {
  let total = sum;
  const end = at + length;
  let i = at;
  for (; i + 1 < end; i += 2) total += view.getUint16(i);
  return i < end ? total + (view.getUint8(i) << 8) : total;
}

/** Folds a sum to the 16 bits that stand in a header, not yet complemented. */
export function foldSum(sum: number): number {
  const folded = (sum & 0xffff) + (sum >>> 16);
  return (folded & 0xffff) + (folded >>> 16);
}

/**
 * The checksum of TCP or UDP that a sum leads to. RFC 768: 0 would mean that UDP has none; in one's complement 0xffff is
 * the same number.
 */
export function transportChecksum(sum: number): number {
  return ~foldSum(sum) & 0xffff || 0xffff;
}

/** Sets the checksum of the IPv4 header at `at`. */
export function setIpv4Checksum(view: DataView, at: number, headerBytes: number): void {
  view.setUint16(at + IPV4_CHECKSUM, 0);
  view.setUint16(at + IPV4_CHECKSUM, ~foldSum(sumBytes(view, at, headerBytes, 0)));
}

/** The sum of the IPv4 pseudo-header for a transport header and payload of `length` bytes. */
export function sumIpv4Pseudo(view: DataView, ipAt: number, protocol: number, length: number): number {
  return sumBytes(view, ipAt + IPV4_SOURCE, 8, protocol + length);
}

/**
 * Whether the checksum in the TCP or UDP header at `at` is that of the `length` bytes of header and payload there, in a
 * packet with the addresses of the IP header at `ipAt`. A UDP checksum of 0 over IPv4 means that there is none.
 */
export function transportChecksumHolds(
  view: DataView,
  ipAt: number,
  protocol: number,
  at: number,
  length: number,
): boolean {
  const isIpv4 = view.getUint8(ipAt) >> 4 === 4;
  if (protocol === PROTOCOL_UDP && view.getUint16(at + UDP_CHECKSUM) === 0) return isIpv4;
  const pseudo = isIpv4
    ? sumIpv4Pseudo(view, ipAt, protocol, length)
    : sumIpv6Pseudo(view, ipAt, protocol, length);
  return foldSum(sumBytes(view, at, length, pseudo)) === 0xffff;
}

/** The sum of the IPv6 pseudo-header (RFC 8200 §8.1). */
export function sumIpv6Pseudo(view: DataView, ipAt: number, protocol: number, length: number): number {
  return sumBytes(view, ipAt + IPV6_SOURCE, 32, protocol + length);
}
