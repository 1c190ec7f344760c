import { NONE, type NodeSlot, type None, type PathSlot, type SessionSlot } from "../base/ids.ts";
import { LARGE_ZERO } from "../base/large.ts";
import { MODE_WITHOUT_RULE } from "../dispatch/compile.ts";
import type { BodyReader } from "../wire/body-reader.ts";
import { FLAG_COPY, KIND_NACK, TRAILER_BYTES } from "../wire/control-block.ts";
import { FIELD_NACK } from "../wire/control-body.ts";
import type { Context } from "./context.ts";
import type { ControlSender } from "./control-sender.ts";
import type { Dispatch } from "./dispatch.ts";
import type { Run } from "./history.ts";

/** Gaps that are remembered, to be asked for. */
const GAPS = 256;
/** Of a longer gap the end is asked for. */
const GAP_PACKETS_MAX = 512;
/** A gap is asked for so often, so far apart: requests get lost, too. */
const ASKED_MAX = 3;
const ASK_AGAIN_US = 8_000;
/** How often the same bytes are sent at most. */
const TRIES_MAX = 4;
/** What may be sent again: this part of what is sent, and so much at once. */
const BUDGET_PART = 0.25;
const BUDGET_MAX_BYTES = 1 << 20;
/** Paths with a shorter queue have room, if they carry such a part of what the full one does; it is to be used within so long. */
const ROOM_US = 3_000;
const ROOM_PART = 0.25;
const ROOM_PATIENCE_US = 500_000;
/** A session's sender is told of congestion once in this many round trips. */
const SIGNAL_RTTS = 3;
const SIGNAL_MIN_US = 100_000;
/** What is to be sent again waits so long where no path may carry more now. */
const SPENT_WAIT_US = 5_000;
/** Runs, or segments of runs, that wait to be sent again. */
const AGAIN_MAX = 4096;
const WHOLE_RUN = -1;
/** What was sent longer ago is not sent again: TCP has done it, or it is of no use any more. */
const AGE_MAX_US = 2_000_000;

export interface RepairCounters {
  /** Packets that were sent again because the peer missed them, and because their path failed. */
  repaired: number;
  rescued: number;
  /** What could not be sent again: it was overwritten or old, or had been sent too often, or too much was lost. */
  late: number;
  givenUp: number;
  /** Packets that were asked for. */
  missed: number;
}

/**
 * Repair: what a path loses is sent again on the best path, before TCP notices.
 *
 * The receiver sees a jump in a path's numbers and asks for what is missing. The sender finds it in the history. A loss
 * that shows congestion is TCP's signal to slow down: one packet in a few round trips and session stays lost, the others are
 * repaired, so that TCP reacts once and has nothing else to recover. When a path fails, everything that was sent on
 * it and not reported goes out again on the others, as fast as their queues allow.
 */
export class Repair {
  readonly counters: RepairCounters = {
    repaired: 0,
    rescued: 0,
    late: 0,
    givenUp: 0,
    missed: 0,
  };
  /** By node: when packets were last found to be missing. */
  readonly missedUs: Float64Array;
  private readonly context: Context;
  private readonly sender: ControlSender;
  private readonly dispatch: Dispatch;
  // Gaps in what is received, a ring.
  private readonly gapPath = new Int32Array(GAPS);
  private readonly gapFirst = new Int32Array(GAPS);
  private readonly gapCount = new Int32Array(GAPS);
  private readonly gapAsked = new Uint8Array(GAPS);
  private readonly gapDueUs = new Float64Array(GAPS);
  private oldestGap = 0;
  private gaps = 0;
  /** What one request asks for: path sequence numbers, and the runs that they belong to. */
  private readonly wanted = new Int32Array(GAP_PACKETS_MAX);
  private readonly wantedRun = new Float64Array(GAP_PACKETS_MAX);
  /** By node: since when losses have been put down to a path that is not used as it could be. */
  private readonly roomUs: Float64Array;
  private budgetBytes = BUDGET_MAX_BYTES;
  private budgetSentBytes = LARGE_ZERO;
  // What is to be sent again, [againAt, againEnd) of a ring: segments that were missed, and runs of failed paths; of the
  // first of these, the segment that is next.
  private readonly againRun = new Float64Array(AGAIN_MAX);
  private readonly againSegment = new Int32Array(AGAIN_MAX);
  private againAt = 0;
  private againEnd = 0;
  private nextOfRun = 0;
  /** When there is room for it. */
  private againUs = 0;

  constructor(context: Context, sender: ControlSender, dispatch: Dispatch) {
    this.context = context;
    this.sender = sender;
    this.dispatch = dispatch;
    this.missedUs = new Float64Array(context.limits.nodes).fill(Number.NEGATIVE_INFINITY);
    this.roomUs = new Float64Array(context.limits.nodes);
  }

  /** `count` packets are missing on a path from number `first` on. */
  noteGap(path: PathSlot, first: number, count: number, nowUs: number): void {
    if (this.gaps === GAPS) {
      this.oldestGap++;
      this.gaps--;
    }
    const skipped = Math.max(count - GAP_PACKETS_MAX, 0);
    const at = (this.oldestGap + this.gaps++) & (GAPS - 1);
    this.counters.missed += count;
    this.missedUs[this.context.paths.nodeOf(path)] = nowUs;
    this.gapPath[at] = path;
    this.gapFirst[at] = first + skipped;
    this.gapCount[at] = count - skipped;
    this.gapAsked[at] = 0;
    this.gapDueUs[at] = nowUs;
  }

  /** Asks for what is missing and due to be asked for. */
  ask(nowUs: number): void {
    const { paths } = this.context;
    for (let i = 0; i < this.gaps; i++) {
      const path = this.gapPath[(this.oldestGap + i) & (GAPS - 1)]! as PathSlot;
      if (!this.isDue(i, nowUs)) continue;
      if (!paths.slab.has(path) || paths.peerId[path] === 0) {
        this.gapAsked[(this.oldestGap + i) & (GAPS - 1)] = ASKED_MAX;
        continue;
      }
      const isFirst = this.gapAsked[(this.oldestGap + i) & (GAPS - 1)] === 0;
      const body = this.sender.begin();
      body.nack(paths.peerId[path]!);
      for (let k = i; k < this.gaps; k++) {
        const at = (this.oldestGap + k) & (GAPS - 1);
        if (this.gapPath[at] !== path || !this.isDue(k, nowUs)) continue;
        // What is asked for the first time does not wait for another path's longer way.
        if ((this.gapAsked[at] === 0) !== isFirst) continue;
        if (!body.range(this.gapFirst[at]!, this.gapCount[at]!)) break;
        this.gapAsked[at] = this.gapAsked[at]! + 1;
        this.gapDueUs[at] = nowUs + ASK_AGAIN_US;
      }
      // Again by another path than the one that loses packets.
      const by = this.bestPath(paths.nodeOf(path), MODE_WITHOUT_RULE, 0, isFirst ? NONE : path, nowUs);
      if (by !== NONE) this.sender.sendOn(KIND_NACK, by, nowUs);
    }
    while (this.gaps > 0 && this.gapAsked[this.oldestGap & (GAPS - 1)]! >= ASKED_MAX) {
      this.oldestGap++;
      this.gaps--;
    }
  }

  /** The peer asks for packets of ours. */
  handleNack(node: NodeSlot, reader: BodyReader, nowUs: number): void {
    const { paths, history } = this.context;
    const { wanted, wantedRun } = this;
    let count = 0;
    history.beginSearch();
    while (reader.next()) {
      if (reader.type !== FIELD_NACK) continue;
      const path = paths.find(node, reader.byte());
      if (path === NONE) continue;
      const from = count;
      for (let i = 0; i < reader.rangeCount(); i++) {
        const first = reader.rangeFirst(i);
        const length = Math.min(reader.rangeLength(i), wanted.length - count);
        for (let k = 0; k < length; k++) wanted[count++] = first + k;
      }
      // They are found from the newest to the oldest, and sent from the oldest to the newest.
      for (let i = count - 1; i >= from; i--) wantedRun[i] = history.find(path, wanted[i]!);
      for (let i = from; i < count; i++) {
        const run = wantedRun[i]! as Run | None;
        if (run !== NONE) this.repair(run, history.segmentOf(run, wanted[i]!), nowUs);
      }
    }
    this.sendPending(nowUs);
  }

  /** What was sent on a path and has not been reported is to be sent again on the others. */
  rescue(path: PathSlot, nowUs: number): void {
    const { history, paths } = this.context;
    const highest = paths.delivery.highest[path]!;
    const hasReport = paths.delivery.reports[path]! > 0;
    const before = this.againEnd;
    for (let run = history.last(path); run !== NONE; run = history.previous(run)) {
      const at = history.at(run);
      const lastSequence = (history.firstSequence[at]! + history.segments[at]! - 1) | 0;
      if (hasReport && ((lastSequence - highest) | 0) <= 0) break;
      if (nowUs - history.sentUs[at]! > AGE_MAX_US) break;
      if (!this.dispatch.rescuesSent(history.sessionOf(run) as SessionSlot)) continue;
      if (!this.add(run, WHOLE_RUN)) break;
    }
    // The oldest first.
    for (let i = before, k = this.againEnd - 1; i < k; i++, k--) this.swap(i, k);
    this.sendPending(nowUs);
  }

  handleTick(nowUs: number): void {
    this.ask(nowUs);
    this.sendPending(nowUs);
  }

  nextDeadlineUs(): number {
    let deadlineUs = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.gaps; i++) {
      const at = (this.oldestGap + i) & (GAPS - 1);
      if (this.gapAsked[at]! < ASKED_MAX && this.gapDueUs[at]! < deadlineUs) deadlineUs = this.gapDueUs[at]!;
    }
    return this.againAt < this.againEnd ? Math.min(this.againUs, deadlineUs) : deadlineUs;
  }

  private isDue(gap: number, nowUs: number): boolean {
    const at = (this.oldestGap + gap) & (GAPS - 1);
    return this.gapAsked[at]! < ASKED_MAX && this.gapDueUs[at]! <= nowUs;
  }

  /** A segment of a run, or the whole run, is to be sent again; false where too much is already. */
  private add(run: Run, segment: number): boolean {
    if (this.againEnd - this.againAt === AGAIN_MAX) return false;
    const at = this.againEnd++ & (AGAIN_MAX - 1);
    this.againRun[at] = run;
    this.againSegment[at] = segment;
    return true;
  }

  /** Two whole runs. */
  private swap(a: number, b: number): void {
    const { againRun } = this;
    const run = againRun[a & (AGAIN_MAX - 1)]!;
    againRun[a & (AGAIN_MAX - 1)] = againRun[b & (AGAIN_MAX - 1)]!;
    againRun[b & (AGAIN_MAX - 1)] = run;
  }

  /** Sends again what is to be, before anything new and as fast as the paths take it: a full queue would lose it once more. */
  private sendPending(nowUs: number): void {
    const { history, paths } = this.context;
    while (this.againAt < this.againEnd) {
      const place = this.againAt & (AGAIN_MAX - 1);
      const run = this.againRun[place]! as Run;
      const isRescue = this.againSegment[place] === WHOLE_RUN;
      const segment = isRescue ? this.nextOfRun : this.againSegment[place]!;
      const at = history.at(run);
      const isThere = history.has(run) && this.isOpen(run) && nowUs - history.sentUs[at]! <= AGE_MAX_US;
      if (!isThere || segment >= history.segments[at]!) {
        this.againAt++;
        this.nextOfRun = 0;
        continue;
      }
      const not = isRescue ? (history.path[at]! as PathSlot) : NONE;
      const path = this.pathFor(run, not, nowUs);
      const isPossible = path !== NONE && path !== not;
      if (isPossible) {
        const isSpent = paths.limits.isSpent(path, nowUs);
        const opensUs = isSpent
          ? nowUs + SPENT_WAIT_US
          : paths.gates.opensUs(path, history.segmentBytes[at]!);
        if (opensUs > nowUs) {
          this.againUs = opensUs;
          return;
        }
      }
      if (isRescue) this.nextOfRun++;
      else this.againAt++;
      if (!isPossible || (isRescue && !history.markAgain(run, segment))) continue;
      if (!this.sendAgain(run, segment, path, nowUs)) continue;
      if (isRescue) this.counters.rescued++;
      else {
        this.counters.repaired++;
        if (paths.queues.losesAtRandom(path)) this.sendTwice(run, segment, path, nowUs);
      }
    }
  }

  /**
   * What is sent again on a path that loses at random may be lost once more, and TCP does not wait so long: it is sent
   * a second time, on another path if there is one. That one is not missed.
   */
  private sendTwice(run: Run, segment: number, first: PathSlot, nowUs: number): void {
    const { history, paths } = this.context;
    const path = this.pathFor(run, first, nowUs);
    if (path === NONE || paths.limits.isSpent(path, nowUs)) return;
    if (!this.spend(history.segmentBytes[history.at(run)]!)) return;
    if (!this.sendAgain(run, segment, path, nowUs)) return;
    history.markAgain(history.last(path) as Run, 0);
    this.counters.repaired++;
  }

  private repair(run: Run, segment: number, nowUs: number): void {
    const { history, paths, congestion } = this.context;
    const { counters } = this;
    if (!this.isOpen(run) || !history.markAgain(run, segment)) return;
    const at = history.at(run);
    if (nowUs - history.sentUs[at]! > AGE_MAX_US) {
      counters.late++;
      return;
    }
    const path = history.path[at]! as PathSlot;
    const session = history.sessionOf(run);
    const queueUs = history.waitUs(run, segment, paths.queues.rateBytesPerS[path]!);
    const isFull = paths.queues.handleLoss(path, queueUs);
    if (isFull) paths.gates.handleFull(path, nowUs);
    // Most datagrams are worth nothing when they are late, so for others than TCP it takes a rule.
    if (!this.dispatch.repairsSent(session as SessionSlot)) return;
    // Where packets have had to wait here since, senders are told by how long they do (congestion.ts).
    const isToldAnyway = paths.gates.hasWaited(path, history.sentUs[at]!);
    const isCongestion = isFull && !isToldAnyway && !this.mayUseRoom(path, nowUs);
    const epochUs = Math.max(SIGNAL_RTTS * paths.delays.rttUs[path]!, SIGNAL_MIN_US);
    if (isCongestion && congestion.maySignal(session, epochUs, nowUs)) return;
    const target = this.pathFor(run, NONE, nowUs);
    const hasTarget = target !== NONE && !paths.limits.isSpent(target, nowUs);
    const mayTry = hasTarget && history.tries[at]! < TRIES_MAX && this.spend(history.segmentBytes[at]!);
    if (!mayTry || !this.add(run, segment)) counters.givenUp++;
  }

  /**
   * Whether the node's other paths could carry more, and not only a little: then a loss on this one is no reason to send
   * less, as long as that helps.
   */
  private mayUseRoom(full: PathSlot, nowUs: number): boolean {
    const { paths } = this.context;
    const { queues } = paths;
    const node = paths.nodeOf(full);
    let room = 0;
    for (let place = 0; place < paths.count(node); place++) {
      const path = paths.at(node, place);
      if (path === full || !paths.isEligible(path)) continue;
      if (queues.queueUs(path, nowUs) < ROOM_US) room += queues.rateBytesPerS[path]!;
    }
    const hasRoom = room > ROOM_PART * queues.rateBytesPerS[full]!;
    if (!hasRoom || nowUs - this.roomUs[node]! > 2 * ROOM_PATIENCE_US) this.roomUs[node] = nowUs;
    return hasRoom && nowUs - this.roomUs[node]! < ROOM_PATIENCE_US;
  }

  /** Whether a run's session is still there. */
  private isOpen(run: Run): boolean {
    const { history, sessions } = this.context;
    const session = history.sessionOf(run);
    return sessions.slab.has(session) && sessions.id(session) === history.sessionId[history.at(run)];
  }

  private nodeOf(run: Run): NodeSlot {
    return this.context.sessions.node(this.context.history.sessionOf(run) as SessionSlot);
  }

  private spend(bytes: number): boolean {
    const { tunTotal } = this.context;
    const earned = (tunTotal - this.budgetSentBytes) * BUDGET_PART;
    this.budgetSentBytes = tunTotal;
    this.budgetBytes = Math.min(BUDGET_MAX_BYTES, this.budgetBytes + earned);
    if (this.budgetBytes < bytes) return false;
    this.budgetBytes -= bytes;
    return true;
  }

  /** For a segment of a run. */
  private pathFor(run: Run, not: PathSlot | None, nowUs: number): PathSlot | None {
    const { history } = this.context;
    const at = history.at(run);
    const bytes = history.headerBytes[at]! + history.segmentBytes[at]!;
    return this.bestPath(this.nodeOf(run), history.mode[at]!, bytes, not, nowUs);
  }

  /**
   * Of the paths that a mode allows and that have room for so many bytes, the one on which a packet would arrive first;
   * `not`, or one whose rate is used up, only if there is no other.
   */
  private bestPath(
    node: NodeSlot,
    mode: number,
    bytes: number,
    not: PathSlot | None,
    nowUs: number,
  ): PathSlot | None {
    const { paths } = this.context;
    const { queues, limits } = paths;
    let best: PathSlot | None = NONE;
    let bestUs = Number.POSITIVE_INFINITY;
    for (let place = 0; place < paths.count(node); place++) {
      const path = paths.at(node, place);
      if (!this.dispatch.allows(node, mode, place) || paths.roomBytes[path]! < bytes) continue;
      const floorUs = queues.floorUs[path]!;
      const arrivalUs = limits.isSpent(path, nowUs)
        ? Number.POSITIVE_INFINITY
        : (Number.isNaN(floorUs) ? 0 : floorUs) + queues.queueUs(path, nowUs);
      const isBetter = best === not || (path !== not && arrivalUs < bestUs);
      if (best !== NONE && !isBetter) continue;
      best = path;
      bestUs = arrivalUs;
    }
    return best;
  }

  private sendAgain(run: Run, segment: number, path: PathSlot, nowUs: number): boolean {
    const { context } = this;
    const { history, paths, outbox, trailer, view, sessions } = context;
    const at = history.at(run);
    if (!context.isKept(history.dataMark[at]!, history.headerMark[at]!)) {
      this.counters.late++;
      return false;
    }
    const offset = segment * history.segmentBytes[at]!;
    const payloadBytes = Math.min(history.segmentBytes[at]!, history.payloadBytes[at]! - offset);
    const payloadAt = history.payloadAt[at]! + offset;
    const headerBytes = history.headerBytes[at]!;
    const headerAt = history.headerAt[at]! + segment * history.headerStride[at]!;
    const bytes = headerBytes + payloadBytes + TRAILER_BYTES;
    context.reserve(1, 0);
    trailer.prepare(
      history.flags[at]! | FLAG_COPY,
      history.sessionId[at]!,
      paths.id[path]!,
      context.nextAddress(),
      0,
      0,
    );
    const queueUs = paths.queues.queueUs(path, nowUs);
    const sequence = paths.handleSent(path, 1, bytes, nowUs / 1000);
    const trailerAt = context.scratch;
    // The timestamp is the packet's name: the receiver hands on the first of its copies.
    const timestampUs = (history.timestampUs[at]! + segment) | 0;
    context.scratch += trailer.write(view, trailerAt, sequence, timestampUs);
    const { plan } = outbox;
    outbox.datagram(
      path,
      paths.socket[path]!,
      paths.remotes,
      paths.remoteAt(path),
      paths.port(path),
      history.tos[at]!,
      bytes,
    );
    if (headerBytes > 0) plan.piece(headerAt, headerBytes);
    if (payloadBytes > 0) plan.piece(payloadAt, payloadBytes);
    plan.piece(trailerAt, TRAILER_BYTES);
    const again = history.add(path);
    history.firstSequence[again] = sequence;
    history.segments[again] = 1;
    history.mode[again] = history.mode[at]!;
    history.session[again] = history.session[at]!;
    history.sessionId[again] = sessions.id(history.sessionOf(run));
    history.flags[again] = history.flags[at]!;
    history.tos[again] = history.tos[at]!;
    history.headerAt[again] = headerAt;
    history.headerStride[again] = 0;
    history.headerBytes[again] = headerBytes;
    history.payloadAt[again] = payloadAt;
    history.payloadBytes[again] = payloadBytes;
    history.segmentBytes[again] = payloadBytes;
    history.timestampUs[again] = timestampUs;
    history.sentUs[again] = nowUs;
    history.queueUs[again] = queueUs;
    history.corrected[again] = paths.queues.corrected[path]!;
    history.tries[again] = history.tries[at]! + 1;
    history.dataMark[again] = history.dataMark[at]!;
    history.headerMark[again] = history.headerMark[at]!;
    return true;
  }
}
