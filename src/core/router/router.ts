import { NONE, type SessionSlot } from "../base/ids.ts";
import { Algorithm1 } from "../dispatch/algorithm1.ts";
import { EarliestArrival } from "../dispatch/earliest-arrival.ts";
import type { RuleSpec } from "../dispatch/rule-spec.ts";
import {
  Context,
  type Local,
  type PeerSpec,
  ROUTER_LIMITS,
  type RouterIo,
  RouterLayout,
  type RouterOptions,
  SCHEDULERS,
  SLOT_BYTES,
  SLOTS,
  TUN_READ_BYTES,
  WIRES,
} from "./context.ts";
import { Dispatch } from "./dispatch.ts";
import { Inbound, type NetInput } from "./inbound.ts";
import { Outbound } from "./outbound.ts";
import { Peering } from "./peering.ts";
import type { LinePolicy } from "./policies.ts";
import type { RealState } from "./real-addresses.ts";

/** Sessions looked at for expiry in one tick. */
const EXPIRIES_MAX = 64;

/**
 * The MPIP router, without any I/O: packets, what the sockets received and the time come in, plans go out through
 * `RouterIo` before a `handle…` method returns. Times are µs of a clock that never goes back.
 *
 * The caller reads the TUN device into the TUN_READ_BYTES bytes of the arena at `tunAt`, and the n-th socket of
 * `setLocals` into `slotsAt(n)`, SLOTS slots of SLOT_BYTES bytes each.
 */
export class Router {
  readonly layout: RouterLayout;
  private readonly context: Context;
  private readonly dispatch: Dispatch;
  private readonly peering: Peering;
  private readonly outbound: Outbound;
  private readonly inbound: Inbound;
  private readonly io: RouterIo;
  /** The largest packet that fits through all paths that work, as it was last told, and `paths.changes` then. */
  private packetBytes = 0;
  private changes = 0;

  /** Bytes of arena that a router needs. */
  static arenaBytes(options: Pick<RouterOptions, "limits">): number {
    return new RouterLayout({ ...ROUTER_LIMITS, ...options.limits }).end;
  }

  constructor(arena: Uint8Array, options: RouterOptions, io: RouterIo) {
    this.io = io;
    this.context = new Context(arena, options, io);
    this.layout = this.context.layout;
    const { paths } = this.context;
    const scheduler =
      options.scheduler === "paper" ? new Algorithm1(paths, options.algorithm1) : new EarliestArrival(paths);
    this.dispatch = new Dispatch(this.context, scheduler);
    this.peering = new Peering(this.context, this.dispatch);
    this.outbound = new Outbound(this.context, this.dispatch, this.peering.keeper);
    this.inbound = new Inbound(this.context, this.peering, this.dispatch);
  }

  /** Where the messages of the n-th socket go. */
  slotsAt(index: number): number {
    return this.layout.slotsStart + index * SLOTS * SLOT_BYTES;
  }

  /** Whether what leaves by a path has a number, by which peers know what is lost. */
  get isNumbered(): boolean {
    return this.context.sequenced !== 0;
  }

  /** Where the TUN device is to be read into next. */
  get tunAt(): number {
    return this.context.tunAt;
  }

  setLocals(locals: readonly Local[], nowUs: number): void {
    this.context.policies.setLocals(locals, nowUs);
    this.peering.setLocals(locals, nowUs / 1000);
    this.followPaths();
  }

  setPeers(peers: readonly PeerSpec[], nowUs: number): void {
    this.peering.setPeers(peers, nowUs / 1000);
  }

  /**
   * Carries traffic to the real addresses of other nodes, which unknown destinations are asked for at `port`; 0: does
   * not. `onChange` is called when `realState` may have changed.
   */
  setRealAddresses(port: number, onChange: () => void, nowUs: number): void {
    this.context.real.onChange = onChange;
    this.peering.setReal(port, nowUs / 1000);
    this.context.real.check();
  }

  /** What the host is to hand over of its own traffic. */
  realState(): RealState {
    return this.context.real.state();
  }

  setRules(rules: readonly RuleSpec[]): void {
    this.dispatch.setRules(rules);
  }

  /** Packets that the TUN device gave, as its records say. */
  handleTun(records: Int32Array, count: number, nowUs: number): void {
    this.outbound.handle(records, count, nowUs);
  }

  /** What the sockets have received, all at once so that it can be put in order. */
  handleNet(inputs: readonly NetInput[], nowUs: number): void {
    this.inbound.handle(inputs, nowUs);
    this.outbound.handlePaths(nowUs);
    this.outbound.handleWaiting(nowUs);
    this.followPaths();
    this.context.real.check();
  }

  handleTick(nowUs: number): void {
    const nowMs = nowUs / 1000;
    const { sessions } = this.context;
    this.inbound.handleTick(nowUs);
    this.peering.handleTick(nowUs);
    this.context.policies.handleTick(nowMs);
    this.dispatch.handleTick(nowMs);
    this.context.real.check();
    for (let i = 0; i < EXPIRIES_MAX && sessions.pollExpired(nowMs) !== NONE; i++);
    this.outbound.handlePaths(nowUs);
    this.outbound.handleWaiting(nowUs);
    this.followPaths();
  }

  nextDeadlineUs(): number {
    const deadlineMs = Math.min(
      this.peering.nextDeadlineMs(),
      this.dispatch.scheduler.nextDeadlineMs(),
      this.context.policies.nextDeadlineMs(),
      this.context.sessions.nextDeadlineMs(),
    );
    return Math.min(this.inbound.reorder.nextDeadlineUs(), this.outbound.nextDeadlineUs(), deadlineMs * 1000);
  }

  /** Why a peer does not want us, one of REFUSAL_*; 0 as far as we know it does. */
  refusal(peer: string): number {
    return this.peering.refusal(peer);
  }

  /** How often a node that may be the peer has asked with our own node ID. */
  ownIdClashes(peer: string): number {
    return this.peering.ownIdClashes(peer);
  }

  /** Where the paths have changed, tells how large packets may be. While none works, they may be what they were. */
  private followPaths(): void {
    const { paths } = this.context;
    if (paths.changes === this.changes) return;
    this.changes = paths.changes;
    const packetBytes = paths.smallestRoom();
    if (packetBytes === this.packetBytes || packetBytes === 0) return;
    this.packetBytes = packetBytes;
    this.io.resize(packetBytes);
  }

  get nodes() {
    return this.context.nodes;
  }

  get sessions() {
    return this.context.sessions;
  }

  get paths() {
    return this.context.paths;
  }

  get states() {
    return this.peering.keeper.states;
  }

  get policies() {
    return this.context.policies;
  }

  get availability() {
    return this.context.availability;
  }

  get drops() {
    return this.context.drops;
  }

  get rules() {
    return this.dispatch.table;
  }

  /** What was lost, by what became of it. */
  get repair() {
    return { ...this.peering.repair.counters, signalled: this.context.congestion.signalled };
  }

  /** The number that TCP's order in a session expects of the peer next; undefined where none is known. */
  nextSequence(session: SessionSlot): number | undefined {
    return this.inbound.nextSequence(session);
  }

  get reordering() {
    return this.inbound.reorder.counters;
  }
}

export type { LinePolicy, Local, NetInput, PeerSpec, RealState, RouterIo, RouterOptions };
export { SCHEDULERS, SLOT_BYTES, SLOTS, TUN_READ_BYTES, WIRES };
