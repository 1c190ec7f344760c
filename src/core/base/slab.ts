import { NONE, type None } from "./ids.ts";

/**
 * Slots 0 … capacity - 1, handed out and taken back. A slot released last is handed out next; none above `top` has
 * ever been handed out, so columns are untouched memory, which costs nothing, from there on.
 */
export class Slab<Slot extends number> {
  readonly capacity: number;
  /** Slots in use. */
  size = 0;
  /** Behind the highest slot ever used. */
  top = 0;
  /**
   * Counts the times that a slot was taken or released: odd while it is in use. Whoever keeps something by slot finds
   * out here that the slot means something else now.
   */
  readonly generation: Uint32Array;
  private readonly free: Int32Array;
  private freeCount = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.generation = new Uint32Array(capacity);
    this.free = new Int32Array(capacity);
  }

  /** NONE when all are in use. */
  take(): Slot | None {
    if (this.size === this.capacity) return NONE;
    const slot = this.freeCount > 0 ? this.free[--this.freeCount]! : this.top++;
    this.generation[slot]!++;
    this.size++;
    return slot as Slot;
  }

  /** False, and nothing done, where the slot was not in use. */
  release(slot: Slot): boolean {
    if (!this.has(slot)) return false;
    this.generation[slot]!++;
    this.free[this.freeCount++] = slot;
    this.size--;
    return true;
  }

  has(slot: number): boolean {
    return slot >= 0 && slot < this.top && (this.generation[slot]! & 1) === 1;
  }
}
