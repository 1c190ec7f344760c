import { BlockPool, type PoolSpec } from "./block-pool.ts";

/** What the buffer asks of its owner. */
export interface ReorderOwner {
  /** Hands a packet of `session` on: header at `at`, payload behind it; `tag` is what it was accepted with. */
  release(session: number, tag: number, at: number, headerBytes: number, payloadBytes: number): void;
  /**
   * A timestamp that all of the session's paths have passed. Paths are first-in first-out: what was sent before it and
   * has not come will not come.
   */
  evidence(session: number): number;
  /** How long that is waited for nonetheless, in µs, because it may be sent again; the first few times in a while. */
  patienceUs(session: number): number;
  /** How long a packet may be held, in µs: the spread of the session's paths and a margin. */
  holdUs(session: number): number;
  /** What a packet waited for came and had left `lateUs` later than that packet. */
  noteLate(session: number, lateUs: number): void;
}

export interface ReorderCounters {
  /** Packets that had to wait. */
  held: number;
  /** Gaps given up because every path had passed them, because of the time, because the buffer was full. */
  byEvidence: number;
  byTime: number;
  byFullness: number;
  /** Packets that were held already. */
  duplicates: number;
}

const NONE = -1;
/** How the packets of a session are numbered. */
const NUMBERED = 1;
const STAMPED = 2;
/** Before a session's first packet any may come that was sent no longer before it, in µs. */
const ANY_BEFORE = 0x2000_0000;
/** Instead of a place in the list: the packet is there already. */
const HELD = -2;
/** So many gaps are waited for that every path has passed; half of them are forgotten in this time. */
const WAITS_MAX = 4;
const WAITS_HALF_US = 500_000;

/**
 * Out-of-order packets (paper §4.2), by session: a sorted list of copies for each session with a gap, so that one
 * session's hole never delays another's packets. What is ordered is a 32-bit number, compared modulo 2^32: for TCP the
 * sequence number, for everything else the sender's timestamp. Of timestamps nobody knows which one is next: what is
 * held until all paths have passed it is in order, and nothing has been given up.
 *
 * A gap is given up by evidence, by time, or when the session's buffer is full; what lies behind it is handed on in
 * order up to the next gap (all of it when the buffer is full, as in the paper).
 *
 * What TCP sends again must not overtake what it sent before that, or the sender takes all of that for lost (RFC 8985):
 * it waits at the end of the list, as if it covered no numbers, and moves there again while what was sent before it may come.
 *
 * Copies lie in blocks of the arena, each in one of the smallest that it fits into, so that the many small ones lie close
 * together. Where none of these is free, larger ones are not taken either: the session goes on as if there were no buffer.
 * A block that has been released is used again only after `recycle`, when what was handed on has been written.
 *
 * Invariants: a session's list is sorted by `start` and lies behind `expected`; a session is in the waiting list
 * exactly when its list is not empty.
 */
export class ReorderBuffer {
  readonly counters: ReorderCounters = { held: 0, byEvidence: 0, byTime: 0, byFullness: 0, duplicates: 0 };
  private readonly bytes: Uint8Array;
  private readonly owner: ReorderOwner;
  /** By the size of their blocks. */
  private readonly pools: readonly BlockPool[];
  private readonly limit: number;

  // By block.
  private readonly at: Int32Array;
  private readonly start: Int32Array;
  private readonly end: Int32Array;
  private readonly timestamp: Int32Array;
  private readonly heldUs: Float64Array;
  private readonly tag: Uint8Array;
  private readonly headerBytes: Uint16Array;
  private readonly payloadBytes: Uint16Array;
  private readonly next: Int32Array;

  // By session.
  private readonly expected: Int32Array;
  /** 0 where nothing is expected yet. */
  private readonly numbering: Uint8Array;
  private readonly first: Int32Array;
  private readonly last: Int32Array;
  private readonly count: Int32Array;
  /** Of those, how many were sent again. */
  private readonly again: Int32Array;
  /** The packet in front of which a gap is waited for that every path has passed, how often that was, and when last. */
  private readonly patientBlock: Int32Array;
  private readonly waits: Float32Array;
  private readonly waitedUs: Float64Array;
  private readonly waitingIndex: Int32Array;
  private readonly waiting: Int32Array;
  private waitingCount = 0;

  /**
   * The pools, the one of the smallest blocks first, lie one behind the other from `poolsAt` on; a session may hold
   * `limit` packets. None may be larger than the largest blocks.
   */
  constructor(
    bytes: Uint8Array,
    owner: ReorderOwner,
    poolsAt: number,
    pools: readonly PoolSpec[],
    sessions: number,
    limit: number,
  ) {
    this.bytes = bytes;
    this.owner = owner;
    this.limit = limit;
    const blocks = pools.reduce((sum, pool) => sum + pool.blocks, 0);
    this.at = new Int32Array(blocks);
    let first = 0;
    let at = poolsAt;
    this.pools = pools.map((spec) => {
      const pool = new BlockPool(spec, first);
      for (const end = first + spec.blocks; first < end; at += spec.blockBytes) this.at[first++] = at;
      return pool;
    });
    this.start = new Int32Array(blocks);
    this.end = new Int32Array(blocks);
    this.timestamp = new Int32Array(blocks);
    this.heldUs = new Float64Array(blocks);
    this.tag = new Uint8Array(blocks);
    this.headerBytes = new Uint16Array(blocks);
    this.payloadBytes = new Uint16Array(blocks);
    this.next = new Int32Array(blocks);
    this.expected = new Int32Array(sessions);
    this.numbering = new Uint8Array(sessions);
    this.first = new Int32Array(sessions).fill(NONE);
    this.last = new Int32Array(sessions).fill(NONE);
    this.count = new Int32Array(sessions);
    this.again = new Int32Array(sessions);
    this.patientBlock = new Int32Array(sessions).fill(NONE);
    this.waits = new Float32Array(sessions);
    this.waitedUs = new Float64Array(sessions).fill(Number.NEGATIVE_INFINITY);
    this.waitingIndex = new Int32Array(sessions).fill(NONE);
    this.waiting = new Int32Array(Math.min(sessions, blocks));
  }

  /** Packets that are held now. */
  get size(): number {
    return this.pools.reduce((sum, pool) => sum + pool.taken, 0);
  }

  /** What a session still holds is dropped, and its numbering starts anew. */
  forget(session: number): void {
    for (let block = this.first[session]!; block !== NONE; block = this.next[block]!) this.retire(block);
    this.empty(session);
    this.numbering[session] = 0;
    this.waits[session] = 0;
    this.waitedUs[session] = Number.NEGATIVE_INFINITY;
    this.patientBlock[session] = NONE;
  }

  /** The number that is expected next in a session, as uint32; undefined where none is known. */
  expectedOf(session: number): number | undefined {
    return this.numbering[session] === 0 ? undefined : this.expected[session]! >>> 0;
  }

  /** The number that the session's next packet must have; what it still holds is handed on first. */
  resync(session: number, number: number): void {
    if (this.count[session]! > 0) this.releaseAll(session);
    this.expected[session] = number;
    this.numbering[session] = NUMBERED;
  }

  /**
   * A packet that covers the numbers [start, end), with its header at `at`. Hands it on, and what it makes consecutive,
   * or holds a copy. `tag`, a byte, goes with it.
   */
  accept(
    session: number,
    start: number,
    end: number,
    timestamp: number,
    nowUs: number,
    tag: number,
    at: number,
    headerBytes: number,
    payloadBytes: number,
  ): void {
    if (this.numbering[session] === 0) {
      this.numbering[session] = NUMBERED;
      this.expected[session] = start;
    }
    const bytes = headerBytes + payloadBytes;
    if (((end - this.expected[session]!) | 0) <= 0) {
      const last = this.last[session]!;
      if (last === NONE || ((timestamp - this.timestamp[last]!) | 0) <= 0 || !this.hasRoom(bytes)) {
        this.owner.release(session, tag, at, headerBytes, payloadBytes);
        return;
      }
      // Sent again, and later than all that waits.
      const place = this.end[last]!;
      this.insert(session, last, place, place, timestamp, nowUs, tag, at, headerBytes, payloadBytes);
    } else if (((start - this.expected[session]!) | 0) <= 0) {
      this.owner.release(session, tag, at, headerBytes, payloadBytes);
      this.expected[session] = end;
      if (this.count[session]! > 0) {
        const lateUs = (timestamp - this.timestamp[this.first[session]!]!) | 0;
        if (lateUs > 0) this.owner.noteLate(session, lateUs);
        this.releaseConsecutive(session, nowUs);
      }
      return;
    } else if (!this.hasRoom(bytes)) {
      // The session goes on as if there were no buffer.
      this.counters.byFullness++;
      this.releaseAll(session);
      this.owner.release(session, tag, at, headerBytes, payloadBytes);
      if (((end - this.expected[session]!) | 0) > 0) this.expected[session] = end;
      return;
    } else {
      const before = this.placeOf(session, start, end);
      if (before === HELD) {
        this.counters.duplicates++;
        return;
      }
      this.insert(session, before, start, end, timestamp, nowUs, tag, at, headerBytes, payloadBytes);
    }
    if (this.count[session]! >= this.limit) {
      this.counters.byFullness++;
      this.releaseAll(session);
    }
  }

  /** The same for a packet that has no other number than the time at which it was sent: what all paths have passed is next. */
  acceptStamped(
    session: number,
    timestamp: number,
    nowUs: number,
    tag: number,
    at: number,
    headerBytes: number,
    payloadBytes: number,
  ): void {
    if (this.numbering[session] === 0) {
      this.numbering[session] = STAMPED;
      this.expected[session] = (timestamp - ANY_BEFORE) | 0;
    }
    const isLate = ((timestamp - this.expected[session]!) | 0) < 0;
    const isNext = this.count[session] === 0 && ((this.owner.evidence(session) - timestamp) | 0) >= 0;
    if (isNext && !isLate) this.expected[session] = timestamp;
    const end = (timestamp + 1) | 0;
    this.accept(session, timestamp, end, timestamp, nowUs, tag, at, headerBytes, payloadBytes);
  }

  /**
   * Gives up the gaps that every path has passed; after each batch of received packets. What is sent again may still
   * come, and where that is rare it is worth waiting for. Where it is not, waiting again and again would stop the
   * sender, whose TCP has learned by then to bear late packets.
   */
  handleEvidence(nowUs: number): void {
    for (let i = this.waitingCount - 1; i >= 0; i--) {
      const session = this.waiting[i]!;
      const evidence = this.owner.evidence(session);
      while (this.count[session]! > 0) {
        const block = this.first[session]!;
        if (((evidence - this.timestamp[block]!) | 0) < 0) {
          // Another path is in use again, and may still bring it.
          this.patientBlock[session] = NONE;
          break;
        }
        if (this.numbering[session] === NUMBERED) {
          if (nowUs < this.patientUntilUs(session, block, nowUs)) break;
          this.counters.byEvidence++;
        }
        this.giveUp(session, nowUs);
      }
    }
  }

  /** Gives up the gaps that have been waited for long enough. */
  handleTime(nowUs: number): void {
    for (let i = this.waitingCount - 1; i >= 0; i--) {
      const session = this.waiting[i]!;
      while (this.count[session]! > 0) {
        if (nowUs < this.dueUs(session)) break;
        if (this.numbering[session] === NUMBERED) this.counters.byTime++;
        this.giveUp(session, nowUs);
      }
    }
  }

  /** Until when the gap in front of a session's first packet, which every path has passed, is waited for. */
  private patientUntilUs(session: number, block: number, nowUs: number): number {
    const patienceUs = this.owner.patienceUs(session);
    if (this.patientBlock[session] !== block) {
      this.patientBlock[session] = block;
      // What came meanwhile waits at the same time.
      if (this.heldUs[block]! > this.waitedUs[session]! + patienceUs) {
        const waits = this.waits[session]! * 2 ** (-(nowUs - this.waitedUs[session]!) / WAITS_HALF_US);
        this.waits[session] = waits + 1;
        this.waitedUs[session] = nowUs;
      }
    }
    return this.waits[session]! > WAITS_MAX ? 0 : this.heldUs[block]! + patienceUs;
  }

  /** When `handleEvidence` or `handleTime` has something to do; Infinity where nothing waits. */
  nextDeadlineUs(): number {
    let deadlineUs = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.waitingCount; i++) {
      deadlineUs = Math.min(deadlineUs, this.dueUs(this.waiting[i]!));
    }
    return deadlineUs;
  }

  /** What has been released was written: its blocks may be used again. */
  recycle(): void {
    for (let i = 0; i < this.pools.length; i++) this.pools[i]!.recycle();
  }

  /** Until when a session's first packet waits for those before it. */
  private dueUs(session: number): number {
    const { owner } = this;
    const block = this.first[session]!;
    const isPassed = this.patientBlock[session] === block;
    return this.heldUs[block]! + (isPassed ? owner.patienceUs(session) : owner.holdUs(session));
  }

  private hasRoom(bytes: number): boolean {
    return this.poolFor(bytes).hasRoom;
  }

  private poolFor(bytes: number): BlockPool {
    let i = 0;
    while (bytes > this.pools[i]!.blockBytes) i++;
    return this.pools[i]!;
  }

  /** The block behind which [start, end) belongs in the session's list, NONE for its front; or HELD. */
  private placeOf(session: number, start: number, end: number): number {
    // Most packets belong at the end.
    let before = this.last[session]!;
    if (before === NONE || ((start - this.start[before]!) | 0) > 0) return before;
    before = NONE;
    let block = this.first[session]!;
    while (block !== NONE && ((start - this.start[block]!) | 0) > 0) {
      before = block;
      block = this.next[block]!;
    }
    const isHeld = block !== NONE && this.start[block] === start && ((end - this.end[block]!) | 0) <= 0;
    return isHeld ? HELD : before;
  }

  /** Copies a packet into the session's list, behind the block `before` or to its front. */
  private insert(
    session: number,
    before: number,
    start: number,
    end: number,
    timestamp: number,
    nowUs: number,
    tag: number,
    at: number,
    headerBytes: number,
    payloadBytes: number,
  ): void {
    const { next } = this;
    const bytes = headerBytes + payloadBytes;
    const block = this.poolFor(bytes).take();
    this.start[block] = start;
    this.end[block] = end;
    this.timestamp[block] = timestamp;
    this.heldUs[block] = nowUs;
    this.tag[block] = tag;
    this.headerBytes[block] = headerBytes;
    this.payloadBytes[block] = payloadBytes;
    this.bytes.copyWithin(this.at[block]!, at, at + bytes);
    if (before === NONE) {
      next[block] = this.first[session]!;
      this.first[session] = block;
    } else {
      next[block] = next[before]!;
      next[before] = block;
    }
    if (next[block] === NONE) this.last[session] = block;
    if (this.count[session] === 0) this.wait(session);
    this.count[session] = this.count[session]! + 1;
    if (this.isAgain(block)) this.again[session] = this.again[session]! + 1;
    this.counters.held++;
  }

  private retire(block: number): void {
    this.poolFor(this.headerBytes[block]! + this.payloadBytes[block]!).release(block);
  }

  private giveUp(session: number, nowUs: number): void {
    this.expected[session] = this.start[this.first[session]!]!;
    this.releaseConsecutive(session, nowUs);
  }

  private releaseConsecutive(session: number, nowUs: number): void {
    let expected = this.expected[session]!;
    let block = this.first[session]!;
    while (block !== NONE && ((this.start[block]! - expected) | 0) <= 0) {
      if (this.isAgain(block) && this.mustWaitOn(session, block, nowUs)) {
        block = this.putOff(session);
        continue;
      }
      if (((this.end[block]! - expected) | 0) > 0) expected = this.end[block]!;
      block = this.releaseFirst(session);
    }
    this.expected[session] = expected;
  }

  /** Whether the packet was sent again: it covers no numbers. */
  private isAgain(block: number): boolean {
    return this.start[block] === this.end[block];
  }

  /** Whether a packet that was sent again waits on: what was sent before it may still come, and others wait, too. */
  private mustWaitOn(session: number, block: number, nowUs: number): boolean {
    return (
      this.count[session]! > this.again[session]! &&
      ((this.owner.evidence(session) - this.timestamp[block]!) | 0) < 0 &&
      nowUs < this.heldUs[block]! + this.owner.holdUs(session)
    );
  }

  /** Moves the first packet to the end; answers the one that is first then. */
  private putOff(session: number): number {
    const { next } = this;
    const block = this.first[session]!;
    const last = this.last[session]!;
    this.first[session] = next[block]!;
    next[last] = block;
    next[block] = NONE;
    this.last[session] = block;
    const place = this.end[last]!;
    this.start[block] = place;
    this.end[block] = place;
    return this.first[session]!;
  }

  private releaseAll(session: number): void {
    while (this.first[session] !== NONE) {
      const end = this.end[this.first[session]!]!;
      if (((end - this.expected[session]!) | 0) > 0) this.expected[session] = end;
      this.releaseFirst(session);
    }
  }

  /** Hands the first held packet on; answers the one behind it. */
  private releaseFirst(session: number): number {
    const block = this.first[session]!;
    const { owner, tag, at, headerBytes, payloadBytes } = this;
    owner.release(session, tag[block]!, at[block]!, headerBytes[block]!, payloadBytes[block]!);
    this.retire(block);
    if (this.isAgain(block)) this.again[session] = this.again[session]! - 1;
    // Whatever is first next, and be it in the same block, has a gap of its own in front of it.
    this.patientBlock[session] = NONE;
    const next = this.next[block]!;
    this.first[session] = next;
    this.count[session] = this.count[session]! - 1;
    if (next === NONE) this.empty(session);
    return next;
  }

  private empty(session: number): void {
    this.first[session] = NONE;
    this.last[session] = NONE;
    this.count[session] = 0;
    this.again[session] = 0;
    const index = this.waitingIndex[session]!;
    if (index === NONE) return;
    const moved = this.waiting[--this.waitingCount]!;
    this.waiting[index] = moved;
    this.waitingIndex[moved] = index;
    this.waitingIndex[session] = NONE;
  }

  private wait(session: number): void {
    this.waitingIndex[session] = this.waitingCount;
    this.waiting[this.waitingCount++] = session;
  }
}
