import { isMappedIpv4, readIpv4Address, readIpv6Address } from "./address.ts";
import { icmpEchoId, icmpv6EchoId } from "./icmp.ts";
import {
  IPV4_DESTINATION,
  IPV4_DONT_FRAGMENT,
  IPV4_FRAGMENT,
  IPV4_FRAGMENT_MASK,
  IPV4_MIN_BYTES,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
  IPV4_TOS,
  IPV4_TOTAL_LENGTH,
  IPV4_TTL,
  ipv4HeaderBytes,
  PROTOCOL_ICMP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
} from "./ipv4.ts";
import {
  chainBytes,
  chainIsFragment,
  chainProtocol,
  IPV6_BYTES,
  IPV6_DESTINATION,
  IPV6_FIRST_WORD,
  IPV6_FLOW_LABEL_MASK,
  IPV6_HOP_LIMIT,
  IPV6_PAYLOAD_LENGTH,
  IPV6_SOURCE,
  ipv6Chain,
  ipv6TrafficClass,
  isIpv6,
  PROTOCOL_ICMPV6,
} from "./ipv6.ts";
import { TCP_ACK, TCP_DESTINATION, TCP_FLAGS, TCP_SOURCE, TCP_SYN, tcpHeaderBytes } from "./tcp.ts";
import { UDP_BYTES, UDP_DESTINATION, UDP_LENGTH, UDP_SOURCE } from "./udp.ts";

/**
 * What an IP packet says of itself: which session it belongs to, what a session's template would have to restore, and
 * where its parts stand. One record that is used over and over.
 */
export class Flow {
  /** 4 or 6. */
  version = 0;
  /** Addresses as plans have them. IPv4 ones are never those of an IPv6 packet. */
  readonly source = new Int32Array(4);
  readonly destination = new Int32Array(4);
  protocol = 0;
  /** Of TCP and UDP; of an ICMP echo its ID in both; 0 where there are none or, in a fragment, need not be. */
  sourcePort = 0;
  destinationPort = 0;

  /** TOS byte or traffic class, ECN included. */
  tos = 0;
  /** TTL or hop limit. */
  ttl = 0;
  /** Of IPv6. */
  flowLabel = 0;
  /** Always so for IPv6. */
  dontFragment = false;
  isFragment = false;
  /** Whether the IP header has options or extension headers. */
  hasOptions = false;

  /** The IP header, its options and the extension headers. */
  ipAt = 0;
  ipBytes = 0;
  /** The TCP or UDP header; 0 bytes where the packet has no valid one. */
  transportAt = 0;
  transportBytes = 0;
  payloadAt = 0;
  payloadBytes = 0;
  /**
   * Whether the packet has nothing but an IP header as a template restores it and a TCP or UDP header, both of which
   * agree on its length.
   */
  compactable = false;

  /** The length of the packet, by its IP header. */
  get packetBytes(): number {
    return this.ipBytes + this.transportBytes + this.payloadBytes;
  }

  /**
   * Parses the IP packet at the start of `length` bytes at `at`; false, and the record is undefined, where there is
   * none, where it is longer than that, and where an IPv6 packet has an IPv4-mapped address.
   */
  parse(view: DataView, at: number, length: number): boolean {
    const ipv4Bytes = ipv4HeaderBytes(view, at, length);
    if (ipv4Bytes !== 0) return this.parseIpv4(view, at, length, ipv4Bytes);
    return isIpv6(view, at, length) && this.parseIpv6(view, at, length);
  }

  private parseIpv4(view: DataView, at: number, length: number, ipBytes: number): boolean {
    const packetBytes = view.getUint16(at + IPV4_TOTAL_LENGTH);
    if (packetBytes < ipBytes || packetBytes > length) return false;
    const fragment = view.getUint16(at + IPV4_FRAGMENT);
    this.version = 4;
    readIpv4Address(view, at + IPV4_SOURCE, this.source, 0);
    readIpv4Address(view, at + IPV4_DESTINATION, this.destination, 0);
    this.protocol = view.getUint8(at + IPV4_PROTOCOL);
    this.tos = view.getUint8(at + IPV4_TOS);
    this.ttl = view.getUint8(at + IPV4_TTL);
    this.flowLabel = 0;
    this.dontFragment = (fragment & IPV4_DONT_FRAGMENT) !== 0;
    this.isFragment = (fragment & IPV4_FRAGMENT_MASK) !== 0;
    this.hasOptions = ipBytes !== IPV4_MIN_BYTES;
    this.parseTransport(view, at, ipBytes, packetBytes);
    return true;
  }

  private parseIpv6(view: DataView, at: number, length: number): boolean {
    const packetBytes = IPV6_BYTES + view.getUint16(at + IPV6_PAYLOAD_LENGTH);
    if (packetBytes > length) return false;
    this.version = 6;
    readIpv6Address(view, at + IPV6_SOURCE, this.source, 0);
    readIpv6Address(view, at + IPV6_DESTINATION, this.destination, 0);
    if (isMappedIpv4(this.source, 0) || isMappedIpv4(this.destination, 0)) return false;
    const chain = ipv6Chain(view, at, packetBytes);
    const ipBytes = chainBytes(chain);
    this.protocol = chainProtocol(chain);
    this.tos = ipv6TrafficClass(view, at);
    this.ttl = view.getUint8(at + IPV6_HOP_LIMIT);
    this.flowLabel = view.getInt32(at + IPV6_FIRST_WORD) & IPV6_FLOW_LABEL_MASK;
    this.dontFragment = true;
    this.isFragment = chainIsFragment(chain);
    this.hasOptions = ipBytes !== IPV6_BYTES;
    this.parseTransport(view, at, ipBytes, packetBytes);
    return true;
  }

  private parseTransport(view: DataView, at: number, ipBytes: number, packetBytes: number): void {
    const transportAt = at + ipBytes;
    const left = packetBytes - ipBytes;
    let transportBytes = 0;
    let lengthsAgree = false;
    this.sourcePort = 0;
    this.destinationPort = 0;
    if (!this.isFragment) {
      if (this.protocol === PROTOCOL_TCP) {
        transportBytes = tcpHeaderBytes(view, transportAt, left);
        lengthsAgree = true;
        if (transportBytes !== 0) {
          this.sourcePort = view.getUint16(transportAt + TCP_SOURCE);
          this.destinationPort = view.getUint16(transportAt + TCP_DESTINATION);
        }
      } else if (this.protocol === PROTOCOL_UDP) {
        if (left >= UDP_BYTES) {
          transportBytes = UDP_BYTES;
          lengthsAgree = view.getUint16(transportAt + UDP_LENGTH) === left;
          this.sourcePort = view.getUint16(transportAt + UDP_SOURCE);
          this.destinationPort = view.getUint16(transportAt + UDP_DESTINATION);
        }
      } else {
        this.parseEcho(view, transportAt, left);
      }
    }
    this.ipAt = at;
    this.ipBytes = ipBytes;
    this.transportAt = transportAt;
    this.transportBytes = transportBytes;
    this.payloadAt = transportAt + transportBytes;
    this.payloadBytes = left - transportBytes;
    this.compactable = transportBytes !== 0 && lengthsAgree && !this.hasOptions;
  }

  /** What it takes in so many packets, each with all of its headers. */
  bytesIn(packets: number): number {
    return packets * (this.ipBytes + this.transportBytes) + this.payloadBytes;
  }

  /**
   * Whether the sender of the packet is who has opened its session, as far as it shows. A TCP session that is older than
   * what is known of it was opened by whoever has the higher port: services have low ones.
   */
  isFromOpener(view: DataView): boolean {
    if (this.protocol !== PROTOCOL_TCP || this.transportBytes === 0) return true;
    const flags = view.getUint8(this.transportAt + TCP_FLAGS);
    return flags & TCP_SYN ? (flags & TCP_ACK) === 0 : this.sourcePort >= this.destinationPort;
  }

  private parseEcho(view: DataView, at: number, length: number): void {
    let id = -1;
    if (this.version === 4 && this.protocol === PROTOCOL_ICMP) id = icmpEchoId(view, at, length);
    else if (this.version === 6 && this.protocol === PROTOCOL_ICMPV6) id = icmpv6EchoId(view, at, length);
    if (id < 0) return;
    this.sourcePort = id;
    this.destinationPort = id;
  }
}
