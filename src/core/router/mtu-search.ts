import { Deadlines } from "../base/deadlines.ts";
import { NONE, type PathSlot } from "../base/ids.ts";
import { isMappedIpv4 } from "../wire/address.ts";
import { KIND_PROBE } from "../wire/control-block.ts";
import type { Context } from "./context.ts";
import type { ControlSender } from "./control-sender.ts";

/** What lines carry, as a rule, with providers' tunnels of all kinds: bytes of an IP packet, the largest first. */
const SIZES = [
  65_000, 32_000, 16_000, 9_216, 9_000, 8_192, 4_352, 2_000, 1_500, 1_492, 1_480, 1_472, 1_464, 1_460, 1_454,
  1_448, 1_440, 1_430, 1_420, 1_412, 1_400, 1_384, 1_372, 1_358, 1_340, 1_320, 1_300, 1_280, 1_200, 1_100,
  1_006, 900, 800, 700, 576,
];
/** What gets through everywhere (RFC 791, RFC 8200). */
const FLOOR4_BYTES = 576;
const FLOOR6_BYTES = 1_280;
/** Assumed at first, as far as the devices can: more is rare. */
const USUAL_BYTES = 1_500;
/** Assumed once that does not get through: less is rare. */
const LIKELY_BYTES = 1_280;

/** A size is given up after so many probes, this long and twice the round trip apart, without an answer. */
const TRIES = 3;
const TRY_MS = 100;
const TRY_ROUND_TRIPS = 2;
/** Where small probes were not answered either, it is not the size. */
const RESUME_MS = 1_000;
/** Losses after which it is asked whether packets of the size in use still get through, and how often at most. */
const LOSSES = 3;
const CHECK_MS = 500;
/** It is asked in any case after so many bytes, and so long. */
const CHECK_BYTES = 1 << 16;
const CHECK_MAX_MS = 2_000;
/** From one attempt at more to the next: doubled up to the longest. */
const RAISE_MS = 60_000;
const RAISE_MAX_MS = 600_000;

/**
 * How large a packet each path carries in our sending direction, found by probes of that size (RFC 8899): no word of
 * the network's is needed or believed.
 *
 * `low` is the largest size that has got through, and `high` the largest that is not ruled out; the search goes on
 * until there is nothing in between. Large packets that vanish from some moment on show as losses, after which the size
 * in use is probed once more. Now and then it is tried whether more gets through than before.
 */
export class MtuSearch {
  private readonly context: Context;
  private readonly sender: ControlSender;
  private readonly deadlines: Deadlines<PathSlot>;
  // By path.
  private readonly ownBounds: Int32Array;
  private readonly peerBounds: Int32Array;
  private readonly low: Int32Array;
  private readonly high: Int32Array;
  /** What is being probed; 0: nothing. */
  private readonly size: Int32Array;
  private readonly tries: Uint8Array;
  /** An attempt at more takes one. */
  private readonly triesMax: Uint8Array;
  private readonly tokenHigh: Int32Array;
  private readonly tokenLow: Int32Array;
  /** Whether a small probe was answered that was sent beside. */
  private readonly isAlive: Uint8Array;
  private readonly resumeMs: Float64Array;
  private readonly raiseMs: Float64Array;
  private readonly raiseWaitMs: Float64Array;
  /** When the size in use was probed last, and the counters of then. */
  private readonly checkedMs: Float64Array;
  private readonly checkedSent: Float64Array;
  private readonly checkedLost: Int32Array;

  constructor(context: Context, sender: ControlSender) {
    const { paths } = context.limits;
    this.context = context;
    this.sender = sender;
    this.deadlines = new Deadlines(paths);
    this.ownBounds = new Int32Array(paths);
    this.peerBounds = new Int32Array(paths);
    this.low = new Int32Array(paths);
    this.high = new Int32Array(paths);
    this.size = new Int32Array(paths);
    this.tries = new Uint8Array(paths);
    this.triesMax = new Uint8Array(paths);
    this.tokenHigh = new Int32Array(paths);
    this.tokenLow = new Int32Array(paths);
    this.isAlive = new Uint8Array(paths);
    this.resumeMs = new Float64Array(paths);
    this.raiseMs = new Float64Array(paths);
    this.raiseWaitMs = new Float64Array(paths);
    this.checkedMs = new Float64Array(paths);
    this.checkedSent = new Float64Array(paths);
    this.checkedLost = new Int32Array(paths);
  }

  /** A new path, whose device here can send packets of so many bytes. */
  begin(path: PathSlot, boundBytes: number): void {
    this.ownBounds[path] = boundBytes;
    this.peerBounds[path] = boundBytes;
    this.low[path] = this.floor(path);
    this.high[path] = this.limit(path);
    this.size[path] = 0;
    this.triesMax[path] = TRIES;
    this.resumeMs[path] = Number.NEGATIVE_INFINITY;
    this.raiseMs[path] = Number.POSITIVE_INFINITY;
    this.raiseWaitMs[path] = RAISE_MS;
    this.checkedMs[path] = Number.NEGATIVE_INFINITY;
    this.checkedSent[path] = 0;
    this.checkedLost[path] = 0;
    this.deadlines.cancel(path);
    this.context.paths.setMtu(path, Math.min(this.high[path]!, Math.max(USUAL_BYTES, this.low[path]!)));
  }

  /** The path goes. */
  forget(path: PathSlot): void {
    this.deadlines.cancel(path);
  }

  /** What the device here can send, and receive. */
  ownBound(path: PathSlot): number {
    return this.ownBounds[path]!;
  }

  /** The device here can send packets of so many bytes now. */
  setOwnBound(path: PathSlot, bytes: number, nowMs: number): void {
    this.setBound(this.ownBounds, path, bytes, nowMs);
  }

  /** The device at the other end can receive packets of so many bytes. */
  setPeerBound(path: PathSlot, bytes: number, nowMs: number): void {
    this.setBound(this.peerBounds, path, bytes, nowMs);
  }

  /** To be called now and then while the path works. */
  look(path: PathSlot, nowUs: number): void {
    const nowMs = nowUs / 1000;
    if (this.size[path] !== 0) return;
    if (this.low[path]! < this.high[path]!) {
      if (nowMs >= this.resumeMs[path]!) this.search(path, nowUs);
    } else if (this.isInDoubt(path, nowMs)) {
      this.triesMax[path] = TRIES;
      this.probe(path, this.low[path]!, nowUs);
    } else if (nowMs >= this.raiseMs[path]! && this.isWorthIt(path)) {
      this.high[path] = this.limit(path);
      this.raiseWaitMs[path] = Math.min(2 * this.raiseWaitMs[path]!, RAISE_MAX_MS);
      this.triesMax[path] = 1;
      this.search(path, nowUs);
    }
  }

  /** Whether an answer with this token is to one of these probes. */
  handleAnswer(path: PathSlot, tokenHigh: number, tokenLow: number, nowUs: number): boolean {
    const size = this.size[path]!;
    if (size === 0 || tokenHigh !== this.tokenHigh[path]) return false;
    if (tokenLow === ~this.tokenLow[path]!) {
      this.isAlive[path] = 1;
      return true;
    }
    if (tokenLow !== this.tokenLow[path]) return false;
    const { paths } = this.context;
    this.low[path] = size;
    if (size > paths.mtuBytes[path]!) paths.setMtu(path, size);
    this.goOn(path, nowUs);
    return true;
  }

  handleTick(nowUs: number): void {
    const nowMs = nowUs / 1000;
    for (let path = this.deadlines.pop(nowMs); path !== NONE; path = this.deadlines.pop(nowMs)) {
      if (this.tries[path]! < this.triesMax[path]!) this.send(path, nowUs);
      else this.giveUp(path, nowUs);
    }
  }

  nextDeadlineMs(): number {
    return this.deadlines.next();
  }

  private setBound(bounds: Int32Array, path: PathSlot, bytes: number, nowMs: number): void {
    const { paths } = this.context;
    const before = this.limit(path);
    bounds[path] = bytes;
    const limit = this.limit(path);
    if (limit > before) {
      this.raiseWaitMs[path] = RAISE_MS;
      this.raiseMs[path] = nowMs;
    } else if (limit < before) {
      if (this.size[path]! > limit) this.pause(path);
      this.high[path] = Math.min(this.high[path]!, limit);
      this.low[path] = Math.min(this.low[path]!, limit);
      paths.setMtu(path, Math.min(paths.mtuBytes[path]!, limit));
    }
  }

  private limit(path: PathSlot): number {
    return Math.max(Math.min(this.ownBounds[path]!, this.peerBounds[path]!, SIZES[0]!), this.floor(path));
  }

  private floor(path: PathSlot): number {
    const { paths } = this.context;
    return isMappedIpv4(paths.remotes, paths.remoteAt(path)) ? FLOOR4_BYTES : FLOOR6_BYTES;
  }

  /** Whether it may be that packets of the size in use do not get through any more. */
  private isInDoubt(path: PathSlot, nowMs: number): boolean {
    const { delivery, sentBytes, mtuBytes } = this.context.paths;
    const sent = sentBytes[path]! - this.checkedSent[path]!;
    const checkedMsAgo = nowMs - this.checkedMs[path]!;
    const lost = delivery.lost[path]! - this.checkedLost[path]!;
    // What comes in late is taken back out of the losses.
    if (lost < 0) this.checkedLost[path] = delivery.lost[path]!;
    if (lost >= LOSSES && sent >= LOSSES * mtuBytes[path]!) return checkedMsAgo >= CHECK_MS;
    return checkedMsAgo >= CHECK_MAX_MS && sent >= CHECK_BYTES;
  }

  /** Large packets are not tried for their own sake where bytes cost money. */
  private isWorthIt(path: PathSlot): boolean {
    const { policies, paths } = this.context;
    return policies.rarer(path) === 1 || paths.sentBytes[path]! - this.checkedSent[path]! >= CHECK_BYTES;
  }

  /** Tries the next size: the largest, what is in use without having got through, and then the middle of the rest. */
  private search(path: PathSlot, nowUs: number): void {
    const [low, high] = [this.low[path]!, this.high[path]!];
    const inUse = this.context.paths.mtuBytes[path]!;
    const sizes = SIZES.filter((size) => size > low && size <= high);
    if (high === this.limit(path)) this.probe(path, high, nowUs);
    else this.probe(path, inUse > low ? inUse : (sizes[sizes.length >> 1] ?? high), nowUs);
  }

  private probe(path: PathSlot, bytes: number, nowUs: number): void {
    const { random, paths } = this.context;
    this.size[path] = bytes;
    this.tries[path] = 0;
    this.isAlive[path] = 0;
    this.tokenHigh[path] = random() | 0;
    this.tokenLow[path] = random() | 0;
    this.checkedMs[path] = nowUs / 1000;
    this.checkedSent[path] = paths.sentBytes[path]!;
    this.checkedLost[path] = paths.delivery.lost[path]!;
    this.send(path, nowUs);
  }

  private send(path: PathSlot, nowUs: number): void {
    const { paths } = this.context;
    const isFirst = this.tries[path] === 0;
    this.tries[path]!++;
    this.sendProbe(path, this.tokenLow[path]!, this.size[path]!, nowUs);
    // Once there was no answer, to learn whether it is the size.
    if (!isFirst) this.sendProbe(path, ~this.tokenLow[path]!, 0, nowUs);
    const roundTripsMs = (TRY_ROUND_TRIPS * paths.delays.rttUs[path]!) / 1000;
    this.deadlines.set(path, nowUs / 1000 + Math.max(TRY_MS, roundTripsMs));
  }

  private sendProbe(path: PathSlot, tokenLow: number, packetBytes: number, nowUs: number): void {
    const { paths } = this.context;
    this.sender.probe(path, this.tokenHigh[path]!, tokenLow, packetBytes - paths.overheadBytes(path));
    this.sender.sendAs(KIND_PROBE, path, paths.remotes, paths.remoteAt(path), paths.port(path), nowUs);
  }

  /** The size was not answered. */
  private giveUp(path: PathSlot, nowUs: number): void {
    const { paths } = this.context;
    const size = this.size[path]!;
    if (this.isAlive[path] === 0 && this.triesMax[path]! > 1) {
      this.pause(path);
      this.resumeMs[path] = nowUs / 1000 + RESUME_MS;
      return;
    }
    const floor = this.floor(path);
    // What got through before does not count any more when the size in use does not.
    if (size <= this.low[path]!) this.low[path] = floor;
    this.high[path] = Math.max(SIZES.find((smaller) => smaller < size) ?? floor, this.low[path]!);
    const low = this.low[path]!;
    if (paths.mtuBytes[path]! > this.high[path]!)
      paths.setMtu(path, low > floor ? low : Math.min(this.high[path]!, Math.max(LIKELY_BYTES, floor)));
    this.goOn(path, nowUs);
  }

  private goOn(path: PathSlot, nowUs: number): void {
    this.pause(path);
    if (this.low[path]! < this.high[path]!) {
      this.search(path, nowUs);
      return;
    }
    const nowMs = nowUs / 1000;
    const isLess = this.low[path]! < this.limit(path);
    this.raiseMs[path] = isLess ? nowMs + this.raiseWaitMs[path]! : Number.POSITIVE_INFINITY;
  }

  private pause(path: PathSlot): void {
    this.size[path] = 0;
    this.deadlines.cancel(path);
  }
}
