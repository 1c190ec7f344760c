import { Deadlines } from "../base/deadlines.ts";
import { NONE, type NodeSlot, type None, type PathSlot } from "../base/ids.ts";
import type { Scheduler } from "../dispatch/scheduler.ts";
import { ADDRESS_CONFIGURED, ADDRESS_OBSERVED } from "../tables/node-addresses.ts";
import { USE_NO, USE_YES } from "../tables/paths.ts";
import { addressText } from "../wire/address.ts";
import type { BodyReader } from "../wire/body-reader.ts";
import {
  type ControlBlock,
  KIND_HEARTBEAT,
  KIND_PROBE,
  KIND_PROBE_ANSWER,
  PATH_NONE,
} from "../wire/control-block.ts";
import { Echo, FIELD_ECHO, FIELD_RECEIVED, FIELD_TOKEN, Received } from "../wire/control-body.ts";
import type { Context, Local } from "./context.ts";
import { type ControlSender, PROBE_BYTES } from "./control-sender.ts";
import { PathMoves } from "./path-moves.ts";

/** States of a path, as `paths.state` has them. */
export const PATH_PROBING = 0;
export const PATH_READY = 1;
/** It worked and has fallen silent. */
export const PATH_DOWN = 2;
export const PATH_STATE_NAMES = ["probing", "ready", "down"] as const;

/** From one probe to the next: doubled up to the longest. */
const PROBE_MS = 100;
const PROBE_MAX_MS = 5_000;
/** The same for an address that the node has, but may well not be reached by from here, as behind a NAT. */
const PROBE_VAGUE_MS = 60_000;
/** From one heartbeat to the next, with and without data. */
const BEAT_MS = 100;
const BEAT_IDLE_MS = 1_000;
/** Data within this long makes a path active. */
const ACTIVE_MS = 1_000;
/** A path on which nothing was heard for so long is down: four beats. */
const SILENT_MS = 4 * BEAT_MS;
const SILENT_IDLE_MS = 4 * BEAT_IDLE_MS;
/** A place where a node was merely seen, and where it does not answer, is given up after so long. */
const FORGET_MS = 30_000;

/**
 * Which paths there are to the nodes and whether they work (paper §3.4.1), and heartbeats that keep the measurements
 * fresh (§3.4.4).
 *
 *     probing ──answer──▶ ready ──silence──▶ down ──answer──▶ ready
 */
export class PathKeeper {
  private readonly context: Context;
  private readonly scheduler: Scheduler;
  private readonly sender: ControlSender;
  readonly moves: PathMoves;
  private readonly received = new Received();
  private readonly echo = new Echo();
  // By path.
  private readonly deadlines: Deadlines<PathSlot>;
  private readonly intervalMs: Float64Array;
  private readonly tokenHigh: Int32Array;
  private readonly tokenLow: Int32Array;
  private readonly arrivedUs: Float64Array;
  private readonly dataMs: Float64Array;
  private readonly activeSinceMs: Float64Array;

  constructor(context: Context, scheduler: Scheduler, sender: ControlSender) {
    const { paths } = context.limits;
    this.context = context;
    this.scheduler = scheduler;
    this.sender = sender;
    this.moves = new PathMoves(context, sender);
    this.deadlines = new Deadlines(paths);
    this.intervalMs = new Float64Array(paths);
    this.tokenHigh = new Int32Array(paths);
    this.tokenLow = new Int32Array(paths);
    this.arrivedUs = new Float64Array(paths);
    this.dataMs = new Float64Array(paths);
    this.activeSinceMs = new Float64Array(paths);
  }

  /** The sockets that there are now: paths of others go, new ones are probed. */
  setLocals(locals: readonly Local[], nowMs: number): void {
    const { context } = this;
    const { paths, nodes } = context;
    const kept = new Set(locals.map((local) => local.socket));
    for (let slot = paths.slab.top - 1; slot >= 0; slot--) {
      if (paths.slab.has(slot) && !kept.has(paths.socket[slot]!)) this.remove(slot as PathSlot);
    }
    context.locals = locals;
    for (let node = nodes.first(); node !== NONE; node = nodes.after(node)) this.addPaths(node, nowMs);
  }

  /** A packet of a known node came in on a path. */
  noteHeard(
    path: PathSlot,
    node: NodeSlot,
    block: Readonly<ControlBlock>,
    arrivedUs: number,
    nowUs: number,
    isData: boolean,
  ): void {
    const { paths, nodes } = this.context;
    const nowMs = nowUs / 1000;
    paths.heardMs[path] = nowMs;
    nodes.handlePacket(node, nowMs);
    if (block.path !== PATH_NONE) paths.setPeerId(path, block.path);
    paths.arrivals.handleTimestamp(path, block.timestampUs, arrivedUs);
    this.arrivedUs[path] = arrivedUs;
    if (block.feedbackPath !== PATH_NONE) {
      const fed = paths.find(node, block.feedbackPath);
      if (fed !== NONE) {
        paths.delays.handleFeedback(fed, node, block.delayUs, nowMs);
        this.scheduler.handleFeedback(fed, nowMs);
      }
    }
    if (isData) this.noteData(path, nowMs);
  }

  /** Data went or came on a path: it beats fast for a while. */
  noteData(path: PathSlot, nowMs: number): void {
    if (nowMs - this.dataMs[path]! > ACTIVE_MS) {
      this.activeSinceMs[path] = nowMs;
      if (this.deadlines.of(path) > nowMs + BEAT_MS) this.deadlines.set(path, nowMs + BEAT_MS);
    }
    this.dataMs[path] = nowMs;
  }

  /** All pairs of our sockets and the node's addresses that are no paths yet. */
  addPaths(node: NodeSlot, nowMs: number): void {
    const { locals, nodes } = this.context;
    const { addresses } = nodes;
    for (let slot = addresses.first(node); slot !== NONE; slot = addresses.after(slot)) {
      const at = addresses.wordsAt(slot);
      // Where the node was seen by one of our sockets only: behind a NAT it is nowhere else for the others.
      if (addresses.sources[slot] === ADDRESS_OBSERVED) continue;
      for (const local of locals) {
        if (!this.sender.reaches(local, addresses.words, at)) continue;
        this.addPath(node, local, addresses.words, at, addresses.port(slot), nowMs);
      }
    }
  }

  private addPath(
    node: NodeSlot,
    local: Local,
    remote: Int32Array,
    remoteIndex: number,
    port: number,
    nowMs: number,
  ): PathSlot | None {
    const { paths, random } = this.context;
    const name = `${local.device}/${addressText(remote, remoteIndex)}`;
    const { socket, device, address } = local;
    const path = paths.add(node, name, {
      socket,
      device,
      local: address,
      localIndex: 0,
      remote,
      remoteIndex,
      port,
    });
    if (path === NONE) return NONE;
    paths.state[path] = PATH_PROBING;
    this.tokenHigh[path] = random() | 0;
    this.tokenLow[path] = random() | 0;
    this.intervalMs[path] = PROBE_MS;
    this.dataMs[path] = Number.NEGATIVE_INFINITY;
    this.activeSinceMs[path] = Number.NEGATIVE_INFINITY;
    this.deadlines.set(path, nowMs);
    return path;
  }

  /** A path to where a packet of the node came from, which is of no use before a probe on it was answered. */
  addPathAt(
    node: NodeSlot,
    socket: number,
    to: Int32Array,
    toIndex: number,
    port: number,
    nowMs: number,
  ): PathSlot | None {
    const { paths, locals } = this.context;
    const local = locals.find((one) => one.socket === socket);
    if (local === undefined) return NONE;
    const path = this.addPath(node, local, to, toIndex, port, nowMs);
    if (path !== NONE) paths.heardMs[path] = nowMs;
    return path;
  }

  /** A control packet of a path; `reader` stands at the start of its body. */
  handle(
    path: PathSlot,
    node: NodeSlot,
    block: Readonly<ControlBlock>,
    reader: BodyReader,
    from: Int32Array,
    fromAt: number,
    port: number,
    nowUs: number,
  ): void {
    if (block.kind === KIND_PROBE) this.handleProbe(path, block, reader, from, fromAt, port, nowUs);
    else if (block.kind === KIND_PROBE_ANSWER) this.handleAnswer(path, reader, nowUs);
    else if (block.kind === KIND_HEARTBEAT) this.handleHeartbeat(node, block, reader, nowUs);
  }

  handleTick(nowUs: number): void {
    const nowMs = nowUs / 1000;
    for (let slot = this.deadlines.pop(nowMs); slot !== NONE; slot = this.deadlines.pop(nowMs)) {
      this.handlePathTick(slot, nowMs, nowUs);
    }
  }

  nextDeadlineMs(): number {
    return this.deadlines.next();
  }

  /** Whether one of the node's paths works. */
  hasUsable(node: NodeSlot): boolean {
    const { paths } = this.context;
    for (let place = 0; place < paths.count(node); place++) {
      if (paths.useOf(paths.at(node, place)) !== USE_NO) return true;
    }
    return false;
  }

  removeNode(node: NodeSlot): void {
    const { paths } = this.context;
    for (let place = paths.count(node) - 1; place >= 0; place--) this.remove(paths.at(node, place));
  }

  private handleProbe(
    path: PathSlot,
    block: Readonly<ControlBlock>,
    reader: BodyReader,
    from: Int32Array,
    fromAt: number,
    port: number,
    nowUs: number,
  ): void {
    this.answerProbe(path, block, reader, from, fromAt, port, nowUs);
    // The peer can reach us here: so may we it.
    if (this.context.paths.state[path] !== PATH_READY && this.intervalMs[path]! > PROBE_MS) {
      this.intervalMs[path] = PROBE_MS;
      this.deadlines.set(path, nowUs / 1000);
    }
  }

  /** Answers a probe to where it came from, where the answer is not longer than it. */
  answerProbe(
    path: PathSlot,
    block: Readonly<ControlBlock>,
    reader: BodyReader,
    from: Int32Array,
    fromAt: number,
    port: number,
    nowUs: number,
  ): void {
    const { sender } = this;
    if (block.userBytes < PROBE_BYTES) return;
    while (reader.next()) {
      if (reader.type !== FIELD_TOKEN) continue;
      const body = sender.begin();
      body.token(reader.high(), reader.low());
      body.observed(from, fromAt, port);
      sender.sendAs(KIND_PROBE_ANSWER, path, from, fromAt, port, nowUs);
    }
  }

  private handleAnswer(path: PathSlot, reader: BodyReader, nowUs: number): void {
    const { context } = this;
    const { paths } = context;
    while (reader.next()) {
      if (reader.type !== FIELD_TOKEN) continue;
      if (reader.high() !== this.tokenHigh[path] || reader.low() !== this.tokenLow[path]) return;
    }
    if (paths.state[path] !== PATH_READY) this.confirm(path, nowUs);
  }

  /** A probe of the path was answered from its far end: there the node is. */
  confirm(path: PathSlot, nowUs: number): void {
    const { paths, nodes } = this.context;
    const nowMs = nowUs / 1000;
    const at = paths.remoteAt(path);
    nodes.addresses.learn(paths.nodeOf(path), paths.remotes, at, paths.port(path), ADDRESS_OBSERVED, nowMs);
    paths.state[path] = PATH_READY;
    paths.setUse(path, USE_YES);
    this.deadlines.set(path, nowMs);
  }

  private handleHeartbeat(
    node: NodeSlot,
    block: Readonly<ControlBlock>,
    reader: BodyReader,
    nowUs: number,
  ): void {
    const { context } = this;
    const { paths } = context;
    while (reader.next()) {
      if (reader.type === FIELD_RECEIVED) {
        const report = reader.received(this.received);
        const path = paths.find(node, report.path);
        if (path !== NONE) paths.delivery.handleReport(path, report, block.timestampUs);
      } else if (reader.type === FIELD_ECHO) {
        const echo = reader.echo(this.echo);
        const path = paths.find(node, echo.path);
        const rttUs = ((nowUs | 0) - echo.timestampUs - echo.heldUs) | 0;
        if (path !== NONE && rttUs > 0) paths.delays.handleRtt(path, rttUs);
      }
    }
  }

  private handlePathTick(path: PathSlot, nowMs: number, nowUs: number): void {
    const { paths } = this.context;
    if (paths.state[path] !== PATH_READY) {
      if (this.isOver(path, nowMs)) this.remove(path);
      else this.probe(path, nowMs, nowUs);
      return;
    }
    const isActive = nowMs - this.dataMs[path]! <= ACTIVE_MS;
    const isSettled = nowMs - this.activeSinceMs[path]! > ACTIVE_MS + SILENT_MS;
    const silentMs = isActive && isSettled ? SILENT_MS : SILENT_IDLE_MS;
    if (nowMs - paths.heardMs[path]! > silentMs) {
      paths.state[path] = PATH_DOWN;
      paths.setUse(path, USE_NO);
      this.intervalMs[path] = PROBE_MS;
      this.probe(path, nowMs, nowUs);
      return;
    }
    this.beat(path, nowUs);
    this.deadlines.set(path, nowMs + (isActive ? BEAT_MS : BEAT_IDLE_MS));
  }

  /** From where the address at a path's far end is known: ADDRESS_* bits. */
  private sourcesOf(path: PathSlot): number {
    const { paths, nodes } = this.context;
    const { addresses } = nodes;
    const at = paths.remoteAt(path);
    const address = addresses.findOf(paths.nodeOf(path), paths.remotes, at, paths.port(path));
    return address === NONE ? 0 : addresses.sources[address]!;
  }

  /** Whether nothing is known of a path any more but that the node was once seen there. */
  private isOver(path: PathSlot, nowMs: number): boolean {
    return (
      nowMs - this.context.paths.heardMs[path]! > FORGET_MS &&
      (this.sourcesOf(path) & ~ADDRESS_OBSERVED) === 0
    );
  }

  /** Whether there is little hope: the node has such an address, but nothing has ever come from there. */
  private isVague(path: PathSlot): boolean {
    return (
      this.context.paths.arrivals.packets[path] === 0 && (this.sourcesOf(path) & ADDRESS_CONFIGURED) === 0
    );
  }

  private probe(path: PathSlot, nowMs: number, nowUs: number): void {
    const body = this.sender.begin();
    body.token(this.tokenHigh[path]!, this.tokenLow[path]!);
    body.padTo(PROBE_BYTES);
    this.sender.sendOn(KIND_PROBE, path, nowUs);
    // Where the peer is heard, a probe was merely lost.
    const isHeard = nowMs - this.context.paths.heardMs[path]! < SILENT_IDLE_MS;
    const intervalMs = isHeard ? PROBE_MS : this.intervalMs[path]!;
    this.deadlines.set(path, nowMs + intervalMs);
    this.intervalMs[path] = Math.min(2 * intervalMs, this.isVague(path) ? PROBE_VAGUE_MS : PROBE_MAX_MS);
  }

  private beat(path: PathSlot, nowUs: number): void {
    const { paths } = this.context;
    const body = this.sender.begin();
    const peerId = paths.peerId[path]!;
    if (peerId !== PATH_NONE) {
      const { received, echo } = this;
      received.path = peerId;
      body.received(paths.arrivals.received(path, received));
      echo.path = peerId;
      echo.timestampUs = paths.arrivals.newestTimestampUs[path]!;
      echo.heldUs = nowUs - this.arrivedUs[path]!;
      body.echo(echo);
    }
    this.sender.sendOn(KIND_HEARTBEAT, path, nowUs);
  }

  remove(path: PathSlot): void {
    this.deadlines.cancel(path);
    this.moves.forget(path);
    this.context.paths.remove(path);
  }

  /** The node has an address no more: its paths to there go, but for one. */
  removePathsTo(node: NodeSlot, words: Int32Array, at: number, port: number, but: PathSlot): void {
    const { paths } = this.context;
    for (const { socket } of this.context.locals) {
      const path = paths.findEnds(socket, words, at, port);
      if (path !== NONE && path !== but && paths.nodeOf(path) === node) this.remove(path);
    }
  }

  /** Looks at all of the node's paths now: something has changed. */
  hurry(node: NodeSlot, nowMs: number): void {
    const { paths } = this.context;
    for (let place = 0; place < paths.count(node); place++) {
      const path = paths.at(node, place);
      this.intervalMs[path] = PROBE_MS;
      this.deadlines.set(path, nowMs);
    }
  }
}
