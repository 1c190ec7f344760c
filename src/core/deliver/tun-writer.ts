import { copyWords } from "../base/bytes.ts";
import {
  PIECES_MAX,
  VNET_CHECKSUM_OFFSET,
  VNET_CHECKSUM_START,
  VNET_FLAGS,
  VNET_GSO_NONE,
  VNET_GSO_SIZE,
  VNET_GSO_TCP4,
  VNET_GSO_TCP6,
  VNET_GSO_TYPE,
  VNET_GSO_UDP,
  VNET_HEADER_BYTES,
  VNET_HEADER_LENGTH,
  VNET_NEEDS_CHECKSUM,
} from "../batch/layout.ts";
import { Plan } from "../batch/plan.ts";
import {
  foldSum,
  setIpv4Checksum,
  sumBytes,
  sumIpv4Pseudo,
  sumIpv6Pseudo,
  transportChecksum,
} from "../wire/checksum.ts";
import { ECN_MASK } from "../wire/ecn.ts";
import { IPV4_TOTAL_LENGTH, PROTOCOL_TCP, PROTOCOL_UDP } from "../wire/ipv4.ts";
import { IPV6_BYTES, IPV6_PAYLOAD_LENGTH } from "../wire/ipv6.ts";
import {
  TCP_ACKNOWLEDGEMENT,
  TCP_CHECKSUM,
  TCP_CWR,
  TCP_DATA_OFFSET,
  TCP_FIN,
  TCP_FLAGS,
  TCP_PSH,
  TCP_RST,
  TCP_SEQUENCE,
  TCP_SYN,
  TCP_URG,
} from "../wire/tcp.ts";
import { UDP_BYTES, UDP_CHECKSUM, UDP_LENGTH } from "../wire/udp.ts";

/** Bytes of one packet on the device, headers included. */
const PACKET_MAX_BYTES = 65535;
const UDP_SEGMENTS_MAX = 64;
/** These end a packet, or do not join one. */
const TCP_NOT_MERGED = TCP_SYN | TCP_FIN | TCP_RST | TCP_URG | TCP_CWR;
/** These may differ between the segments of one packet. */
const TCP_MAY_DIFFER = (TCP_FIN | TCP_PSH) << 16;

export interface WriterOffloads {
  readonly checksum: boolean;
  readonly tso: boolean;
  readonly uso: boolean;
}

/**
 * Builds what is written to the TUN device: packets from a header template (IPv4 or IPv6), a transport header and
 * payload, with lengths and checksums as the device wants them. Segments that follow each other in one flow are merged into one
 * super-packet under the rules of the kernel's own GRO: same acknowledgement, window, flags (but PSH) and options,
 * consecutive sequence numbers, all of one size but the last. Datagrams of one flow and size are merged alike.
 *
 * Headers are built in a scratch region of the arena; payload is never copied.
 */
export class TunWriter {
  readonly plan: Plan;
  private readonly view: DataView;
  private readonly offloads: WriterOffloads;
  private readonly scratchStart: number;
  private readonly scratchEnd: number;
  private scratch: number;

  // The packet that may still grow, if any.
  private growing = false;
  private flow = 0;
  private ecn = 0;
  private vnetAt = 0;
  private ipBytes = 0;
  private transportBytes = 0;
  private protocol = 0;
  private payloadBytes = 0;
  private segmentBytes = 0;
  private segments = 0;
  private nextSequence = 0;

  constructor(
    arena: Uint8Array,
    start: number,
    end: number,
    capacityWords: number,
    offloads: WriterOffloads,
  ) {
    this.plan = new Plan(capacityWords);
    this.view = new DataView(arena.buffer, arena.byteOffset, arena.byteLength);
    this.scratchStart = start;
    this.scratchEnd = end;
    this.scratch = start;
    this.offloads = offloads;
  }

  clear(): void {
    this.plan.clear();
    this.scratch = this.scratchStart;
    this.growing = false;
  }

  /** Whether another packet with headers of so many bytes has room. */
  fits(headerBytes: number): boolean {
    return this.plan.fits(4) && this.scratch + VNET_HEADER_BYTES + headerBytes <= this.scratchEnd;
  }

  /** Ends the packet that may still grow; call it before the plan is written. */
  finish(): void {
    if (!this.growing) return;
    this.growing = false;
    this.close();
  }

  /**
   * One TCP segment: the IP header at `ipAt` is a template whose length and checksum are set here, the TCP header's
   * checksum is too. `flow` names the session and is what may be merged; `ecn` replaces the template's bits.
   */
  tcp(
    flow: number,
    ipAt: number,
    ipBytes: number,
    tcpAt: number,
    tcpBytes: number,
    payloadAt: number,
    payloadBytes: number,
    ecn = 0,
  ): void {
    const view = this.view;
    const flags = view.getUint8(tcpAt + TCP_FLAGS);
    const sequence = view.getInt32(tcpAt + TCP_SEQUENCE);
    if (
      this.growing &&
      flow === this.flow &&
      ecn === this.ecn &&
      this.protocol === PROTOCOL_TCP &&
      sequence === this.nextSequence &&
      payloadBytes > 0 &&
      payloadBytes <= this.segmentBytes &&
      tcpBytes === this.transportBytes &&
      this.payloadBytes + payloadBytes + ipBytes + tcpBytes <= PACKET_MAX_BYTES &&
      this.plan.piecesLeft() > 0 &&
      (flags & TCP_NOT_MERGED) === 0 &&
      this.sameTcpHeader(tcpAt, tcpBytes)
    ) {
      this.plan.piece(payloadAt, payloadBytes);
      this.payloadBytes += payloadBytes;
      this.nextSequence = (sequence + payloadBytes) | 0;
      this.segments++;
      if (flags & TCP_PSH) {
        const at = this.vnetAt + VNET_HEADER_BYTES + this.ipBytes + TCP_FLAGS;
        view.setUint8(at, view.getUint8(at) | TCP_PSH);
      }
      if (payloadBytes < this.segmentBytes || flags & TCP_PSH) this.finish();
      return;
    }
    this.finish();
    this.open(flow, ipAt, ipBytes, tcpAt, tcpBytes, payloadAt, payloadBytes, PROTOCOL_TCP);
    this.mark(ecn);
    this.nextSequence = (sequence + payloadBytes) | 0;
    if (!this.offloads.tso || payloadBytes === 0 || flags & (TCP_NOT_MERGED | TCP_PSH)) this.finish();
  }

  /** One UDP datagram; the header at `udpAt` is a template whose length and checksum are set here. */
  udp(
    flow: number,
    ipAt: number,
    ipBytes: number,
    udpAt: number,
    payloadAt: number,
    payloadBytes: number,
    ecn = 0,
  ): void {
    if (
      this.growing &&
      flow === this.flow &&
      ecn === this.ecn &&
      this.protocol === PROTOCOL_UDP &&
      payloadBytes > 0 &&
      payloadBytes <= this.segmentBytes &&
      this.segments < UDP_SEGMENTS_MAX &&
      this.payloadBytes + payloadBytes + ipBytes + UDP_BYTES <= PACKET_MAX_BYTES &&
      this.plan.piecesLeft() > 0
    ) {
      this.plan.piece(payloadAt, payloadBytes);
      this.payloadBytes += payloadBytes;
      this.segments++;
      if (payloadBytes < this.segmentBytes) this.finish();
      return;
    }
    this.finish();
    this.open(flow, ipAt, ipBytes, udpAt, UDP_BYTES, payloadAt, payloadBytes, PROTOCOL_UDP);
    this.mark(ecn);
    if (!this.offloads.uso || payloadBytes === 0) this.finish();
  }

  /** A packet that needs nothing: its header and checksums are complete. */
  whole(at: number, bytes: number): void {
    this.finish();
    for (let i = 0; i < VNET_HEADER_BYTES; i++) this.view.setUint8(this.scratch + i, 0);
    this.plan.begin();
    this.plan.piece(this.scratch, VNET_HEADER_BYTES);
    this.plan.piece(at, bytes);
    this.scratch += VNET_HEADER_BYTES;
  }

  private open(
    flow: number,
    ipAt: number,
    ipBytes: number,
    transportAt: number,
    transportBytes: number,
    payloadAt: number,
    payloadBytes: number,
    protocol: number,
  ): void {
    const view = this.view;
    const vnetAt = this.scratch;
    this.growing = true;
    this.flow = flow;
    this.protocol = protocol;
    this.vnetAt = vnetAt;
    this.ipBytes = ipBytes;
    this.transportBytes = transportBytes;
    this.payloadBytes = payloadBytes;
    this.segmentBytes = payloadBytes;
    this.segments = 1;
    const ipTo = vnetAt + VNET_HEADER_BYTES;
    copyWords(view, ipTo, ipAt, ipBytes);
    const to = ipTo + ipBytes;
    copyWords(view, to, transportAt, transportBytes);
    this.scratch = to + transportBytes;
    this.plan.begin();
    this.plan.piece(vnetAt, VNET_HEADER_BYTES + ipBytes + transportBytes);
    if (payloadBytes > 0) this.plan.piece(payloadAt, payloadBytes);
  }

  /** Sets the congestion bits of the packet just opened; its checksum is still to come. */
  private mark(ecn: number): void {
    const ipAt = this.vnetAt + VNET_HEADER_BYTES;
    const shift = this.view.getUint8(ipAt) >> 4 === 4 ? 0 : 4;
    this.view.setUint8(ipAt + 1, (this.view.getUint8(ipAt + 1) & ~(ECN_MASK << shift)) | (ecn << shift));
    this.ecn = ecn;
  }

  /** Whether a segment's header may join the open packet's: all but ports (same flow), sequence and checksum. */
  private sameTcpHeader(at: number, bytes: number): boolean {
    const view = this.view;
    const other = this.vnetAt + VNET_HEADER_BYTES + this.ipBytes;
    if (view.getInt32(at + TCP_ACKNOWLEDGEMENT) !== view.getInt32(other + TCP_ACKNOWLEDGEMENT)) return false;
    const differ = view.getInt32(at + TCP_DATA_OFFSET) ^ view.getInt32(other + TCP_DATA_OFFSET);
    if ((differ & ~TCP_MAY_DIFFER) !== 0) return false;
    for (let i = 20; i < bytes; i += 4) if (view.getInt32(at + i) !== view.getInt32(other + i)) return false;
    return true;
  }

  /** Sets lengths, checksums and the vnet header of the open packet. */
  private close(): void {
    const { view, vnetAt, ipBytes, transportBytes, payloadBytes } = this;
    const ipAt = vnetAt + VNET_HEADER_BYTES;
    const transportAt = ipAt + ipBytes;
    const isTcp = this.protocol === PROTOCOL_TCP;
    const length = transportBytes + payloadBytes;
    const isIpv4 = view.getUint8(ipAt) >> 4 === 4;
    if (isIpv4) {
      view.setUint16(ipAt + IPV4_TOTAL_LENGTH, ipBytes + length);
      setIpv4Checksum(view, ipAt, ipBytes);
    } else {
      view.setUint16(ipAt + IPV6_PAYLOAD_LENGTH, length + ipBytes - IPV6_BYTES);
    }
    if (!isTcp) view.setUint16(transportAt + UDP_LENGTH, length);
    const checksumOffset = isTcp ? TCP_CHECKSUM : UDP_CHECKSUM;
    const pseudo = isIpv4
      ? sumIpv4Pseudo(view, ipAt, this.protocol, length)
      : sumIpv6Pseudo(view, ipAt, this.protocol, length);
    const gsoTcp = isIpv4 ? VNET_GSO_TCP4 : VNET_GSO_TCP6;
    const merged = this.segments > 1;
    view.setUint8(vnetAt + VNET_FLAGS, this.offloads.checksum ? VNET_NEEDS_CHECKSUM : 0);
    view.setUint8(vnetAt + VNET_GSO_TYPE, merged ? (isTcp ? gsoTcp : VNET_GSO_UDP) : VNET_GSO_NONE);
    view.setUint16(vnetAt + VNET_HEADER_LENGTH, merged ? ipBytes + transportBytes : 0, true);
    view.setUint16(vnetAt + VNET_GSO_SIZE, merged ? this.segmentBytes : 0, true);
    view.setUint16(vnetAt + VNET_CHECKSUM_START, this.offloads.checksum ? ipBytes : 0, true);
    view.setUint16(vnetAt + VNET_CHECKSUM_OFFSET, this.offloads.checksum ? checksumOffset : 0, true);
    // With the offload the kernel adds the rest to the pseudo-header's sum.
    const sum = this.offloads.checksum
      ? foldSum(pseudo)
      : this.fullChecksum(pseudo, transportAt, checksumOffset);
    view.setUint16(transportAt + checksumOffset, sum);
  }

  /** The transport checksum of the open packet, which is one segment: the device has no offloads. */
  private fullChecksum(pseudo: number, transportAt: number, checksumOffset: number): number {
    const view = this.view;
    view.setUint16(transportAt + checksumOffset, 0);
    // The plan's last piece ends with the payload; headers that lie right in front of it are in the same piece.
    const { words, end } = this.plan;
    const payloadAt = words[end - 2]! + words[end - 1]! - this.payloadBytes;
    let sum = sumBytes(view, transportAt, this.transportBytes, pseudo);
    sum = sumBytes(view, payloadAt, this.payloadBytes, sum);
    return transportChecksum(sum);
  }
}

/** Words that a plan needs for the largest packet. */
export const TUN_WRITER_MIN_WORDS = 16 + 2 * PIECES_MAX;
