import { DropCounters } from "../base/drop.ts";
import type { HashSeed } from "../base/hash.ts";
import { LARGE_ZERO } from "../base/large.ts";
import type { Plan } from "../batch/plan.ts";
import { TunWriter, type WriterOffloads } from "../deliver/tun-writer.ts";
import type { Algorithm1Options } from "../dispatch/algorithm1.ts";
import { Outbox } from "../dispatch/outbox.ts";
import type { Prefix } from "../dispatch/rule-spec.ts";
import type { PoolSpec } from "../reorder/block-pool.ts";
import { Availability } from "../tables/availability.ts";
import { Nodes } from "../tables/nodes.ts";
import { Paths } from "../tables/paths.ts";
import { Sessions, TEMPLATE_MAX_BYTES } from "../tables/sessions.ts";
import { CONTROL_BLOCK_BYTES, FLAG_SEQUENCED, TRAILER_BYTES, TrailerWriter } from "../wire/control-block.ts";
import { Congestion } from "./congestion.ts";
import { History, RUNS } from "./history.ts";
import { type LinePolicy, Policies } from "./policies.ts";
import { RealAddresses } from "./real-addresses.ts";
import { RouteTable } from "./route-table.ts";
import { Templates } from "./templates.ts";

export interface NodeIdentity {
  /** The first 16 bits of the node ID, and the other 32. */
  readonly idHigh: number;
  readonly idLow: number;
  /** Another one after each start. */
  readonly instanceHigh: number;
  readonly instanceLow: number;
  readonly name: string;
}

export interface RouterLimits {
  readonly sessions: number;
  readonly nodes: number;
  readonly paths: number;
  /** Packets that wait for those before them, over all sessions (of large ones fewer: HELD_POOLS), and of one session. */
  readonly heldPackets: number;
  readonly heldPerSession: number;
  /** Sockets. */
  readonly locals: number;
  /** What is kept of what was sent: bytes, and runs. Of runs a power of two. */
  readonly sentBytes: number;
  readonly sentRuns: number;
}

export const ROUTER_LIMITS: RouterLimits = {
  sessions: 100_000,
  nodes: 1024,
  paths: 4096,
  heldPackets: 16_384,
  heldPerSession: 4096,
  locals: 16,
  sentBytes: 8 << 20,
  sentRuns: RUNS,
};

/** Who shares packets out among the paths: the paper's Algorithm 1, or whatever arrives first. */
export const SCHEDULERS = ["arrival", "paper"] as const;
export type SchedulerName = (typeof SCHEDULERS)[number];

/** What stands before the control block of what is sent: the path sequence word, or nothing, as in the paper. */
export const WIRES = ["numbered", "paper"] as const;
export type WireName = (typeof WIRES)[number];

export interface RouterOptions {
  readonly node: NodeIdentity;
  /** Two random numbers. */
  readonly seed: HashSeed;
  /** Random numbers of 32 bits that nobody can guess. */
  readonly random: () => number;
  /** What the TUN device does for us. */
  readonly offloads: WriterOffloads;
  readonly scheduler?: SchedulerName;
  /** Of the paper's scheduler, what is not as in the paper. */
  readonly algorithm1?: Partial<Algorithm1Options>;
  readonly wire?: WireName;
  readonly limits?: Partial<RouterLimits>;
}

/** Where the router's plans go. */
export interface RouterIo {
  send(plan: Plan): void;
  write(plan: Plan): void;
  /** The largest packet that fits through all paths that work is another one now: the MTU of the device. */
  resize(packetBytes: number): void;
}

/** A socket on a local address. */
export interface Local {
  /** As plans name it. */
  readonly socket: number;
  readonly device: string;
  /** Four words as in plans. */
  readonly address: Int32Array;
  readonly port: number;
  /** How the line is to be used; without it, as any other. */
  readonly policy?: LinePolicy;
  /** Of the device. */
  readonly mtu: number;
}

/** A node that the user has named. */
export interface PeerSpec {
  readonly name: string;
  readonly node?: { readonly high: number; readonly low: number };
  readonly endpoints: readonly { readonly address: Int32Array; readonly port: number }[];
  readonly routes: readonly Prefix[];
}

/** What one read of the TUN device may bring. */
export const TUN_READ_BYTES = 9 << 16;
/** At high rates so much of what it brought before has to do: a longer ring does not stay in the processor's cache. */
const TUN_RING_FAST_BYTES = 4 * TUN_READ_BYTES;
const TUN_FAST_BYTES_PER_S = 300e6;
const TUN_RATE_US = 100_000;
export const SLOT_BYTES = 1 << 16;
export const SLOTS = 16;
const OUT_SCRATCH_BYTES = 1 << 21;
const IN_SCRATCH_BYTES = 1 << 19;
/**
 * Blocks for packets that wait, in whole cache lines: of the usual MTU, of the largest that Ethernet has, and of whatever a
 * slot holds. So large a part of `heldPackets` is there of each that no pool is larger than the first; one that is never
 * used takes no memory.
 */
const HELD_POOLS = [
  { blockBytes: 1536, part: 1 },
  { blockBytes: 9216, part: 1 / 8 },
  { blockBytes: SLOT_BYTES, part: 1 / 64 },
];
const PLAN_WORDS = 1 << 16;
/** Headers so close to being overwritten are not used any more. */
const SCRATCH_MARGIN_BYTES = 1 << 16;

/** Where everything lies in the arena. */
export class RouterLayout {
  readonly slotsStart: number;
  readonly outScratch: number;
  readonly inScratch: number;
  readonly templates: number;
  readonly held: number;
  readonly heldPools: readonly PoolSpec[];
  readonly end: number;

  constructor(limits: RouterLimits) {
    this.slotsStart = limits.sentBytes;
    this.outScratch = this.slotsStart + limits.locals * SLOTS * SLOT_BYTES;
    this.inScratch = this.outScratch + OUT_SCRATCH_BYTES;
    this.templates = this.inScratch + IN_SCRATCH_BYTES;
    this.held = this.templates + limits.sessions * TEMPLATE_MAX_BYTES;
    this.heldPools = HELD_POOLS.map(({ blockBytes, part }) => ({
      blockBytes,
      blocks: Math.ceil(limits.heldPackets * part),
    }));
    this.end = this.heldPools.reduce((at, { blockBytes, blocks }) => at + blockBytes * blocks, this.held);
  }
}

/** What the parts of the router share: the tables, the memory and the two plans that are being made. */
export class Context {
  readonly node: NodeIdentity;
  readonly random: () => number;
  readonly limits: RouterLimits;
  readonly layout: RouterLayout;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly nodes: Nodes;
  readonly paths: Paths;
  readonly policies: Policies;
  readonly real: RealAddresses;
  readonly sessions: Sessions;
  readonly templates: Templates;
  readonly availability: Availability;
  readonly routes: RouteTable;
  readonly drops = new DropCounters();
  readonly outbox = new Outbox(PLAN_WORDS);
  readonly writer: TunWriter;
  readonly trailer: TrailerWriter;
  /** The flag of datagrams on paths that says that they are numbered, if they are; and what their trailers take. */
  readonly sequenced: number;
  readonly trailerBytes: number;
  locals: readonly Local[] = [];
  /** Where the next header of the plan to be sent may be built: a ring, so that headers stay for a while. */
  scratch: number;
  /** Bytes that went through the ring of headers before it was last at its start. */
  scratchBefore = LARGE_ZERO;
  /** Where the TUN device is to be read into next: a ring of `tunRingBytes`; and the bytes of it that were passed. */
  tunAt = 0;
  tunTotal = LARGE_ZERO;
  tunRingBytes: number;
  readonly history: History;
  readonly congestion: Congestion;
  /** What is to happen once the plan for the device has been written. */
  onWritten: () => void = () => {};
  private readonly io: RouterIo;
  private lastStampUs = 0;
  private ratedTotal = LARGE_ZERO;
  /** What was read before has been given up: the ring had another length. */
  private lostBefore = LARGE_ZERO;
  private ratedUs = 0;
  private addressTurn = 0;

  constructor(arena: Uint8Array, options: RouterOptions, io: RouterIo) {
    const { node, seed } = options;
    this.node = node;
    this.random = options.random;
    this.limits = { ...ROUTER_LIMITS, ...options.limits };
    this.layout = new RouterLayout(this.limits);
    this.io = io;
    this.bytes = arena;
    this.view = new DataView(arena.buffer, arena.byteOffset, arena.byteLength);
    const { sessions, nodes, paths } = this.limits;
    this.nodes = new Nodes({ capacity: nodes, seed });
    this.paths = new Paths({ capacity: paths, nodes, seed });
    this.policies = new Policies(this.paths);
    this.real = new RealAddresses(this.nodes, this.paths);
    const templates = { bytes: arena, at: this.layout.templates };
    this.sessions = new Sessions({ capacity: sessions, nodes, seed, templates });
    this.templates = new Templates(this.sessions, this.view);
    this.availability = new Availability({ capacity: nodes, seed });
    this.routes = new RouteTable(seed);
    const { inScratch, templates: inEnd, outScratch } = this.layout;
    this.writer = new TunWriter(arena, inScratch, inEnd, PLAN_WORDS, options.offloads);
    this.trailer = new TrailerWriter(node.idHigh, node.idLow);
    const isNumbered = options.wire !== "paper";
    this.sequenced = isNumbered ? FLAG_SEQUENCED : 0;
    this.trailerBytes = isNumbered ? TRAILER_BYTES : CONTROL_BLOCK_BYTES;
    this.scratch = outScratch;
    this.tunRingBytes = this.limits.sentBytes;
    this.congestion = new Congestion(this.paths, sessions);
    this.history = new History(paths, this.limits.sentRuns);
  }

  /** The device has been read up to `end`. */
  advanceTun(end: number, nowUs: number): void {
    const next = (end + 63) & ~63;
    this.tunTotal += next - this.tunAt;
    this.tunAt = next;
    if (next + TUN_READ_BYTES <= this.tunRingBytes) return;
    this.tunTotal += this.tunRingBytes - next;
    this.tunAt = 0;
    const rate = ((this.tunTotal - this.ratedTotal) * 1e6) / (nowUs - this.ratedUs);
    if (nowUs - this.ratedUs < TUN_RATE_US) return;
    const wanted = rate > TUN_FAST_BYTES_PER_S ? TUN_RING_FAST_BYTES : this.limits.sentBytes;
    if (wanted !== this.tunRingBytes) this.lostBefore = this.tunTotal;
    this.tunRingBytes = wanted;
    this.ratedTotal = this.tunTotal;
    this.ratedUs = nowUs;
  }

  /** The positions of what is built and read now, for the history. */
  get headerMark(): number {
    return this.scratchBefore + this.scratch - this.layout.outScratch;
  }

  /** Whether what was built and read at these positions is still there. */
  isKept(dataMark: number, headerMark: number): boolean {
    const ring = this.layout.inScratch - this.layout.outScratch;
    if (this.headerMark - headerMark > ring - SCRATCH_MARGIN_BYTES) return false;
    return dataMark >= this.lostBefore && this.tunTotal - dataMark < this.tunRingBytes - 2 * TUN_READ_BYTES;
  }

  /** Makes room for `datagrams` datagrams with headers of up to `headerBytes` bytes. */
  reserve(datagrams: number, headerBytes: number): void {
    const bytes = datagrams * (headerBytes + this.trailerBytes);
    const { plan } = this.outbox;
    const isFull = this.scratch + bytes > this.layout.inScratch;
    if (isFull || plan.end + datagrams * 16 > plan.words.length) this.send();
    if (!isFull) return;
    this.scratchBefore += this.layout.inScratch - this.layout.outScratch;
    this.scratch = this.layout.outScratch;
  }

  /** Sends what has been put together. */
  send(): void {
    if (this.outbox.plan.count > 0) this.io.send(this.outbox.plan);
    this.outbox.clear();
  }

  /** Writes what is to go to the device. */
  write(): void {
    this.writer.finish();
    if (this.writer.plan.count > 0) this.io.write(this.writer.plan);
    this.writer.clear();
    this.onWritten();
  }

  /**
   * The first of `count` timestamps, one µs apart and later than all before: over all sessions, so that what a path
   * has delivered shows which packets cannot come any more (reorder/buffer.ts).
   */
  stamp(nowUs: number, count: number): number {
    const first = Math.max(Math.floor(nowUs), this.lastStampUs + 1);
    this.lastStampUs = first + count - 1;
    return first | 0;
  }

  /** Asks whether MPIP is spoken at an address that the host sends packets to, unless that is known. */
  ask(address: Int32Array, nowMs: number): void {
    this.availability.ask(address, 0, this.real.port, false, nowMs);
  }

  /** One of the local IPv4 addresses, each in its turn; 0 where there is none. */
  nextAddress(): number {
    const count = this.locals.length;
    for (let i = 0; i < count; i++) {
      this.addressTurn = this.addressTurn + 1 < count ? this.addressTurn + 1 : 0;
      const { address } = this.locals[this.addressTurn]!;
      if (address[0] === 0 && address[1] === 0) return address[3]!;
    }
    return 0;
  }
}
