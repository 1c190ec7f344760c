import { DROP } from "../base/drop.ts";
import { NONE, type NodeSlot, type PathSlot, type SessionSlot } from "../base/ids.ts";
import {
  RECORD_ADDRESS,
  RECORD_AGE_US,
  RECORD_LENGTH,
  RECORD_PORT,
  RECORD_SEGMENT,
  RECORD_TOS,
  RECORD_WORDS,
} from "../batch/layout.ts";
import { ReorderBuffer } from "../reorder/buffer.ts";
import {
  keyDestinationPort,
  keySourcePort,
  SESSION_KEY_WORDS,
  setReceivedKey,
} from "../tables/session-key.ts";
import { transportChecksumHolds } from "../wire/checksum.ts";
import {
  BLOCK_FEEDBACK_PATH,
  BLOCK_TIMESTAMP,
  CONTROL_BLOCK_BYTES,
  ControlBlock,
  FLAG_NO_CHECKSUM,
  FLAG_SEALED,
  FLAG_SEQUENCED,
  KIND_COUNT,
  KIND_DATA_COMPACT,
  KIND_DATA_FULL,
  PATH_SEQUENCE_BYTES,
  TRAILER_BYTES,
} from "../wire/control-block.ts";
import { decapsulatedEcn, ECN_MASK, setEcn } from "../wire/ecn.ts";
import { Flow } from "../wire/flow.ts";
import { PROTOCOL_TCP } from "../wire/ipv4.ts";
import { TCP_FIN, TCP_FLAGS, TCP_RST, TCP_SEQUENCE, TCP_SYN, tcpHeaderBytes } from "../wire/tcp.ts";
import { UDP_BYTES, UDP_DESTINATION, UDP_SOURCE } from "../wire/udp.ts";
import { type Context, SLOT_BYTES } from "./context.ts";
import { CopyFilter } from "./copy-filter.ts";
import type { Dispatch } from "./dispatch.ts";
import type { Peering } from "./peering.ts";
import { Spread } from "./spread.ts";

/** A packet that is held has one byte for its tag (acceptTcp). */
const HELD_TAG_MAX = 0xff;

/** What segments must have so that the next ones can be handled as one run with them. */
const RUN_FLAGS = FLAG_NO_CHECKSUM | FLAG_SEQUENCED;
/** Of a control block, up to the feedback path. */
const RUN_WORDS = BLOCK_FEEDBACK_PATH >> 2;

/** What one socket has received: message i lies at `slotsAt` + i * SLOT_BYTES. */
export interface NetInput {
  readonly socket: number;
  readonly slotsAt: number;
  readonly records: Int32Array;
  count: number;
}

/** From the network to the TUN device: finds path and session, restores headers, orders TCP. */
export class Inbound {
  readonly reorder: ReorderBuffer;
  private readonly context: Context;
  private readonly peering: Peering;
  private readonly dispatch: Dispatch;
  private readonly copies: CopyFilter;
  /** Which session of a slot the reorder buffer's state is for. */
  private readonly generations: Uint32Array;
  private readonly spread: Spread;
  private readonly block = new ControlBlock();
  private readonly flow = new Flow();
  private readonly key = new Int32Array(SESSION_KEY_WORDS);
  /** Messages of each input that have been handed on in this call. */
  private readonly handed: Int32Array;
  /** Where the header of a compact UDP datagram is put together. */
  private readonly udpAt: number;
  private nowUs = 0;
  /** Of the message that is being handled. */
  private path: PathSlot | typeof NONE = NONE;
  private outerTos = 0;
  /** The session of the message's segments so far, where all were TCP in the compact form that is to be put in order. */
  private runSession: SessionSlot | typeof NONE = NONE;
  /** What is the same in the control blocks of its segments: all in front of the feedback path. */
  private readonly runWords = new Int32Array(RUN_WORDS);

  constructor(context: Context, peering: Peering, dispatch: Dispatch) {
    this.context = context;
    this.peering = peering;
    this.dispatch = dispatch;
    this.spread = new Spread(context);
    this.handed = new Int32Array(context.limits.locals);
    this.generations = new Uint32Array(context.limits.sessions);
    this.copies = new CopyFilter();
    const { sessions, heldPerSession } = context.limits;
    this.reorder = new ReorderBuffer(
      context.bytes,
      {
        release: (session, tag, at, headerBytes, payloadBytes) => {
          // The slot may be another session's by now.
          if (this.isCurrent(session as SessionSlot))
            this.write(session as SessionSlot, tag, at, headerBytes, payloadBytes);
          else context.drops.count(DROP["session-closed"], headerBytes + payloadBytes);
        },
        evidence: (session) => {
          const node = context.sessions.node(session as SessionSlot);
          return context.sessions.protocol(session as SessionSlot) === PROTOCOL_TCP
            ? this.spread.passedUs(node, this.nowUs)
            : this.spread.newestUs(node, this.nowUs);
        },
        patienceUs: (session) => {
          const node = context.sessions.node(session as SessionSlot);
          return this.spread.patienceUs(node, this.peering.repair.missedUs[node]!, this.nowUs);
        },
        holdUs: (session) => this.spread.holdUs(context.sessions.node(session as SessionSlot), this.nowUs),
        noteLate: (session, lateUs) =>
          this.spread.noteLate(context.sessions.node(session as SessionSlot), lateUs, this.nowUs),
      },
      context.layout.held,
      context.layout.heldPools,
      sessions,
      heldPerSession,
    );
    context.onWritten = () => this.reorder.recycle();
    this.udpAt = context.layout.templates - UDP_BYTES;
  }

  nextSequence(session: SessionSlot): number | undefined {
    const { sessions } = this.context;
    const number = this.isCurrent(session) ? this.reorder.expectedOf(session) : undefined;
    return sessions.protocol(session) === PROTOCOL_TCP ? number : undefined;
  }

  /** Handles all that has been received, in the order in which it was sent as far as that is at hand. */
  handle(inputs: readonly NetInput[], nowUs: number): void {
    this.nowUs = nowUs;
    this.handed.fill(0);
    for (let input = this.earliest(inputs); input >= 0; input = this.earliest(inputs)) {
      this.handleMessage(inputs[input]!, this.handed[input]!);
      this.handed[input] = this.handed[input]! + 1;
    }
    this.reorder.handleEvidence(nowUs);
    this.context.write();
    this.peering.keeper.reporter.send(nowUs);
    this.peering.repair.handleTick(nowUs);
    this.context.send();
  }

  handleTick(nowUs: number): void {
    this.nowUs = nowUs;
    this.reorder.handleEvidence(nowUs);
    this.reorder.handleTime(nowUs);
    this.context.write();
  }

  /** The input whose next message was sent first; timestamps of different nodes mean nothing, and do no harm. */
  private earliest(inputs: readonly NetInput[]): number {
    let first = -1;
    let firstUs = 0;
    for (let i = 0; i < inputs.length; i++) {
      const input = inputs[i]!;
      const message = this.handed[i]!;
      if (message >= input.count) continue;
      const bytes = input.records[message * RECORD_WORDS + RECORD_SEGMENT]!;
      const blockAt = input.slotsAt + message * SLOT_BYTES + bytes - CONTROL_BLOCK_BYTES;
      const stampUs =
        bytes < CONTROL_BLOCK_BYTES ? firstUs : this.context.view.getInt32(blockAt + BLOCK_TIMESTAMP);
      if (first >= 0 && ((stampUs - firstUs) | 0) >= 0) continue;
      first = i;
      firstUs = stampUs;
    }
    return first;
  }

  private handleMessage(input: NetInput, message: number): void {
    const { context, block } = this;
    const { records } = input;
    const recordAt = message * RECORD_WORDS;
    const length = records[recordAt + RECORD_LENGTH]!;
    const segment = records[recordAt + RECORD_SEGMENT]!;
    const at = input.slotsAt + message * SLOT_BYTES;
    this.path = context.paths.findEnds(
      input.socket,
      records,
      recordAt + RECORD_ADDRESS,
      records[recordAt + RECORD_PORT]!,
    );
    this.outerTos = records[recordAt + RECORD_TOS]!;
    const arrivedUs = this.nowUs - records[recordAt + RECORD_AGE_US]!;
    if (length <= 0) {
      context.drops.count(DROP["malformed-datagram"], 0);
      return;
    }
    this.runSession = NONE;
    for (let offset = 0; offset < length; offset += segment) {
      const bytes = Math.min(segment, length - offset);
      const isLast = offset + segment >= length;
      if (!isLast && this.runSession !== NONE && this.continueRun(at + offset, bytes)) continue;
      this.runSession = NONE;
      if (!block.read(context.view, at + offset, bytes)) {
        context.drops.count(DROP["malformed-datagram"], bytes);
      } else if (block.flags & FLAG_SEALED) {
        context.drops.count(DROP["unknown-kind"], bytes);
      } else if (block.kind > KIND_DATA_FULL) {
        if (block.kind >= KIND_COUNT) context.drops.count(DROP["unknown-kind"], bytes);
        else
          this.peering.handle(
            block,
            at + offset,
            bytes,
            input.socket,
            records,
            recordAt,
            arrivedUs,
            this.nowUs,
          );
      } else {
        if (!this.handleData(at + offset, bytes, isLast, arrivedUs) && isLast)
          this.peering.handleStrayData(
            block,
            input.socket,
            records,
            recordAt + RECORD_ADDRESS,
            records[recordAt + RECORD_PORT]!,
            this.nowUs,
          );
        if (this.runSession !== NONE) this.beginRun(at + offset + bytes - CONTROL_BLOCK_BYTES);
      }
    }
  }

  private beginRun(blockAt: number): void {
    for (let i = 0; i < RUN_WORDS; i++) this.runWords[i] = this.context.view.getInt32(blockAt + 4 * i);
  }

  /**
   * Handles a segment that differs from the one before it in its message by what always differs: everything that the
   * two have in common has been checked. False, and nothing done, where there is more to it.
   */
  private continueRun(at: number, bytes: number): boolean {
    const { context, path } = this;
    const { view, sessions, drops } = context;
    const { arrivals } = context.paths;
    const session = this.runSession as SessionSlot;
    const blockAt = at + bytes - CONTROL_BLOCK_BYTES;
    for (let i = 0; i < RUN_WORDS; i++) if (view.getInt32(blockAt + 4 * i) !== this.runWords[i]) return false;
    const sequence = view.getInt32(blockAt - PATH_SEQUENCE_BYTES);
    if (sequence !== ((arrivals.highest[path]! + 1) | 0)) return false;
    const userBytes = bytes - TRAILER_BYTES;
    const headerBytes = tcpHeaderBytes(view, at, userBytes);
    const payloadBytes = userBytes - headerBytes;
    const flags = view.getUint8(at + TCP_FLAGS);
    if (headerBytes === 0 || payloadBytes === 0 || flags & (TCP_SYN | TCP_FIN | TCP_RST)) return false;
    const timestampUs = view.getInt32(blockAt + BLOCK_TIMESTAMP);
    arrivals.handlePacket(path as PathSlot, sequence, bytes);
    if (!this.copies.isFirst(sessions.node(session), timestampUs)) {
      drops.count(DROP["duplicate-copy"], bytes);
      return true;
    }
    const packetBytes = sessions.templateBytes[session]! + userBytes;
    sessions.touch(session, this.nowUs / 1000);
    sessions.handleReceived(session, this.block.session, 1, packetBytes, flags);
    const start = view.getInt32(at + TCP_SEQUENCE);
    const end = (start + payloadBytes) | 0;
    const ecn = this.outerTos & ECN_MASK;
    this.reorder.accept(session, start, end, timestampUs, this.nowUs, ecn, at, headerBytes, payloadBytes);
    return true;
  }

  /** False where the datagram does not come from where its path's far end is. */
  private handleData(at: number, bytes: number, isLast: boolean, arrivedUs: number): boolean {
    const { context, block, path } = this;
    const { paths, drops, nodes } = context;
    if (path === NONE) {
      const known = nodes.find(block.nodeHigh, block.nodeLow) !== NONE;
      drops.count(known ? DROP["unknown-path"] : DROP["unknown-node"], bytes);
      return false;
    }
    const node = paths.nodeOf(path);
    if (nodes.idLow(node) !== block.nodeLow || nodes.idHigh(node) !== block.nodeHigh) {
      drops.count(DROP["unknown-node"], bytes);
      return false;
    }
    if (block.path !== paths.peerId[path] && !this.peering.isOf(path, node, block)) {
      drops.count(DROP["unknown-path"], bytes);
      return false;
    }
    if (!this.peering.noteArrival(path, block, bytes, this.nowUs)) {
      drops.count(DROP["duplicate-copy"], bytes);
      return true;
    }
    if (isLast) {
      this.peering.keeper.noteHeard(path, node, block, arrivedUs, this.nowUs, true);
      this.spread.note(path, paths.arrivals.delayUs[path]!, this.nowUs);
    }
    if (!this.copies.isFirst(node, block.timestampUs)) {
      drops.count(DROP["duplicate-copy"], bytes);
      return true;
    }
    const ok = block.kind === KIND_DATA_COMPACT ? this.compact(node, at) : this.full(node, at);
    if (!ok) drops.count(DROP["no-session-for-compact-form"], bytes);
    return true;
  }

  private compact(node: NodeSlot, at: number): boolean {
    const { context, block } = this;
    const { sessions, view } = context;
    const session = sessions.findId(node, block.session);
    if (session === NONE || !context.templates.has(session)) return false;
    const bytes = block.userBytes;
    const ecn = this.outerTos & ECN_MASK;
    const ipBytes = sessions.templateBytes[session]!;
    sessions.touch(session, this.nowUs / 1000);
    if (sessions.protocol(session) === PROTOCOL_TCP) {
      const headerBytes = tcpHeaderBytes(view, at, bytes);
      if (headerBytes === 0) return false;
      const flags = view.getUint8(at + TCP_FLAGS);
      sessions.handleReceived(session, block.session, 1, ipBytes + bytes, flags);
      context.templates.noteReceived(session, block.session, true);
      if ((block.flags & FLAG_NO_CHECKSUM) === 0 && !this.hasRightChecksum(session, at, bytes)) return false;
      this.acceptTcp(session, flags, ecn, at, headerBytes, bytes - headerBytes);
      return true;
    }
    sessions.handleReceived(session, block.session, 1, ipBytes + UDP_BYTES + bytes, 0);
    context.templates.noteReceived(session, block.session, true);
    this.acceptDatagram(session, ecn, at, 0, bytes);
    return true;
  }

  /** The whole packet: opens the session where need be, and shows what its template is. */
  private full(node: NodeSlot, at: number): boolean {
    const { context, block, flow } = this;
    const { sessions, view, drops } = context;
    if (!flow.parse(view, at, block.userBytes)) {
      drops.count(DROP["malformed-datagram"], block.userBytes);
      return true;
    }
    const bytes = flow.packetBytes;
    if (context.routes.find(flow.source, 0) !== node && !context.real.has(node, flow.source, 0)) {
      drops.count(DROP["source-not-of-peer"], bytes);
      return true;
    }
    const ecn = decapsulatedEcn(flow.tos, this.outerTos);
    if (ecn < 0) {
      drops.count(DROP["malformed-datagram"], bytes);
      return true;
    }
    setReceivedKey(this.key, 0, flow, node);
    const isFromOpener = flow.isFromOpener(view);
    const session = sessions.learn(this.key, 0, block.session, this.nowUs / 1000, isFromOpener);
    if (session === NONE) {
      drops.count(DROP["session-table-full"], bytes);
      return true;
    }
    const isTcp = flow.protocol === PROTOCOL_TCP && flow.transportBytes > 0;
    const flags = isTcp ? view.getUint8(flow.transportAt + TCP_FLAGS) : 0;
    sessions.touch(session, this.nowUs / 1000);
    sessions.handleReceived(session, block.session, 1, bytes, flags);
    context.templates.noteReceived(session, block.session, false);
    context.templates.learn(session, block.session, flow, context.bytes);
    if (!this.mayBeRewritten()) {
      if (ecn !== (flow.tos & ECN_MASK)) setEcn(view, at, ecn);
      if (flow.protocol === PROTOCOL_TCP) this.writeWhole(at, bytes);
      else this.acceptDatagram(session, 0, at, bytes, 0);
    } else if (!isTcp) {
      // What has another header than its neighbours has to keep it.
      if (context.templates.matches(session, flow))
        this.acceptDatagram(session, ecn, flow.payloadAt, 0, flow.payloadBytes);
      else this.acceptDatagram(session, ecn | flow.ipBytes, at, flow.ipBytes + UDP_BYTES, flow.payloadBytes);
    } else if (context.templates.matches(session, flow)) {
      this.acceptTcp(session, flags, ecn, flow.transportAt, flow.transportBytes, flow.payloadBytes);
    } else {
      const headerBytes = flow.ipBytes + flow.transportBytes;
      this.acceptTcp(session, flags, ecn | flow.ipBytes, at, headerBytes, flow.payloadBytes);
    }
    return true;
  }

  /**
   * Whether the lengths and the transport checksum of the packet in `flow` may be set anew: where the checksum was left
   * out they must be, and where it is right nobody can tell.
   */
  private mayBeRewritten(): boolean {
    const { block, flow } = this;
    const { protocol, ipAt, transportAt, transportBytes, payloadBytes, compactable } = flow;
    if (transportBytes === 0) return false;
    if (block.flags & FLAG_NO_CHECKSUM) return true;
    const bytes = transportBytes + payloadBytes;
    return compactable && transportChecksumHolds(this.context.view, ipAt, protocol, transportAt, bytes);
  }

  /** Of `bytes` bytes of TCP that came without their IP header. */
  private hasRightChecksum(session: SessionSlot, at: number, bytes: number): boolean {
    const { sessions, view } = this.context;
    return transportChecksumHolds(view, sessions.templateAt(session), PROTOCOL_TCP, at, bytes);
  }

  /**
   * A packet of another protocol than TCP. Without a header the session's template is it; otherwise `tag` is as for TCP,
   * or nothing has to be made of what is there.
   */
  private acceptDatagram(
    session: SessionSlot,
    tag: number,
    at: number,
    headerBytes: number,
    payloadBytes: number,
  ): void {
    const { reorder, block, nowUs } = this;
    this.renew(session);
    const isOrdered = this.dispatch.ordersReceived(session) && tag <= HELD_TAG_MAX;
    if (isOrdered && this.spread.noteSession(session, this.path, nowUs))
      reorder.acceptStamped(session, block.timestampUs, nowUs, tag, at, headerBytes, payloadBytes);
    else this.write(session, tag, at, headerBytes, payloadBytes);
  }

  private writeWhole(at: number, bytes: number): void {
    this.makeRoom(0);
    this.context.writer.whole(at, bytes);
  }

  /** Whether what the reorder buffer knows is of the session that has the slot now. */
  private isCurrent(session: SessionSlot): boolean {
    return this.generations[session] === this.context.sessions.slab.generation[session];
  }

  /** Forgets what the reorder buffer knows of the session that had the slot before. */
  private renew(session: SessionSlot): void {
    if (this.isCurrent(session)) return;
    this.generations[session] = this.context.sessions.slab.generation[session]!;
    this.reorder.forget(session);
  }

  /** `tag` is the ECN field and, where the IP header stands at `at` in front of the TCP header, the length of that. */
  private acceptTcp(
    session: SessionSlot,
    flags: number,
    tag: number,
    at: number,
    headerBytes: number,
    payloadBytes: number,
  ): void {
    const { reorder } = this;
    this.renew(session);
    const start = this.context.view.getInt32(at + (tag & ~ECN_MASK) + TCP_SEQUENCE);
    const length = payloadBytes + (flags & (TCP_SYN | TCP_FIN) ? 1 : 0);
    if (flags & TCP_SYN) reorder.resync(session, (start + length) | 0);
    if (flags & (TCP_SYN | TCP_RST) || length === 0) {
      this.write(session, tag, at, headerBytes, payloadBytes);
      return;
    }
    if (!this.dispatch.ordersReceived(session) || tag > HELD_TAG_MAX) {
      this.write(session, tag, at, headerBytes, payloadBytes);
      return;
    }
    const { kind, flags: blockFlags } = this.block;
    if (kind === KIND_DATA_COMPACT && (blockFlags & RUN_FLAGS) === RUN_FLAGS) this.runSession = session;
    const end = (start + length) | 0;
    reorder.accept(
      session,
      start,
      end,
      this.block.timestampUs,
      this.nowUs,
      tag,
      at,
      headerBytes,
      payloadBytes,
    );
  }

  /** Hands a packet on as acceptTcp or acceptDatagram took it. */
  private write(
    session: SessionSlot,
    tag: number,
    at: number,
    headerBytes: number,
    payloadBytes: number,
  ): void {
    const { sessions, templates, writer } = this.context;
    const isTcp = sessions.protocol(session) === PROTOCOL_TCP;
    const ecn = tag & ECN_MASK;
    const ownBytes = tag & ~ECN_MASK;
    const payloadAt = at + headerBytes;
    if (ownBytes === 0 && !isTcp && headerBytes > 0) {
      this.writeWhole(at, headerBytes);
      return;
    }
    const ipBytes = ownBytes > 0 ? ownBytes : sessions.templateBytes[session]!;
    this.makeRoom(ipBytes + (isTcp ? headerBytes - ownBytes : UDP_BYTES));
    // What has another header than its neighbours must not be merged with them.
    if (ownBytes > 0) writer.finish();
    const ipAt = ownBytes > 0 ? at : templates.fresh(session);
    const transportAt = at + ownBytes;
    if (isTcp) {
      const tcpBytes = headerBytes - ownBytes;
      writer.tcp(session, ipAt, ipBytes, transportAt, tcpBytes, payloadAt, payloadBytes, ecn);
    } else {
      const udpAt = ownBytes > 0 ? transportAt : this.udpHeader(session);
      writer.udp(session, ipAt, ipBytes, udpAt, payloadAt, payloadBytes, ecn);
    }
    if (ownBytes > 0) writer.finish();
  }

  /** Puts the header of a session's datagrams together, but for the length and the checksum. */
  private udpHeader(session: SessionSlot): number {
    const { sessions, view } = this.context;
    const keyAt = sessions.keyAt(session);
    view.setUint16(this.udpAt + UDP_SOURCE, keyDestinationPort(sessions.keys, keyAt));
    view.setUint16(this.udpAt + UDP_DESTINATION, keySourcePort(sessions.keys, keyAt));
    return this.udpAt;
  }

  private makeRoom(headerBytes: number): void {
    if (!this.context.writer.fits(headerBytes)) this.context.write();
  }
}
