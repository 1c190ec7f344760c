import { VNET_GSO_NONE, VNET_GSO_SIZE, VNET_GSO_TYPE, VNET_HEADER_BYTES } from "../batch/layout.ts";
import {
  IPV4_FRAGMENT,
  IPV4_FRAGMENT_MASK,
  IPV4_PROTOCOL,
  ipv4HeaderBytes,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
} from "./ipv4.ts";
import { chainBytes, chainIsFragment, chainProtocol, ipv6Chain, isIpv6 } from "./ipv6.ts";
import { tcpHeaderBytes } from "./tcp.ts";
import { UDP_BYTES } from "./udp.ts";

/** One packet as the TUN device gave it, parsed into one record that is used over and over. All places are in the arena. */
export class TunPacket {
  /** 4 or 6. */
  version = 0;
  ipAt = 0;
  /** The IP header, its options and the extension headers. */
  ipBytes = 0;
  /** TCP, UDP, or 0 for whatever is carried whole: other protocols, fragments. */
  protocol = 0;
  transportAt = 0;
  transportBytes = 0;
  payloadAt = 0;
  payloadBytes = 0;
  /** Segments that the payload is to be cut into, and the size of each but the last. */
  segments = 0;
  segmentBytes = 0;

  /** Parses `length` bytes from `at` on; false where they are no IP packet that can be carried. */
  parse(view: DataView, at: number, length: number): boolean {
    const ipAt = at + VNET_HEADER_BYTES;
    const packetBytes = length - VNET_HEADER_BYTES;
    let ipBytes = ipv4HeaderBytes(view, ipAt, packetBytes);
    let protocol = 0;
    if (ipBytes !== 0) {
      this.version = 4;
      const isFragment = (view.getUint16(ipAt + IPV4_FRAGMENT) & IPV4_FRAGMENT_MASK) !== 0;
      if (!isFragment) protocol = view.getUint8(ipAt + IPV4_PROTOCOL);
    } else {
      if (!isIpv6(view, ipAt, packetBytes)) return false;
      this.version = 6;
      const chain = ipv6Chain(view, ipAt, packetBytes);
      ipBytes = chainBytes(chain);
      if (!chainIsFragment(chain)) protocol = chainProtocol(chain);
    }
    const transportAt = ipAt + ipBytes;
    const left = packetBytes - ipBytes;
    let transportBytes = 0;
    if (protocol === PROTOCOL_TCP) transportBytes = tcpHeaderBytes(view, transportAt, left);
    else if (protocol === PROTOCOL_UDP && left >= UDP_BYTES) transportBytes = UDP_BYTES;
    this.ipAt = ipAt;
    this.ipBytes = ipBytes;
    this.protocol = transportBytes === 0 ? 0 : protocol;
    this.transportAt = transportAt;
    this.transportBytes = transportBytes;
    this.payloadAt = transportAt + transportBytes;
    this.payloadBytes = left - transportBytes;
    const merged = view.getUint8(at + VNET_GSO_TYPE) !== VNET_GSO_NONE;
    const size = merged ? view.getUint16(at + VNET_GSO_SIZE, true) : 0;
    if (size === 0 || this.payloadBytes <= size) {
      this.segments = 1;
      this.segmentBytes = this.payloadBytes;
      return true;
    }
    this.segments = Math.ceil(this.payloadBytes / size);
    this.segmentBytes = size;
    return transportBytes !== 0;
  }
}
