import { copyWords } from "../base/bytes.ts";
import { DROP } from "../base/drop.ts";
import { NONE, type NodeSlot, type None, type PathSlot, type SessionSlot } from "../base/ids.ts";
import { LARGE_ZERO } from "../base/large.ts";
import {
  TUN_RECORD_WORDS,
  VNET_CHECKSUM_OFFSET,
  VNET_CHECKSUM_START,
  VNET_CHECKSUM_VALID,
  VNET_FLAGS,
  VNET_GSO_NONE,
  VNET_GSO_SIZE,
  VNET_GSO_TYPE,
  VNET_HEADER_BYTES,
  VNET_NEEDS_CHECKSUM,
} from "../batch/layout.ts";
import { SMALL_BYTES } from "../dispatch/scheduler.ts";
import { RULE_BY_PACKET } from "../tables/rules.ts";
import { SESSION_KEY_WORDS, setSentKey } from "../tables/session-key.ts";
import { sumBytes, transportChecksum, transportChecksumHolds } from "../wire/checksum.ts";
import { FLAG_COPY, FLAG_NO_CHECKSUM, KIND_DATA_COMPACT, KIND_DATA_FULL } from "../wire/control-block.ts";
import { ECN_CONGESTION, ECN_MASK, ECN_NOT_CAPABLE } from "../wire/ecn.ts";
import { Flow } from "../wire/flow.ts";
import { ICMP_ERROR_BYTES, writeTooBig, writeUnreachable } from "../wire/icmp-error.ts";
import { IPV4_ID, IPV4_TOTAL_LENGTH, PROTOCOL_TCP } from "../wire/ipv4.ts";
import { IPV6_BYTES, IPV6_PAYLOAD_LENGTH } from "../wire/ipv6.ts";
import { TCP_CWR, TCP_FIN, TCP_FLAGS, TCP_PSH, TCP_RST, TCP_SEQUENCE, TCP_SYN } from "../wire/tcp.ts";
import { UDP_LENGTH } from "../wire/udp.ts";
import { REFUSE, WAIT, WAIT_AND_SIGNAL } from "./congestion.ts";
import type { Context } from "./context.ts";
import type { Dispatch } from "./dispatch.ts";
import { RUN_SEGMENTS_MAX } from "./history.ts";
import type { PathKeeper } from "./path-keeper.ts";
import { Postponed } from "./postponed.ts";
import { Waiting } from "./waiting.ts";

/** These stand in the last segment of a super-packet only, CWR in the first. */
const TCP_LAST_ONLY = TCP_FIN | TCP_PSH;

/** Senders of packets that are too big are told no more often. */
const REFUSAL_MS = 1;

/** From the TUN device to the network: finds node, session and path, cuts super-packets into datagrams. */
export class Outbound {
  private readonly context: Context;
  private readonly dispatch: Dispatch;
  private readonly keeper: PathKeeper;
  private readonly postponed: Postponed;
  private readonly waiting: Waiting;
  private readonly flow = new Flow();
  private readonly key = new Int32Array(SESSION_KEY_WORDS);
  private refusedMs = Number.NEGATIVE_INFINITY;
  /** The position of the ring when the packet that is being handled was read. */
  private mark = LARGE_ZERO;
  private segments = 0;
  private segmentBytes = 0;

  constructor(context: Context, dispatch: Dispatch, keeper: PathKeeper) {
    this.context = context;
    this.dispatch = dispatch;
    this.keeper = keeper;
    this.postponed = new Postponed(context.paths);
    this.waiting = new Waiting(context.paths, context.limits.sessions);
  }

  handle(records: Int32Array, count: number, nowUs: number): void {
    const { context } = this;
    this.dispatch.beginTurn();
    this.leave(nowUs);
    this.mark = context.tunTotal;
    for (let i = 0; i < count; i++) {
      const at = records[i * TUN_RECORD_WORDS]!;
      const bytes = records[i * TUN_RECORD_WORDS + 1]!;
      this.handlePacket(at, bytes, nowUs, NONE);
    }
    if (count > 0) {
      const last = (count - 1) * TUN_RECORD_WORDS;
      context.advanceTun(records[last]! + records[last + 1]!, nowUs);
    }
    context.send();
  }

  /** Sends what has waited until now. */
  handleWaiting(nowUs: number): void {
    if (this.waiting.size === 0) return;
    this.dispatch.beginTurn();
    this.leave(nowUs);
    this.context.send();
  }

  nextDeadlineUs(): number {
    return this.waiting.nextDeadlineUs();
  }

  private leave(nowUs: number): void {
    const { context, waiting } = this;
    const { paths, drops } = context;
    // What waited for a path that is not what it was may come to wait for another one, in its turn.
    let left = waiting.size;
    for (let i = waiting.pathCount - 1; i >= 0; i--) {
      const path = waiting.pathAt(i);
      const isAsGood = waiting.isAsGood(path);
      while (waiting.isWaitedFor(path) && left > 0) {
        if (isAsGood && waiting.leavesUs(path) > nowUs) break;
        left--;
        waiting.take(path);
        paths.gates.handleWaited(path, nowUs);
        const { at, length, mark } = waiting;
        if (!context.isKept(mark, context.headerMark)) {
          drops.count(DROP["queue-full"], length - VNET_HEADER_BYTES);
          continue;
        }
        this.mark = mark;
        this.handlePacket(at, length, nowUs, isAsGood ? path : NONE);
      }
    }
  }

  /** A packet as the device gave it; `waitedFor` is the path that it has waited for, if it has. */
  private handlePacket(at: number, bytes: number, nowUs: number, waitedFor: PathSlot | None): void {
    const { context, flow } = this;
    const { view, drops, sessions } = context;
    const packetBytes = bytes - VNET_HEADER_BYTES;
    if (!flow.parse(view, at + VNET_HEADER_BYTES, packetBytes) || !this.readSegments(at)) {
      drops.count(DROP["malformed-packet"], packetBytes);
      return;
    }
    // With a wrong checksum it is carried as it is, for the destination to judge.
    if (!this.hasSoundChecksum(at)) flow.compactable = false;
    const nowMs = nowUs / 1000;
    let node = context.routes.find(flow.destination, 0);
    if (node === NONE) {
      // What an unknown destination is sent for the first time comes here as a copy, and has gone on already.
      if (context.real.isOn) context.ask(flow.destination, nowMs);
      else drops.count(DROP["not-routed"], packetBytes);
      return;
    }
    setSentKey(this.key, 0, flow, node);
    let session = sessions.find(this.key, 0);
    if (session === NONE && context.real.isOn) {
      session = this.findAtSharedAddress();
      if (session !== NONE) node = sessions.node(session);
      else setSentKey(this.key, 0, flow, node);
    }
    if (session === NONE) {
      session = sessions.open(this.key, 0, nowMs, !flow.isFromOpener(view));
      if (session === NONE) {
        drops.count(DROP["session-table-full"], packetBytes);
        return;
      }
    }
    const carriedBytes =
      this.segments === 1 ? flow.packetBytes : flow.ipBytes + flow.transportBytes + this.segmentBytes;
    let path = waitedFor;
    if (path === NONE || context.paths.nodeOf(path) !== node) {
      path = this.dispatch.next(node, session, flow, this.segments, carriedBytes, nowUs);
      const leavingBytes = this.segments * (carriedBytes + context.trailerBytes);
      if (path !== NONE && this.mustWait(path, session, carriedBytes, leavingBytes, nowUs)) {
        this.wait(at, bytes, node, session, path, leavingBytes, nowUs);
        return;
      }
    } else {
      this.dispatch.keep(session, flow, carriedBytes);
      if (this.waiting.isToSignal[session] === 1 && this.signal(session)) return;
    }
    if (path === NONE) {
      drops.count(DROP[this.dispatch.isOverLimit ? "rate-limit" : "no-usable-path"], packetBytes);
      if (!this.dispatch.isOverLimit) this.excuse(at, bytes, node, session, nowMs);
      return;
    }
    if (carriedBytes > this.room(path)) {
      path = this.fit(node, path, carriedBytes);
      if (path === NONE) {
        this.refuse(node, nowMs);
        return;
      }
    }
    const isTcp = flow.protocol === PROTOCOL_TCP && flow.transportBytes > 0;
    const tcpFlags = isTcp ? view.getUint8(flow.transportAt + TCP_FLAGS) : 0;
    sessions.touch(session, nowMs);
    sessions.handleSent(session, this.segments, flow.bytesIn(this.segments), tcpFlags);
    const { copyCount } = this.dispatch;
    if (copyCount <= 1) {
      this.emit(at, node, session, path, context.sequenced, context.stamp(nowUs, this.segments), nowMs);
      return;
    }
    const timestamp = context.stamp(nowUs, this.segments);
    for (let i = 0; i < copyCount; i++) {
      this.emit(
        at,
        node,
        session,
        this.dispatch.copies[i]! as PathSlot,
        context.sequenced | FLAG_COPY,
        timestamp,
        nowMs,
      );
    }
  }

  /**
   * Whether the packet may not leave yet. Small ones need not wait, unless others of their session do. If none would have
   * to, senders need not send less.
   */
  private mustWait(
    path: PathSlot,
    session: SessionSlot,
    carriedBytes: number,
    leavingBytes: number,
    nowUs: number,
  ): boolean {
    const { waiting } = this;
    if (!this.dispatch.mayWait) return false;
    const { paths, congestion } = this.context;
    if (this.isOpen(path, leavingBytes, nowUs)) {
      congestion.noteShort(paths.nodeOf(path));
      return waiting.hasSession(session) && this.leavesInOrder(session);
    }
    return carriedBytes > SMALL_BYTES || waiting.hasSession(session);
  }

  private isOpen(path: PathSlot, leavingBytes: number, nowUs: number): boolean {
    return !this.waiting.isWaitedFor(path) && this.context.paths.gates.opensUs(path, leavingBytes) <= nowUs;
  }

  /**
   * Whether the packets of a session leave in the order in which they came, by whatever path. TCP's are put in order by the
   * receiver, and packets of one session that match different rules must take the paths that they were given.
   */
  private leavesInOrder(session: SessionSlot): boolean {
    const { sessions } = this.context;
    return sessions.protocol(session) !== PROTOCOL_TCP && sessions.rule[session]! > RULE_BY_PACKET;
  }

  private wait(
    at: number,
    bytes: number,
    node: NodeSlot,
    session: SessionSlot,
    path: PathSlot,
    leavingBytes: number,
    nowUs: number,
  ): void {
    const { waiting, flow } = this;
    const { congestion, drops } = this.context;
    // By a path that is open another packet of the session leaves now, and this one takes the place of that.
    const judgement = this.isOpen(path, leavingBytes, nowUs)
      ? WAIT
      : congestion.judge(node, session, path, waiting.hasSession(session), nowUs);
    if (judgement === REFUSE || waiting.isFull) {
      drops.count(DROP["queue-full"], flow.packetBytes);
      return;
    }
    if (judgement === WAIT_AND_SIGNAL) waiting.isToSignal[session] = 1;
    waiting.add(path, session, this.leavesInOrder(session), at, bytes, this.mark, leavingBytes);
  }

  /**
   * Tells the session's sender to send less, by this packet: marks it, or loses it or the last segment of it. True if
   * nothing of it is left to be sent.
   */
  private signal(session: SessionSlot): boolean {
    const { context, flow, waiting } = this;
    const isTcp = flow.protocol === PROTOCOL_TCP && flow.transportBytes > 0;
    const flags = isTcp ? context.view.getUint8(flow.transportAt + TCP_FLAGS) : 0;
    const canMark = (flow.tos & ECN_MASK) !== ECN_NOT_CAPABLE;
    // Without its last segment one of two would be another kind of packet, with lengths of its own.
    const canLose =
      flow.payloadBytes > 0 && (flags & (TCP_SYN | TCP_FIN | TCP_RST)) === 0 && this.segments !== 2;
    if (!canMark && !canLose) return false;
    waiting.isToSignal[session] = 0;
    if (canMark) {
      flow.tos |= ECN_CONGESTION;
      return false;
    }
    const lastBytes = flow.payloadBytes - (this.segments - 1) * this.segmentBytes;
    context.drops.count(DROP["told-to-slow-down"], flow.ipBytes + flow.transportBytes + lastBytes);
    if (this.segments === 1) return true;
    this.segments--;
    flow.payloadBytes = this.segments * this.segmentBytes;
    return false;
  }

  /** The largest packet that fits through the path, or through all that it is to be copied to. */
  private room(path: PathSlot): number {
    const { roomBytes } = this.context.paths;
    const { copies, copyCount } = this.dispatch;
    let room = roomBytes[path]!;
    for (let i = 0; i < copyCount; i++) room = Math.min(room, roomBytes[copies[i]!]!);
    return room;
  }

  /**
   * The path by which a packet goes that is larger than the path it was given has room for: TCP is cut into smaller
   * segments, which its receiver takes as well; others go by a larger path, if they may and there is one.
   */
  private fit(node: NodeSlot, path: PathSlot, carriedBytes: number): PathSlot | None {
    const { flow } = this;
    const headerBytes = flow.ipBytes + flow.transportBytes;
    const segmentBytes = this.room(path) - headerBytes;
    if (flow.protocol === PROTOCOL_TCP && flow.compactable && segmentBytes > 0) {
      this.segmentBytes = segmentBytes;
      this.segments = Math.ceil(flow.payloadBytes / segmentBytes);
      return path;
    }
    const roomiest = this.dispatch.roomiest(node);
    if (roomiest === NONE || this.context.paths.roomBytes[roomiest]! < carriedBytes) return NONE;
    this.dispatch.copyCount = 0;
    return roomiest;
  }

  /** The packet fits through no path; its sender learns how large one may be. */
  private refuse(node: NodeSlot, nowMs: number): void {
    const { context, flow } = this;
    const { drops, paths, view } = context;
    drops.count(DROP["too-big"], flow.packetBytes);
    const roomiest = this.dispatch.roomiest(node);
    if (roomiest === NONE || nowMs - this.refusedMs < REFUSAL_MS) return;
    this.refusedMs = nowMs;
    context.reserve(1, ICMP_ERROR_BYTES);
    this.answer(writeTooBig(view, context.scratch, flow.ipAt, flow.packetBytes, paths.roomBytes[roomiest]!));
  }

  /**
   * No path works, for which TCP is not to wait longer each time that it tries in vain, so that it goes on soon after
   * there is one. If it hears so of a segment that it has sent again, it takes the doubling back (RFC 6069); but one that
   * is only about to connect would give up.
   */
  private excuse(at: number, bytes: number, node: NodeSlot, session: SessionSlot, nowMs: number): void {
    const { context, flow } = this;
    if (flow.protocol !== PROTOCOL_TCP || flow.transportBytes === 0) return;
    if ((context.view.getUint8(flow.transportAt + TCP_FLAGS) & TCP_SYN) !== 0) return;
    if (flow.payloadBytes === 0) {
      this.postponed.keep(node, session, context.bytes, at, bytes, flow.transportAt, nowMs);
      return;
    }
    context.reserve(1, ICMP_ERROR_BYTES);
    this.answer(writeUnreachable(context.view, context.scratch, flow.ipAt, flow.packetBytes));
  }

  /** Sends what was postponed, where there is a path by now. */
  handlePaths(nowUs: number): void {
    const { context, postponed } = this;
    let place = postponed.next(0);
    if (place === NONE) return;
    this.dispatch.beginTurn();
    for (; place !== NONE; place = postponed.next(place + 1)) {
      const at = context.tunAt;
      const bytes = postponed.take(place, context.bytes, at);
      this.mark = context.tunTotal;
      this.handlePacket(at, bytes, nowUs, NONE);
      context.advanceTun(at + bytes, nowUs);
    }
    context.send();
  }

  /** Writes the ICMP error of `bytes` bytes that has been built, if any, to the device. */
  private answer(bytes: number): void {
    const { context } = this;
    if (bytes === 0) return;
    context.writer.whole(context.scratch, bytes);
    context.scratch += bytes;
    context.write();
  }

  /** The session of a packet to an address that several nodes behind one NAT have. */
  private findAtSharedAddress(): SessionSlot | None {
    const { real, sessions } = this.context;
    for (const node of real.nodesOf(this.flow.destination, 0)) {
      setSentKey(this.key, 0, this.flow, node);
      const session = sessions.find(this.key, 0);
      if (session !== NONE) return session;
    }
    return NONE;
  }

  /** What the segmentation offload left to us; false where it makes no sense. */
  private readSegments(at: number): boolean {
    const { view } = this.context;
    const { flow } = this;
    const merged = view.getUint8(at + VNET_GSO_TYPE) !== VNET_GSO_NONE;
    const size = merged ? view.getUint16(at + VNET_GSO_SIZE, true) : 0;
    if (size === 0 || flow.payloadBytes <= size) {
      this.segments = 1;
      this.segmentBytes = flow.payloadBytes;
      return true;
    }
    this.segments = Math.ceil(flow.payloadBytes / size);
    this.segmentBytes = size;
    return flow.transportBytes > 0;
  }

  /** Whether the transport checksum is right, or will be. */
  private hasSoundChecksum(at: number): boolean {
    const { view } = this.context;
    const { protocol, ipAt, transportAt, transportBytes, payloadBytes } = this.flow;
    if (view.getUint8(at + VNET_FLAGS) & (VNET_NEEDS_CHECKSUM | VNET_CHECKSUM_VALID)) return true;
    if (transportBytes === 0) return true;
    return transportChecksumHolds(view, ipAt, protocol, transportAt, transportBytes + payloadBytes);
  }

  private emit(
    at: number,
    node: NodeSlot,
    session: SessionSlot,
    path: PathSlot,
    flags: number,
    timestamp: number,
    nowMs: number,
  ): void {
    const { context, flow, segments } = this;
    const { sessions, paths, trailer, view } = context;
    const compact = context.templates.restores(session, flow, nowMs);
    context.reserve(segments, segments > 1 ? flow.ipBytes + flow.transportBytes : 0);
    const kind = compact ? KIND_DATA_COMPACT : KIND_DATA_FULL;
    const bare = flow.compactable || segments > 1 ? FLAG_NO_CHECKSUM : 0;
    const feedback = paths.pollFeedback(node);
    trailer.prepare(
      kind | flags | bare,
      sessions.id(session),
      paths.id[path]!,
      context.nextAddress(),
      feedback === NONE ? 0 : paths.peerId[feedback]!,
      feedback === NONE ? 0 : paths.arrivals.delayUs[feedback]!,
    );
    const headerBytes = compact
      ? flow.protocol === PROTOCOL_TCP
        ? flow.transportBytes
        : 0
      : flow.ipBytes + flow.transportBytes;
    const overhead = headerBytes + context.trailerBytes;
    const queueUs = paths.queues.queueUs(path, nowMs * 1000);
    const bytes = flow.payloadBytes + segments * overhead;
    const sequence = paths.handleSent(path, segments, bytes, nowMs);
    this.keeper.noteSent(path, bytes, timestamp, nowMs);
    // Nobody can ask for what has no number.
    if ((flags & FLAG_COPY) === 0 && context.sequenced !== 0) {
      this.remember(
        path,
        session,
        kind | flags | bare,
        headerBytes,
        sequence,
        timestamp,
        queueUs,
        nowMs * 1000,
      );
    }
    if (bare === 0 && view.getUint8(at + VNET_FLAGS) & VNET_NEEDS_CHECKSUM) this.complete(at);
    if (segments === 1) this.emitWhole(path, headerBytes, sequence, timestamp);
    else this.emitSegments(path, compact, headerBytes, sequence, timestamp);
  }

  /** So that it can be sent again (repair.ts). */
  private remember(
    path: PathSlot,
    session: SessionSlot,
    flags: number,
    headerBytes: number,
    sequence: number,
    timestamp: number,
    queueUs: number,
    nowUs: number,
  ): void {
    const { context, flow, segments, segmentBytes } = this;
    const { history, paths, sessions } = context;
    const isWhole = segments === 1;
    const headerStride = isWhole ? 0 : headerBytes + context.trailerBytes;
    for (let first = 0; first < segments; first += RUN_SEGMENTS_MAX) {
      const at = history.add(path);
      history.firstSequence[at] = sequence + first;
      history.segments[at] = Math.min(segments - first, RUN_SEGMENTS_MAX);
      history.mode[at] = this.dispatch.mode;
      history.session[at] = session;
      history.sessionId[at] = sessions.id(session);
      history.flags[at] = flags;
      history.tos[at] = flow.tos;
      history.headerAt[at] = isWhole ? flow.payloadAt - headerBytes : context.scratch + first * headerStride;
      history.headerStride[at] = headerStride;
      history.headerBytes[at] = headerBytes;
      history.payloadAt[at] = flow.payloadAt + first * segmentBytes;
      history.payloadBytes[at] = flow.payloadBytes - first * segmentBytes;
      history.segmentBytes[at] = segmentBytes;
      history.timestampUs[at] = timestamp + first;
      history.sentUs[at] = nowUs;
      history.queueUs[at] = queueUs;
      history.corrected[at] = paths.queues.corrected[path]!;
      history.tries[at] = 0;
      history.dataMark[at] = this.mark;
      history.headerMark[at] = context.headerMark;
    }
  }

  /** The packet as it is, without the headers that a template restores. */
  private emitWhole(path: PathSlot, headerBytes: number, sequence: number, timestamp: number): void {
    const { context, flow } = this;
    const { view, outbox } = context;
    const trailerAt = context.scratch;
    const trailerBytes = context.trailer.write(view, trailerAt, sequence, timestamp);
    context.scratch = trailerAt + trailerBytes;
    const bytes = headerBytes + flow.payloadBytes;
    this.begin(path, bytes + trailerBytes);
    if (bytes > 0) outbox.plan.piece(flow.payloadAt - headerBytes, bytes);
    outbox.plan.piece(trailerAt, trailerBytes);
  }

  private emitSegments(
    path: PathSlot,
    compact: boolean,
    headerBytes: number,
    sequence: number,
    timestamp: number,
  ): void {
    const { context, flow } = this;
    const { view, outbox, trailer } = context;
    const { plan } = outbox;
    const { payloadAt, payloadBytes, transportBytes } = flow;
    const isTcp = flow.protocol === PROTOCOL_TCP;
    const headerFrom = payloadAt - headerBytes;
    let offset = 0;
    for (let i = 0; i < this.segments; i++) {
      const bytes = Math.min(this.segmentBytes, payloadBytes - offset);
      const headerAt = context.scratch;
      copyWords(view, headerAt, headerFrom, headerBytes);
      const transportAt = headerAt + headerBytes - transportBytes;
      if (isTcp) {
        view.setInt32(transportAt + TCP_SEQUENCE, view.getInt32(flow.transportAt + TCP_SEQUENCE) + offset);
        let flags = view.getUint8(flow.transportAt + TCP_FLAGS);
        if (offset + bytes < payloadBytes) flags &= ~TCP_LAST_ONLY;
        if (i > 0) flags &= ~TCP_CWR;
        view.setUint8(transportAt + TCP_FLAGS, flags);
      }
      if (!compact) this.setLengths(headerAt, transportAt, bytes, i, isTcp);
      const trailerAt = headerAt + headerBytes;
      const trailerBytes = trailer.write(view, trailerAt, sequence + i, timestamp + i);
      context.scratch = trailerAt + trailerBytes;
      this.begin(path, headerBytes + bytes + trailerBytes);
      if (headerBytes > 0) plan.piece(headerAt, headerBytes);
      plan.piece(payloadAt + offset, bytes);
      plan.piece(trailerAt, trailerBytes);
      offset += bytes;
    }
  }

  /** In the headers of a segment: the lengths, and its number among those of the super-packet. */
  private setLengths(ipAt: number, transportAt: number, bytes: number, index: number, isTcp: boolean): void {
    const { view } = this.context;
    const { flow } = this;
    const length = flow.ipBytes + flow.transportBytes + bytes;
    if (flow.version === 4) {
      view.setUint16(ipAt + IPV4_TOTAL_LENGTH, length);
      view.setUint16(ipAt + IPV4_ID, view.getUint16(ipAt + IPV4_ID) + index);
    } else {
      view.setUint16(ipAt + IPV6_PAYLOAD_LENGTH, length - IPV6_BYTES);
    }
    if (!isTcp) view.setUint16(transportAt + UDP_LENGTH, flow.transportBytes + bytes);
  }

  private begin(path: PathSlot, bytes: number): void {
    const { outbox, paths } = this.context;
    const { remotes } = paths;
    outbox.datagram(
      path,
      paths.socket[path]!,
      remotes,
      paths.remoteAt(path),
      paths.port(path),
      this.flow.tos,
      bytes,
    );
  }

  /** Completes a checksum that the kernel left to the device, where the receiver does not. */
  private complete(at: number): void {
    const { view } = this.context;
    const { flow } = this;
    // Of several copies the first has done it.
    view.setUint8(at + VNET_FLAGS, 0);
    const start = view.getUint16(at + VNET_CHECKSUM_START, true);
    const field = start + view.getUint16(at + VNET_CHECKSUM_OFFSET, true);
    if (field + 2 > flow.packetBytes) return;
    const sum = sumBytes(view, flow.ipAt + start, flow.packetBytes - start, 0);
    view.setUint16(flow.ipAt + field, transportChecksum(sum));
  }
}
