import { copyWords } from "../base/bytes.ts";
import { foldSum, setIpv4Checksum, sumBytes, sumIpv6Pseudo } from "./checksum.ts";
import {
  ICMP_BYTES,
  ICMP_CHECKSUM,
  ICMP_CODE,
  ICMP_ECHO,
  ICMP_ECHO_REPLY,
  ICMP_ERROR_MAX_BYTES,
  ICMP_FRAGMENTATION_NEEDED,
  ICMP_HOST_UNREACHABLE,
  ICMP_NEXT_HOP_MTU,
  ICMP_TYPE,
  ICMP_UNREACHABLE,
  ICMPV6_ECHO,
  ICMPV6_ERROR_MAX_BYTES,
  ICMPV6_MTU,
  ICMPV6_TOO_BIG,
  ICMPV6_UNREACHABLE,
} from "./icmp.ts";
import {
  IPV4_DESTINATION,
  IPV4_DONT_FRAGMENT,
  IPV4_FRAGMENT,
  IPV4_MIN_BYTES,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
  IPV4_TOTAL_LENGTH,
  IPV4_TTL,
  PROTOCOL_ICMP,
} from "./ipv4.ts";
import {
  IPV6_BYTES,
  IPV6_DESTINATION,
  IPV6_FIRST_WORD,
  IPV6_HOP_LIMIT,
  IPV6_NEXT_HEADER,
  IPV6_PAYLOAD_LENGTH,
  IPV6_SOURCE,
  PROTOCOL_ICMPV6,
} from "./ipv6.ts";

const IPV4_VERSION_AND_LENGTH = 0x45;
const IPV6_VERSION = 0x6000_0000;
const IPV4_OFFSET_MASK = 0x1fff;
const TTL = 64;

/** The largest error that is written here. */
export const ICMP_ERROR_BYTES = ICMPV6_ERROR_MAX_BYTES;

/**
 * Writes the ICMP error to `at` that tells the sender of the IP packet at `packetAt` that packets there may have
 * `mtuBytes` bytes (RFC 1191, RFC 8201), as if its destination had sent it. Answers its length, 0 where there is to be
 * none: for a packet that may be fragmented, a fragment other than the first, or an ICMP error.
 */
export function writeTooBig(
  view: DataView,
  at: number,
  packetAt: number,
  packetBytes: number,
  mtuBytes: number,
): number {
  if (view.getUint8(packetAt) >> 4 === 4) {
    if ((view.getUint16(packetAt + IPV4_FRAGMENT) & IPV4_DONT_FRAGMENT) === 0) return 0;
    return writeError4(view, at, packetAt, packetBytes, ICMP_FRAGMENTATION_NEEDED, mtuBytes);
  }
  return writeError6(view, at, packetAt, packetBytes, ICMPV6_TOO_BIG, mtuBytes);
}

/** The same to say that there is no way to the destination, of any packet but a later fragment or an ICMP error. */
export function writeUnreachable(view: DataView, at: number, packetAt: number, packetBytes: number): number {
  return view.getUint8(packetAt) >> 4 === 4
    ? writeError4(view, at, packetAt, packetBytes, ICMP_HOST_UNREACHABLE, 0)
    : writeError6(view, at, packetAt, packetBytes, ICMPV6_UNREACHABLE, 0);
}

/** An UNREACHABLE; `mtu` stands in it where its code has one. */
function writeError4(
  view: DataView,
  at: number,
  packetAt: number,
  packetBytes: number,
  code: number,
  mtu: number,
): number {
  if ((view.getUint16(packetAt + IPV4_FRAGMENT) & IPV4_OFFSET_MASK) !== 0) return 0;
  if (view.getUint8(packetAt + IPV4_PROTOCOL) === PROTOCOL_ICMP) {
    const type = view.getUint8(packetAt + (view.getUint8(packetAt) & 0x0f) * 4 + ICMP_TYPE);
    if (type !== ICMP_ECHO && type !== ICMP_ECHO_REPLY) return 0;
  }
  const head = IPV4_MIN_BYTES + ICMP_BYTES;
  const quoted = Math.min(packetBytes, ICMP_ERROR_MAX_BYTES - head);
  view.setUint32(at, 0);
  view.setUint8(at, IPV4_VERSION_AND_LENGTH);
  view.setUint16(at + IPV4_TOTAL_LENGTH, head + quoted);
  view.setUint32(at + 4, IPV4_DONT_FRAGMENT);
  view.setUint8(at + IPV4_TTL, TTL);
  view.setUint8(at + IPV4_PROTOCOL, PROTOCOL_ICMP);
  view.setUint32(at + IPV4_SOURCE, view.getUint32(packetAt + IPV4_DESTINATION));
  view.setUint32(at + IPV4_DESTINATION, view.getUint32(packetAt + IPV4_SOURCE));
  setIpv4Checksum(view, at, IPV4_MIN_BYTES);
  const icmpAt = at + IPV4_MIN_BYTES;
  writeIcmp(view, icmpAt, ICMP_UNREACHABLE, code, packetAt, quoted);
  view.setUint16(icmpAt + ICMP_NEXT_HOP_MTU, mtu);
  const sum = sumBytes(view, icmpAt, ICMP_BYTES + quoted, 0);
  view.setUint16(icmpAt + ICMP_CHECKSUM, ~foldSum(sum));
  return head + quoted;
}

/** An error of a type, with the code 0. */
function writeError6(
  view: DataView,
  at: number,
  packetAt: number,
  packetBytes: number,
  type: number,
  mtu: number,
): number {
  if (view.getUint8(packetAt + IPV6_NEXT_HEADER) === PROTOCOL_ICMPV6) {
    if (view.getUint8(packetAt + IPV6_BYTES + ICMP_TYPE) < ICMPV6_ECHO) return 0;
  }
  const head = IPV6_BYTES + ICMP_BYTES;
  const quoted = Math.min(packetBytes, ICMPV6_ERROR_MAX_BYTES - head);
  view.setUint32(at + IPV6_FIRST_WORD, IPV6_VERSION);
  view.setUint16(at + IPV6_PAYLOAD_LENGTH, ICMP_BYTES + quoted);
  view.setUint8(at + IPV6_NEXT_HEADER, PROTOCOL_ICMPV6);
  view.setUint8(at + IPV6_HOP_LIMIT, TTL);
  copyWords(view, at + IPV6_SOURCE, packetAt + IPV6_DESTINATION, 16);
  copyWords(view, at + IPV6_DESTINATION, packetAt + IPV6_SOURCE, 16);
  const icmpAt = at + IPV6_BYTES;
  writeIcmp(view, icmpAt, type, 0, packetAt, quoted);
  view.setUint32(icmpAt + ICMPV6_MTU, mtu);
  const pseudo = sumIpv6Pseudo(view, at, PROTOCOL_ICMPV6, ICMP_BYTES + quoted);
  view.setUint16(icmpAt + ICMP_CHECKSUM, ~foldSum(sumBytes(view, icmpAt, ICMP_BYTES + quoted, pseudo)));
  return head + quoted;
}

/** Header and quoted packet, with a checksum of 0. */
function writeIcmp(
  view: DataView,
  at: number,
  type: number,
  code: number,
  packetAt: number,
  quoted: number,
): void {
  view.setUint32(at, 0);
  view.setUint32(at + 4, 0);
  view.setUint8(at + ICMP_TYPE, type);
  view.setUint8(at + ICMP_CODE, code);
  for (let i = 0; i < quoted; i++) view.setUint8(at + ICMP_BYTES + i, view.getUint8(packetAt + i));
}
