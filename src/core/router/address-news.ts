import { Deadlines } from "../base/deadlines.ts";
import { NONE, type NodeSlot, type PathSlot } from "../base/ids.ts";
import { sequenceDistance } from "../base/seq.ts";
import { ADDRESS_ADVERTISED, ADDRESS_OBSERVED } from "../tables/node-addresses.ts";
import { USE_NO } from "../tables/paths.ts";
import type { BodyReader } from "../wire/body-reader.ts";
import { type ControlBlock, KIND_ADDRESSES, KIND_IP_CHANGE } from "../wire/control-block.ts";
import { CLOSED_MAX_BYTES, FIELD_ADDRESSES4, FIELD_ADDRESSES6, FIELD_CLOSED } from "../wire/control-body.ts";
import type { Context, Local } from "./context.ts";
import type { ControlSender } from "./control-sender.ts";
import type { PathKeeper } from "./path-keeper.ts";

/** News is told so many times, since a packet may be lost, each time after twice as long. */
const TELLINGS = 5;
const AGAIN_MS = 100;
/** While there is no path to tell it on. */
const WAIT_MS = 500;
/** News that was sent before what was heard last is ignored, but for as long as it may be on its way only. */
const OVERTAKEN_MS = 60_000;

/** What a node is still to be told. */
class News {
  kind = KIND_ADDRESSES;
  tellings = 0;
  readonly closed = new Set<number>();
}

/**
 * Tells the nodes when the addresses of this one change, and does what they say of theirs: the IP change of the paper
 * (§3.4.3), after which paths to addresses that are gone are dropped and sessions stay.
 */
export class AddressNews {
  private readonly context: Context;
  private readonly sender: ControlSender;
  private readonly keeper: PathKeeper;
  private readonly news = new Map<NodeSlot, News>();
  private readonly deadlines: Deadlines<NodeSlot>;
  private readonly ids = new Uint8Array(CLOSED_MAX_BYTES);
  private readonly words = new Int32Array(4);
  // By node: the news that was heard last.
  private readonly heardStampUs: Int32Array;
  private readonly heardMs: Float64Array;

  constructor(context: Context, sender: ControlSender, keeper: PathKeeper) {
    const { nodes } = context.limits;
    this.context = context;
    this.sender = sender;
    this.keeper = keeper;
    this.deadlines = new Deadlines(nodes);
    this.heardStampUs = new Int32Array(nodes);
    this.heardMs = new Float64Array(nodes).fill(Number.NEGATIVE_INFINITY);
  }

  /** The sockets that there are from now on. */
  setLocals(locals: readonly Local[], nowMs: number): void {
    const { nodes, paths, locals: before } = this.context;
    const isIn = (list: readonly Local[], socket: number) => list.some((local) => local.socket === socket);
    const isChange = before.some(({ socket }) => !isIn(locals, socket));
    const isNews = isChange || locals.some(({ socket }) => !isIn(before, socket));
    for (let node = nodes.first(); isNews && node !== NONE; node = nodes.after(node)) {
      const news = this.newsFor(node, nowMs);
      if (isChange) news.kind = KIND_IP_CHANGE;
      for (let place = 0; place < paths.count(node); place++) {
        const path = paths.at(node, place);
        if (!isIn(locals, paths.socket[path]!)) news.closed.add(paths.id[path]!);
      }
    }
    this.keeper.setLocals(locals, nowMs);
  }

  handleTick(nowUs: number): void {
    const nowMs = nowUs / 1000;
    for (let node = this.deadlines.pop(nowMs); node !== NONE; node = this.deadlines.pop(nowMs))
      this.tell(node, nowUs);
  }

  nextDeadlineMs(): number {
    return this.deadlines.next();
  }

  removeNode(node: NodeSlot): void {
    this.news.delete(node);
    this.deadlines.cancel(node);
    this.heardMs[node] = Number.NEGATIVE_INFINITY;
  }

  /** A node tells its addresses on one of its paths; `reader` stands at the start of the body. */
  handle(
    path: PathSlot,
    node: NodeSlot,
    block: Readonly<ControlBlock>,
    reader: BodyReader,
    nowMs: number,
  ): void {
    const { addresses } = this.context.nodes;
    const isOvertaken = sequenceDistance(this.heardStampUs[node]!, block.timestampUs) <= 0;
    if (isOvertaken && nowMs - this.heardMs[node]! < OVERTAKEN_MS) return;
    this.heardStampUs[node] = block.timestampUs;
    this.heardMs[node] = nowMs;
    const isChange = block.kind === KIND_IP_CHANGE;
    const listed = new Set<number>();
    while (reader.next()) {
      if (reader.type === FIELD_CLOSED) this.close(path, node, reader, nowMs);
      if (reader.type !== FIELD_ADDRESSES4 && reader.type !== FIELD_ADDRESSES6) continue;
      for (let i = 0; i < reader.addressCount(); i++) {
        const port = reader.address(i, this.words, 0);
        listed.add(addresses.learn(node, this.words, 0, port, ADDRESS_ADVERTISED, nowMs));
      }
    }
    for (let slot = addresses.first(node); slot !== NONE; slot = addresses.after(slot)) {
      if (listed.has(slot) || (addresses.sources[slot]! & ADDRESS_ADVERTISED) === 0) continue;
      if (isChange)
        this.keeper.removePathsTo(
          node,
          addresses.words,
          addresses.wordsAt(slot),
          addresses.port(slot),
          path,
          nowMs,
        );
      // Behind a NAT an address that is not the node's own may lead to it all the same.
      addresses.retract(slot, isChange ? ADDRESS_ADVERTISED | ADDRESS_OBSERVED : ADDRESS_ADVERTISED);
    }
    this.keeper.addPaths(node, nowMs);
    if (isChange) this.keeper.hurry(node, nowMs);
  }

  /** Paths that the peer has given up: whatever is sent on them is lost. */
  private close(arrived: PathSlot, node: NodeSlot, reader: BodyReader, nowMs: number): void {
    for (let i = 0; i < reader.valueBytes; i++) {
      const path = this.context.paths.findPeer(node, reader.path(i));
      if (path !== NONE && path !== arrived) this.keeper.remove(path, nowMs);
    }
  }

  private newsFor(node: NodeSlot, nowMs: number): News {
    let news = this.news.get(node);
    if (news === undefined) {
      news = new News();
      this.news.set(node, news);
    }
    news.tellings = 0;
    this.deadlines.set(node, nowMs);
    return news;
  }

  private tell(node: NodeSlot, nowUs: number): void {
    const { paths } = this.context;
    const news = this.news.get(node)!;
    const nowMs = nowUs / 1000;
    let isTold = false;
    for (let place = 0; place < paths.count(node); place++) {
      const path = paths.at(node, place);
      if (paths.useOf(path) === USE_NO) continue;
      this.send(news, node, path, nowUs);
      isTold = true;
    }
    if (!isTold) {
      this.deadlines.set(node, nowMs + WAIT_MS);
    } else if (++news.tellings < TELLINGS) {
      this.deadlines.set(node, nowMs + AGAIN_MS * 2 ** news.tellings);
    } else {
      this.news.delete(node);
    }
  }

  private send(news: News, node: NodeSlot, path: PathSlot, nowUs: number): void {
    const { sender, ids } = this;
    sender.begin();
    sender.tellAddresses();
    let count = 0;
    for (const id of news.closed) {
      // An ID may have been given to another path since.
      if (this.context.paths.find(node, id) === NONE) ids[count++] = id;
    }
    if (count > 0) sender.body.closed(ids, count);
    sender.sendOn(news.kind, path, nowUs);
  }
}
