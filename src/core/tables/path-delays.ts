import type { NodeSlot, PathSlot } from "../base/ids.ts";
import { sequenceDistance } from "../base/seq.ts";

export interface PathDelaysOptions {
  /** The weight of a new sample in the moving average, at least; more where none has come for a while. */
  readonly smoothing?: number;
  /** How far back the minimum and the maximum look. */
  readonly windowMs?: number;
}

const SMOOTHING = 0.1;
const RTT_SMOOTHING = 1 / 8;
const WINDOW_MS = 60_000;
/** A sample weighs as much as all before it after this long without one. */
const HALF_AGE_MS = 1_000;
/** Parts of the window: it forgets one of them at a time. */
const PARTS = 10;
/** No path is as slow: a change of this size is a clock that was set. */
const CLOCK_STEP_US = 10_000_000;

/**
 * Delays of the paths in our sending direction (paper §3.4.2 and §3.5.1): the real-time delay, a moving average of what
 * the peer feeds back; its minimum; the queuing delay, which is the difference of the two; and the maximum of that.
 * Minimum and maximum look back over a sliding window, because clocks drift and routes change.
 *
 * A delay has the difference of the two nodes' clocks in it. That is the same on all paths of a node, so delays of its
 * paths compare; by themselves they mean nothing. Samples come modulo 2^32 µs, and are put beside the node's last one
 * before they are used, so the clocks may be any time apart and the difference may pass the wrap.
 */
export class PathDelays {
  /** Columns by path slot, in µs. They mean something where `samples` is not 0. */
  readonly delayUs: Float64Array;
  readonly minimumUs: Float64Array;
  readonly queuingUs: Float64Array;
  readonly queuingMaxUs: Float64Array;
  readonly samples: Uint32Array;
  /** The last sample by itself, put beside the node's others. */
  readonly sampleUs: Float64Array;
  /** Round-trip time, a moving average; 0 where none is known. */
  readonly rttUs: Float64Array;
  private readonly sampleMs: Float64Array;
  private readonly partMinimumUs: Float64Array;
  private readonly partMaximumUs: Float64Array;
  private readonly part: Uint8Array;
  private readonly partStartMs: Float64Array;
  /** By node: its last sample, and whether there is one. */
  private readonly referenceUs: Float64Array;
  private readonly hasReference: Uint8Array;
  private readonly smoothing: number;
  private readonly partMs: number;

  constructor(capacity: number, nodes: number, options: PathDelaysOptions = {}) {
    this.delayUs = new Float64Array(capacity);
    this.minimumUs = new Float64Array(capacity);
    this.queuingUs = new Float64Array(capacity);
    this.queuingMaxUs = new Float64Array(capacity);
    this.samples = new Uint32Array(capacity);
    this.sampleUs = new Float64Array(capacity);
    this.rttUs = new Float64Array(capacity);
    this.sampleMs = new Float64Array(capacity);
    this.partMinimumUs = new Float64Array(capacity * PARTS);
    this.partMaximumUs = new Float64Array(capacity * PARTS);
    this.part = new Uint8Array(capacity);
    this.partStartMs = new Float64Array(capacity);
    this.referenceUs = new Float64Array(nodes);
    this.hasReference = new Uint8Array(nodes);
    this.smoothing = options.smoothing ?? SMOOTHING;
    this.partMs = (options.windowMs ?? WINDOW_MS) / PARTS;
  }

  /** The peer says how long a packet of ours took on the path, as int32. */
  handleFeedback(slot: PathSlot, node: NodeSlot, sampleUs: number, nowMs: number): void {
    const reference = this.hasReference[node] === 0 ? sampleUs | 0 : this.referenceUs[node]!;
    const delay = reference + sequenceDistance(reference | 0, sampleUs);
    this.referenceUs[node] = delay;
    this.hasReference[node] = 1;
    this.sampleUs[slot] = delay;
    const known = this.delayUs[slot]!;
    if (this.samples[slot] === 0 || Math.abs(delay - known) > CLOCK_STEP_US) {
      this.begin(slot, delay, nowMs);
    } else {
      const ageMs = nowMs - this.sampleMs[slot]!;
      const gain = Math.max(this.smoothing, ageMs / (ageMs + HALF_AGE_MS));
      this.delayUs[slot] = known + gain * (delay - known);
      this.measure(slot, nowMs);
    }
    this.sampleMs[slot] = nowMs;
    this.samples[slot]!++;
  }

  handleRtt(slot: PathSlot, sampleUs: number): void {
    const known = this.rttUs[slot]!;
    this.rttUs[slot] = known === 0 ? sampleUs : known + RTT_SMOOTHING * (sampleUs - known);
  }

  reset(slot: PathSlot): void {
    this.samples[slot] = 0;
    this.delayUs[slot] = 0;
    this.minimumUs[slot] = 0;
    this.queuingUs[slot] = 0;
    this.queuingMaxUs[slot] = 0;
    this.rttUs[slot] = 0;
  }

  /** The node's clock is another one: it has been started anew, or has no paths any more. */
  resetNode(node: NodeSlot): void {
    this.hasReference[node] = 0;
  }

  private begin(slot: PathSlot, delay: number, nowMs: number): void {
    const from = slot * PARTS;
    this.partMinimumUs.fill(Number.POSITIVE_INFINITY, from, from + PARTS);
    this.partMaximumUs.fill(0, from, from + PARTS);
    this.part[slot] = 0;
    this.partStartMs[slot] = nowMs;
    this.delayUs[slot] = delay;
    this.minimumUs[slot] = delay;
    this.queuingMaxUs[slot] = 0;
    this.measure(slot, nowMs);
  }

  /** Sets minimum, queuing and maximum queuing delay from the real-time delay. */
  private measure(slot: PathSlot, nowMs: number): void {
    const delay = this.delayUs[slot]!;
    const moved = this.move(slot, nowMs);
    const from = slot * PARTS;
    const part = from + this.part[slot]!;
    const { partMinimumUs, partMaximumUs } = this;
    if (delay < partMinimumUs[part]!) partMinimumUs[part] = delay;
    let minimum = Math.min(this.minimumUs[slot]!, delay);
    if (moved) {
      minimum = delay;
      for (let i = from; i < from + PARTS; i++) minimum = Math.min(minimum, partMinimumUs[i]!);
    }
    const queuing = delay - minimum;
    if (queuing > partMaximumUs[part]!) partMaximumUs[part] = queuing;
    let maximum = Math.max(this.queuingMaxUs[slot]!, queuing);
    if (moved) {
      maximum = queuing;
      for (let i = from; i < from + PARTS; i++) maximum = Math.max(maximum, partMaximumUs[i]!);
    }
    this.minimumUs[slot] = minimum;
    this.queuingUs[slot] = queuing;
    this.queuingMaxUs[slot] = maximum;
  }

  /** Goes to the part of the window that `nowMs` is in, and forgets those that it takes the place of. */
  private move(slot: PathSlot, nowMs: number): boolean {
    const parts = Math.floor((nowMs - this.partStartMs[slot]!) / this.partMs);
    if (parts <= 0) return false;
    let part = this.part[slot]!;
    for (let i = 0; i < Math.min(parts, PARTS); i++) {
      part = (part + 1) % PARTS;
      this.partMinimumUs[slot * PARTS + part] = Number.POSITIVE_INFINITY;
      this.partMaximumUs[slot * PARTS + part] = 0;
    }
    this.part[slot] = part;
    this.partStartMs[slot] = this.partStartMs[slot]! + parts * this.partMs;
    return true;
  }
}
