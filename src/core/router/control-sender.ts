import type { PathSlot } from "../base/ids.ts";
import { NOBODY } from "../dispatch/outbox.ts";
import { BodyWriter } from "../wire/body-writer.ts";
import {
  ControlBlock,
  FLAG_SEQUENCED,
  KIND_PROBE_ANSWER,
  PATH_NONE,
  TRAILER_BYTES,
  writeTrailer,
} from "../wire/control-block.ts";
import { PROTOCOL_VERSION } from "../wire/control-body.ts";
import type { Context, Local } from "./context.ts";

/** A body that fits every path. */
const BODY_MAX_BYTES = 1200;

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

  begin(): BodyWriter {
    this.context.reserve(1, BODY_MAX_BYTES);
    this.bodyAt = this.context.scratch;
    this.body.begin(this.context.view, this.bodyAt, this.bodyAt + BODY_MAX_BYTES);
    return this.body;
  }

  /** What a query and its confirmation tell of this node. */
  introduce(nonceHigh: number, nonceLow: number): void {
    const { node, locals } = this.context;
    const { body } = this;
    body.version(PROTOCOL_VERSION);
    body.nonce(nonceHigh, nonceLow);
    body.instance(node.instanceHigh, node.instanceLow);
    body.name(node.name);
    const words = new Int32Array(locals.length * 4);
    locals.forEach((local, i) => {
      words.set(local.address, 4 * i);
    });
    const ports = locals.map((local) => local.port);
    body.addresses(words, ports, locals.length);
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

  /** Sends what was begun on a path. */
  sendOn(kind: number, path: PathSlot, nowUs: number): void {
    const { block, context } = this;
    const { paths } = context;
    const feedback = kind === KIND_PROBE_ANSWER ? -1 : paths.pollFeedback(paths.nodeOf(path));
    block.flags = kind | FLAG_SEQUENCED;
    block.path = paths.id[path]!;
    block.feedbackPath = feedback < 0 ? PATH_NONE : paths.peerId[feedback]!;
    block.delayUs = feedback < 0 ? 0 : paths.arrivals.delayUs[feedback]!;
    block.sequence = paths.handleSent(path, 1, this.body.bytes + TRAILER_BYTES, nowUs / 1000);
    this.finish(path, paths.socket[path]!, paths.remotes, paths.remoteAt(path), paths.port(path), nowUs);
  }

  private finish(
    path: number,
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
    outbox.datagram(path, socket, to, toIndex, port, 0, bytes);
    outbox.plan.piece(bodyAt, bytes);
  }

  /** A socket by which an address can be reached, if any: one of its family. */
  reaches(local: Local, words: Int32Array, index: number): boolean {
    const isIpv4 = (at: Int32Array, i: number) => at[i] === 0 && at[i + 1] === 0;
    return isIpv4(local.address, 0) === isIpv4(words, index);
  }
}
