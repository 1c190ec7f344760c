import { NONE, type PathSlot, type SessionSlot } from "../base/ids.ts";
import { LARGE_ZERO } from "../base/large.ts";
import type { Paths } from "../tables/paths.ts";

/** Packets and super-packets that may wait, over all paths. */
const ITEMS = 4096;

/**
 * What has been given a path and may not leave yet (tables/path-gates.ts), first-in first-out by path. Nothing is
 * copied: packets stay where the device was read into, as long as that is not used again.
 *
 * Invariant: a path is among the waiting ones exactly when something waits for it, and so much are its `heldBytes`.
 */
export class Waiting {
  /** Items that wait. */
  size = 0;
  /** The item taken last: where it is, its length, and the position of the ring when it was read. */
  at = 0;
  length = 0;
  mark = LARGE_ZERO;
  /** By session: whether the next packet of it that leaves is to tell its sender to send less. */
  readonly isToSignal: Uint8Array;
  private readonly paths: Paths;
  // By item. `bytes` are those that it will have on the path.
  private readonly ats = new Int32Array(ITEMS);
  private readonly lengths = new Int32Array(ITEMS);
  private readonly bytes = new Int32Array(ITEMS);
  private readonly sessions = new Int32Array(ITEMS);
  private readonly marks = new Float64Array(ITEMS);
  private readonly next = Int32Array.from({ length: ITEMS }, (_, i) => (i + 1 < ITEMS ? i + 1 : NONE));
  private free = 0;
  // By path.
  private readonly first: Int32Array;
  private readonly last: Int32Array;
  private readonly waiting: Int32Array;
  private waitingCount = 0;
  // By session: its items.
  private readonly count: Uint16Array;

  constructor(paths: Paths, sessions: number) {
    const capacity = paths.node.length;
    this.paths = paths;
    this.first = new Int32Array(capacity).fill(NONE);
    this.last = new Int32Array(capacity).fill(NONE);
    this.waiting = new Int32Array(capacity);
    this.count = new Uint16Array(sessions);
    this.isToSignal = new Uint8Array(sessions);
  }

  get isFull(): boolean {
    return this.free === NONE;
  }

  /** Paths that something waits for; they are `pathAt(0)` and so on. */
  get pathCount(): number {
    return this.waitingCount;
  }

  pathAt(index: number): PathSlot {
    return this.waiting[index]! as PathSlot;
  }

  isWaitedFor(path: PathSlot): boolean {
    return this.first[path] !== NONE;
  }

  hasSession(session: SessionSlot): boolean {
    return this.count[session]! > 0;
  }

  /** `length` bytes at `at`, read when the ring was at `mark`, wait for a path, where they will be `bytes` bytes. */
  add(path: PathSlot, session: SessionSlot, at: number, length: number, mark: number, bytes: number): void {
    const { heldBytes } = this.paths.queues;
    const item = this.free;
    this.free = this.next[item]!;
    this.ats[item] = at;
    this.lengths[item] = length;
    this.marks[item] = mark;
    this.bytes[item] = bytes;
    this.sessions[item] = session;
    this.next[item] = NONE;
    if (this.first[path] === NONE) {
      this.first[path] = item;
      this.waiting[this.waitingCount++] = path;
    } else {
      this.next[this.last[path]!] = item;
    }
    this.last[path] = item;
    this.size++;
    this.count[session] = this.count[session]! + 1;
    heldBytes[path] = heldBytes[path]! + bytes;
  }

  /** When the first item of a path may leave. */
  leavesUs(path: PathSlot): number {
    return this.paths.gates.opensUs(path, this.bytes[this.first[path]!]!);
  }

  /** Takes the first item of a path out. */
  take(path: PathSlot): void {
    const { heldBytes } = this.paths.queues;
    const item = this.first[path]!;
    this.at = this.ats[item]!;
    this.length = this.lengths[item]!;
    this.mark = this.marks[item]!;
    this.first[path] = this.next[item]!;
    this.next[item] = this.free;
    this.free = item;
    this.size--;
    const session = this.sessions[item]!;
    this.count[session] = this.count[session]! - 1;
    heldBytes[path] = heldBytes[path]! - this.bytes[item]!;
    if (this.first[path] !== NONE) return;
    const index = this.waiting.indexOf(path);
    this.waiting[index] = this.waiting[--this.waitingCount]!;
  }

  /** When the next item may leave; Infinity where nothing waits. */
  nextDeadlineUs(): number {
    let deadlineUs = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.waitingCount; i++)
      deadlineUs = Math.min(deadlineUs, this.leavesUs(this.pathAt(i)));
    return deadlineUs;
  }
}
