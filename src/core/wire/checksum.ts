import { IPV4_CHECKSUM, IPV4_SOURCE } from "./ipv4.ts";
import { IPV6_SOURCE } from "./ipv6.ts";

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

/** Sets the checksum of the IPv4 header at `at`. */
export function setIpv4Checksum(view: DataView, at: number, headerBytes: number): void {
  view.setUint16(at + IPV4_CHECKSUM, 0);
  view.setUint16(at + IPV4_CHECKSUM, ~foldSum(sumBytes(view, at, headerBytes, 0)));
}

/** The sum of the IPv4 pseudo-header for a transport header and payload of `length` bytes. */
export function sumIpv4Pseudo(view: DataView, ipAt: number, protocol: number, length: number): number {
  return sumBytes(view, ipAt + IPV4_SOURCE, 8, protocol + length);
}

/** The sum of the IPv6 pseudo-header (RFC 8200 §8.1). */
export function sumIpv6Pseudo(view: DataView, ipAt: number, protocol: number, length: number): number {
  return sumBytes(view, ipAt + IPV6_SOURCE, 32, protocol + length);
}
