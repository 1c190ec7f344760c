import type { HashSeed } from "../base/hash.ts";
import { NONE, type NodeSlot, type None, type PathSlot } from "../base/ids.ts";
import { Slab } from "../base/slab.ts";
import { WordMap } from "../base/word-map.ts";
import { isMappedIpv4, isSameAddress } from "../wire/address.ts";
import { PATH_NONE, TRAILER_BYTES } from "../wire/control-block.ts";
import { IPV4_MIN_BYTES } from "../wire/ipv4.ts";
import { IPV6_BYTES } from "../wire/ipv6.ts";
import { UDP_BYTES } from "../wire/udp.ts";
import { NodeClocks } from "./node-clocks.ts";
import { PathArrivals } from "./path-arrivals.ts";
import { PathDelays, type PathDelaysOptions } from "./path-delays.ts";
import { PathDelivery } from "./path-delivery.ts";
import { PathGates } from "./path-gates.ts";
import { PathLimits } from "./path-limits.ts";
import { PathQueues } from "./path-queues.ts";

/** What data may use a path for. */
export const USE_NO = 0;
/** Only while nothing better is there: it may have failed. */
export const USE_SUSPECT = 1;
/** Only while none of the node's paths is USE_YES. */
export const USE_BACKUP = 2;
export const USE_YES = 3;

/** Lines of one node, ours included, that limits are told from each other by. */
export const LINES_MAX = 16;
/** Paths of one node. */
export const NODE_PATHS_MAX = 64;
/** Path IDs are one byte, and 0 is none. */
const PATH_IDS = 256;
const KEY_WORDS = 6;

export interface PathsOptions {
  readonly capacity: number;
  /** Slots of the node map. */
  readonly nodes: number;
  readonly seed: HashSeed;
  readonly delays?: PathDelaysOptions;
}

/** Where a path runs: `local` and `remote` are four words at an index each. */
export interface PathEnds {
  /** As plans name it. */
  readonly socket: number;
  /** The interface of the local address. */
  readonly device: string;
  readonly local: Int32Array;
  readonly localIndex: number;
  readonly remote: Int32Array;
  readonly remoteIndex: number;
  readonly port: number;
}

/**
 * The path information table (paper §3.4, Table 5), with the paths of all nodes. A path is a socket and a remote
 * address and port, so these three find it; so do its node and either side's path ID. Delay, loss, rate and weight
 * belong to the path and are shared by the node's sessions.
 *
 * When the table is full, or a node has NODE_PATHS_MAX paths, a new one is refused. An ID that has been given up is
 * given again as late as possible, so that what is still on the way is not taken for another path's.
 */
export class Paths {
  readonly slab: Slab<PathSlot>;
  readonly clocks: NodeClocks;
  /** Our sending direction, the peer's, and what the peer says of ours. */
  readonly delays: PathDelays;
  readonly arrivals: PathArrivals;
  readonly delivery: PathDelivery;
  readonly queues: PathQueues;
  readonly gates: PathGates;
  readonly limits: PathLimits;
  /** Columns by path slot. */
  readonly node: Int32Array;
  /** Our ID of the path, and the peer's, PATH_NONE while that is not known. */
  readonly id: Uint8Array;
  readonly peerId: Uint8Array;
  readonly socket: Int32Array;
  readonly names: string[] = [];
  readonly devices: string[] = [];
  /** Whatever the path's state machine keeps. */
  readonly state: Uint8Array;
  readonly weight: Float64Array;
  readonly sentPackets: Float64Array;
  readonly sentBytes: Float64Array;
  readonly sentMs: Float64Array;
  readonly heardMs: Float64Array;
  /** The largest outer IP packet that gets through, and the largest packet of ours that it carries in the full form. */
  readonly mtuBytes: Int32Array;
  readonly roomBytes: Int32Array;
  /** Changes whenever the node's list of paths or the use of one of them does. By node slot. */
  readonly version: Uint32Array;
  refused = 0;
  /** Changes whenever the use or the MTU of any path does. */
  changes = 0;

  private readonly use: Uint8Array;
  private readonly ceiling: Uint8Array;
  private readonly sequence: Int32Array;
  private readonly local: Int32Array;
  private readonly byEnds: WordMap;
  private readonly key = new Int32Array(KEY_WORDS);
  // By node.
  private readonly list: Int32Array;
  private readonly listLength: Uint8Array;
  private readonly bestUse: Uint8Array;
  private readonly lastId: Uint8Array;
  private readonly feedbackTurn: Uint8Array;
  /** Slot + 1 by node and ID. */
  private readonly byId: Int32Array;
  private readonly byPeerId: Int32Array;

  constructor({ capacity, nodes, seed, delays }: PathsOptions) {
    this.slab = new Slab(capacity);
    this.clocks = new NodeClocks(nodes);
    this.delays = new PathDelays(capacity, nodes, delays);
    this.arrivals = new PathArrivals(capacity);
    this.delivery = new PathDelivery(capacity);
    this.queues = new PathQueues(capacity);
    this.gates = new PathGates(capacity, this.queues, this.delivery);
    this.limits = new PathLimits(capacity, LINES_MAX * (nodes + 1));
    this.node = new Int32Array(capacity);
    this.id = new Uint8Array(capacity);
    this.peerId = new Uint8Array(capacity);
    this.socket = new Int32Array(capacity);
    this.state = new Uint8Array(capacity);
    this.weight = new Float64Array(capacity);
    this.sentPackets = new Float64Array(capacity);
    this.sentBytes = new Float64Array(capacity);
    this.sentMs = new Float64Array(capacity);
    this.heardMs = new Float64Array(capacity);
    this.mtuBytes = new Int32Array(capacity);
    this.roomBytes = new Int32Array(capacity);
    this.version = new Uint32Array(nodes);
    this.use = new Uint8Array(capacity);
    this.ceiling = new Uint8Array(capacity);
    this.sequence = new Int32Array(capacity);
    this.local = new Int32Array(capacity * 4);
    this.byEnds = new WordMap(KEY_WORDS, capacity, seed);
    this.list = new Int32Array(nodes * NODE_PATHS_MAX);
    this.listLength = new Uint8Array(nodes);
    this.bestUse = new Uint8Array(nodes);
    this.lastId = new Uint8Array(nodes);
    this.feedbackTurn = new Uint8Array(nodes);
    this.byId = new Int32Array(nodes * PATH_IDS);
    this.byPeerId = new Int32Array(nodes * PATH_IDS);
  }

  /** By our ID: that of feedback, which the peer gives for our paths. */
  find(node: NodeSlot, id: number): PathSlot | None {
    return (this.byId[node * PATH_IDS + id]! - 1) as PathSlot | None;
  }

  /** By the peer's ID: that of its packets. */
  findPeer(node: NodeSlot, peerId: number): PathSlot | None {
    return (this.byPeerId[node * PATH_IDS + peerId]! - 1) as PathSlot | None;
  }

  /** By where a packet came in and where it came from. */
  findEnds(socket: number, remote: Int32Array, at: number, port: number): PathSlot | None {
    const key = this.key;
    key[0] = socket;
    for (let i = 0; i < 4; i++) key[1 + i] = remote[at + i]!;
    key[5] = port;
    return this.byEnds.find(key, 0) as PathSlot | None;
  }

  /** A new path; NONE where there is no room, or where the same ends are a path already. It is of no use yet. */
  add(node: NodeSlot, name: string, ends: PathEnds): PathSlot | None {
    if (this.findEnds(ends.socket, ends.remote, ends.remoteIndex, ends.port) !== NONE) return NONE;
    const slot = this.listLength[node]! < NODE_PATHS_MAX ? this.slab.take() : NONE;
    if (slot === NONE) {
      this.refused++;
      return NONE;
    }
    this.byEnds.insert(slot, this.key, 0);
    const id = this.unusedId(node);
    this.byId[node * PATH_IDS + id] = slot + 1;
    this.node[slot] = node;
    this.id[slot] = id;
    this.peerId[slot] = PATH_NONE;
    this.socket[slot] = ends.socket;
    this.names[slot] = name;
    this.devices[slot] = ends.device;
    for (let i = 0; i < 4; i++) this.local[4 * slot + i] = ends.local[ends.localIndex + i]!;
    this.state[slot] = 0;
    this.use[slot] = USE_NO;
    this.ceiling[slot] = USE_YES;
    this.weight[slot] = 0;
    this.sentPackets[slot] = 0;
    this.sentBytes[slot] = 0;
    this.sentMs[slot] = Number.NEGATIVE_INFINITY;
    this.heardMs[slot] = Number.NEGATIVE_INFINITY;
    this.sequence[slot] = 0;
    this.mtuBytes[slot] = 0;
    this.roomBytes[slot] = 0;
    this.delays.reset(slot);
    this.arrivals.reset(slot);
    this.delivery.reset(slot);
    this.queues.reset(slot);
    this.gates.reset(slot);
    this.limits.reset(slot);
    this.list[node * NODE_PATHS_MAX + this.listLength[node]!] = slot;
    this.listLength[node]!++;
    this.version[node]!++;
    return slot;
  }

  /**
   * The path's far end is another one, and all that is known of the path stays. Where that end is another path's, the
   * two exchange theirs: NATs give out the ports of one peer to another, and those of one line to the next.
   */
  move(slot: PathSlot, name: string, remote: Int32Array, at: number, port: number): void {
    const { byEnds, names } = this;
    const other = this.findEnds(this.socket[slot]!, remote, at, port);
    if (other === slot) return;
    const [key, left] = [this.key.slice(), byEnds.keys.slice(slot * KEY_WORDS, (slot + 1) * KEY_WORDS)];
    byEnds.delete(slot);
    if (other !== NONE) {
      byEnds.delete(other);
      byEnds.insert(other, left, 0);
      names[other] = names[slot]!;
    }
    byEnds.insert(slot, key, 0);
    names[slot] = name;
  }

  remove(slot: PathSlot): void {
    if (!this.slab.release(slot)) return;
    const node = this.nodeOf(slot);
    this.byEnds.delete(slot);
    this.byId[node * PATH_IDS + this.id[slot]!] = 0;
    this.clearPeerId(slot);
    const from = node * NODE_PATHS_MAX;
    const end = from + this.listLength[node]!;
    this.list.copyWithin(this.list.indexOf(slot, from), this.list.indexOf(slot, from) + 1, end);
    this.listLength[node]!--;
    if (this.listLength[node] === 0) this.delays.resetNode(node);
    this.noteUse(node);
  }

  removeNode(node: NodeSlot): void {
    for (let i = this.count(node) - 1; i >= 0; i--) this.remove(this.at(node, i));
  }

  /** Everything that was counted and measured between the two nodes starts anew: the peer has been started anew. */
  resetNode(node: NodeSlot): void {
    this.delays.resetNode(node);
    this.clocks.reset(node);
    for (let i = 0; i < this.count(node); i++) {
      const slot = this.at(node, i);
      this.clearPeerId(slot);
      this.delays.reset(slot);
      this.arrivals.reset(slot);
      this.delivery.reset(slot);
      this.queues.reset(slot);
      this.gates.reset(slot);
    }
  }

  /** The peer's ID of the path, as its packets on it say. With another one than before it counts anew. */
  setPeerId(slot: PathSlot, peerId: number): void {
    if (this.peerId[slot] === peerId) return;
    this.clearPeerId(slot);
    if (peerId === PATH_NONE) return;
    const at = this.nodeOf(slot) * PATH_IDS + peerId;
    const other = (this.byPeerId[at]! - 1) as PathSlot | None;
    if (other !== NONE) this.clearPeerId(other);
    this.peerId[slot] = peerId;
    this.byPeerId[at] = slot + 1;
  }

  /** One of USE_*: the answer of the path's state machine. */
  setUse(slot: PathSlot, use: number): void {
    if (this.use[slot] === use) return;
    this.use[slot] = use;
    this.noteUse(this.nodeOf(slot));
  }

  /** The most that data may use a path for, however well it works: what the two nodes want. USE_YES at first. */
  setCeiling(slot: PathSlot, use: number): void {
    if (this.ceiling[slot] === use) return;
    this.ceiling[slot] = use;
    this.noteUse(this.nodeOf(slot));
  }

  setMtu(slot: PathSlot, bytes: number): void {
    if (this.mtuBytes[slot] === bytes) return;
    this.mtuBytes[slot] = bytes;
    this.roomBytes[slot] = bytes - this.overheadBytes(slot);
    this.changes++;
  }

  /** The largest packet of ours that fits through every path that works; 0 where none does. */
  smallestRoom(): number {
    let smallest = 0;
    for (let slot = 0; slot < this.slab.top; slot++) {
      if (!this.slab.has(slot) || this.useOf(slot as PathSlot) === USE_NO) continue;
      const room = this.roomBytes[slot]!;
      if (smallest === 0 || room < smallest) smallest = room;
    }
    return smallest;
  }

  /** Whether a node's data may go by any path. */
  hasEligible(node: NodeSlot): boolean {
    return this.bestUse[node] !== USE_NO;
  }

  /** What the path adds to a packet in the full form: the outer headers and the trailer. */
  overheadBytes(slot: PathSlot): number {
    const isIpv4 = isMappedIpv4(this.remotes, this.remoteAt(slot));
    return (isIpv4 ? IPV4_MIN_BYTES : IPV6_BYTES) + UDP_BYTES + TRAILER_BYTES;
  }

  /** What data may use a path for. */
  useOf(slot: PathSlot): number {
    return Math.min(this.use[slot]!, this.ceiling[slot]!);
  }

  /** Whether data goes over the path as things are: it works, and no other is preferred to it. */
  isEligible(slot: PathSlot): boolean {
    const use = this.useOf(slot);
    return use !== USE_NO && use === this.bestUse[this.node[slot]!];
  }

  /** Whether the path would be eligible if it were sure that it works. */
  isDoubtful(slot: PathSlot): boolean {
    return this.use[slot] === USE_SUSPECT && this.ceiling[slot]! >= this.bestUse[this.node[slot]!]!;
  }

  /** Paths of a node. Their order stays; one that is removed lets the others move up. */
  count(node: NodeSlot): number {
    return this.listLength[node]!;
  }

  at(node: NodeSlot, place: number): PathSlot {
    return this.list[node * NODE_PATHS_MAX + place]! as PathSlot;
  }

  /** The path's place in its node's list. */
  placeOf(slot: PathSlot): number {
    const from = this.node[slot]! * NODE_PATHS_MAX;
    return this.list.indexOf(slot, from) - from;
  }

  nodeOf(slot: PathSlot): NodeSlot {
    return this.node[slot]! as NodeSlot;
  }

  /** `packets` packets leave by the path; answers the path sequence number of the first, as int32. */
  handleSent(slot: PathSlot, packets: number, bytes: number, nowMs: number): number {
    const sequence = this.sequence[slot]!;
    this.sequence[slot] = sequence + packets;
    this.sentPackets[slot] = this.sentPackets[slot]! + packets;
    this.sentBytes[slot] = this.sentBytes[slot]! + bytes;
    this.sentMs[slot] = nowMs;
    this.queues.handleSent(slot, packets, bytes, nowMs * 1000);
    this.gates.handleSent(slot, bytes, nowMs * 1000);
    this.limits.handleSent(slot, packets, bytes, nowMs * 1000);
    return sequence;
  }

  /**
   * A path of the node whose delay is to be fed back, each in its turn: the feedback path ID is its `peerId`, the delay
   * is `arrivals.delayUs`. NONE when the peer has been told all.
   */
  pollFeedback(node: NodeSlot): PathSlot | None {
    const length = this.listLength[node]!;
    const { feedbackDue } = this.arrivals;
    for (let i = 0, place = this.feedbackTurn[node]!; i < length; i++, place++) {
      if (place >= length) place = 0;
      const slot = this.at(node, place);
      if (feedbackDue[slot] === 0 || this.peerId[slot] === PATH_NONE) continue;
      feedbackDue[slot] = 0;
      this.feedbackTurn[node] = place + 1;
      return slot;
    }
    return NONE;
  }

  /** The four words of the remote address stand in `remotes` from `remoteAt(slot)` on. */
  get remotes(): Int32Array {
    return this.byEnds.keys;
  }

  remoteAt(slot: PathSlot): number {
    return slot * KEY_WORDS + 1;
  }

  hasSameRemote(a: PathSlot, b: PathSlot): boolean {
    return isSameAddress(this.remotes, this.remoteAt(a), this.remotes, this.remoteAt(b));
  }

  port(slot: PathSlot): number {
    return this.byEnds.keys[slot * KEY_WORDS + 5]!;
  }

  /** The four words of the local address stand in `locals` from `4 * slot` on. */
  get locals(): Int32Array {
    return this.local;
  }

  /**
   * What the clocks' difference adds to the delays of a node's paths, judged by the path with the shortest round trip,
   * which is taken to last the same both ways; NaN where no path has a delay and a round-trip time.
   */
  clockOffsetUs(node: NodeSlot): number {
    const { delayUs, rttUs, samples } = this.delays;
    let offsetUs = Number.NaN;
    let shortestUs = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.count(node); i++) {
      const slot = this.at(node, i);
      const rtt = rttUs[slot]!;
      if (samples[slot] === 0 || rtt === 0 || rtt >= shortestUs) continue;
      shortestUs = rtt;
      offsetUs = delayUs[slot]! - rtt / 2;
    }
    return offsetUs;
  }

  private noteUse(node: NodeSlot): void {
    let best = USE_NO;
    for (let i = 0; i < this.count(node); i++) best = Math.max(best, this.useOf(this.at(node, i)));
    this.bestUse[node] = best;
    this.version[node]!++;
    this.changes++;
  }

  private clearPeerId(slot: PathSlot): void {
    const peerId = this.peerId[slot]!;
    if (peerId === PATH_NONE) return;
    this.byPeerId[this.node[slot]! * PATH_IDS + peerId] = 0;
    this.peerId[slot] = PATH_NONE;
    this.arrivals.renew(slot);
    this.delivery.reset(slot);
  }

  private unusedId(node: NodeSlot): number {
    let id = this.lastId[node]!;
    do {
      id = (id % (PATH_IDS - 1)) + 1;
    } while (this.byId[node * PATH_IDS + id] !== 0);
    this.lastId[node] = id;
    return id;
  }
}
