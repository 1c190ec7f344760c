import { NONE, type None } from "./ids.ts";

/**
 * At most one deadline for each slot 0 … capacity - 1, and the earliest of them: a binary heap with an index, so that
 * setting, moving and cancelling cost O(log n). Deadlines at the same time come in no particular order.
 *
 * Invariant: position[heap[i]] = i + 1 for all i < size; position is 0 for slots without a deadline.
 */
export class Deadlines<Slot extends number> {
  /** Slots that have a deadline. */
  size = 0;
  private readonly timeMs: Float64Array;
  private readonly heap: Int32Array;
  private readonly position: Int32Array;

  constructor(capacity: number) {
    this.timeMs = new Float64Array(capacity);
    this.heap = new Int32Array(capacity);
    this.position = new Int32Array(capacity);
  }

  /** Sets or moves the slot's deadline. */
  set(slot: Slot, timeMs: number): void {
    let i = this.position[slot]! - 1;
    if (i < 0) i = this.size++;
    this.timeMs[slot] = timeMs;
    this.sift(slot, i);
  }

  /** False where the slot had no deadline. */
  cancel(slot: Slot): boolean {
    const i = this.position[slot]! - 1;
    if (i < 0) return false;
    this.position[slot] = 0;
    const moved = this.heap[--this.size]!;
    if (moved !== slot) this.sift(moved, i);
    return true;
  }

  /** The time of the earliest deadline; Infinity where there is none. */
  next(): number {
    return this.size === 0 ? Number.POSITIVE_INFINITY : this.timeMs[this.heap[0]!]!;
  }

  /** The slot with the earliest deadline, whether that is over or not. */
  first(): Slot | None {
    return this.size === 0 ? NONE : (this.heap[0]! as Slot);
  }

  /** Takes out the slot with the earliest deadline if that is not later than `nowMs`. */
  pop(nowMs: number): Slot | None {
    if (this.next() > nowMs) return NONE;
    const slot = this.heap[0]! as Slot;
    this.cancel(slot);
    return slot;
  }

  has(slot: Slot): boolean {
    return this.position[slot] !== 0;
  }

  /** The slot's deadline; Infinity where it has none. */
  of(slot: Slot): number {
    return this.has(slot) ? this.timeMs[slot]! : Number.POSITIVE_INFINITY;
  }

  /** Puts `slot` where it belongs, with place `i` free. */
  private sift(slot: number, i: number): void {
    const { heap, position, timeMs, size } = this;
    const time = timeMs[slot]!;
    let at = i;
    while (at > 0) {
      const parent = heap[(at - 1) >> 1]!;
      if (timeMs[parent]! <= time) break;
      heap[at] = parent;
      position[parent] = at + 1;
      at = (at - 1) >> 1;
    }
    for (let child = 2 * at + 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && timeMs[heap[child + 1]!]! < timeMs[heap[child]!]!) child++;
      const below = heap[child]!;
      if (time <= timeMs[below]!) break;
      heap[at] = below;
      position[below] = at + 1;
      at = child;
    }
    heap[at] = slot;
    position[slot] = at + 1;
  }
}
