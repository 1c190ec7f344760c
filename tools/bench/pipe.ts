import { copyWords } from "../../src/core/base/bytes.ts";
import {
  BATCH_MAX,
  RECORD_LENGTH,
  RECORD_SEGMENT,
  RECORD_WORDS,
  TUN_RECORD_WORDS,
} from "../../src/core/batch/layout.ts";
import { TunWriter } from "../../src/core/deliver/tun-writer.ts";
import { Outbox } from "../../src/core/dispatch/outbox.ts";
import { Runs } from "../../src/core/dispatch/runs.ts";
import {
  IPV4_DESTINATION,
  IPV4_MIN_BYTES,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
} from "../../src/core/wire/ipv4.ts";
import { TunPacket } from "../../src/core/wire/packet.ts";
import { TCP_FIN, TCP_FLAGS, TCP_PSH, TCP_SEQUENCE, tcpHeaderBytes } from "../../src/core/wire/tcp.ts";
import { UDP_BYTES } from "../../src/core/wire/udp.ts";
import type { DatagramPort, DatagramSocket, TunPort } from "../../src/io/port.ts";

/**
 * The floor under every number of the router: TUN → UDP paths → TUN with everything that costs time (cutting into
 * runs, headers rebuilt, a trailer as long as the control block, coalescing) and nothing that decides. It carries IPv4
 * between two fixed addresses.
 *
 * A datagram is transport header, payload, trailer. The trailer, TRAILER_BYTES long:
 *
 *   0        4         5                     29
 *   +--------+---------+---------------------+
 *   | order  | protocol| as the control block |
 *   +--------+---------+---------------------+
 *
 * `order` counts the datagrams that a sender has sent, over all paths.
 */
const TRAILER_BYTES = 29;
const TRAILER_PROTOCOL = 4;

/** Room for eight super-packets, or as many small packets as one read may return. */
const TUN_BYTES = 9 << 16;
const SLOT_BYTES = 1 << 16;
const SLOTS = 16;
/** Times that the paths are asked again in one turn. */
const REFILLS_MAX = 8;
const SCRATCH_BYTES = 1 << 20;
const PLAN_WORDS = 1 << 16;
/** The template, and the longest header that TCP has. */
const HEADERS_MAX_BYTES = IPV4_MIN_BYTES + 60;
const TEMPLATE_BYTES = 64;

export interface PipePath {
  socket: DatagramSocket;
  /** Address words and port of the other end. */
  remote: Int32Array;
  remotePort: number;
}

/** The two addresses between which the pipe carries packets, as numbers. */
export interface PipeEnds {
  local: number;
  remote: number;
}

/** Bytes of arena that a pipe over `paths` paths needs. */
export function pipeArenaBytes(paths: number): number {
  return TUN_BYTES + 2 * SCRATCH_BYTES + paths * SLOTS * SLOT_BYTES + TEMPLATE_BYTES;
}

export class Pipe {
  private readonly tun: TunPort;
  private readonly udp: DatagramPort;
  private readonly paths: readonly PipePath[];
  private readonly weights: Float64Array;
  private readonly view: DataView;
  private readonly packet = new TunPacket();
  private readonly runs: Runs;
  private readonly outbox = new Outbox(PLAN_WORDS);
  private readonly writer: TunWriter;
  // Places in the arena: what the TUN device gave, from 0 on, then these.
  private readonly scratchStart = TUN_BYTES;
  private readonly slotsStart = TUN_BYTES + 2 * SCRATCH_BYTES;
  private readonly templateAt: number;
  private scratch = 0;
  private order = 0;
  /** Of each path: messages received in this turn, and how many of them have been handed on. */
  private readonly received: Int32Array;
  private readonly handed: Int32Array;
  /** The order of the datagram behind the one handed on last. */
  private expected = 0;
  /** The turn of the event loop in which all paths were emptied last. */
  private emptiedTurn = -1;

  constructor(
    arena: Uint8Array,
    tun: TunPort,
    udp: DatagramPort,
    paths: readonly PipePath[],
    ends: PipeEnds,
  ) {
    this.tun = tun;
    this.udp = udp;
    this.paths = paths;
    this.weights = new Float64Array(paths.length).fill(1);
    this.view = new DataView(arena.buffer, arena.byteOffset, arena.byteLength);
    this.runs = new Runs(paths.length);
    this.templateAt = this.slotsStart + paths.length * SLOTS * SLOT_BYTES;
    const writerScratch = this.scratchStart + SCRATCH_BYTES;
    this.writer = new TunWriter(arena, writerScratch, this.slotsStart, PLAN_WORDS, tun.offloads);
    this.received = new Int32Array(paths.length);
    this.handed = new Int32Array(paths.length);
    this.writeTemplate(ends);
  }

  private writeTemplate({ local, remote }: PipeEnds): void {
    const view = this.view;
    const at = this.templateAt;
    view.setUint8(at, 0x45);
    view.setUint16(at + 6, 0x4000);
    view.setUint8(at + 8, 64);
    view.setUint32(at + IPV4_SOURCE, remote);
    view.setUint32(at + IPV4_DESTINATION, local);
  }

  start(): void {
    this.tun.start(() => this.handleTun());
    for (const { socket } of this.paths) socket.start((turn) => this.handleNet(turn));
  }

  handleTun(): void {
    const count = this.tun.read(0, TUN_BYTES, BATCH_MAX);
    if (count === 0) return;
    this.runs.beginTurn();
    this.clear();
    const records = this.tun.records;
    const packet = this.packet;
    for (let i = 0; i < count; i++) {
      const at = records[i * TUN_RECORD_WORDS]!;
      if (!packet.parse(this.view, at, records[i * TUN_RECORD_WORDS + 1]!)) continue;
      if (packet.version !== 4) continue;
      if (packet.protocol !== PROTOCOL_TCP && packet.protocol !== PROTOCOL_UDP) continue;
      if (!this.roomFor(packet.segments)) this.flush();
      this.dispatch();
    }
    this.flush();
  }

  private roomFor(segments: number): boolean {
    if (this.scratch + segments * (60 + TRAILER_BYTES) > this.scratchStart + SCRATCH_BYTES) return false;
    return this.outbox.plan.end + segments * 18 <= PLAN_WORDS;
  }

  private clear(): void {
    this.scratch = this.scratchStart;
    this.outbox.clear();
  }

  private flush(): void {
    this.udp.send(this.outbox.plan);
    this.clear();
  }

  private dispatch(): void {
    const packet = this.packet;
    const path = this.runs.next(packet.segments, this.weights);
    let offset = 0;
    for (let n = packet.segments; n > 0; n--) {
      const bytes = Math.min(packet.segmentBytes, packet.payloadBytes - offset);
      this.emit(path, offset, bytes);
      offset += bytes;
    }
  }

  private emit(path: number, offset: number, bytes: number): void {
    const { view, packet, outbox } = this;
    const headerBytes = packet.transportBytes;
    const from = packet.transportAt;
    const headerAt = this.scratch;
    copyWords(view, headerAt, from, headerBytes);
    if (packet.protocol === PROTOCOL_TCP && packet.segments > 1) {
      view.setInt32(headerAt + TCP_SEQUENCE, view.getInt32(from + TCP_SEQUENCE) + offset);
      const last = offset + bytes === packet.payloadBytes;
      if (!last) view.setUint8(headerAt + TCP_FLAGS, view.getUint8(from + TCP_FLAGS) & ~(TCP_FIN | TCP_PSH));
    }
    const trailerAt = headerAt + headerBytes;
    view.setInt32(trailerAt, this.order++);
    view.setUint8(trailerAt + TRAILER_PROTOCOL, packet.protocol);
    for (let i = 5; i < TRAILER_BYTES; i += 4) view.setInt32(trailerAt + i, i);
    this.scratch = trailerAt + TRAILER_BYTES;
    const { socket, remote, remotePort } = this.paths[path]!;
    outbox.datagram(path, socket.id, remote, 0, remotePort, 0, headerBytes + bytes + TRAILER_BYTES);
    const plan = outbox.plan;
    plan.piece(headerAt, headerBytes);
    if (bytes > 0) plan.piece(packet.payloadAt + offset, bytes);
    plan.piece(trailerAt, TRAILER_BYTES);
  }

  /**
   * Takes a batch from every path and hands the messages on in the order in which they were sent. Where one is missing
   * that may have come in meanwhile, the paths that have nothing left are asked again; it is not waited for.
   */
  handleNet(turn: number): void {
    if (turn === this.emptiedTurn) return;
    this.writer.clear();
    if (!this.refill()) {
      // Then it is the network's answers that make a socket readable, until they are taken.
      for (const { socket } of this.paths) socket.errors();
      return;
    }
    for (let refills = 0; ; ) {
      const path = this.earliest();
      if (path < 0) break;
      const order = this.orderOf(path, this.handed[path]!);
      if (order !== this.expected && refills < REFILLS_MAX) {
        refills++;
        this.write();
        if (this.refill()) continue;
      }
      this.deliver(path, this.handed[path]!);
      this.handed[path] = this.handed[path]! + 1;
    }
    this.write();
    if (this.isEmpty()) this.emptiedTurn = turn;
  }

  /** Whether every path gave less than it was asked for. */
  private isEmpty(): boolean {
    for (let k = 0; k < this.received.length; k++) if (this.received[k] === SLOTS) return false;
    return true;
  }

  /** Receives on every path whose messages have all been handed on and written; answers whether there was anything. */
  private refill(): boolean {
    const { paths, received, handed } = this;
    let found = false;
    for (let k = 0; k < paths.length; k++) {
      if (handed[k]! < received[k]!) continue;
      received[k] = paths[k]!.socket.receive(this.slotAt(k, 0), SLOT_BYTES, SLOTS);
      handed[k] = 0;
      found ||= received[k]! > 0;
    }
    return found;
  }

  /** The path whose next message was sent first, or -1. */
  private earliest(): number {
    const { received, handed } = this;
    let first = -1;
    let firstOrder = 0;
    for (let k = 0; k < received.length; k++) {
      if (handed[k]! >= received[k]!) continue;
      const order = this.orderOf(k, handed[k]!);
      if (first >= 0 && ((order - firstOrder) | 0) > 0) continue;
      first = k;
      firstOrder = order;
    }
    return first;
  }

  private write(): void {
    this.writer.finish();
    this.tun.write(this.writer.plan);
    this.writer.clear();
  }

  private slotAt(path: number, message: number): number {
    return this.slotsStart + (path * SLOTS + message) * SLOT_BYTES;
  }

  private orderOf(path: number, message: number): number {
    const segment = this.paths[path]!.socket.records[message * RECORD_WORDS + RECORD_SEGMENT]!;
    return segment < TRAILER_BYTES
      ? 0
      : this.view.getInt32(this.slotAt(path, message) + segment - TRAILER_BYTES);
  }

  private deliver(path: number, message: number): void {
    const records = this.paths[path]!.socket.records;
    const length = records[message * RECORD_WORDS + RECORD_LENGTH]!;
    const segment = records[message * RECORD_WORDS + RECORD_SEGMENT]!;
    const slotAt = this.slotAt(path, message);
    for (let offset = 0; offset < length; offset += segment) {
      this.deliverDatagram(slotAt + offset, Math.min(segment, length - offset) - TRAILER_BYTES);
    }
  }

  private deliverDatagram(at: number, bytes: number): void {
    const { view, writer, templateAt } = this;
    if (bytes < UDP_BYTES) return;
    if (!writer.fits(HEADERS_MAX_BYTES)) this.write();
    this.expected = (view.getInt32(at + bytes) + 1) | 0;
    const protocol = view.getUint8(at + bytes + TRAILER_PROTOCOL);
    if (protocol === PROTOCOL_TCP) {
      const headerBytes = tcpHeaderBytes(view, at, bytes);
      if (headerBytes === 0) return;
      view.setUint8(templateAt + IPV4_PROTOCOL, PROTOCOL_TCP);
      writer.tcp(
        view.getInt32(at),
        templateAt,
        IPV4_MIN_BYTES,
        at,
        headerBytes,
        at + headerBytes,
        bytes - headerBytes,
      );
    } else if (protocol === PROTOCOL_UDP) {
      view.setUint8(templateAt + IPV4_PROTOCOL, PROTOCOL_UDP);
      writer.udp(view.getInt32(at), templateAt, IPV4_MIN_BYTES, at, at + UDP_BYTES, bytes - UDP_BYTES);
    }
  }
}
