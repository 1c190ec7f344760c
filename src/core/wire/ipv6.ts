/**
 * IPv6 (RFC 8200), by offset from the fixed header's start. `isIpv6` checks the length once; everything else trusts
 * that it was asked.
 */
export const IPV6_BYTES = 40;
/** Of every link, so that the kernel has no IPv6 on a device with less. */
export const IPV6_MIN_MTU_BYTES = 1280;
/** Version, traffic class and flow label, in one word. */
export const IPV6_FIRST_WORD = 0;
export const IPV6_PAYLOAD_LENGTH = 4;
export const IPV6_NEXT_HEADER = 6;
export const IPV6_HOP_LIMIT = 7;
export const IPV6_SOURCE = 8;
export const IPV6_DESTINATION = 24;

export const IPV6_FLOW_LABEL_MASK = 0x000f_ffff;

export const PROTOCOL_HOP_BY_HOP = 0;
export const PROTOCOL_ROUTING = 43;
export const PROTOCOL_FRAGMENT = 44;
export const PROTOCOL_AUTHENTICATION = 51;
export const PROTOCOL_ICMPV6 = 58;
export const PROTOCOL_NO_NEXT = 59;
export const PROTOCOL_DESTINATION_OPTIONS = 60;

/** The fragment header: offset and flags, by offset from its start. */
const FRAGMENT_BYTES = 8;
const FRAGMENT_OFFSET = 2;
/** More fragments, or a fragment offset. */
const FRAGMENT_MASK = 0xfff9;

/** More extension headers than this are not walked through. */
export const IPV6_EXTENSIONS_MAX = 8;

/** Whether `length` bytes at `at` begin with an IPv6 header. */
export function isIpv6(view: DataView, at: number, length: number): boolean {
  return length >= IPV6_BYTES && view.getUint8(at) >> 4 === 6;
}

export function ipv6TrafficClass(view: DataView, at: number): number {
  return (view.getUint16(at) >> 4) & 0xff;
}

const CHAIN_PROTOCOL_MASK = 0xff;
const CHAIN_BYTES_SHIFT = 8;
const CHAIN_BYTES_MASK = 0xffff;
const CHAIN_FRAGMENT = 1 << 24;

/**
 * Walks through the extension headers of the packet of `length` bytes at `at`: all that the packet says in front of
 * its transport header, in one number that `chainProtocol`, `chainBytes` and `chainIsFragment` take apart.
 *
 * The walk ends at the first header that is no extension header, at the header of a fragment (but not of an atomic one,
 * RFC 6946), at one that runs over the end, and behind IPV6_EXTENSIONS_MAX of them. In the last two cases the protocol
 * is that of an extension header.
 */
export function ipv6Chain(view: DataView, at: number, length: number): number {
  let protocol = view.getUint8(at + IPV6_NEXT_HEADER);
  let bytes = IPV6_BYTES;
  for (let extensions = 0; extensions < IPV6_EXTENSIONS_MAX; extensions++) {
    if (!isExtension(protocol) || length - bytes < 8) break;
    const headerAt = at + bytes;
    const next = view.getUint8(headerAt);
    if (protocol === PROTOCOL_FRAGMENT) {
      bytes += FRAGMENT_BYTES;
      protocol = next;
      if ((view.getUint16(headerAt + FRAGMENT_OFFSET) & FRAGMENT_MASK) === 0) continue;
      return chain(protocol, bytes) | CHAIN_FRAGMENT;
    }
    const size = view.getUint8(headerAt + 1);
    // RFC 4302 §2.2 counts in words of four bytes, the others in words of eight.
    const headerBytes = protocol === PROTOCOL_AUTHENTICATION ? (size + 2) << 2 : (size + 1) << 3;
    if (headerBytes > length - bytes) break;
    bytes += headerBytes;
    protocol = next;
  }
  return chain(protocol, bytes);
}

function isExtension(protocol: number): boolean {
  return (
    protocol === PROTOCOL_HOP_BY_HOP ||
    protocol === PROTOCOL_ROUTING ||
    protocol === PROTOCOL_FRAGMENT ||
    protocol === PROTOCOL_AUTHENTICATION ||
    protocol === PROTOCOL_DESTINATION_OPTIONS
  );
}

function chain(protocol: number, bytes: number): number {
  return protocol | (bytes << CHAIN_BYTES_SHIFT);
}

/** The protocol behind the chain. */
export function chainProtocol(chain: number): number {
  return chain & CHAIN_PROTOCOL_MASK;
}

/** The length of the fixed header and the chain. */
export function chainBytes(chain: number): number {
  return (chain >> CHAIN_BYTES_SHIFT) & CHAIN_BYTES_MASK;
}

/** Whether what stands behind the chain is a part of a larger packet. */
export function chainIsFragment(chain: number): boolean {
  return (chain & CHAIN_FRAGMENT) !== 0;
}
