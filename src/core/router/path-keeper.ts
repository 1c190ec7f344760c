import { Deadlines } from "../base/deadlines.ts";
import { NONE, type NodeSlot, type None, type PathSlot } from "../base/ids.ts";
import type { Scheduler } from "../dispatch/scheduler.ts";
import { ADDRESS_CONFIGURED, ADDRESS_OBSERVED } from "../tables/node-addresses.ts";
import { USE_NO, USE_SUSPECT, USE_YES } from "../tables/paths.ts";
import { addressText } from "../wire/address.ts";
import type { BodyReader } from "../wire/body-reader.ts";
import {
  type ControlBlock,
  KIND_HEARTBEAT,
  KIND_PROBE,
  KIND_PROBE_ANSWER,
  PATH_NONE,
} from "../wire/control-block.ts";
import { FIELD_MTU, FIELD_OBSERVED, FIELD_TOKEN } from "../wire/control-body.ts";
import type { Context, Local } from "./context.ts";
import { type ControlSender, PROBE_BYTES } from "./control-sender.ts";
import { KeepAlive } from "./keep-alive.ts";
import { MtuSearch } from "./mtu-search.ts";
import { isChallenge, PathMoves } from "./path-moves.ts";
import { PATH_PROBING, PATH_READY, PATH_SUSPECT, PathStates } from "./path-states.ts";
import { LATE_BEATS, PathWatch, RTT_SLACK } from "./path-watch.ts";
import { BEAT_MS, Reporter } from "./reporter.ts";

/** From one probe to the next: doubled up to the longest, which is shorter while data flows to the node. */
const PROBE_MS = 100;
const PROBE_MAX_MS = 5_000;
const PROBE_MAX_ACTIVE_MS = 500;
/** The same for an address that the node has, but may well not be reached by from here, as behind a NAT. */
const PROBE_VAGUE_MS = 60_000;
/** Data within this long makes a node active. */
const ACTIVE_MS = 1_000;
/** How long a node that becomes active has to beat faster. */
const SETTLE_MS = 500;
/** A path on which nothing was heard for so long is suspect, where few packets are lost. */
const SILENT_MS = 3.5 * BEAT_MS;
const SILENT_PAUSES = 4;
/** For so long after it was heard, a peer that does not answer probes is not gone. */
const HEARD_MS = 4_000;
/** A place where a node was merely seen, and where it does not answer, is given up after so long. */
const FORGET_MS = 30_000;

/**
 * Which paths there are to the nodes and whether they work (paper §3.4.1), and heartbeats that keep the measurements
 * fresh (§3.4.4). A path is suspected when nothing is heard on it, and sooner when data that was sent on it is not
 * reported.
 */
export class PathKeeper {
  private readonly context: Context;
  private readonly scheduler: Scheduler;
  private readonly sender: ControlSender;
  readonly moves: PathMoves;
  private readonly mtu: MtuSearch;
  private readonly keepAlive: KeepAlive;
  readonly reporter: Reporter;
  private readonly watch: PathWatch;
  readonly states: PathStates;
  /** What was sent on a path of late may not have arrived: it is suspect, or goes. */
  onDoubt: (path: PathSlot, nowUs: number) => void = () => {};
  // By path.
  private readonly deadlines: Deadlines<PathSlot>;
  private readonly intervalMs: Float64Array;
  private readonly tokenHigh: Int32Array;
  private readonly tokenLow: Int32Array;
  /** When a probe was sent last, and when one was answered. */
  private readonly probedMs: Float64Array;
  private readonly answeredMs: Float64Array;
  // By node.
  private readonly dataMs: Float64Array;
  private readonly activeSinceMs: Float64Array;
  // By path, as the two above.
  private readonly pathDataMs: Float64Array;
  private readonly pathSinceMs: Float64Array;
  private readonly observed = new Int32Array(4);

  constructor(context: Context, scheduler: Scheduler, sender: ControlSender) {
    const { paths, nodes } = context.limits;
    this.context = context;
    this.scheduler = scheduler;
    this.sender = sender;
    this.moves = new PathMoves(context, sender);
    this.mtu = new MtuSearch(context, sender);
    this.keepAlive = new KeepAlive(context);
    this.reporter = new Reporter(context, sender);
    this.watch = new PathWatch(context, this.reporter);
    this.watch.onDoubt = (path, nowUs) => this.ask(path, nowUs);
    this.watch.onLoss = (path, nowUs) => this.suspect(path, nowUs / 1000, nowUs);
    this.states = new PathStates(context.paths);
    this.deadlines = new Deadlines(paths);
    this.intervalMs = new Float64Array(paths);
    this.tokenHigh = new Int32Array(paths);
    this.tokenLow = new Int32Array(paths);
    this.probedMs = new Float64Array(paths);
    this.answeredMs = new Float64Array(paths);
    this.dataMs = new Float64Array(nodes).fill(Number.NEGATIVE_INFINITY);
    this.activeSinceMs = new Float64Array(nodes).fill(Number.NEGATIVE_INFINITY);
    this.pathDataMs = new Float64Array(paths);
    this.pathSinceMs = new Float64Array(paths);
    context.policies.onChange = (path) => this.deadlines.set(path, Number.NEGATIVE_INFINITY);
  }

  /** The sockets that there are now: paths of others go, new ones are probed. */
  setLocals(locals: readonly Local[], nowMs: number): void {
    const { context } = this;
    const { paths, nodes } = context;
    for (let slot = paths.slab.top - 1; slot >= 0; slot--) {
      if (!paths.slab.has(slot)) continue;
      const local = locals.find(({ socket }) => socket === paths.socket[slot]);
      if (local === undefined) this.remove(slot as PathSlot, nowMs);
      else this.mtu.setOwnBound(slot as PathSlot, local.mtu, nowMs);
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
    paths.arrivals.handleTimestamp(path, block.timestampUs, arrivedUs, paths.clocks.gainedUs[node]!);
    if (block.feedbackPath !== PATH_NONE) {
      const fed = paths.find(node, block.feedbackPath);
      if (fed !== NONE) {
        paths.delays.handleFeedback(fed, node, block.delayUs, nowMs);
        this.scheduler.handleFeedback(fed, nowMs);
      }
    }
    if (!isData) return;
    this.reporter.noteArrival(path, nowUs);
    this.noteData(path, node, nowMs);
  }

  /** `bytes` bytes of data leave by a path. */
  noteSent(path: PathSlot, bytes: number, timestamp: number, nowMs: number): void {
    this.noteData(path, this.context.paths.nodeOf(path), nowMs);
    this.watch.noteSent(path, bytes, timestamp, nowMs);
  }

  /** Data went to a node or came from it: its paths beat fast for a while, those that cost money only if it is by them. */
  private noteData(path: PathSlot, node: NodeSlot, nowMs: number): void {
    if (nowMs - this.pathDataMs[path]! > ACTIVE_MS) {
      this.pathSinceMs[path] = nowMs;
      this.hasten(path, nowMs);
    }
    this.pathDataMs[path] = nowMs;
    if (nowMs - this.dataMs[node]! > ACTIVE_MS) this.wake(node, nowMs);
    this.dataMs[node] = nowMs;
  }

  private wake(node: NodeSlot, nowMs: number): void {
    const { paths, policies } = this.context;
    this.activeSinceMs[node] = nowMs;
    for (let place = 0; place < paths.count(node); place++) {
      const path = paths.at(node, place);
      if (policies.rarer(path) === 1) this.hasten(path, nowMs);
    }
  }

  private hasten(path: PathSlot, nowMs: number): void {
    if (this.deadlines.of(path) > nowMs + BEAT_MS) this.deadlines.set(path, nowMs + BEAT_MS);
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
    this.states.begin(path, nowMs);
    this.reporter.begin(path);
    this.context.policies.begin(path);
    this.pathDataMs[path] = Number.NEGATIVE_INFINITY;
    this.pathSinceMs[path] = Number.NEGATIVE_INFINITY;
    this.mtu.begin(path, local.mtu);
    this.keepAlive.begin(path);
    this.tokenHigh[path] = random() | 0;
    this.tokenLow[path] = random() | 0;
    this.intervalMs[path] = PROBE_MS;
    this.probedMs[path] = Number.NEGATIVE_INFINITY;
    this.answeredMs[path] = Number.NEGATIVE_INFINITY;
    this.watch.begin(path);
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
    else if (block.kind === KIND_HEARTBEAT) {
      this.keepAlive.handleBeat(path, !this.isActive(path, nowUs / 1000));
      this.reporter.handle(node, block, reader, nowUs);
    }
  }

  handleTick(nowUs: number): void {
    const nowMs = nowUs / 1000;
    for (let slot = this.deadlines.pop(nowMs); slot !== NONE; slot = this.deadlines.pop(nowMs)) {
      this.handlePathTick(slot, nowMs, nowUs);
    }
    this.mtu.handleTick(nowUs);
    this.watch.handleTick(nowUs);
    this.reporter.send(nowUs);
  }

  nextDeadlineMs(): number {
    return Math.min(
      this.deadlines.next(),
      this.mtu.nextDeadlineMs(),
      this.watch.nextDeadlineMs(),
      this.reporter.nextDeadlineUs() / 1000,
    );
  }

  /** When data went to a node or came from it last. */
  dataMsOf(node: NodeSlot): number {
    return this.dataMs[node]!;
  }

  /** Whether one of the node's paths works. */
  hasUsable(node: NodeSlot): boolean {
    const { paths } = this.context;
    for (let place = 0; place < paths.count(node); place++) {
      if (paths.useOf(paths.at(node, place)) !== USE_NO) return true;
    }
    return false;
  }

  /** The node has been started anew, and has never heard of what was sent to its predecessor. */
  renewNode(node: NodeSlot): void {
    const { paths } = this.context;
    paths.resetNode(node);
    for (let place = 0; place < paths.count(node); place++) {
      this.reporter.begin(paths.at(node, place));
      this.watch.forget(paths.at(node, place));
    }
  }

  removeNode(node: NodeSlot, nowMs: number): void {
    const { paths } = this.context;
    for (let place = paths.count(node) - 1; place >= 0; place--) this.remove(paths.at(node, place), nowMs);
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
    const mtuBytes = this.answerProbe(path, block, reader, from, fromAt, port, nowUs);
    // That is how the peer asks where it has seen us instead of where we were.
    if (isChallenge(reader) && !this.isActive(path, nowUs / 1000)) this.keepAlive.handleDeath(path);
    if (mtuBytes > 0) this.mtu.setPeerBound(path, mtuBytes, nowUs / 1000);
    // The peer can reach us here: so may we it.
    if (this.states.of(path) !== PATH_READY && this.intervalMs[path]! > PROBE_MS) {
      this.intervalMs[path] = PROBE_MS;
      this.deadlines.set(path, nowUs / 1000);
    }
  }

  /** Answers a probe to where it came from, if the answer is not longer; returns the MTU that the probe tells, or 0. */
  answerProbe(
    path: PathSlot,
    block: Readonly<ControlBlock>,
    reader: BodyReader,
    from: Int32Array,
    fromAt: number,
    port: number,
    nowUs: number,
  ): number {
    const { sender } = this;
    let mtuBytes = 0;
    if (block.userBytes < PROBE_BYTES) return mtuBytes;
    const body = sender.beginAnswer(block.userBytes);
    while (reader.next()) {
      if (reader.type === FIELD_TOKEN) body.token(reader.high(), reader.low());
      else if (reader.type === FIELD_MTU) mtuBytes = reader.uint16();
    }
    body.observed(from, fromAt, port);
    body.mtu(this.mtu.ownBound(path));
    sender.sendAs(KIND_PROBE_ANSWER, path, from, fromAt, port, nowUs);
    return mtuBytes;
  }

  private handleAnswer(path: PathSlot, reader: BodyReader, nowUs: number): void {
    let isOurs = false;
    while (reader.next()) {
      if (reader.type === FIELD_TOKEN) {
        const [high, low] = [reader.high(), reader.low()];
        isOurs = high === this.tokenHigh[path] && low === this.tokenLow[path];
        if (!isOurs) this.mtu.handleAnswer(path, high, low, nowUs);
      } else if (reader.type === FIELD_MTU) {
        this.mtu.setPeerBound(path, reader.uint16(), nowUs / 1000);
      } else if (reader.type === FIELD_OBSERVED) {
        reader.address(0, this.observed, 0);
      }
    }
    if (!isOurs) return;
    this.confirm(path, nowUs);
    this.context.real.noteObserved(path, this.observed);
  }

  /** A probe of the path was answered from its far end: there the node is. */
  private confirm(path: PathSlot, nowUs: number): void {
    const { paths, nodes, real } = this.context;
    const nowMs = nowUs / 1000;
    this.answeredMs[path] = nowMs;
    this.intervalMs[path] = PROBE_MS;
    const at = paths.remoteAt(path);
    nodes.addresses.learn(paths.nodeOf(path), paths.remotes, at, paths.port(path), ADDRESS_OBSERVED, nowMs);
    real.noteConfirmed(path);
    const hasWorked = this.states.of(path) !== PATH_PROBING;
    if (this.states.handleAnswer(path, nowMs)) {
      if (hasWorked && !this.isActive(path, nowMs)) this.keepAlive.handleDeath(path);
      paths.setUse(path, USE_YES);
      this.watch.resume(path);
    } else if (this.states.of(path) === PATH_READY) {
      this.watch.noteAnswer(path, nowMs);
      return;
    }
    this.deadlines.set(path, this.states.of(path) === PATH_READY ? nowMs : nowMs + PROBE_MS);
  }

  /** The path has moved to where the peer has answered a challenge. */
  handleMove(path: PathSlot, nowUs: number): void {
    this.confirm(path, nowUs);
    if (!this.isActive(path, nowUs / 1000)) this.keepAlive.handleDeath(path);
  }

  private handlePathTick(path: PathSlot, nowMs: number, nowUs: number): void {
    const { paths } = this.context;
    if (this.states.of(path) !== PATH_READY) {
      if (this.isOver(path, nowMs)) this.remove(path, nowMs);
      else this.probe(path, nowMs, nowUs);
      return;
    }
    const isActive = this.isActive(path, nowMs);
    const beatMs = isActive ? BEAT_MS : this.keepAlive.pauseMs(path);
    const longestMs =
      isActive && nowMs > this.settledMs(path) ? SILENT_MS : SILENT_PAUSES * this.keepAlive.longestMs(path);
    const silentMs = nowMs - Math.max(paths.heardMs[path]!, this.states.since(path));
    if (silentMs > longestMs * this.watch.patience(path)) {
      this.suspect(path, nowMs, nowUs);
      return;
    }
    this.beat(path, nowUs);
    this.watch.noteBeat(path);
    // The peer may not know that data is sent to it: that may be what was lost.
    if (silentMs > LATE_BEATS * beatMs) this.ask(path, nowUs);
    this.mtu.look(path, nowUs);
    this.deadlines.set(path, nowMs + beatMs);
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

  /** Whether data flows between the nodes, or, where bytes cost money, on the path itself. */
  private isActive(path: PathSlot, nowMs: number): boolean {
    const { paths, policies } = this.context;
    const dataMs = policies.rarer(path) === 1 ? this.dataMs[paths.nodeOf(path)]! : this.pathDataMs[path]!;
    return nowMs - dataMs <= ACTIVE_MS;
  }

  /** From when on the peer has noticed that it is to beat fast on an active path. */
  private settledMs(path: PathSlot): number {
    const { paths, policies } = this.context;
    const sinceMs =
      policies.rarer(path) === 1 ? this.activeSinceMs[paths.nodeOf(path)]! : this.pathSinceMs[path]!;
    return sinceMs + SETTLE_MS + paths.delays.rttUs[path]! / 1000;
  }

  /** From one probe to the next, at most. */
  private longestMs(path: PathSlot, nowMs: number): number {
    if (this.isVague(path)) return PROBE_VAGUE_MS;
    const rarer = this.context.policies.rarer(path);
    if (rarer > 1) return 2 * this.keepAlive.longestMs(path);
    return this.isActive(path, nowMs) ? PROBE_MAX_ACTIVE_MS : PROBE_MAX_MS;
  }

  private suspect(path: PathSlot, nowMs: number, nowUs: number): void {
    this.watch.forget(path);
    if (!this.states.handleSilence(path, nowMs)) return;
    this.context.paths.setUse(path, USE_SUSPECT);
    this.intervalMs[path] = PROBE_MS;
    // The first probe is not late yet.
    this.answeredMs[path] = nowMs;
    this.probe(path, nowMs, nowUs);
    this.onDoubt(path, nowUs);
  }

  private probe(path: PathSlot, nowMs: number, nowUs: number): void {
    const { paths } = this.context;
    const { states } = this;
    if (this.isUnanswered(path, nowMs) && states.handleUnanswered(path, nowMs)) paths.setUse(path, USE_NO);
    this.probedMs[path] = nowMs;
    this.ask(path, nowUs);
    // Where the peer is heard, a probe was merely lost.
    const isHeard = nowMs - paths.heardMs[path]! < HEARD_MS;
    const intervalMs = isHeard || states.of(path) === PATH_SUSPECT ? PROBE_MS : this.intervalMs[path]!;
    this.deadlines.set(path, nowMs + intervalMs);
    this.intervalMs[path] = Math.min(2 * intervalMs, this.longestMs(path, nowMs));
  }

  private ask(path: PathSlot, nowUs: number): void {
    const body = this.sender.probe(path, this.tokenHigh[path]!, this.tokenLow[path]!);
    body.mtu(this.mtu.ownBound(path));
    this.sender.sendOn(KIND_PROBE, path, nowUs);
  }

  /** Whether the last probe has had its time, and no answer has come since it was sent or is still on its way. */
  private isUnanswered(path: PathSlot, nowMs: number): boolean {
    const probedMs = this.probedMs[path]!;
    if (nowMs - probedMs < PROBE_MS / 2) return false;
    return this.answeredMs[path]! < probedMs - (RTT_SLACK * this.context.paths.delays.rttUs[path]!) / 1000;
  }

  private beat(path: PathSlot, nowUs: number): void {
    this.sender.begin();
    const isKnown = this.context.paths.peerId[path] !== PATH_NONE;
    if (isKnown) this.reporter.append(path, nowUs);
    this.sender.sendOn(KIND_HEARTBEAT, path, nowUs, isKnown ? path : NONE);
  }

  remove(path: PathSlot, nowMs: number): void {
    this.deadlines.cancel(path);
    this.moves.forget(path);
    this.mtu.forget(path);
    this.watch.forget(path);
    this.context.paths.setUse(path, USE_NO);
    this.onDoubt(path, nowMs * 1000);
    this.context.history.forgetPath(path);
    this.context.paths.remove(path);
  }

  /** The node has an address no more: its paths to there go, but for one. */
  removePathsTo(
    node: NodeSlot,
    words: Int32Array,
    at: number,
    port: number,
    but: PathSlot | None,
    nowMs: number,
  ): void {
    const { paths } = this.context;
    for (const { socket } of this.context.locals) {
      const path = paths.findEnds(socket, words, at, port);
      if (path !== NONE && path !== but && paths.nodeOf(path) === node) this.remove(path, nowMs);
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
