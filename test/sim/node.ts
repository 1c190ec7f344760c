import { Rng } from "../../src/core/base/rng.ts";
import {
  PLAN_ADDRESS,
  PLAN_HEAD,
  PLAN_PIECES,
  PLAN_PORT,
  PLAN_SEGMENT,
  PLAN_SOCKET,
  PLAN_TOS,
  RECORD_ADDRESS,
  RECORD_LENGTH,
  RECORD_PORT,
  RECORD_SEGMENT,
  RECORD_TOS,
  RECORD_WORDS,
  VNET_CHECKSUM_OFFSET,
  VNET_CHECKSUM_START,
  VNET_HEADER_BYTES,
  VNET_NEEDS_CHECKSUM,
} from "../../src/core/batch/layout.ts";
import type { Plan } from "../../src/core/batch/plan.ts";
import type { RouterLimits, SchedulerName, WireName } from "../../src/core/router/context.ts";
import {
  type Local,
  type NetInput,
  type PeerSpec,
  Router,
  SLOT_BYTES,
} from "../../src/core/router/router.ts";
import { IPV4_FRAGMENT_MASK, IPV4_MIN_BYTES, PROTOCOL_TCP, PROTOCOL_UDP } from "../../src/core/wire/ipv4.ts";
import { TCP_CHECKSUM } from "../../src/core/wire/tcp.ts";
import { UDP_CHECKSUM } from "../../src/core/wire/udp.ts";
import type { Clock } from "./clock.ts";

/** A datagram on its way. */
export interface Datagram {
  bytes: Uint8Array;
  tos: number;
  from: { address: Int32Array; port: number };
  to: { address: Int32Array; port: number };
}

export interface SimNodeOptions {
  /** The low 32 bits of the node ID, and the seed of the node's randomness. */
  id: number;
  name: string;
  clock: Clock;
  /** What this node's clock shows beyond the world's, and how fast it gains. */
  clockOffsetUs?: number;
  clockDrift?: number;
  /** How often the node was started before: what it draws at random is other each time. */
  restarts?: number;
  scheduler?: SchedulerName;
  wire?: WireName;
  limits?: Partial<RouterLimits>;
  transmit: (socket: number, datagram: Datagram) => void;
}

const LIMITS = {
  sessions: 1024,
  nodes: 64,
  paths: 256,
  heldPackets: 1024,
  locals: 8,
  sentBytes: 4 << 20,
  sentRuns: 1 << 12,
};
/** What the daemon's timers are exact to. */
const TIMER_US = 1000;

/** A host with a router, whose TUN device is `inject` and `delivered`. */
export class SimNode {
  readonly router: Router;
  readonly name: string;
  /** Packets handed to the host, without vnet headers, cut into segments again. */
  readonly delivered: Uint8Array[] = [];
  onDelivered: (packet: Uint8Array) => void = (packet) => this.delivered.push(packet);
  isRunning = true;
  /** The MTUs that the router has asked for, one after the other. */
  readonly sizes: number[] = [];
  private readonly options: SimNodeOptions;
  private readonly arena: Uint8Array;
  private locals: Local[] = [];
  private timerUs = Number.POSITIVE_INFINITY;
  private inputs: (NetInput & { count: number })[] = [];

  constructor(options: SimNodeOptions) {
    const rng = new Rng(options.id * 7919 + 1 + 104_729 * (options.restarts ?? 0));
    const limits = { ...LIMITS, ...options.limits };
    this.options = options;
    this.name = options.name;
    this.arena = new Uint8Array(Router.arenaBytes({ limits }));
    const identity = {
      idHigh: 0x0200,
      idLow: options.id,
      instanceHigh: rng.uint32() | 0,
      instanceLow: rng.uint32() | 0,
      name: options.name,
    };
    this.router = new Router(
      this.arena,
      {
        node: identity,
        seed: [rng.uint32() | 0, rng.uint32() | 0],
        random: () => rng.uint32(),
        offloads: { checksum: true, tso: false, uso: false },
        limits,
        ...(options.scheduler === undefined ? {} : { scheduler: options.scheduler }),
        ...(options.wire === undefined ? {} : { wire: options.wire }),
      },
      {
        send: (plan) => this.send(plan),
        write: (plan) => this.write(plan),
        resize: (bytes) => this.sizes.push(bytes),
      },
    );
    this.arm();
  }

  get nowUs(): number {
    const { clock, clockOffsetUs = 0, clockDrift = 0 } = this.options;
    return clock.nowUs * (1 + clockDrift) + clockOffsetUs + 1e9;
  }

  /** Sockets by number, each on its address. */
  setLocals(locals: readonly Local[]): void {
    this.locals = [...locals];
    this.inputs = locals.map(({ socket }, index) => ({
      socket,
      slotsAt: this.router.slotsAt(index),
      records: new Int32Array(16 * RECORD_WORDS),
      count: 0,
    }));
    this.router.setLocals(locals, this.nowUs);
    this.arm();
  }

  /** Whatever it carries is put in order, and sent again when it is lost. */
  careForAll(): void {
    this.router.setRules([{ name: "all", route: "throughput", reorder: "on", repair: "on" }]);
  }

  setPeers(peers: readonly PeerSpec[]): void {
    this.router.setPeers(peers, this.nowUs);
    this.arm();
  }

  /**
   * A packet that the host sends; `segmentBytes` as the segmentation offload says it, and whether the checksum is the
   * device's affair.
   */
  inject(packet: Uint8Array, segmentBytes = 0, leavesChecksum = true): void {
    const view = new DataView(this.arena.buffer);
    const at = this.router.tunAt;
    this.arena.fill(0, at, at + VNET_HEADER_BYTES);
    const checksumAt = { [PROTOCOL_TCP]: TCP_CHECKSUM, [PROTOCOL_UDP]: UDP_CHECKSUM }[packet[9]!];
    const isPlain = packet[0] === 0x45 && (((packet[6]! << 8) | packet[7]!) & IPV4_FRAGMENT_MASK) === 0;
    if (leavesChecksum && isPlain && checksumAt !== undefined) {
      // The kernel leaves the checksums of its own packets to the device.
      this.arena[at] = VNET_NEEDS_CHECKSUM;
      view.setUint16(at + VNET_CHECKSUM_START, IPV4_MIN_BYTES, true);
      view.setUint16(at + VNET_CHECKSUM_OFFSET, checksumAt, true);
    }
    if (segmentBytes > 0) {
      this.arena[at + 1] = packet[9] === 17 ? 5 : 1;
      view.setUint16(at + 4, segmentBytes, true);
    }
    this.arena.set(packet, at + VNET_HEADER_BYTES);
    this.router.handleTun(Int32Array.of(at, packet.length + VNET_HEADER_BYTES), 1, this.nowUs);
    this.arm();
  }

  /** A datagram arrives for one of the node's addresses; several at once as the kernel merges them. */
  receive(datagram: Datagram, ...merged: Datagram[]): void {
    if (!this.isRunning) return;
    const index = this.locals.findIndex(
      ({ address, port }) =>
        port === datagram.to.port && address.every((word, i) => word === datagram.to.address[i]),
    );
    const input = this.inputs[index];
    const length = merged.reduce((sum, { bytes }) => sum + bytes.length, datagram.bytes.length);
    if (input === undefined || length > SLOT_BYTES) return;
    let at = input.slotsAt;
    for (const { bytes } of [datagram, ...merged]) {
      this.arena.set(bytes, at);
      at += bytes.length;
    }
    input.records.fill(0, 0, RECORD_WORDS);
    input.records[RECORD_LENGTH] = length;
    input.records[RECORD_SEGMENT] = datagram.bytes.length;
    input.records[RECORD_PORT] = datagram.from.port;
    input.records[RECORD_TOS] = datagram.tos;
    input.records.set(datagram.from.address, RECORD_ADDRESS);
    for (const other of this.inputs) other.count = other === input ? 1 : 0;
    this.router.handleNet(this.inputs, this.nowUs);
    this.arm();
  }

  /** As the daemon does: a timer for the next deadline, in whole milliseconds. */
  private arm(): void {
    const { clock, clockDrift = 0 } = this.options;
    const waitUs = (this.router.nextDeadlineUs() - this.nowUs) / (1 + clockDrift);
    const dueUs = clock.nowUs + Math.max(1, Math.ceil(waitUs / TIMER_US)) * TIMER_US;
    if (dueUs >= this.timerUs) return;
    this.timerUs = dueUs;
    clock.after(dueUs - clock.nowUs, () => {
      // An earlier deadline has put another timer in this one's place.
      if (this.timerUs !== dueUs || !this.isRunning) return;
      this.timerUs = Number.POSITIVE_INFINITY;
      this.router.handleTick(this.nowUs);
      this.arm();
    });
  }

  private send(plan: Plan): void {
    const { words } = plan;
    for (let head = 0; head < plan.end; head = plan.after(head)) {
      const bytes = this.gather(words, head);
      const segment = words[head + PLAN_SEGMENT] || bytes.length;
      const socket = words[head + PLAN_SOCKET]!;
      const local = this.locals.find((one) => one.socket === socket)!;
      const to = {
        address: words.slice(head + PLAN_ADDRESS, head + PLAN_ADDRESS + 4),
        port: words[head + PLAN_PORT]!,
      };
      for (let offset = 0; offset < bytes.length; offset += segment) {
        const from = { address: local.address, port: local.port };
        const tos = words[head + PLAN_TOS]!;
        this.options.transmit(socket, { bytes: bytes.slice(offset, offset + segment), tos, from, to });
      }
    }
  }

  private write(plan: Plan): void {
    for (let head = 0; head < plan.end; head = plan.after(head)) {
      this.onDelivered(this.gather(plan.words, head).slice(VNET_HEADER_BYTES));
    }
  }

  private gather(words: Int32Array, head: number): Uint8Array {
    const pieces = words[head + PLAN_PIECES]!;
    const at = (k: number) => words[head + PLAN_HEAD + 2 * k]!;
    const length = (k: number) => words[head + PLAN_HEAD + 2 * k + 1]!;
    let bytes = 0;
    for (let k = 0; k < pieces; k++) bytes += length(k);
    const gathered = new Uint8Array(bytes);
    let offset = 0;
    for (let k = 0; k < pieces; k++) {
      gathered.set(this.arena.subarray(at(k), at(k) + length(k)), offset);
      offset += length(k);
    }
    return gathered;
  }
}
