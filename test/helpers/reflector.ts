import { copyWords } from "../../src/core/base/bytes.ts";
import { TUN_READ_MAX_BYTES, TUN_RECORD_WORDS, VNET_GSO_TYPE } from "../../src/core/batch/layout.ts";
import { Plan } from "../../src/core/batch/plan.ts";
import { TunWriter } from "../../src/core/deliver/tun-writer.ts";
import { IPV4_DESTINATION, IPV4_SOURCE, PROTOCOL_TCP, PROTOCOL_UDP } from "../../src/core/wire/ipv4.ts";
import { TunPacket } from "../../src/core/wire/packet.ts";
import { TCP_FIN, TCP_FLAGS, TCP_PSH, TCP_SEQUENCE } from "../../src/core/wire/tcp.ts";
import type { TunPort } from "../../src/io/port.ts";
import { gather, planMessages } from "./plan-messages.ts";

const PACKETS = 8;
const READ_BYTES = PACKETS * (TUN_READ_MAX_BYTES + 64);
const SCRATCH_BYTES = 1 << 20;
export const REFLECTOR_ARENA_BYTES = READ_BYTES + 2 * SCRATCH_BYTES;

/**
 * The other side of a TUN device: sends every packet back with its addresses exchanged, which leaves all checksums
 * right. So the host, 10.2.0.1, can talk TCP and UDP to 10.2.0.2 and finds its own ports there: one kernel is both
 * ends, and every byte goes through the device twice.
 *
 * Packets go back as they came, or rebuilt: cut into segments and written by the TunWriter.
 */
export class Reflector {
  readonly seen = { packets: 0, superPackets: 0, segments: 0, longest: 0, written: 0, merged: 0, refused: 0 };
  private readonly tun: TunPort;
  private readonly arena: Uint8Array;
  private readonly view: DataView;
  private readonly rebuild: boolean;
  private readonly packet = new TunPacket();
  private readonly plan = new Plan(1 << 10);
  private readonly writer: TunWriter;
  private scratch = 0;

  constructor(tun: TunPort, arena: Uint8Array, rebuild: boolean) {
    this.tun = tun;
    this.arena = arena;
    this.rebuild = rebuild;
    this.view = new DataView(arena.buffer, arena.byteOffset, arena.byteLength);
    const writerAt = READ_BYTES + SCRATCH_BYTES;
    this.writer = new TunWriter(arena, writerAt, writerAt + SCRATCH_BYTES, 1 << 16, tun.offloads);
  }

  /** Reads one batch and sends it back. */
  handle(): void {
    const { tun, packet, view, seen } = this;
    const count = tun.read(0, READ_BYTES, PACKETS);
    this.plan.clear();
    this.writer.clear();
    this.scratch = READ_BYTES;
    for (let i = 0; i < count; i++) {
      const at = tun.records[i * TUN_RECORD_WORDS]!;
      const length = tun.records[i * TUN_RECORD_WORDS + 1]!;
      if (!packet.parse(view, at, length)) continue;
      seen.packets++;
      seen.segments += packet.segments;
      seen.longest = Math.max(seen.longest, length);
      if (view.getUint8(at + VNET_GSO_TYPE) !== 0) seen.superPackets++;
      this.exchangeAddresses();
      if (this.rebuild && packet.protocol !== 0) {
        this.rewrite();
      } else {
        this.plan.begin();
        this.plan.piece(at, length);
      }
    }
    this.write(this.plan);
    this.writer.finish();
    this.write(this.writer.plan);
  }

  private exchangeAddresses(): void {
    const { view } = this;
    const { ipAt } = this.packet;
    const source = view.getUint32(ipAt + IPV4_SOURCE);
    view.setUint32(ipAt + IPV4_SOURCE, view.getUint32(ipAt + IPV4_DESTINATION));
    view.setUint32(ipAt + IPV4_DESTINATION, source);
  }

  /** Hands the packet to the writer segment by segment. */
  private rewrite(): void {
    const { view, packet, writer } = this;
    const { ipAt, ipBytes, transportAt, transportBytes, payloadAt, payloadBytes, segmentBytes } = packet;
    const flow = view.getInt32(transportAt);
    for (let n = 0, offset = 0; n < packet.segments; n++, offset += segmentBytes) {
      const bytes = Math.min(segmentBytes, payloadBytes - offset);
      const headerAt = this.scratch;
      this.scratch += transportBytes;
      copyWords(view, headerAt, transportAt, transportBytes);
      if (packet.protocol === PROTOCOL_TCP) {
        view.setInt32(headerAt + TCP_SEQUENCE, view.getInt32(transportAt + TCP_SEQUENCE) + offset);
        const flags = view.getUint8(transportAt + TCP_FLAGS);
        const last = offset + bytes === payloadBytes;
        view.setUint8(headerAt + TCP_FLAGS, last ? flags : flags & ~(TCP_FIN | TCP_PSH));
        writer.tcp(flow, ipAt, ipBytes, headerAt, transportBytes, payloadAt + offset, bytes);
      } else if (packet.protocol === PROTOCOL_UDP) {
        writer.udp(flow, ipAt, ipBytes, headerAt, payloadAt + offset, bytes);
      }
    }
  }

  private write(plan: Plan): void {
    const { seen } = this;
    seen.refused += plan.count - this.tun.write(plan);
    for (const message of planMessages(plan)) {
      seen.written++;
      if (gather(this.arena, message)[VNET_GSO_TYPE] !== 0) seen.merged++;
    }
  }
}
