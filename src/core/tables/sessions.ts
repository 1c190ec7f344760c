import { Deadlines } from "../base/deadlines.ts";
import type { HashSeed } from "../base/hash.ts";
import { NONE, type NodeSlot, type None, type SessionSlot } from "../base/ids.ts";
import { Slab } from "../base/slab.ts";
import { WordMap } from "../base/word-map.ts";
import { SESSION_NONE } from "../wire/control-block.ts";
import { NOT_MATCHED } from "./rules.ts";
import { SessionIds } from "./session-ids.ts";
import { KEY_NODE, keyNode, keyProtocol, SESSION_KEY_WORDS } from "./session-key.ts";
import {
  firstState,
  isTelling,
  SEEN_RECEIVED,
  SEEN_SENT,
  SESSION_TIMEOUTS,
  type SessionTimeouts,
  seenAfter,
  sessionTimeoutMs,
  stateAfter,
  TCP_ESTABLISHED,
} from "./session-state.ts";

/** Flags of a session: the peer has used its ID, so packets may go in the compact form. */
export const SESSION_PEER_KNOWS = 0x01;
/** The peer opened it. */
export const SESSION_OPENED_BY_PEER = 0x02;

/** Room for an IPv6 header. */
export const TEMPLATE_MAX_BYTES = 40;

/** Sessions that one call looks at, at most, to find one that has expired or may be given up. */
const LOOKS_MAX = 64;

export interface SessionsOptions {
  readonly capacity: number;
  /** Slots of the node map. */
  readonly nodes: number;
  readonly seed: HashSeed;
  readonly timeouts?: Partial<SessionTimeouts>;
  /** Where the header templates are kept: `capacity * TEMPLATE_MAX_BYTES` bytes of `bytes` from `at` on. */
  readonly templates?: { readonly bytes: Uint8Array; readonly at: number };
}

/**
 * The session information table (paper §3.3, Table 4). A session is found by its key when the host sends, and by node
 * and session ID when something comes in. Whoever keeps something by session slot compares `slab.generation`.
 *
 * A packet costs no more than the columns it writes: a session's deadline is looked at again only when it is reached,
 * and put off by what has happened since. Established TCP sessions have deadlines of their own, because they are never
 * given up for another: when the table is full, a new session takes the place of the one that expires next among up
 * to LOOKS_MAX of the others, and is refused where all are established.
 *
 * 32-bit fields are int32.
 */
export class Sessions {
  readonly slab: Slab<SessionSlot>;
  readonly flags: Uint8Array;
  readonly state: Uint8Array;
  /** Time of the last packet in either direction. */
  readonly updateMs: Float64Array;
  /** What `Rules.matchSession` answered. */
  readonly rule: Int32Array;
  readonly sentPackets: Float64Array;
  readonly sentBytes: Float64Array;
  readonly receivedPackets: Float64Array;
  readonly receivedBytes: Float64Array;
  /** Bytes of each template, 0 where there is none. */
  readonly templateBytes: Uint8Array;
  readonly templates: Uint8Array;
  /** Sessions that gave way to others, and sessions for which none could give way. */
  evicted = 0;
  refused = 0;

  private readonly byKey: WordMap;
  private readonly byId: WordMap;
  private readonly seen: Uint8Array;
  /** By node: how many there are. */
  private readonly withNode: Int32Array;
  private readonly templatesAt: number;
  private readonly timeouts: SessionTimeouts;
  private readonly expiry: Deadlines<SessionSlot>;
  private readonly establishedExpiry: Deadlines<SessionSlot>;
  private readonly idKey = new Int32Array(2);
  private readonly ids: SessionIds;

  constructor(options: SessionsOptions) {
    const { capacity, nodes, seed } = options;
    this.slab = new Slab(capacity);
    this.byKey = new WordMap(SESSION_KEY_WORDS, capacity, seed);
    this.byId = new WordMap(2, capacity, seed);
    this.flags = new Uint8Array(capacity);
    this.state = new Uint8Array(capacity);
    this.seen = new Uint8Array(capacity);
    this.withNode = new Int32Array(nodes);
    this.updateMs = new Float64Array(capacity);
    this.rule = new Int32Array(capacity);
    this.sentPackets = new Float64Array(capacity);
    this.sentBytes = new Float64Array(capacity);
    this.receivedPackets = new Float64Array(capacity);
    this.receivedBytes = new Float64Array(capacity);
    this.templateBytes = new Uint8Array(capacity);
    this.templates = options.templates?.bytes ?? new Uint8Array(capacity * TEMPLATE_MAX_BYTES);
    this.templatesAt = options.templates?.at ?? 0;
    this.timeouts = { ...SESSION_TIMEOUTS, ...options.timeouts };
    this.expiry = new Deadlines(capacity);
    this.establishedExpiry = new Deadlines(capacity);
    this.ids = new SessionIds(nodes);
  }

  /**
   * Before a node's first session: whether our node ID is the higher one, and the number from which on session IDs are
   * given, best a random one, so that IDs from before a restart are not given again soon.
   */
  beginNode(node: NodeSlot, weAreHigher: boolean, firstId: number): void {
    this.ids.begin(node, weAreHigher, firstId);
  }

  /** The session of a packet that the host sends. */
  find(key: Int32Array, at: number): SessionSlot | None {
    return this.byKey.find(key, at) as SessionSlot | None;
  }

  /** The session of a packet that came from a node. */
  findId(node: NodeSlot, id: number): SessionSlot | None {
    this.idKey[0] = node;
    this.idKey[1] = id;
    return this.byId.find(this.idKey, 0) as SessionSlot | None;
  }

  /** Opens a session for a packet of the host that has none; NONE when the table is full. */
  open(key: Int32Array, at: number, nowMs: number, byPeer = false): SessionSlot | None {
    const slot = this.take(nowMs);
    if (slot === NONE) return NONE;
    this.begin(slot, key, at, this.unusedId(keyNode(key, at) as NodeSlot), byPeer, nowMs);
    return slot;
  }

  /**
   * The session of a packet that came in its full form, which is opened, or takes over the peer's ID, where need be;
   * NONE when the table is full. Where both sides have opened the session at once, the ID of the higher node stays. An
   * ID that we have chosen is never taken from the peer for another session than ours.
   */
  learn(key: Int32Array, at: number, id: number, nowMs: number, byPeer = true): SessionSlot | None {
    const node = keyNode(key, at) as NodeSlot;
    const byId = this.findId(node, id);
    if (byId !== NONE && this.hasKey(byId, key, at)) return byId;
    const byKey = this.find(key, at);
    if (id === SESSION_NONE || this.ids.isOurs(node, id)) {
      return byKey === NONE ? this.open(key, at, nowMs, byPeer) : byKey;
    }
    if (byKey !== NONE && this.ids.weAreHigher(node) && this.ids.isOurs(node, this.id(byKey))) return byKey;
    // The peer has given its ID to another session: the one that we know by it has ended.
    if (byId !== NONE) this.close(byId);
    if (byKey !== NONE) {
      this.setId(byKey, id);
      return byKey;
    }
    const slot = this.take(nowMs);
    if (slot === NONE) return NONE;
    this.begin(slot, key, at, id, byPeer, nowMs);
    return slot;
  }

  close(slot: SessionSlot): void {
    if (!this.slab.release(slot)) return;
    this.withNode[this.node(slot)]!--;
    this.byKey.delete(slot);
    this.byId.delete(slot);
    this.expiry.cancel(slot);
    this.establishedExpiry.cancel(slot);
  }

  /** Whether there is a session with a node. */
  hasNode(node: NodeSlot): boolean {
    return this.withNode[node] !== 0;
  }

  /** Closes all sessions of a node; answers how many those were. */
  closeNode(node: NodeSlot): number {
    const closed = this.withNode[node]!;
    for (let slot = this.first(); slot !== NONE && this.hasNode(node); slot = this.after(slot)) {
      if (this.node(slot) === node) this.close(slot);
    }
    return closed;
  }

  /** After a node's restart, it knows none of our sessions. */
  forgetPeerKnowledge(node: NodeSlot): void {
    for (let slot = this.first(); slot !== NONE; slot = this.after(slot)) {
      if (this.node(slot) === node) this.flags[slot] = this.flags[slot]! & ~SESSION_PEER_KNOWS;
    }
  }

  /** After new rules: every session is to be matched again. */
  forgetRules(): void {
    for (let slot = this.first(); slot !== NONE; slot = this.after(slot)) {
      this.rule[slot] = NOT_MATCHED;
    }
  }

  /** Before a packet of it is handled. Apart, and small, since a time handed to a large function costs an object. */
  touch(slot: SessionSlot, nowMs: number): void {
    this.updateMs[slot] = nowMs;
  }

  handleSent(slot: SessionSlot, packets: number, bytes: number, tcpFlags: number): void {
    this.sentPackets[slot] = this.sentPackets[slot]! + packets;
    this.sentBytes[slot] = this.sentBytes[slot]! + bytes;
    if (isTelling(this.state[slot]!, SEEN_SENT, this.seen[slot]!, tcpFlags)) {
      this.follow(slot, SEEN_SENT, tcpFlags);
    }
  }

  /** `id` is the one that the packet came with: only ours shows that the peer knows it. */
  handleReceived(slot: SessionSlot, id: number, packets: number, bytes: number, tcpFlags: number): void {
    this.receivedPackets[slot] = this.receivedPackets[slot]! + packets;
    this.receivedBytes[slot] = this.receivedBytes[slot]! + bytes;
    if ((this.flags[slot]! & SESSION_PEER_KNOWS) === 0 && (id | 0) === this.id(slot)) {
      this.flags[slot] = this.flags[slot]! | SESSION_PEER_KNOWS;
    }
    if (isTelling(this.state[slot]!, SEEN_RECEIVED, this.seen[slot]!, tcpFlags)) {
      this.follow(slot, SEEN_RECEIVED, tcpFlags);
    }
  }

  /** Keeps the `length` bytes of header at `bytes[from]` as the session's template. */
  setTemplate(slot: SessionSlot, bytes: Uint8Array, from: number, length: number): void {
    const to = this.templateAt(slot);
    for (let i = 0; i < length; i++) this.templates[to + i] = bytes[from + i]!;
    this.templateBytes[slot] = length;
  }

  /** Where the session's template stands in `templates`. */
  templateAt(slot: SessionSlot): number {
    return this.templatesAt + slot * TEMPLATE_MAX_BYTES;
  }

  node(slot: SessionSlot): NodeSlot {
    return (this.byKey.keys[slot * SESSION_KEY_WORDS + KEY_NODE]! >>> 8) as NodeSlot;
  }

  /** Whether we have chosen the session's ID. */
  isOwnId(slot: SessionSlot): boolean {
    return this.ids.isOurs(this.node(slot), this.id(slot));
  }

  id(slot: SessionSlot): number {
    return this.byId.keys[2 * slot + 1]!;
  }

  /** The words of a session's key (session-key.ts), from `keyAt` on. */
  get keys(): Int32Array {
    return this.byKey.keys;
  }

  keyAt(slot: SessionSlot): number {
    return slot * SESSION_KEY_WORDS;
  }

  protocol(slot: SessionSlot): number {
    return keyProtocol(this.byKey.keys, slot * SESSION_KEY_WORDS);
  }

  /** When the session expires unless a packet comes before. */
  expiresMs(slot: SessionSlot): number {
    return this.updateMs[slot]! + sessionTimeoutMs(this.timeouts, this.protocol(slot), this.state[slot]!);
  }

  /** No session has to be looked at before; it may turn out then that none has expired. */
  nextDeadlineMs(): number {
    return Math.min(this.expiry.next(), this.establishedExpiry.next());
  }

  /**
   * Closes a session that has expired; its columns stay as they are until another is opened. NONE when there is none,
   * or when LOOKS_MAX were found to have gone on: then the deadline is still due, and the next call goes on.
   */
  pollExpired(nowMs: number): SessionSlot | None {
    for (let looks = 0; looks < LOOKS_MAX; looks++) {
      const queue =
        this.expiry.next() <= this.establishedExpiry.next() ? this.expiry : this.establishedExpiry;
      if (queue.next() > nowMs) return NONE;
      const slot = queue.first() as SessionSlot;
      const expiresMs = this.expiresMs(slot);
      if (expiresMs <= nowMs) {
        this.close(slot);
        return slot;
      }
      queue.set(slot, expiresMs);
    }
    return NONE;
  }

  first(): SessionSlot | None {
    return this.after(NONE);
  }

  /** The open session behind `slot`, in the order of the slots. */
  after(slot: SessionSlot | None): SessionSlot | None {
    const { slab } = this;
    for (let next = slot + 1; next < slab.top; next++) if (slab.has(next)) return next as SessionSlot;
    return NONE;
  }

  private follow(slot: SessionSlot, direction: number, tcpFlags: number): void {
    const before = this.state[slot]!;
    const seen = seenAfter(this.seen[slot]!, before, direction, tcpFlags);
    const state = stateAfter(seen, before, tcpFlags);
    this.seen[slot] = seen;
    if (state === before) return;
    this.state[slot] = state;
    this.expiry.cancel(slot);
    this.establishedExpiry.cancel(slot);
    this.enqueue(slot);
  }

  private enqueue(slot: SessionSlot): void {
    const queue = this.state[slot] === TCP_ESTABLISHED ? this.establishedExpiry : this.expiry;
    queue.set(slot, this.expiresMs(slot));
  }

  private take(nowMs: number): SessionSlot | None {
    if (this.slab.size === this.slab.capacity && !this.evict(nowMs)) {
      this.refused++;
      return NONE;
    }
    return this.slab.take();
  }

  private evict(nowMs: number): boolean {
    const { expiry } = this;
    if (this.establishedExpiry.next() <= nowMs) {
      const slot = this.establishedExpiry.first() as SessionSlot;
      if (this.expiresMs(slot) <= nowMs) {
        this.close(slot);
        return true;
      }
    }
    let best: SessionSlot | None = NONE;
    let bestMs = Number.POSITIVE_INFINITY;
    for (let looks = 0; looks < LOOKS_MAX; looks++) {
      const slot = expiry.first();
      if (slot === NONE) break;
      const expiresMs = this.expiresMs(slot);
      if (expiresMs < bestMs) {
        best = slot;
        bestMs = expiresMs;
      }
      // What stands first and has not gone on expires before all others.
      if (expiresMs <= expiry.next()) break;
      expiry.set(slot, expiresMs);
    }
    if (best === NONE) return false;
    this.close(best);
    this.evicted++;
    return true;
  }

  private begin(
    slot: SessionSlot,
    key: Int32Array,
    at: number,
    id: number,
    byPeer: boolean,
    nowMs: number,
  ): void {
    this.byKey.insert(slot, key, at);
    this.withNode[this.node(slot)]!++;
    this.setId(slot, id);
    this.flags[slot] = byPeer ? SESSION_OPENED_BY_PEER : 0;
    this.state[slot] = firstState(keyProtocol(key, at));
    this.seen[slot] = 0;
    this.updateMs[slot] = nowMs;
    this.rule[slot] = NOT_MATCHED;
    this.sentPackets[slot] = 0;
    this.sentBytes[slot] = 0;
    this.receivedPackets[slot] = 0;
    this.receivedBytes[slot] = 0;
    this.templateBytes[slot] = 0;
    this.enqueue(slot);
  }

  /** Gives a session another ID, which the peer has not used yet. */
  private setId(slot: SessionSlot, id: number): void {
    this.byId.delete(slot);
    this.idKey[0] = this.node(slot);
    this.idKey[1] = id;
    this.byId.insert(slot, this.idKey, 0);
    this.flags[slot] = this.flags[slot]! & ~SESSION_PEER_KNOWS;
  }

  private unusedId(node: NodeSlot): number {
    for (;;) {
      const id = this.ids.next(node);
      if (this.findId(node, id) === NONE) return id;
    }
  }

  private hasKey(slot: SessionSlot, key: Int32Array, at: number): boolean {
    const { keys } = this.byKey;
    const from = slot * SESSION_KEY_WORDS;
    for (let i = 0; i < SESSION_KEY_WORDS; i++) if (keys[from + i] !== key[at + i]) return false;
    return true;
  }
}
