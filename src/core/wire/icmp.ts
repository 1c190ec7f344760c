/** ICMP (RFC 792) and ICMPv6 (RFC 4443), by offset from the header's start. */
export const ICMP_BYTES = 8;
export const ICMP_TYPE = 0;
export const ICMP_CODE = 1;
export const ICMP_CHECKSUM = 2;
export const ICMP_ECHO_ID = 4;
export const ICMP_ECHO_SEQUENCE = 6;
/** 16 bits, in FRAGMENTATION_NEEDED (RFC 1191). */
export const ICMP_NEXT_HOP_MTU = 6;
/** 32 bits, in TOO_BIG. */
export const ICMPV6_MTU = 4;
/** Where an error quotes the packet that it is about. */
export const ICMP_QUOTED = 8;

export const ICMP_ECHO_REPLY = 0;
export const ICMP_UNREACHABLE = 3;
export const ICMP_ECHO = 8;
export const ICMP_TIME_EXCEEDED = 11;
/** Codes of an UNREACHABLE. */
export const ICMP_HOST_UNREACHABLE = 1;
export const ICMP_FRAGMENTATION_NEEDED = 4;

export const ICMPV6_UNREACHABLE = 1;
export const ICMPV6_TOO_BIG = 2;
export const ICMPV6_TIME_EXCEEDED = 3;
export const ICMPV6_PARAMETER_PROBLEM = 4;
export const ICMPV6_ECHO = 128;
export const ICMPV6_ECHO_REPLY = 129;

/** The packet that an ICMP error quotes is cut so that the error has at most so many bytes (RFC 1812 §4.3.2.3). */
export const ICMP_ERROR_MAX_BYTES = 576;
/** The same for ICMPv6 (RFC 4443 §2.4 (c)): the smallest MTU of IPv6. */
export const ICMPV6_ERROR_MAX_BYTES = 1280;

/** The ID of the echo request or reply in `length` bytes at `at`; -1 where there is none. */
export function icmpEchoId(view: DataView, at: number, length: number): number {
  if (length < ICMP_BYTES) return -1;
  const type = view.getUint8(at + ICMP_TYPE);
  return type === ICMP_ECHO || type === ICMP_ECHO_REPLY ? view.getUint16(at + ICMP_ECHO_ID) : -1;
}

/** The same for ICMPv6. */
export function icmpv6EchoId(view: DataView, at: number, length: number): number {
  if (length < ICMP_BYTES) return -1;
  const type = view.getUint8(at + ICMP_TYPE);
  return type === ICMPV6_ECHO || type === ICMPV6_ECHO_REPLY ? view.getUint16(at + ICMP_ECHO_ID) : -1;
}
