import { pino } from "pino";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { copyWords } from "../../src/core/base/bytes.ts";
import {
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
import { parseAddress } from "../../src/io/address.ts";
import { openArena } from "../../src/io/native.ts";
import type { DatagramPort, DatagramSocket, TunPort } from "../../src/io/port.ts";
import { openTun } from "../../src/io/tun.ts";
import { openUdpPort } from "../../src/io/udp.ts";

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

const TUN_BYTES = 2 << 20;
const TUN_PACKETS = 8;
const SLOT_BYTES = 1 << 16;
const SLOTS = 8;
const SCRATCH_BYTES = 1 << 20;
const PLAN_WORDS = 1 << 16;
export class Pipe {
  private readonly tun: TunPort;
  private readonly sockets: DatagramSocket[];
  private readonly remotes: Int32Array[];
  private readonly remotePort: number;
  private readonly weights: Float64Array;
  private readonly view: DataView;
  private readonly packet = new TunPacket();
  private readonly runs: Runs;
  private readonly udp: DatagramPort;
  private readonly outbox = new Outbox(PLAN_WORDS);
  private readonly writer: TunWriter;
  private readonly tunStart: number;
  private readonly scratchStart: number;
  private readonly slotsStart: number;
  private readonly templateAt: number;
  private scratch = 0;
  private order = 0;
  // Messages received in one turn: [path, index of the next message, messages].
  private readonly next: Int32Array;
  private readonly received: Int32Array;

  constructor(
    arena: Uint8Array,
    layout: { start: number },
    tun: TunPort,
    udp: DatagramPort,
    sockets: DatagramSocket[],
    remotes: Int32Array[],
    remotePort: number,
    addresses: { local: number; remote: number },
  ) {
    this.tun = tun;
    this.udp = udp;
    this.sockets = sockets;
    this.remotes = remotes;
    this.remotePort = remotePort;
    this.weights = new Float64Array(sockets.length).fill(1);
    this.view = new DataView(arena.buffer, arena.byteOffset, arena.byteLength);
    this.runs = new Runs(sockets.length);
    this.tunStart = layout.start;
    this.scratchStart = this.tunStart + TUN_BYTES;
    this.slotsStart = this.scratchStart + 2 * SCRATCH_BYTES;
    this.templateAt = this.slotsStart + sockets.length * SLOTS * SLOT_BYTES;
    this.writer = new TunWriter(
      arena,
      this.scratchStart + SCRATCH_BYTES,
      this.slotsStart,
      PLAN_WORDS,
      tun.offloads,
    );
    this.next = new Int32Array(sockets.length);
    this.received = new Int32Array(sockets.length);
    this.writeTemplate(addresses.local, addresses.remote);
  }

  private writeTemplate(local: number, remote: number): void {
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
    for (const socket of this.sockets) socket.start(() => this.handleNet());
  }

  handleTun(): void {
    const count = this.tun.read(this.tunStart, this.tunStart + TUN_BYTES, TUN_PACKETS);
    if (count === 0) return;
    this.clear();
    const records = this.tun.records;
    const packet = this.packet;
    for (let i = 0; i < count; i++) {
      const at = records[i * TUN_RECORD_WORDS]!;
      if (!packet.parse(this.view, at, records[i * TUN_RECORD_WORDS + 1]!)) continue;
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
    outbox.datagram(
      path,
      this.sockets[path]!.id,
      this.remotes[path]!,
      0,
      this.remotePort,
      0,
      headerBytes + bytes + TRAILER_BYTES,
    );
    const plan = outbox.plan;
    plan.piece(headerAt, headerBytes);
    if (bytes > 0) plan.piece(packet.payloadAt + offset, bytes);
    plan.piece(trailerAt, TRAILER_BYTES);
  }

  /** Takes one batch from every path and hands it on in the order in which it was sent. */
  handleNet(): void {
    const { sockets, received, next } = this;
    let left = 0;
    for (let k = 0; k < sockets.length; k++) {
      received[k] = sockets[k]!.receive(this.slotAt(k, 0), SLOT_BYTES, SLOTS);
      next[k] = 0;
      left += received[k]!;
    }
    if (left === 0) return;
    this.writer.clear();
    for (; left > 0; left--) {
      let first = -1;
      let firstOrder = 0;
      for (let k = 0; k < sockets.length; k++) {
        if (next[k]! >= received[k]!) continue;
        const order = this.orderOf(k, next[k]!);
        if (first >= 0 && ((order - firstOrder) | 0) > 0) continue;
        first = k;
        firstOrder = order;
      }
      this.deliver(first, next[first]!);
      next[first] = next[first]! + 1;
    }
    this.writer.finish();
    this.tun.write(this.writer.plan);
  }

  private slotAt(path: number, message: number): number {
    return this.slotsStart + (path * SLOTS + message) * SLOT_BYTES;
  }

  private orderOf(path: number, message: number): number {
    const segment = this.sockets[path]!.records[message * RECORD_WORDS + RECORD_SEGMENT]!;
    return segment < TRAILER_BYTES
      ? 0
      : this.view.getInt32(this.slotAt(path, message) + segment - TRAILER_BYTES);
  }

  private deliver(path: number, message: number): void {
    const records = this.sockets[path]!.records;
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
    if (!writer.fits()) {
      writer.finish();
      this.tun.write(writer.plan);
      writer.clear();
    }
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

function main(): void {
  const options = yargs(hideBin(process.argv))
    .options({
      tun: { type: "string", default: "mp0" },
      mtu: { type: "number", default: 1400 },
      local: { type: "string", array: true, demandOption: true },
      remote: { type: "string", array: true, demandOption: true },
      port: { type: "number", default: 7000 },
      inner: {
        type: "string",
        array: true,
        demandOption: true,
        describe: "local and remote address on the TUN device",
      },
    })
    .strict()
    .parseSync();
  const log = pino({ name: "pipe" }, pino.destination(2));
  const paths = options.local.length;
  const arena = openArena(TUN_BYTES + 2 * SCRATCH_BYTES + paths * SLOTS * SLOT_BYTES + 64);
  const tun = openTun({ name: options.tun, mtu: options.mtu }, arena, log);
  const udp = openUdpPort(arena, log);
  const sockets = options.local.map((text) => udp.open({ address: parseAddress(text), port: options.port }));
  const [local, remote] = options.inner.map((text) => new DataView(parseAddress(text).buffer).getUint32(12));
  const pipe = new Pipe(
    arena,
    { start: 0 },
    tun,
    udp,
    sockets,
    options.remote.map(parseAddress),
    options.port,
    {
      local: local!,
      remote: remote!,
    },
  );
  pipe.start();
  process.on("SIGTERM", () => {
    tun.close();
    udp.close();
  });
  process.stdout.write("ready\n");
}

main();
