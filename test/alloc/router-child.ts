import {
  PLAN_HEAD,
  PLAN_PIECES,
  PLAN_SEGMENT,
  PLAN_SOCKET,
  PLAN_TOS,
  RECORD_ADDRESS,
  RECORD_LENGTH,
  RECORD_PORT,
  RECORD_SEGMENT,
  RECORD_TOS,
  RECORD_WORDS,
  VNET_HEADER_BYTES,
} from "../../src/core/batch/layout.ts";
import type { Plan } from "../../src/core/batch/plan.ts";
import type { SchedulerName } from "../../src/core/router/context.ts";
import { type Local, type NetInput, Router, SLOT_BYTES, SLOTS } from "../../src/core/router/router.ts";
import {
  concat,
  ipv4Header,
  pattern,
  TCP_FLAG,
  tcpHeader,
  udpHeader,
  vnetHeader,
} from "../helpers/packets.ts";
import { serve } from "../helpers/scenarios.ts";
import { hostRoute, ipv4 } from "../sim/two-nodes.ts";
import { watchCollector } from "./collector.ts";

// Two routers in one process, in one piece of memory: what one sends is copied into the slots of the other, without
// an object for any packet, so that all that is allocated is the routers'.

const LINKS = 2;
const PORT = 7000;
const CLIENT_PORT = 1000;
const TRANSPORT_AT = VNET_HEADER_BYTES + 20;
const SEGMENT_BYTES = 1300;
const SEGMENTS = 40;
const SUPER_BYTES = SEGMENTS * SEGMENT_BYTES;
/** A path that brought more was in use. */
const USED_PACKETS = 100_000;
type Protocol = "tcp" | "udp";
/** Of virtual time, from one super-packet to the next: about 1 Gbit/s. */
const ROUND_US = 400;
const LIMITS = { sessions: 256, nodes: 16, paths: 64, locals: LINKS };
const ARENA_BYTES = Router.arenaBytes({ limits: LIMITS });
const INNER = [
  [10, 99, 0, 1],
  [10, 99, 0, 2],
];

class End {
  readonly router: Router;
  peer!: End;
  private readonly memory: Uint8Array;
  private readonly view: DataView;
  private readonly base: number;
  private readonly inputs: NetInput[];
  private locals: readonly Local[] = [];
  private readonly tunRecords = new Int32Array(2);

  constructor(memory: Uint8Array, index: number, scheduler: SchedulerName) {
    this.memory = memory;
    this.base = index * ARENA_BYTES;
    const arena = memory.subarray(this.base, this.base + ARENA_BYTES);
    this.view = new DataView(arena.buffer, arena.byteOffset, arena.byteLength);
    let random = 12345 + index;
    this.router = new Router(
      arena,
      {
        node: { idHigh: 0x0200, idLow: index + 1, instanceHigh: index, instanceLow: 1, name: `n${index}` },
        seed: [1, 2],
        random: () => {
          random = (Math.imul(random, 1664525) + 1013904223) | 0;
          return random >>> 0;
        },
        offloads: { checksum: true, tso: true, uso: true },
        scheduler,
        limits: LIMITS,
      },
      { send: (plan) => this.send(plan), write: () => {}, resize: () => {} },
    );
    this.inputs = Array.from({ length: LINKS }, (_, socket) => ({
      socket,
      slotsAt: this.router.slotsAt(socket),
      records: new Int32Array(SLOTS * RECORD_WORDS),
      count: 0,
    }));
  }

  begin(nowUs: number): void {
    const { router, peer } = this;
    const [own, other] = this.base === 0 ? [1, 2] : [2, 1];
    this.locals = this.inputs.map(({ socket }) => ({
      socket,
      device: `l${socket}`,
      address: ipv4(10, socket, 0, own),
      port: PORT,
      mtu: 1500,
    }));
    router.setLocals(this.locals, nowUs);
    const endpoints = this.locals.map(({ socket }) => ({ address: ipv4(10, socket, 0, other), port: PORT }));
    const node = { high: 0x0200, low: peer.base === 0 ? 1 : 2 };
    router.setPeers(
      [{ name: `n${other - 1}`, node, endpoints, routes: [hostRoute(10, 99, 0, other)] }],
      nowUs,
    );
  }

  /** A packet of the host, one that is of a flow; TCP with its sequence number. */
  inject({ bytes, portAt, isTcp }: Packet, flow: number, sequence: number, nowUs: number): void {
    const at = this.router.tunAt;
    this.memory.set(bytes, this.base + at);
    this.view.setUint16(at + TRANSPORT_AT + portAt, CLIENT_PORT + flow);
    if (isTcp) this.view.setInt32(at + TRANSPORT_AT + 4, sequence);
    this.tunRecords[0] = at;
    this.tunRecords[1] = bytes.length;
    this.router.handleTun(this.tunRecords, 1, nowUs);
  }

  receive(nowUs: number): void {
    this.router.handleNet(this.inputs, nowUs);
    for (let i = 0; i < this.inputs.length; i++) this.inputs[i]!.count = 0;
  }

  private send(plan: Plan): void {
    const { words } = plan;
    for (let head = 0; head < plan.end; head = plan.after(head)) {
      const { peer } = this;
      const socket = words[head + PLAN_SOCKET]!;
      const input = peer.inputs[socket]!;
      if (input.count === SLOTS) throw new Error("more messages than slots");
      const to = peer.base + input.slotsAt + input.count * SLOT_BYTES;
      let length = 0;
      for (let piece = 0; piece < words[head + PLAN_PIECES]!; piece++) {
        const from = this.base + words[head + PLAN_HEAD + 2 * piece]!;
        const bytes = words[head + PLAN_HEAD + 2 * piece + 1]!;
        this.memory.copyWithin(to + length, from, from + bytes);
        length += bytes;
      }
      const { records } = input;
      const record = input.count++ * RECORD_WORDS;
      records.fill(0, record, record + RECORD_WORDS);
      records[record + RECORD_LENGTH] = length;
      records[record + RECORD_SEGMENT] = words[head + PLAN_SEGMENT]! || length;
      records[record + RECORD_PORT] = PORT;
      records[record + RECORD_TOS] = words[head + PLAN_TOS]!;
      const { address } = this.locals[socket]!;
      for (let i = 0; i < address.length; i++) records[record + RECORD_ADDRESS + i] = address[i]!;
    }
  }
}

/** Super-packets of so many flows in turn. */
export interface Carried {
  scheduler: SchedulerName;
  protocol: Protocol;
  flows: number;
}

interface Packet {
  bytes: Uint8Array;
  /** Where in its TCP or UDP header the port of host 0 is. */
  portAt: number;
  isTcp: boolean;
}

/** A packet of one host to the other; one that is longer than a segment is cut. */
function packet(
  from: number,
  protocol: Protocol,
  payloadBytes: number,
  flags: number = TCP_FLAG.ack,
): Packet {
  const isTcp = protocol === "tcp";
  const fields = { protocol: isTcp ? 6 : 17, source: INNER[from]!, destination: INNER[1 - from]! };
  const [sourcePort, destinationPort] = from === 0 ? [CLIENT_PORT, PORT] : [PORT, CLIENT_PORT];
  const transport = isTcp
    ? tcpHeader({ flags, sourcePort, destinationPort })
    : udpHeader(8 + payloadBytes, sourcePort, destinationPort);
  const cut = { gsoType: isTcp ? 1 : 5, headerLength: 20 + transport.length, gsoSize: SEGMENT_BYTES };
  const bytes = concat(
    vnetHeader({
      flags: 1,
      checksumStart: 20,
      checksumOffset: isTcp ? 16 : 6,
      ...(payloadBytes > SEGMENT_BYTES ? cut : {}),
    }),
    ipv4Header({ ...fields, totalLength: 20 + transport.length + payloadBytes }),
    transport,
    pattern(payloadBytes),
  );
  return { bytes, portAt: from === 0 ? 0 : 2, isTcp };
}

export const scenarios = {
  /** Carries segments of flows from one to the other, and answers back; tells what the collector did meanwhile. */
  async carry(packets: number, warmUp: number, { scheduler, protocol, flows }: Carried) {
    const memory = new Uint8Array(2 * ARENA_BYTES);
    const [a, b] = [new End(memory, 0, scheduler), new End(memory, 1, scheduler)];
    a.peer = b;
    b.peer = a;
    let nowUs = 1e9;
    const settle = () => {
      b.receive(nowUs);
      a.receive(nowUs);
      b.receive(nowUs);
    };
    const tick = () => {
      if (a.router.nextDeadlineUs() <= nowUs) a.router.handleTick(nowUs);
      if (b.router.nextDeadlineUs() <= nowUs) b.router.handleTick(nowUs);
      settle();
    };
    a.begin(nowUs);
    b.begin(nowUs);
    for (let i = 0; i < 2000; i++, nowUs += 1000) tick();
    const data = packet(0, protocol, SUPER_BYTES);
    const answer = packet(1, protocol, 0);
    let sequence = 1000;
    if (protocol === "tcp") {
      const [syn, synAck] = [TCP_FLAG.syn, TCP_FLAG.syn | TCP_FLAG.ack];
      for (let flow = 0; flow < flows; flow++) {
        a.inject(packet(0, protocol, 0, syn), flow, sequence - 1, nowUs);
        settle();
        b.inject(packet(1, protocol, 0, synAck), flow, 1, nowUs);
        settle();
      }
    }
    let flow = 0;
    const rounds = (count: number) => {
      for (let i = 0; i < count; i += SEGMENTS) {
        nowUs += ROUND_US;
        a.inject(data, flow, sequence, nowUs);
        settle();
        b.inject(answer, flow, 2, nowUs);
        settle();
        tick();
        if (++flow < flows) continue;
        flow = 0;
        sequence = (sequence + SUPER_BYTES) | 0;
      }
    };
    rounds(warmUp);
    const { packets: arrived } = b.router.paths.arrivals;
    const total = () => arrived.reduce((sum, one) => sum + one, 0);
    const arrivedBefore = total();
    const collected = await watchCollector(() => rounds(packets));
    return {
      arrived: total() - arrivedBefore,
      usedPaths: arrived.filter((one) => one > USED_PACKETS).length,
      ...collected,
    };
  },
};

await serve(scenarios);
