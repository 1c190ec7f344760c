import type { NodeSlot, PathSlot, SessionSlot } from "../base/ids.ts";
import { LARGE_ZERO } from "../base/large.ts";
import type { Paths } from "../tables/paths.ts";

/** What is to become of a packet that has to wait for its path: it waits, it waits and its sender is told, it is dropped. */
export const WAIT = 0;
export const WAIT_AND_SIGNAL = 1;
export const REFUSE = 2;

/**
 * Packets may wait for so many round trips, at least so long and as long as so many bytes take, and for what delays vary by:
 * half of a round trip keeps the paths busy while a sender that was told halves what it sends, or nearly.
 */
const WAIT_RTTS = 0.5;
const WAIT_MIN_US = 10_000;
const WAIT_MIN_BYTES = 24_000;
const WAIT_DEVIATIONS = 2;
/** They wait longer for a slower path, by so much for each part of the rate that it adds. */
const WORTH_US = 1_000_000;
/** What is refused would have to wait longer than that by a round trip, or so long. */
const REFUSED_US = 100_000;
/** A sender is told when packets have had to wait for too long for a round trip, and so long: not because of a burst. */
const LASTING_US = 50_000;
/** A sender that was told has sent less after so many round trips. */
const SIGNAL_RTTS = 3;

/**
 * When senders are told to send less. What may be lost on the way is sent again (repair.ts) and what is too much waits
 * here, so they would never know: they are told by one packet, lost or marked, of what has waited for too long. The
 * longer it takes, the more of them.
 */
export class Congestion {
  /** Times that a sender was told. */
  signalled = 0;
  private readonly paths: Paths;
  /** By session: when its sender was told last. */
  private readonly sessionUs: Float64Array;
  /** By node: when the sender of one of its sessions was told, and how often since packets have had to wait for too long. */
  private readonly nodeUs: Float64Array;
  /** Since when packets have had to wait for too long; Infinity where they have not. */
  private readonly sinceUs: Float64Array;
  private readonly times: Float64Array;
  /** Of the paths that are worth waiting for: the slowest one's delay, and the longest round trip. */
  private slowestUs = 0;
  private rttUs = 0;
  /** What all of them are known to carry. */
  private bytesPerS = LARGE_ZERO;

  constructor(paths: Paths, sessions: number) {
    const nodes = paths.version.length;
    this.paths = paths;
    this.sessionUs = new Float64Array(sessions).fill(Number.NEGATIVE_INFINITY);
    this.nodeUs = new Float64Array(nodes).fill(Number.NEGATIVE_INFINITY);
    this.sinceUs = new Float64Array(nodes).fill(Number.POSITIVE_INFINITY);
    this.times = new Float64Array(nodes);
  }

  /** One of WAIT, WAIT_AND_SIGNAL and REFUSE for a packet that has to wait for a path, behind others of its session or not. */
  judge(node: NodeSlot, session: SessionSlot, path: PathSlot, isBehind: boolean, nowUs: number): number {
    const { queues } = this.paths;
    this.look(node, path);
    const { rttUs } = this;
    const lateUs = queues.floorUs[path]! + queues.waitUs(path, nowUs) - this.slowestUs;
    const shortUs = Math.max(WAIT_RTTS * rttUs, WAIT_MIN_US, (WAIT_MIN_BYTES * 1e6) / this.bytesPerS);
    const limitUs = shortUs + WAIT_DEVIATIONS * queues.deviationUs[path]!;
    if (lateUs < limitUs) {
      this.noteShort(node);
      return WAIT;
    }
    if (lateUs > limitUs + Math.max(rttUs, REFUSED_US)) return REFUSE;
    this.sinceUs[node] = Math.min(this.sinceUs[node]!, nowUs);
    if (nowUs - this.sinceUs[node]! < Math.max(rttUs, LASTING_US)) return WAIT;
    // Who sends little is not the one to send less.
    if (!isBehind) return WAIT;
    const epochUs = SIGNAL_RTTS * (rttUs + lateUs);
    if (nowUs - this.nodeUs[node]! < epochUs / Math.sqrt(1 + this.times[node]!)) return WAIT;
    if (!this.maySignal(session, epochUs, nowUs)) return WAIT;
    this.nodeUs[node] = nowUs;
    this.times[node] = this.times[node]! + 1;
    return WAIT_AND_SIGNAL;
  }

  /** A packet to the node has to wait for no longer than any may, or not at all. */
  noteShort(node: NodeSlot): void {
    this.times[node] = 0;
    this.sinceUs[node] = Number.POSITIVE_INFINITY;
  }

  /** Whether the sender of a session is to be told; not if it was less than `epochUs` ago. */
  maySignal(session: SessionSlot, epochUs: number, nowUs: number): boolean {
    if (nowUs - this.sessionUs[session]! <= epochUs) return false;
    this.sessionUs[session] = nowUs;
    this.signalled++;
    return true;
  }

  /** At the paths that share out a node's packets, and the one that is waited for, which a rule may have named. */
  private look(node: NodeSlot, waitedFor: PathSlot): void {
    const { paths } = this;
    const { floorUs, rateBytesPerS } = paths.queues;
    let fastestUs = Number.POSITIVE_INFINITY;
    let total = 0;
    for (let place = 0; place < paths.count(node); place++) {
      const path = paths.at(node, place);
      if (!this.counts(path, waitedFor)) continue;
      fastestUs = Math.min(fastestUs, floorUs[path]!);
      if (rateBytesPerS[path]! < Number.POSITIVE_INFINITY) total += rateBytesPerS[path]!;
    }
    this.slowestUs = fastestUs;
    this.rttUs = 0;
    this.bytesPerS = total;
    for (let place = 0; place < paths.count(node); place++) {
      const path = paths.at(node, place);
      if (!this.counts(path, waitedFor)) continue;
      if (floorUs[path]! - fastestUs > (WORTH_US * rateBytesPerS[path]!) / total) continue;
      this.slowestUs = Math.max(this.slowestUs, floorUs[path]!);
      this.rttUs = Math.max(this.rttUs, paths.delays.rttUs[path]!);
    }
  }

  private counts(path: PathSlot, waitedFor: PathSlot): boolean {
    const { queues } = this.paths;
    return (path === waitedFor || this.paths.isEligible(path)) && !Number.isNaN(queues.floorUs[path]!);
  }
}
