import type { Logger } from "pino";
import {
  PLAN_HEAD,
  RECORD_LENGTH,
  RECORD_PORT,
  RECORD_SEGMENT,
  RECORD_WORDS,
  TUN_READ_MAX_BYTES,
  TUN_RECORD_WORDS,
  VNET_GSO_SIZE,
  VNET_GSO_TCP4,
  VNET_GSO_TYPE,
  VNET_GSO_UDP,
  VNET_HEADER_BYTES,
  VNET_NEEDS_CHECKSUM,
} from "../core/batch/layout.ts";
import { Plan } from "../core/batch/plan.ts";
import { parseAddress } from "./address.ts";
import { native, openArena } from "./native.ts";
import type { TunOffloads, UdpOffloads } from "./port.ts";

/**
 * Kernels and drivers get offloads wrong now and then, and say nothing. So each is tried before it is used: a burst
 * goes through it and the bytes are compared. What fails is switched off in `offloads`, with one log line. What
 * cannot be tried (no loopback, no right to open a packet socket) is left on: the ports notice refusals at run time.
 * The tests have memory of their own: a socket may be opened while packets live in the ports' arena.
 */

const BURST_SEGMENTS = 5;
const SEGMENT_BYTES = 1200;
const LAST_SEGMENT_BYTES = 700;
const BURST_BYTES = (BURST_SEGMENTS - 1) * SEGMENT_BYTES + LAST_SEGMENT_BYTES;
/** Where a received burst is put; the burst itself lies at 0. */
const RECEIVE_AT = 1 << 16;
const RECEIVE_SLOT_BYTES = 1 << 16;
/** Packets that may be in a device besides ours. */
const READS_MAX = 16;
const ARENA_BYTES = RECEIVE_AT + READS_MAX * TUN_READ_MAX_BYTES;

export function testUdpOffloads(family: 4 | 6, offloads: UdpOffloads, log: Logger): void {
  if (!offloads.gso && !offloads.gro) return;
  const arena = openArena(ARENA_BYTES);
  const sender = native.udpOpen(family);
  const receiver = native.udpOpen(family);
  try {
    if (offloads.gro && native.udpOption(receiver, family, GRO, 1) < 0) {
      offloads.gro = false;
      log.info(
        "UDP: this kernel has no receive offload (UDP_GRO came with Linux 5.0); receiving datagram by datagram",
      );
    }
    const loopback = parseAddress(family === 4 ? "127.0.0.1" : "::1");
    const port = native.udpBind(receiver, loopback, 0);
    if (port <= 0) return;
    const plan = burstPlan(sender, loopback, port);
    fillPattern(arena, 0);
    native.udpSend(arena, plan.words, 1, new Int32Array(0));
    const status = plan.status(0);
    if (status === UNREACHABLE) return;
    const received = status === BURST_BYTES ? receiveBurst(receiver, arena) : undefined;
    if (received === "wrong bytes" || status !== BURST_BYTES) {
      offloads.gso = false;
      offloads.gro = false;
      const reason = status < 0 ? "refused" : "corrupted";
      log.warn(
        `UDP: segmentation offload is ${reason} by this kernel; sending and receiving datagram by datagram`,
      );
    }
  } finally {
    native.closeDescriptor(sender);
    native.closeDescriptor(receiver);
  }
}

/** The option of native/index.d.ts. */
const GRO = 4;
const UNREACHABLE = -101;

function burstPlan(socket: number, to: Int32Array, port: number): Plan {
  const plan = new Plan(PLAN_HEAD + 2);
  plan.begin();
  plan.route(socket, to, 0, port, SEGMENT_BYTES, 0);
  plan.piece(0, BURST_BYTES);
  return plan;
}

/** Loopback delivers within the send call, so everything is there when this is called. */
function receiveBurst(fd: number, arena: Uint8Array): "right bytes" | "wrong bytes" {
  const records = new Int32Array(READS_MAX * RECORD_WORDS);
  const count = native.udpReceive(fd, arena, RECEIVE_AT, RECEIVE_SLOT_BYTES, READS_MAX, records);
  let bytes = 0;
  for (let i = 0; i < count; i++) {
    const length = records[i * RECORD_WORDS + RECORD_LENGTH]!;
    const segment = records[i * RECORD_WORDS + RECORD_SEGMENT]!;
    const last = bytes + length === BURST_BYTES;
    if (segment !== SEGMENT_BYTES && !(last && segment === LAST_SEGMENT_BYTES)) return "wrong bytes";
    if (records[i * RECORD_WORDS + RECORD_PORT] === 0) return "wrong bytes";
    if (!matchesPattern(arena, RECEIVE_AT + i * RECEIVE_SLOT_BYTES, length, bytes)) return "wrong bytes";
    bytes += length;
  }
  return bytes === BURST_BYTES ? "right bytes" : "wrong bytes";
}

/** The device must be up. Its packets go through a packet socket, the kernel's side of it. */
export function testTunOffloads(fd: number, name: string, offloads: TunOffloads, log: Logger): void {
  if (!offloads.tso) return;
  const arena = openArena(ARENA_BYTES);
  const tap = native.packetOpen(name);
  if (tap < 0) {
    log.debug(`TUN: the offloads of ${name} were not tested: no packet socket (CAP_NET_RAW)`);
    return;
  }
  try {
    const passes = (kind: Burst) => passesBurst(fd, tap, kind, arena) && passesBurst(tap, fd, kind, arena);
    if (!passes(TCP_BURST)) {
      offloads.tso = false;
      offloads.uso = false;
      log.warn("TUN: TCP segmentation offload corrupts or refuses packets on this kernel; switched off");
    } else if (offloads.uso && !passes(UDP_BURST)) {
      offloads.uso = false;
      log.warn("TUN: UDP segmentation offload corrupts or refuses packets on this kernel; switched off");
    }
  } finally {
    native.closeDescriptor(tap);
  }
}

interface Burst {
  protocol: number;
  gsoType: number;
  headerBytes: number;
  checksumOffset: number;
}

const IP_BYTES = 20;
const TCP_BURST: Burst = { protocol: 6, gsoType: VNET_GSO_TCP4, headerBytes: 20, checksumOffset: 16 };
const UDP_BURST: Burst = { protocol: 17, gsoType: VNET_GSO_UDP, headerBytes: 8, checksumOffset: 6 };

/** Writes a super-packet into one end and looks for it at the other, whole and unchanged. */
function passesBurst(from: number, to: number, burst: Burst, arena: Uint8Array): boolean {
  const length = writeBurst(arena, burst);
  const plan = new Plan(PLAN_HEAD + 2);
  plan.begin();
  plan.piece(0, length);
  // What the kernel itself sent through the device (IPv6 solicitations) is in the way.
  while (readInto(to, arena).count > 0);
  if (native.tunWrite(from, 1, arena, plan.words, 1) !== 1) return false;
  const { count, records } = readInto(to, arena);
  for (let i = 0; i < count; i++) {
    const at = records[i * TUN_RECORD_WORDS]!;
    if (records[i * TUN_RECORD_WORDS + 1] !== length) continue;
    if (arena[at + VNET_GSO_TYPE] !== burst.gsoType) continue;
    if (readLittle16(arena, at + VNET_GSO_SIZE) !== SEGMENT_BYTES) continue;
    if (matchesPattern(arena, at + length - BURST_BYTES, BURST_BYTES, 0)) return true;
  }
  return false;
}

function readInto(fd: number, arena: Uint8Array): { count: number; records: Int32Array } {
  const records = new Int32Array(READS_MAX * TUN_RECORD_WORDS);
  const count = native.tunRead(fd, 1, arena, RECEIVE_AT, ARENA_BYTES, READS_MAX, records);
  return { count: Math.max(0, count), records };
}

/**
 * A super-packet from and to 127.0.0.1: the kernel's input drops it as a martian right behind the packet socket's
 * tap, whatever the host's routes and filters are.
 */
function writeBurst(arena: Uint8Array, burst: Burst): number {
  const headerBytes = IP_BYTES + burst.headerBytes;
  const packetBytes = headerBytes + BURST_BYTES;
  arena.fill(0, 0, VNET_HEADER_BYTES + headerBytes);
  const view = new DataView(arena.buffer, arena.byteOffset);
  arena[0] = VNET_NEEDS_CHECKSUM;
  arena[VNET_GSO_TYPE] = burst.gsoType;
  view.setUint16(2, headerBytes, true);
  view.setUint16(VNET_GSO_SIZE, SEGMENT_BYTES, true);
  view.setUint16(6, IP_BYTES, true);
  view.setUint16(8, burst.checksumOffset, true);
  const ip = VNET_HEADER_BYTES;
  view.setUint8(ip, 0x45);
  view.setUint16(ip + 2, packetBytes);
  view.setUint8(ip + 8, 1);
  view.setUint8(ip + 9, burst.protocol);
  view.setUint32(ip + 12, 0x7f000001);
  view.setUint32(ip + 16, 0x7f000001);
  let sum = 0;
  for (let at = 0; at < IP_BYTES; at += 2) sum += view.getUint16(ip + at);
  view.setUint16(ip + 10, ~((sum & 0xffff) + (sum >>> 16)));
  const transport = ip + IP_BYTES;
  if (burst.protocol === TCP_BURST.protocol) view.setUint16(transport + 12, 0x5010);
  else view.setUint16(transport + 4, burst.headerBytes + BURST_BYTES);
  fillPattern(arena, VNET_HEADER_BYTES + headerBytes);
  return VNET_HEADER_BYTES + packetBytes;
}

/** Bytes that differ between any two places a segmentation may confuse. */
const patternAt = (index: number) => (index * 7 + (index >> 8) * 13) & 0xff;

function fillPattern(arena: Uint8Array, at: number): void {
  for (let i = 0; i < BURST_BYTES; i++) arena[at + i] = patternAt(i);
}

function matchesPattern(arena: Uint8Array, at: number, length: number, from: number): boolean {
  for (let i = 0; i < length; i++) if (arena[at + i] !== patternAt(from + i)) return false;
  return true;
}

const readLittle16 = (bytes: Uint8Array, at: number) => bytes[at]! | (bytes[at + 1]! << 8);
