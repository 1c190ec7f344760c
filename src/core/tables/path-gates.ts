import type { PathSlot } from "../base/ids.ts";
import type { PathDelivery } from "./path-delivery.ts";
import type { PathQueues } from "./path-queues.ts";

/** As much may wait in front of a path as takes so long, or as many bytes where that is less, but so long at least … */
const OPEN_US = 5_000;
const OPEN_BYTES = 64_000;
const OPEN_MIN_US = 1_500;
/** … but no more than this part of what it holds before it loses packets; it is tried whether that has become more. */
const FULL_PART = 0.6;
const TRIED_AGAIN_US = 60_000_000;
/** With what is about to leave it may be this part. */
const FULL_WITH_PART = 0.8;
/** A path that has carried next to nothing so far may carry more than that. */
const PACE_MAX_US = 100_000;
/** Where delays vary by so much a queue does not show: so many times what is known to be carried is tried. */
const NOISY_US = 1_500;
const NOISY_PACE = 1.25;
/** Timers may come so late without less being tried. Where others make the queue they get what that leaves. */
const NOISY_LATE_US = 2_000;
/** However large the packet is, it may leave when no more is left. */
const NEARLY_EMPTY_US = 1_000;

/**
 * When packets may leave by a path. What is more than keeps the path busy would only wait somewhere on the way, for
 * a queue that is longer there, or lose packets; it waits here instead (router/waiting.ts). Where a queue is as long
 * because of others' packets, or of those that take another path over the same line, ours still leave as fast as the
 * path has carried them. So they do where delays vary by themselves, and a little faster: nothing else would show that
 * the path carries more.
 */
export class PathGates {
  private readonly queues: PathQueues;
  private readonly delivery: PathDelivery;
  // By path slot: when what has left will have gone through at the rate of late, since when it has lost none because it
  // was full, when something left last, and when something left that had waited here.
  private readonly paceUs: Float64Array;
  private readonly fullUs: Float64Array;
  private readonly sentUs: Float64Array;
  private readonly waitedUs: Float64Array;

  constructor(capacity: number, queues: PathQueues, delivery: PathDelivery) {
    this.queues = queues;
    this.delivery = delivery;
    this.paceUs = new Float64Array(capacity);
    this.fullUs = new Float64Array(capacity);
    this.sentUs = new Float64Array(capacity);
    this.waitedUs = new Float64Array(capacity);
  }

  reset(slot: PathSlot): void {
    this.paceUs[slot] = 0;
    this.fullUs[slot] = 0;
    this.sentUs[slot] = 0;
    this.waitedUs[slot] = 0;
  }

  handleSent(slot: PathSlot, bytes: number, nowUs: number): void {
    const { queues, delivery } = this;
    const known = queues.rateBytesPerS[slot]!;
    const delivered = delivery.rateBytesPerS[slot]!;
    const isNoisy = queues.noiseUs(slot) > NOISY_US && known < Number.POSITIVE_INFINITY;
    const lastsUs = (bytes * 1e6) / (isNoisy ? Math.max(delivered, NOISY_PACE * known) : delivered);
    const fromUs = Math.max(this.paceUs[slot]!, isNoisy ? nowUs - NOISY_LATE_US : nowUs);
    this.paceUs[slot] = Math.min(fromUs + lastsUs, nowUs + PACE_MAX_US);
    this.sentUs[slot] = nowUs;
  }

  /** Packets were lost because the path's queue was full. */
  handleFull(slot: PathSlot, nowUs: number): void {
    this.fullUs[slot] = nowUs;
  }

  /** Something that has waited here for the path leaves. */
  handleWaited(slot: PathSlot, nowUs: number): void {
    this.waitedUs[slot] = nowUs;
  }

  /** Whether anything has had to wait here for the path since then. */
  hasWaited(slot: PathSlot, sinceUs: number): boolean {
    return this.queues.heldBytes[slot]! > 0 || this.waitedUs[slot]! >= sinceUs;
  }

  /** When `bytes` bytes may leave; at any time as long as it is not known what the path carries. */
  opensUs(slot: PathSlot, bytes: number): number {
    const { queues } = this;
    if (queues.rateBytesPerS[slot] === Number.POSITIVE_INFINITY) return Number.NEGATIVE_INFINITY;
    const gateUs = this.gateUs(slot);
    const lossUs = queues.lossUs[slot]!;
    const lastsUs = (bytes * 1e6) / queues.rateBytesPerS[slot]!;
    const roomUs = lossUs === 0 ? gateUs : Math.max(FULL_WITH_PART * lossUs - lastsUs, NEARLY_EMPTY_US);
    return Math.min(queues.emptiesUs(slot) - Math.min(gateUs, roomUs), this.paceUs[slot]!);
  }

  /** The queue up to which packets leave. */
  private gateUs(slot: PathSlot): number {
    const { queues } = this;
    const { lossUs, rateBytesPerS } = queues;
    const bytesUs = Math.max((OPEN_BYTES * 1e6) / rateBytesPerS[slot]!, OPEN_MIN_US);
    const openUs = Math.min(OPEN_US, bytesUs) + queues.noiseUs(slot);
    if (lossUs[slot] === 0) return openUs;
    const sinceUs = Math.max(this.sentUs[slot]! - this.fullUs[slot]!, 0);
    const more = 1 + sinceUs / TRIED_AGAIN_US;
    return Math.min(openUs, Math.max(FULL_PART * lossUs[slot]!, OPEN_MIN_US) * more);
  }
}
