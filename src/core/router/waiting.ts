import { NONE, type PathSlot, type SessionSlot } from "../base/ids.ts";
import { LARGE_ZERO } from "../base/large.ts";
import type { Paths } from "../tables/paths.ts";

/** Packets and super-packets that may wait, over all paths. */
const ITEMS = 4096;

/**
 * What has been given a path and may not leave yet (tables/path-gates.ts), first-in first-out by path. Nothing is
 * copied: packets stay where the device was read into, as long as that is not used again.
 *
 * Packets of a session that is to leave in order have no place of their own: whichever of its places is first in its turn,
 * the oldest of them takes it.
 *
 * Invariants: a path is among the waiting ones exactly when something waits for it, and so much are its `heldBytes`. A
 * session has as many places without a packet as it has packets without a place.
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
  // By place: whose it is, the packet that has it, NONE where the oldest of the session takes it; and so many bytes on the path.
  private readonly sessions = new Int32Array(ITEMS);
  private readonly packets = new Int32Array(ITEMS);
  private readonly bytes = new Int32Array(ITEMS);
  private readonly next = chain();
  private free = 0;
  // By packet. What comes next is of the same session.
  private readonly ats = new Int32Array(ITEMS);
  private readonly lengths = new Int32Array(ITEMS);
  private readonly marks = new Float64Array(ITEMS);
  private readonly nextPacket = chain();
  private freePacket = 0;
  // By path.
  private readonly first: Int32Array;
  private readonly last: Int32Array;
  private readonly waiting: Int32Array;
  /** One of USE_*: what data might use the path for when the newest of its items began to wait. */
  private readonly uses: Uint8Array;
  private waitingCount = 0;
  // By session: its packets, and the oldest and the newest that have no place of their own.
  private readonly count: Uint16Array;
  private readonly oldest: Int32Array;
  private readonly newest: Int32Array;

  constructor(paths: Paths, sessions: number) {
    const capacity = paths.node.length;
    this.paths = paths;
    this.first = new Int32Array(capacity).fill(NONE);
    this.last = new Int32Array(capacity).fill(NONE);
    this.waiting = new Int32Array(capacity);
    this.uses = new Uint8Array(capacity);
    this.count = new Uint16Array(sessions);
    this.oldest = new Int32Array(sessions).fill(NONE);
    this.newest = new Int32Array(sessions).fill(NONE);
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

  /** Whether a path is as good as it was for those that wait for it; otherwise they may be better off on another. */
  isAsGood(path: PathSlot): boolean {
    return this.paths.slab.has(path) && this.paths.useOf(path) >= this.uses[path]!;
  }

  hasSession(session: SessionSlot): boolean {
    return this.count[session]! > 0;
  }

  /**
   * `length` bytes at `at`, read when the ring was at `mark`, wait for a path, where they will be `bytes` bytes; in the
   * order of their session whatever its paths, or of the path alone.
   */
  add(
    path: PathSlot,
    session: SessionSlot,
    isInOrder: boolean,
    at: number,
    length: number,
    mark: number,
    bytes: number,
  ): void {
    const { heldBytes } = this.paths.queues;
    const packet = this.freePacket;
    this.freePacket = this.nextPacket[packet]!;
    this.ats[packet] = at;
    this.lengths[packet] = length;
    this.marks[packet] = mark;
    this.nextPacket[packet] = NONE;
    if (isInOrder) {
      if (this.oldest[session] === NONE) this.oldest[session] = packet;
      else this.nextPacket[this.newest[session]!] = packet;
      this.newest[session] = packet;
    }
    const place = this.free;
    this.free = this.next[place]!;
    this.packets[place] = isInOrder ? NONE : packet;
    this.bytes[place] = bytes;
    this.sessions[place] = session;
    this.next[place] = NONE;
    if (this.first[path] === NONE) {
      this.first[path] = place;
      this.waiting[this.waitingCount++] = path;
    } else {
      this.next[this.last[path]!] = place;
    }
    this.last[path] = place;
    this.uses[path] = this.paths.useOf(path);
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
    const place = this.first[path]!;
    const session = this.sessions[place]!;
    let packet = this.packets[place]!;
    if (packet === NONE) {
      packet = this.oldest[session]!;
      this.oldest[session] = this.nextPacket[packet]!;
    }
    this.at = this.ats[packet]!;
    this.length = this.lengths[packet]!;
    this.mark = this.marks[packet]!;
    this.nextPacket[packet] = this.freePacket;
    this.freePacket = packet;
    this.first[path] = this.next[place]!;
    this.next[place] = this.free;
    this.free = place;
    this.size--;
    this.count[session] = this.count[session]! - 1;
    heldBytes[path] = heldBytes[path]! - this.bytes[place]!;
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

/** The free ones of ITEMS, each with the next one. */
function chain(): Int32Array {
  return Int32Array.from({ length: ITEMS }, (_, i) => (i + 1 < ITEMS ? i + 1 : NONE));
}
