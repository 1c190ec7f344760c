import type { PathSlot } from "../base/ids.ts";
import { POLICY_CLOSED } from "../wire/control-body.ts";
import type { Context } from "./context.ts";

/** From one heartbeat to the next on a path without data; more where bytes cost money (policies.ts). */
const BEAT_MS = 1_000;
/** A pause in which a path has died is halved; from one to the next it becomes this much longer again. */
const SHORTER = 2;
const LONGER = 1.005;
/** One heartbeat that is missing may have been lost; two were not, unless so many have come in between. */
const FORGIVEN = 4;
/** Pauses differ by so much, so that the heartbeats of the two ends come at all times of each other's pauses. */
const JITTER = 0.2;

/**
 * How often a path without data is kept alive. A NAT forgets a mapping over which nothing goes, and what comes in then
 * is lost. So where the pauses are long, because bytes cost money, they become shorter on a path that proves to die in
 * them: by heartbeats of the peer's that are missing, or by coming back at another place.
 */
export class KeepAlive {
  private readonly context: Context;
  // By path.
  private readonly shorter: Float64Array;
  private readonly lost: Float64Array;
  private readonly doubt: Float64Array;

  constructor(context: Context) {
    this.context = context;
    this.shorter = new Float64Array(context.limits.paths);
    this.lost = new Float64Array(context.limits.paths);
    this.doubt = new Float64Array(context.limits.paths);
  }

  begin(path: PathSlot): void {
    this.shorter[path] = 1;
    this.lost[path] = 0;
    this.doubt[path] = 0;
  }

  /** The next pause between two heartbeats. */
  pauseMs(path: PathSlot): number {
    const { random } = this.context;
    const longestMs = this.longestMs(path);
    if (longestMs === BEAT_MS) return BEAT_MS;
    this.shorter[path] = Math.max(this.shorter[path]! / LONGER, 1);
    const part = 1 - JITTER * ((random() >>> 0) / 2 ** 32);
    return Math.max((longestMs * part) / this.shorter[path]!, BEAT_MS);
  }

  /** So long may the peer's be, which adapts by itself. */
  longestMs(path: PathSlot): number {
    return BEAT_MS * this.context.policies.rarer(path);
  }

  /** A heartbeat came in; `isIdle` where no data goes over the path. */
  handleBeat(path: PathSlot, isIdle: boolean): void {
    const lost = this.context.paths.arrivals.lost[path]!;
    const missing = lost - this.lost[path]!;
    this.lost[path] = lost;
    if (!isIdle) return;
    this.doubt[path] = Math.max(this.doubt[path]! + (missing > 0 ? missing : -1 / FORGIVEN), 0);
    if (this.doubt[path]! > 1) this.handleDeath(path);
  }

  /** The path has died while it was idle, and is back. */
  handleDeath(path: PathSlot): void {
    const { policies } = this.context;
    if ((policies.bitsOf(path) & POLICY_CLOSED) !== 0) return;
    this.doubt[path] = 0;
    this.shorter[path] = Math.min(this.shorter[path]! * SHORTER, policies.rarer(path));
  }
}
