import { NONE, type NodeSlot, type None, type PathSlot } from "../base/ids.ts";
import { ADDRESS_OBSERVED } from "../tables/node-addresses.ts";
import { addressText, isSameAddress } from "../wire/address.ts";
import type { BodyReader } from "../wire/body-reader.ts";
import { type ControlBlock, FLAG_SEQUENCED, KIND_PROBE } from "../wire/control-block.ts";
import { FIELD_ASKED, FIELD_INSTANCE, FIELD_TOKEN } from "../wire/control-body.ts";
import type { Context } from "./context.ts";
import { type ControlSender, PROBE_BYTES } from "./control-sender.ts";

/** Challenges that are under way at once, and those of one path: who makes packets up is not to crowd out the peer. */
const CHALLENGES_MAX = 64;
const PATH_CHALLENGES_MAX = 4;
/** A challenge is repeated while packets keep coming from there, and forgotten when it was not answered. */
const AGAIN_MS = 50;
const LIFETIME_MS = 2_000;

/** A place from which packets of a path came that is not the path's. */
class Challenge {
  path: PathSlot | None = NONE;
  readonly words = new Int32Array(4);
  port = 0;
  tokenHigh = 0;
  tokenLow = 0;
  sinceMs = 0;
  sentMs = 0;
}

/**
 * Paths whose far end moves: the NAT in front of the peer has given it another address or port, which shows in the
 * outer headers alone. A packet that may well be the peer's (its node, one of its paths, a path sequence number that
 * may follow) only makes us ask there: the path moves, with all that is known of it, when a probe with a token that
 * nobody else can know was answered from the new place. Until then everything goes to the old one.
 */
export class PathMoves {
  private readonly context: Context;
  private readonly sender: ControlSender;
  private readonly challenges = Array.from({ length: CHALLENGES_MAX }, () => new Challenge());
  /** Paths that have moved. */
  moves = 0;

  constructor(context: Context, sender: ControlSender) {
    this.context = context;
    this.sender = sender;
  }

  /** The path that a packet which came in on `socket` says it was sent on; NONE where that cannot be. */
  claimed(block: Readonly<ControlBlock>, node: NodeSlot, socket: number): PathSlot | None {
    const { paths } = this.context;
    const path = paths.findPeer(node, block.path);
    if (path === NONE || paths.socket[path] !== socket) return NONE;
    const isNumbered = (block.flags & FLAG_SEQUENCED) !== 0;
    return isNumbered && !paths.arrivals.mayFollow(path, block.sequence) ? NONE : path;
  }

  /** Asks at the place from which a packet of the path seems to have come, unless that was shorter than the question. */
  challenge(
    path: PathSlot,
    block: Readonly<ControlBlock>,
    from: Int32Array,
    fromAt: number,
    port: number,
    nowUs: number,
  ): void {
    if (block.userBytes < PROBE_BYTES) return;
    const nowMs = nowUs / 1000;
    const known = this.find(path, from, fromAt, port);
    if (known !== undefined && nowMs - known.sinceMs < LIFETIME_MS) {
      if (nowMs - known.sentMs >= AGAIN_MS) this.send(known, nowUs);
      return;
    }
    const challenge = known ?? this.free(path, nowMs);
    if (challenge === undefined) return;
    challenge.path = path;
    for (let i = 0; i < 4; i++) challenge.words[i] = from[fromAt + i]!;
    challenge.port = port;
    challenge.tokenHigh = this.context.random() | 0;
    challenge.tokenLow = this.context.random() | 0;
    challenge.sinceMs = nowMs;
    this.send(challenge, nowUs);
  }

  /**
   * An answer to a probe came from a place that is no path's, or not that one's that it says; the reader stands at the
   * start of its body. Answers the path that has moved there, if it has.
   */
  handleAnswer(reader: BodyReader, from: Int32Array, fromAt: number, port: number): PathSlot | None {
    const { context } = this;
    const { paths } = context;
    const challenge = this.answered(reader, from, fromAt, port);
    if (challenge === undefined) return NONE;
    const path = challenge.path as PathSlot;
    challenge.path = NONE;
    this.forgetPlace(path);
    // What has been put together for the path goes to where it was.
    context.send();
    paths.move(path, `${paths.devices[path]}/${addressText(from, fromAt)}`, from, fromAt, port);
    this.moves++;
    return path;
  }

  /** The path goes. */
  forget(path: PathSlot): void {
    this.forgetPlace(path);
    for (const challenge of this.challenges) if (challenge.path === path) challenge.path = NONE;
  }

  /** Where the path led the node is seen no more, unless by another path. */
  private forgetPlace(path: PathSlot): void {
    const { paths, nodes, locals } = this.context;
    const { addresses } = nodes;
    const [node, at, port] = [paths.nodeOf(path), paths.remoteAt(path), paths.port(path)];
    const isSeen = locals.some(({ socket }) => {
      const other = paths.findEnds(socket, paths.remotes, at, port);
      return other !== NONE && other !== path && paths.nodeOf(other) === node;
    });
    const address = addresses.findOf(node, paths.remotes, at, port);
    if (address !== NONE && !isSeen) addresses.retract(address, ADDRESS_OBSERVED);
  }

  private answered(
    reader: BodyReader,
    from: Int32Array,
    fromAt: number,
    port: number,
  ): Challenge | undefined {
    while (reader.next()) {
      if (reader.type !== FIELD_TOKEN) continue;
      const [high, low] = [reader.high(), reader.low()];
      return this.challenges.find(
        (one) =>
          one.path !== NONE &&
          one.tokenHigh === high &&
          one.tokenLow === low &&
          isAt(one, from, fromAt, port),
      );
    }
    return undefined;
  }

  private find(path: PathSlot, from: Int32Array, fromAt: number, port: number): Challenge | undefined {
    for (const one of this.challenges) if (one.path === path && isAt(one, from, fromAt, port)) return one;
    return undefined;
  }

  private free(path: PathSlot, nowMs: number): Challenge | undefined {
    let free: Challenge | undefined;
    let own = 0;
    for (const one of this.challenges) {
      if (one.path === NONE || nowMs - one.sinceMs >= LIFETIME_MS) free = one;
      else if (one.path === path) own++;
    }
    return own < PATH_CHALLENGES_MAX ? free : undefined;
  }

  private send(challenge: Challenge, nowUs: number): void {
    const { sender } = this;
    const { words, port } = challenge;
    const path = challenge.path as PathSlot;
    sender.challenge(path, challenge.tokenHigh, challenge.tokenLow);
    sender.sendAs(KIND_PROBE, path, words, 0, port, nowUs);
    challenge.sentMs = nowUs / 1000;
  }
}

/** Whether a probe asks at a place that may be a new one: it does not say who asks. */
export function isChallenge(reader: BodyReader): boolean {
  return (reader.seen & (1 << FIELD_ASKED)) !== 0 && (reader.seen & (1 << FIELD_INSTANCE)) === 0;
}

function isAt(challenge: Challenge, from: Int32Array, fromAt: number, port: number): boolean {
  return challenge.port === port && isSameAddress(challenge.words, 0, from, fromAt);
}
