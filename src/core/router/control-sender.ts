import { NONE, type None, type PathSlot } from "../base/ids.ts";
import { NOBODY } from "../dispatch/outbox.ts";
import { BodyWriter } from "../wire/body-writer.ts";
import {
  ControlBlock,
  KIND_HEARTBEAT,
  KIND_PROBE,
  KIND_PROBE_ANSWER,
  PATH_NONE,
  writeTrailer,
} from "../wire/control-block.ts";
import { PROTOCOL_VERSION } from "../wire/control-body.ts";
import type { Context, Local } from "./context.ts";

/** A body that fits every path. */
const BODY_MAX_BYTES = 1200;
/** So long is a query: its answer, which is not to be longer, has room for the name and most lists of addresses. */
const QUERY_BYTES = 400;
/** So long is a probe at least: as its answer, which says where it came from. */
export const PROBE_BYTES = 32;

/** Puts control packets into the plan: `begin`, fields through `body`, then one of the `send` methods. */
export class ControlSender {
  readonly body = new BodyWriter();
  private readonly context: Context;
  private readonly block = new ControlBlock();
  private bodyAt = 0;

  constructor(context: Context) {
    this.context = context;
    this.block.nodeHigh = context.node.idHigh;
    this.block.nodeLow = context.node.idLow;
  }

  begin(maxBytes = BODY_MAX_BYTES): BodyWriter {
    this.context.reserve(1, maxBytes);
    this.bodyAt = this.context.scratch;
    this.body.begin(this.context.view, this.bodyAt, this.bodyAt + maxBytes);
    return this.body;
  }

  /** Begins an answer to a question of so many bytes, which is not longer. */
  beginAnswer(questionBytes: number): BodyWriter {
    return this.begin(Math.min(questionBytes, BODY_MAX_BYTES));
  }

  /**
   * Begins a probe of a path, of `bytes` bytes or more: which instance of our node asks, and which one of the other is
   * asked, since there may be other nodes with their IDs.
   */
  probe(path: PathSlot, tokenHigh: number, tokenLow: number, bytes = 0): BodyWriter {
    const { instanceHigh, instanceLow } = this.context.node;
    const body = this.begin(Math.max(bytes, BODY_MAX_BYTES));
    body.token(tokenHigh, tokenLow);
    body.instance(instanceHigh, instanceLow);
    this.tellAsked(path);
    body.padTo(bytes);
    return body;
  }

  /** Begins a probe to a place from which packets of a path came: no longer than they, it says only who is asked. */
  challenge(path: PathSlot, tokenHigh: number, tokenLow: number): void {
    this.begin().token(tokenHigh, tokenLow);
    this.tellAsked(path);
    this.body.padTo(PROBE_BYTES);
  }

  private tellAsked(path: PathSlot): void {
    const { nodes, paths } = this.context;
    const node = paths.nodeOf(path);
    this.body.asked(nodes.instanceHigh[node]!, nodes.instanceLow[node]!);
  }

  /** Begins a query: who asks. */
  query(nonceHigh: number, nonceLow: number): void {
    this.begin();
    this.introduce(nonceHigh, nonceLow);
    this.tellAddresses();
    this.body.name(this.context.node.name);
    this.body.padTo(QUERY_BYTES);
  }

  /**
   * Begins the answer to a query of `queryBytes` bytes from `from`. It is no longer than the query: false where there
   * is no room for what it must say.
   */
  confirm(
    nonceHigh: number,
    nonceLow: number,
    from: Int32Array,
    fromAt: number,
    port: number,
    queryBytes: number,
  ): boolean {
    const body = this.beginAnswer(queryBytes);
    this.introduce(nonceHigh, nonceLow);
    body.observed(from, fromAt, port);
    if (!body.complete || !this.tellAddresses()) return false;
    body.name(this.context.node.name);
    return true;
  }

  /** Our addresses, as many as have room; false where not even a list of none has. */
  tellAddresses(): boolean {
    const { locals } = this.context;
    const words = Int32Array.from(locals.flatMap(({ address }) => [...address]));
    const ports = locals.map(({ port }) => port);
    let count = locals.length;
    while (count >= 0 && !this.body.addresses(words, ports, count)) count--;
    return count >= 0;
  }

  private introduce(nonceHigh: number, nonceLow: number): void {
    const { node } = this.context;
    this.body.version(PROTOCOL_VERSION);
    this.body.nonce(nonceHigh, nonceLow);
    this.body.instance(node.instanceHigh, node.instanceLow);
  }

  /** Sends what was begun outside of any path. */
  sendTo(kind: number, socket: number, to: Int32Array, toIndex: number, port: number, nowUs: number): void {
    const { block } = this;
    block.flags = kind;
    block.path = PATH_NONE;
    block.feedbackPath = PATH_NONE;
    block.sequence = 0;
    this.finish(NOBODY, socket, to, toIndex, port, nowUs);
  }

  /** Sends what was begun on a path, with the delay of the path `about` or, where that is NONE, of the next one in turn. */
  sendOn(kind: number, path: PathSlot, nowUs: number, about: PathSlot | None = NONE): void {
    const { paths, policies } = this.context;
    if (kind === KIND_PROBE || kind === KIND_HEARTBEAT) policies.write(path, this.body);
    this.prepare(kind, path, about);
    this.number(path, nowUs);
    this.finish(path, paths.socket[path]!, paths.remotes, paths.remoteAt(path), paths.port(path), nowUs);
  }

  /** Sends what was begun as a packet of a path, but to a place that may not be its far end, which would miss its number. */
  sendAs(kind: number, path: PathSlot, to: Int32Array, toIndex: number, port: number, nowUs: number): void {
    const { paths } = this.context;
    const socket = paths.socket[path]!;
    this.prepare(kind, path, NONE);
    if (paths.findEnds(socket, to, toIndex, port) === path) this.number(path, nowUs);
    this.finish(NOBODY, socket, to, toIndex, port, nowUs);
  }

  private prepare(kind: number, path: PathSlot, about: PathSlot | None): void {
    const { block, context } = this;
    const { paths } = context;
    let feedback = about;
    if (about !== NONE) paths.arrivals.feedbackDue[about] = 0;
    else if (kind !== KIND_PROBE_ANSWER) feedback = paths.pollFeedback(paths.nodeOf(path));
    block.flags = kind;
    block.sequence = 0;
    block.path = paths.id[path]!;
    block.feedbackPath = feedback === NONE ? PATH_NONE : paths.peerId[feedback]!;
    block.delayUs = feedback === NONE ? 0 : paths.arrivals.delayUs[feedback]!;
  }

  /** What was prepared leaves by its path. */
  private number(path: PathSlot, nowUs: number): void {
    const { block, context } = this;
    block.flags |= context.sequenced;
    block.sequence = context.paths.handleSent(path, 1, this.body.bytes + context.trailerBytes, nowUs / 1000);
  }

  private finish(
    destination: number,
    socket: number,
    to: Int32Array,
    toIndex: number,
    port: number,
    nowUs: number,
  ): void {
    const { block, context, bodyAt } = this;
    const { outbox, view } = context;
    const trailerAt = bodyAt + this.body.bytes;
    block.address = context.nextAddress();
    block.timestampUs = context.stamp(nowUs, 1);
    const bytes = this.body.bytes + writeTrailer(view, trailerAt, block);
    context.scratch = bodyAt + bytes;
    outbox.datagram(destination, socket, to, toIndex, port, 0, bytes);
    outbox.plan.piece(bodyAt, bytes);
  }

  /** A socket by which an address can be reached, if any: one of its family. */
  reaches(local: Local, words: Int32Array, index: number): boolean {
    const isIpv4 = (at: Int32Array, i: number) => at[i] === 0 && at[i + 1] === 0;
    return isIpv4(local.address, 0) === isIpv4(words, index);
  }
}
