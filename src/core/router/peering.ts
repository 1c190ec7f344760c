import { DROP } from "../base/drop.ts";
import { NONE, type NodeSlot, type None, type PathSlot } from "../base/ids.ts";
import { RECORD_ADDRESS, RECORD_PORT } from "../batch/layout.ts";
import { ADDRESS_ADVERTISED, ADDRESS_CONFIGURED } from "../tables/node-addresses.ts";
import { INSTANCE_CLASH, INSTANCE_DOUBTFUL, INSTANCE_RESTARTED, INSTANCE_SAME } from "../tables/nodes.ts";
import { ARRIVAL_DUPLICATE } from "../tables/path-arrivals.ts";
import { BodyReader } from "../wire/body-reader.ts";
import {
  type ControlBlock,
  compareNodeIds,
  FLAG_SEQUENCED,
  KIND_ADDRESSES,
  KIND_CONFIRM,
  KIND_HEARTBEAT,
  KIND_IP_CHANGE,
  KIND_NACK,
  KIND_PROBE,
  KIND_PROBE_ANSWER,
  KIND_QUERY,
  PATH_NONE,
} from "../wire/control-block.ts";
import {
  FIELD_ADDRESSES4,
  FIELD_ADDRESSES6,
  FIELD_ASKED,
  FIELD_INSTANCE,
  FIELD_NAME,
  FIELD_NONCE,
  FIELD_REFUSAL,
  FIELD_VERSION,
  hasRequiredFields,
  PROTOCOL_VERSION,
  REFUSAL_BUSY,
  REFUSAL_NODE_ID_CLASH,
  REFUSAL_NOT_CONFIGURED,
  REFUSAL_VERSION,
} from "../wire/control-body.ts";
import { AddressNews } from "./address-news.ts";
import type { Context, Local, PeerSpec } from "./context.ts";
import { ControlSender } from "./control-sender.ts";
import type { Dispatch } from "./dispatch.ts";
import { PathKeeper } from "./path-keeper.ts";
import type { PathMoves } from "./path-moves.ts";
import { isEndpointOf, isNamed, isSameEnd, type Peer, peerAt, REFUSAL_NONE } from "./peer.ts";
import { Repair } from "./repair.ts";
import { Strangers } from "./strangers.ts";

/** A node without a path that works is asked again. */
const ASK_AGAIN_MS = 2_000;

/** What an introduction says. */
class Introduction {
  version = 0;
  nonceHigh = 0;
  nonceLow = 0;
  instanceHigh = 0;
  instanceLow = 0;
  name = "";
  refusal = 0;
  words = new Int32Array(0);
  ports: number[] = [];
}

/** Who the peers are: the handshake with them (paper §3.2), and what becomes of their control packets. */
export class Peering {
  private readonly context: Context;
  readonly keeper: PathKeeper;
  readonly moves: PathMoves;
  private readonly news: AddressNews;
  readonly repair: Repair;
  private readonly sender: ControlSender;
  private readonly reader = new BodyReader();
  private readonly words = new Int32Array(4);
  private readonly nonceHigh: number;
  private readonly nonceLow: number;
  private peers: Peer[] = [];
  private readonly strangers: Strangers;

  constructor(context: Context, dispatch: Dispatch) {
    this.context = context;
    this.sender = new ControlSender(context);
    this.keeper = new PathKeeper(context, dispatch.scheduler, this.sender);
    this.strangers = new Strangers(context, this.keeper, (node, nowMs) => this.removeNode(node, nowMs));
    this.news = new AddressNews(context, this.sender, this.keeper);
    this.moves = this.keeper.moves;
    this.repair = new Repair(context, this.sender, dispatch);
    context.real.onRoutes = (node) => this.setRoutes(node);
    this.keeper.onDoubt = (path, nowUs) => this.repair.rescue(path, nowUs);
    this.nonceHigh = context.random() | 0;
    this.nonceLow = context.random() | 0;
  }

  /** The sockets that there are from now on. */
  setLocals(locals: readonly Local[], nowMs: number): void {
    this.news.setLocals(locals, nowMs);
  }

  /** The nodes that are wanted: others are forgotten, new ones are asked. */
  setPeers(specs: readonly PeerSpec[], nowMs: number): void {
    const { availability } = this.context;
    const before = this.peers;
    this.peers = specs.map((spec) => {
      const known = before.find((peer) => peer.spec.name === spec.name);
      return {
        spec,
        node: known === undefined || this.isAnother(known.node, spec) ? NONE : known.node,
        askedMs: Number.NEGATIVE_INFINITY,
        refusal: known?.refusal ?? REFUSAL_NONE,
        clashes: known?.clashes ?? 0,
      };
    });
    for (const { spec, node } of before) {
      for (const { address, port } of spec.endpoints) {
        const slot = availability.find(address, 0, port);
        const isWanted = specs.some((other) =>
          other.endpoints.some((end) => isSameEnd(end, address, 0, port)),
        );
        if (slot !== NONE && !isWanted) availability.unpin(slot, nowMs);
      }
      if (node === NONE) continue;
      const kept = this.peers.find((peer) => peer.node === node);
      if (kept === undefined) this.removeNode(node, nowMs);
      else this.leavePlaces(node, spec, kept.spec, nowMs);
    }
    for (const peer of this.peers) {
      for (const { address, port } of peer.spec.endpoints) availability.ask(address, 0, port, true, nowMs);
      if (peer.node !== NONE) this.setRoutes(peer.node);
    }
  }

  /** Where a node is no longer to be, by configuration: without its saying so it is not there. */
  private leavePlaces(node: NodeSlot, before: PeerSpec, spec: PeerSpec, nowMs: number): void {
    const { addresses } = this.context.nodes;
    for (const { address, port } of before.endpoints) {
      if (spec.endpoints.some((end) => isSameEnd(end, address, 0, port))) continue;
      const slot = addresses.findOf(node, address, 0, port);
      if (slot === NONE) continue;
      addresses.retract(slot, ADDRESS_CONFIGURED);
      if (addresses.sources[slot]! & ADDRESS_ADVERTISED) continue;
      addresses.forget(slot);
      this.keeper.removePathsTo(node, address, 0, port, NONE, nowMs);
    }
  }

  /** Whether the node is not the one that the configuration names. */
  private isAnother(node: NodeSlot | None, { node: wanted }: PeerSpec): boolean {
    const { nodes } = this.context;
    return node !== NONE && wanted !== undefined && !isNamed(wanted, nodes.idHigh(node), nodes.idLow(node));
  }

  /** Carries traffic to the real addresses of nodes, which are asked for at a port, or, with 0, does not. */
  setReal(port: number, nowMs: number): void {
    const { real } = this.context;
    if (real.port === port) return;
    this.strangers.clear(nowMs);
    real.setPort(port);
  }

  /** A control packet of `bytes` bytes at `at`, which came in as the record at `recordAt` says. */
  handle(
    block: Readonly<ControlBlock>,
    at: number,
    bytes: number,
    socket: number,
    records: Int32Array,
    recordAt: number,
    arrivedUs: number,
    nowUs: number,
  ): void {
    const { context, reader } = this;
    const { drops, nodes } = context;
    if (!reader.begin(context.view, at, block.userBytes) || !hasRequiredFields(block.kind, reader.seen)) {
      drops.count(DROP["malformed-datagram"], bytes);
      return;
    }
    const addressAt = recordAt + RECORD_ADDRESS;
    const port = records[recordAt + RECORD_PORT]!;
    if (block.kind === KIND_QUERY || block.kind === KIND_CONFIRM) {
      this.handleIntroduction(block, bytes, socket, records, addressAt, port, nowUs);
      return;
    }
    if (this.isOwnId(block)) {
      drops.count(DROP["own-node-id"], bytes);
      return;
    }
    const node = nodes.find(block.nodeHigh, block.nodeLow);
    if (node === NONE) {
      drops.count(DROP["unknown-node"], bytes);
      return;
    }
    if (block.kind === KIND_PROBE) {
      const instance = this.readInstance(node, records, addressAt, port, nowUs / 1000);
      if (instance !== INSTANCE_SAME) {
        // One that has restarted introduces itself before its probes count.
        drops.count(DROP[instance === INSTANCE_RESTARTED ? "unknown-node" : "node-id-clash"], bytes);
        return;
      }
      reader.begin(context.view, at, block.userBytes);
    }
    let path = this.pathOf(block, node, socket, records, addressAt, port);
    if (path === NONE) path = this.handleStray(block, node, socket, records, addressAt, port, nowUs);
    if (path === NONE) {
      drops.count(DROP["unknown-path"], bytes);
      return;
    }
    this.noteArrival(path, block, bytes, nowUs);
    this.keeper.noteHeard(path, node, block, arrivedUs, nowUs, false);
    if (block.kind === KIND_PROBE || block.kind === KIND_HEARTBEAT) {
      context.policies.read(path, reader, block.kind === KIND_HEARTBEAT, nowUs);
      if (block.kind === KIND_HEARTBEAT) context.real.noteTaken(path);
      reader.begin(context.view, at, block.userBytes);
    }
    if (block.kind === KIND_ADDRESSES || block.kind === KIND_IP_CHANGE)
      this.news.handle(path, node, block, reader, nowUs / 1000);
    else if (block.kind === KIND_NACK) this.repair.handleNack(node, reader, nowUs);
    else this.keeper.handle(path, node, block, reader, records, addressAt, port, nowUs);
  }

  private isOwnId(block: Readonly<ControlBlock>): boolean {
    const { node } = this.context;
    return block.nodeHigh === node.idHigh && block.nodeLow === node.idLow;
  }

  /**
   * Which instance of its node a probe is of, INSTANCE_*: the known one, unless it says something else; INSTANCE_CLASH
   * where it is another node with our ID that is asked.
   */
  private readInstance(
    node: NodeSlot,
    from: Int32Array,
    fromAt: number,
    port: number,
    nowMs: number,
  ): number {
    const { reader } = this;
    const { nodes, node: own } = this.context;
    let instance = INSTANCE_SAME;
    while (reader.next()) {
      if (reader.type !== FIELD_INSTANCE && reader.type !== FIELD_ASKED) continue;
      const [high, low] = [reader.high(), reader.low()];
      if (reader.type === FIELD_INSTANCE)
        instance = nodes.judgeInstance(node, high, low, from, fromAt, port, nowMs);
      else if (high !== own.instanceHigh || low !== own.instanceLow) return INSTANCE_CLASH;
    }
    return instance;
  }

  /** The path of which both ends and the peer's ID are those of a packet. */
  private pathOf(
    block: Readonly<ControlBlock>,
    node: NodeSlot,
    socket: number,
    from: Int32Array,
    fromAt: number,
    port: number,
  ): PathSlot | None {
    const { paths } = this.context;
    const path = paths.findEnds(socket, from, fromAt, port);
    if (path === NONE || paths.nodeOf(path) !== node) return NONE;
    return this.isOf(path, node, block) ? path : NONE;
  }

  /** Whether the peer's ID of a path is the one that a packet has which came in on it. */
  isOf(path: PathSlot, node: NodeSlot, block: Readonly<ControlBlock>): boolean {
    const { paths } = this.context;
    if (block.path === paths.peerId[path] || block.path === PATH_NONE) return true;
    // The peer has made its path anew, unless the packet is one of another path.
    if (this.moves.claimed(block, node, paths.socket[path]!) !== NONE) return false;
    paths.setPeerId(path, block.path);
    return true;
  }

  /** Data of a known node from a place that is not that of the path. */
  handleStrayData(
    block: Readonly<ControlBlock>,
    socket: number,
    from: Int32Array,
    fromAt: number,
    port: number,
    nowUs: number,
  ): void {
    const node = this.context.nodes.find(block.nodeHigh, block.nodeLow);
    const path = node === NONE ? NONE : this.moves.claimed(block, node, socket);
    if (path !== NONE) this.moves.challenge(path, block, from, fromAt, port, nowUs);
  }

  /**
   * A control packet of a known node from a place that is not that of the path; the reader stands at the start of its
   * body. Answers the path that has moved there or begins there, if one does.
   */
  private handleStray(
    block: Readonly<ControlBlock>,
    node: NodeSlot,
    socket: number,
    from: Int32Array,
    fromAt: number,
    port: number,
    nowUs: number,
  ): PathSlot | None {
    const { keeper, moves, reader } = this;
    if (block.kind === KIND_PROBE_ANSWER) {
      const path = moves.handleAnswer(reader, from, fromAt, port);
      if (path !== NONE) keeper.handleMove(path, nowUs);
      return path;
    }
    const claimed = moves.claimed(block, node, socket);
    if (block.kind !== KIND_PROBE) {
      if (claimed !== NONE) moves.challenge(claimed, block, from, fromAt, port, nowUs);
      return NONE;
    }
    if (claimed === NONE) {
      // Only the node itself, and whoever hears it, knows which instance it is.
      const isOfNode = (reader.seen & (1 << FIELD_INSTANCE)) !== 0;
      return isOfNode ? keeper.addPathAt(node, socket, from, fromAt, port, nowUs / 1000) : NONE;
    }
    // What the peer sends once it has the answer makes us ask in turn; both at once would be more than it sent.
    keeper.answerProbe(claimed, block, reader, from, fromAt, port, nowUs);
    return NONE;
  }

  /** Counts a datagram of a path, and asks for what is missing before it; false where it came before. */
  noteArrival(path: PathSlot, block: Readonly<ControlBlock>, bytes: number, nowUs: number): boolean {
    const { arrivals } = this.context.paths;
    if ((block.flags & FLAG_SEQUENCED) === 0) {
      arrivals.handleUnnumbered(path, bytes);
      return true;
    }
    const { sequence } = block;
    const missing = arrivals.missingBefore(path, sequence);
    if (missing > 0) this.repair.noteGap(path, (sequence - missing) | 0, missing, nowUs);
    return arrivals.handlePacket(path, sequence, bytes) !== ARRIVAL_DUPLICATE;
  }

  handleTick(nowUs: number): void {
    const { context } = this;
    const { availability, nodes } = context;
    const nowMs = nowUs / 1000;
    this.keeper.handleTick(nowUs);
    this.news.handleTick(nowUs);
    this.repair.handleTick(nowUs);
    for (const peer of this.peers) this.askAgain(peer, nowMs);
    while (availability.nextDeadlineMs() <= nowMs) {
      const slot = availability.pollQuery(nowMs, (context.random() >>> 0) / 2 ** 32);
      if (slot === NONE) break;
      this.query(availability.words, availability.wordsAt(slot), availability.port(slot), nowUs);
    }
    availability.handleTick(nowMs);
    for (let node = nodes.pollExpired(nowMs); node !== NONE; node = nodes.pollExpired(nowMs))
      this.removeNode(node, nowMs);
    this.strangers.handleTick(nowMs);
    context.send();
  }

  /** Why a peer does not want us, one of REFUSAL_*; 0 as far as we know it does. */
  refusal(name: string): number {
    return this.peers.find(({ spec }) => spec.name === name)?.refusal ?? REFUSAL_NONE;
  }

  /** How often a node that may be the peer has asked with our own node ID. */
  ownIdClashes(name: string): number {
    return this.peers.find(({ spec }) => spec.name === name)?.clashes ?? 0;
  }

  nextDeadlineMs(): number {
    const { availability, nodes } = this.context;
    return Math.min(
      this.repair.nextDeadlineUs() / 1000,
      this.keeper.nextDeadlineMs(),
      this.news.nextDeadlineMs(),
      availability.nextDeadlineMs(),
      nodes.nextDeadlineMs(),
    );
  }

  private query(words: Int32Array, at: number, port: number, nowUs: number): void {
    for (const local of this.context.locals) {
      if (!this.sender.reaches(local, words, at)) continue;
      this.sender.query(this.nonceHigh, this.nonceLow);
      this.sender.sendTo(KIND_QUERY, local.socket, words, at, port, nowUs);
    }
  }

  private askAgain(peer: Peer, nowMs: number): void {
    const { availability } = this.context;
    if (peer.node === NONE) return;
    if (this.keeper.hasUsable(peer.node)) {
      peer.refusal = REFUSAL_NONE;
      return;
    }
    if (nowMs - peer.askedMs < ASK_AGAIN_MS) return;
    peer.askedMs = nowMs;
    for (const { address, port } of peer.spec.endpoints) {
      const slot = availability.ask(address, 0, port, true, nowMs);
      if (slot !== NONE && availability.nextDeadlineMs() > nowMs) availability.askAgain(slot, nowMs);
    }
  }

  private readIntroduction(): Introduction {
    const { reader } = this;
    const told = new Introduction();
    const words: number[] = [];
    while (reader.next()) {
      if (reader.type === FIELD_VERSION) told.version = reader.byte();
      else if (reader.type === FIELD_NAME) told.name = reader.text();
      else if (reader.type === FIELD_REFUSAL) told.refusal = reader.byte();
      else if (reader.type === FIELD_NONCE) [told.nonceHigh, told.nonceLow] = [reader.high(), reader.low()];
      else if (reader.type === FIELD_INSTANCE)
        [told.instanceHigh, told.instanceLow] = [reader.high(), reader.low()];
      else if (reader.type === FIELD_ADDRESSES4 || reader.type === FIELD_ADDRESSES6) {
        for (let i = 0; i < reader.addressCount(); i++) {
          told.ports.push(reader.address(i, this.words, 0));
          words.push(...this.words);
        }
      }
    }
    told.words = Int32Array.from(words);
    return told;
  }

  private handleIntroduction(
    block: Readonly<ControlBlock>,
    bytes: number,
    socket: number,
    from: Int32Array,
    fromAt: number,
    port: number,
    nowUs: number,
  ): void {
    const { context } = this;
    const { drops } = context;
    const told = this.readIntroduction();
    const isQuery = block.kind === KIND_QUERY;
    if (
      !isQuery &&
      (told.nonceHigh !== this.nonceHigh ||
        told.nonceLow !== this.nonceLow ||
        context.availability.find(from, fromAt, port) === NONE)
    ) {
      drops.count(DROP["not-authentic"], bytes);
      return;
    }
    if (!isQuery && told.refusal !== REFUSAL_NONE) {
      const refusing = this.peers.find((peer) => isEndpointOf(peer, from, fromAt, port));
      if (refusing !== undefined) refusing.refusal = told.refusal;
      return;
    }
    const refuse = (code: number) => {
      if (!isQuery) return;
      const body = this.sender.begin();
      body.version(PROTOCOL_VERSION);
      body.nonce(told.nonceHigh, told.nonceLow);
      body.refusal(code);
      this.sender.sendTo(KIND_CONFIRM, socket, from, fromAt, port, nowUs);
    };
    if (told.version !== PROTOCOL_VERSION) {
      refuse(REFUSAL_VERSION);
      return;
    }
    if (this.isOwnId(block)) {
      const { instanceHigh, instanceLow } = context.node;
      // Our own query has come back, unless it is that of another node.
      const isOurs = told.instanceHigh === instanceHigh && told.instanceLow === instanceLow;
      if (isOurs || !isQuery) {
        drops.count(DROP["own-node-id"], bytes);
        return;
      }
      drops.count(DROP["node-id-clash"], bytes);
      const rival = peerAt(this.peers, told.name, from, fromAt, port);
      if (rival !== undefined) rival.clashes++;
      refuse(REFUSAL_NODE_ID_CLASH);
      return;
    }
    const nowMs = nowUs / 1000;
    const isTaken = (name: string) => this.peers.some(({ spec }) => spec.name === name);
    const peer =
      this.peerOf(block, told.name, from, fromAt, port, nowMs) ??
      this.strangers.of(block, from, fromAt, nowMs, isTaken);
    if (peer === undefined) {
      drops.count(DROP["unknown-node"], bytes);
      refuse(REFUSAL_NOT_CONFIGURED);
      return;
    }
    const refusal = this.admit(peer, block, told, from, fromAt, port, nowMs);
    if (refusal !== REFUSAL_NONE) {
      drops.count(DROP[refusal === REFUSAL_BUSY ? "node-table-full" : "node-id-clash"], bytes);
      refuse(refusal);
      return;
    }
    // That it asks does not say that it takes us in.
    if (!isQuery) peer.refusal = REFUSAL_NONE;
    const node = peer.node as NodeSlot;
    context.availability.confirm(from, fromAt, port, nowMs);
    if (isQuery && this.sender.confirm(told.nonceHigh, told.nonceLow, from, fromAt, port, block.userBytes))
      this.sender.sendTo(KIND_CONFIRM, socket, from, fromAt, port, nowUs);
    this.keeper.addPaths(node, nowMs);
    this.keeper.addPathAt(node, socket, from, fromAt, port, nowMs);
  }

  /**
   * The configured peer that a node is: by its ID, its name, or where it is. As long as one is alive, no other takes its
   * place.
   */
  private peerOf(
    block: Readonly<ControlBlock>,
    name: string,
    from: Int32Array,
    fromAt: number,
    port: number,
    nowMs: number,
  ): Peer | undefined {
    const { nodes } = this.context;
    const byId = this.peers.find(({ spec, node }) => {
      if (spec.node !== undefined) return isNamed(spec.node, block.nodeHigh, block.nodeLow);
      return node !== NONE && node === nodes.find(block.nodeHigh, block.nodeLow);
    });
    if (byId !== undefined) return byId;
    const free = this.peers.filter(
      ({ spec, node }) => spec.node === undefined && (node === NONE || !nodes.isAlive(node, nowMs)),
    );
    return peerAt(free, name, from, fromAt, port);
  }

  /** What is behind a node: by configuration, and its real addresses. */
  private setRoutes(node: NodeSlot): void {
    const { routes, real } = this.context;
    const peer = this.peers.find((one) => one.node === node);
    routes.set(node, [...(peer?.spec.routes ?? []), ...real.prefixesOf(node)]);
  }

  /** Takes a node in as a peer, with what it told of itself; answers why not, or REFUSAL_NONE. */
  private admit(
    peer: Peer,
    block: Readonly<ControlBlock>,
    told: Introduction,
    from: Int32Array,
    fromAt: number,
    port: number,
    nowMs: number,
  ): number {
    const { context } = this;
    const { nodes, sessions, node: own } = context;
    const isNew = nodes.find(block.nodeHigh, block.nodeLow) === NONE;
    const isConfigured = this.peers.includes(peer);
    const node = nodes.add(block.nodeHigh, block.nodeLow, isConfigured, peer.spec.name, nowMs);
    if (node === NONE) return REFUSAL_BUSY;
    const instance = nodes.handleInstance(
      node,
      told.instanceHigh,
      told.instanceLow,
      from,
      fromAt,
      port,
      nowMs,
    );
    if (instance === INSTANCE_CLASH || instance === INSTANCE_DOUBTFUL) return REFUSAL_NODE_ID_CLASH;
    if (isNew) {
      const higher = compareNodeIds(own.idHigh, own.idLow, block.nodeHigh, block.nodeLow) > 0;
      sessions.beginNode(node, higher, context.random() >>> 1);
    }
    if (instance === INSTANCE_RESTARTED) {
      this.keeper.renewNode(node);
      sessions.forgetPeerKnowledge(node);
    }
    if (peer.node !== node) {
      if (peer.node !== NONE) this.removeNode(peer.node, nowMs);
      this.strangers.forget(node);
      if (!isConfigured) this.strangers.add(peer);
      peer.node = node;
      this.setRoutes(node);
    }
    for (const end of peer.spec.endpoints) {
      nodes.addresses.learn(node, end.address, 0, end.port, ADDRESS_CONFIGURED, nowMs);
    }
    for (let i = 0; i < told.ports.length; i++) {
      nodes.addresses.learn(node, told.words, 4 * i, told.ports[i]!, ADDRESS_ADVERTISED, nowMs);
    }
    return REFUSAL_NONE;
  }

  private removeNode(node: NodeSlot, nowMs: number): void {
    const { context } = this;
    const { nodes, sessions, routes, real } = context;
    this.keeper.removeNode(node, nowMs);
    this.news.removeNode(node);
    sessions.closeNode(node);
    context.paths.clocks.reset(node);
    routes.set(node, []);
    real.forgetNode(node);
    this.strangers.forget(node);
    nodes.remove(node);
    for (const peer of this.peers) if (peer.node === node) peer.node = NONE;
  }
}
