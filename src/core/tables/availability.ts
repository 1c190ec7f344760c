import { Deadlines } from "../base/deadlines.ts";
import type { HashSeed } from "../base/hash.ts";
import { type AvailabilitySlot, NONE, type None } from "../base/ids.ts";
import { Slab } from "../base/slab.ts";
import { WordMap } from "../base/word-map.ts";
import { addressText } from "../wire/address.ts";

/** Whether MPIP is spoken at an address and port. */
export const AVAILABILITY_ASKING = 0;
export const AVAILABILITY_YES = 1;
export const AVAILABILITY_NO = 2;

export const AVAILABILITY_NAMES = ["asking", "yes", "no"] as const;

export interface AvailabilityOptions {
  readonly capacity: number;
  readonly seed: HashSeed;
  /** After this many queries without an answer the destination does not speak MPIP. */
  readonly threshold?: number;
  /** From one query to the next; twice as long each time, up to the longest. */
  readonly retryMs?: number;
  readonly retryMaxMs?: number;
  /** How long an answer holds. */
  readonly yesMs?: number;
  readonly noMs?: number;
}

export interface AvailabilityReport {
  address: string;
  port: number;
  state: (typeof AVAILABILITY_NAMES)[number];
  queries: number;
  pinned: boolean;
  nextQueryInMs: number | undefined;
  expiresInMs: number | undefined;
}

const KEY_WORDS = 5;
const THRESHOLD = 5;
const RETRY_MS = 500;
const RETRY_MAX_MS = 30_000;
const YES_MS = 600_000;
const NO_MS = 600_000;
const JITTER_FROM = 0.75;
const JITTER_SPREAD = 0.5;

/**
 * The MPIP availability table (paper §3.2, Table 2): for each address and port whether MPIP is spoken there, how often
 * that has been asked, and when to ask again. Answers expire and are forgotten, negative ones too.
 *
 * Entries of configured peers are pinned: they are asked for ever, at the longest interval in the end, and do not
 * expire. When the table is full, what expires next of the others gives way; where all are pinned, the newcomer is
 * refused.
 */
export class Availability {
  readonly slab: Slab<AvailabilitySlot>;
  readonly state: Uint8Array;
  /** Queries sent since the asking began. */
  readonly queries: Uint32Array;
  readonly pinned: Uint8Array;
  /** Entries that gave way to others, and those for which none could give way. */
  evicted = 0;
  refused = 0;

  private readonly map: WordMap;
  private readonly asking: Deadlines<AvailabilitySlot>;
  private readonly expiry: Deadlines<AvailabilitySlot>;
  private readonly key = new Int32Array(KEY_WORDS);
  private readonly threshold: number;
  private readonly retryMs: number;
  private readonly retryMaxMs: number;
  private readonly yesMs: number;
  private readonly noMs: number;
  /** The longest time for which an entry is asked. */
  private readonly askingMs: number;

  constructor(options: AvailabilityOptions) {
    const { capacity, seed } = options;
    this.slab = new Slab(capacity);
    this.state = new Uint8Array(capacity);
    this.queries = new Uint32Array(capacity);
    this.pinned = new Uint8Array(capacity);
    this.map = new WordMap(KEY_WORDS, capacity, seed);
    this.asking = new Deadlines(capacity);
    this.expiry = new Deadlines(capacity);
    this.threshold = options.threshold ?? THRESHOLD;
    this.retryMs = options.retryMs ?? RETRY_MS;
    this.retryMaxMs = options.retryMaxMs ?? RETRY_MAX_MS;
    this.yesMs = options.yesMs ?? YES_MS;
    this.noMs = options.noMs ?? NO_MS;
    let askingMs = 0;
    for (let queries = 0; queries < this.threshold; queries++) askingMs += this.intervalMs(queries);
    this.askingMs = askingMs * (JITTER_FROM + JITTER_SPREAD);
  }

  find(address: Int32Array, at: number, port: number): AvailabilitySlot | None {
    const key = this.key;
    for (let i = 0; i < 4; i++) key[i] = address[at + i]!;
    key[4] = port;
    return this.map.find(key, 0) as AvailabilitySlot | None;
  }

  /**
   * The entry of an address and port. A new one is asked from now on; an answer that is there stands. NONE when the
   * table is full.
   */
  ask(
    address: Int32Array,
    at: number,
    port: number,
    pinned: boolean,
    nowMs: number,
  ): AvailabilitySlot | None {
    const slot = this.find(address, at, port);
    if (slot === NONE) {
      const added = this.add(nowMs);
      if (added !== NONE) {
        if (pinned) this.pin(added);
        this.askAgain(added, nowMs);
      }
      return added;
    }
    if (pinned && this.pinned[slot] === 0) {
      this.pin(slot);
      if (this.state[slot] === AVAILABILITY_NO) this.askAgain(slot, nowMs);
    }
    return slot;
  }

  /** Whether queries are being sent to it. */
  isAsking(slot: AvailabilitySlot): boolean {
    return this.asking.has(slot);
  }

  /** Asks anew, as on a first use: the peer's answer no longer holds, or it may have changed its mind. */
  askAgain(slot: AvailabilitySlot, nowMs: number): void {
    this.state[slot] = AVAILABILITY_ASKING;
    this.queries[slot] = 0;
    this.asking.set(slot, nowMs);
    this.expire(slot, nowMs + this.askingMs + this.noMs);
  }

  /** MPIP was spoken from there: a confirmation, or a query of the other side. NONE when the table is full. */
  confirm(address: Int32Array, at: number, port: number, nowMs: number): AvailabilitySlot | None {
    let slot = this.find(address, at, port);
    if (slot === NONE) slot = this.add(nowMs);
    if (slot === NONE) return NONE;
    this.state[slot] = AVAILABILITY_YES;
    this.asking.cancel(slot);
    this.expire(slot, nowMs + this.yesMs);
    return slot;
  }

  /** It was said that nobody is there. A pinned entry goes on being asked. */
  deny(slot: AvailabilitySlot, nowMs: number): void {
    if (this.pinned[slot] === 1) return;
    this.state[slot] = AVAILABILITY_NO;
    this.asking.cancel(slot);
    this.expire(slot, nowMs + this.noMs);
  }

  /** A peer is no longer in the configuration. */
  unpin(slot: AvailabilitySlot, nowMs: number): void {
    this.pinned[slot] = 0;
    this.expire(slot, nowMs + this.noMs);
  }

  remove(slot: AvailabilitySlot): void {
    if (!this.slab.release(slot)) return;
    this.map.delete(slot);
    this.asking.cancel(slot);
    this.expiry.cancel(slot);
  }

  nextDeadlineMs(): number {
    return Math.min(this.asking.next(), this.expiry.next());
  }

  /**
   * An entry to which a query is to be sent now, or NONE when there is none. `jitter`, at least 0 and below 1, says
   * where between 3/4 and 5/4 of the interval the next one is put.
   */
  pollQuery(nowMs: number, jitter: number): AvailabilitySlot | None {
    for (;;) {
      const slot = this.asking.pop(nowMs);
      if (slot === NONE) return NONE;
      const queries = this.queries[slot]!;
      if (queries >= this.threshold && this.pinned[slot] === 0) {
        this.deny(slot, nowMs);
        continue;
      }
      this.queries[slot] = queries + 1;
      this.asking.set(slot, nowMs + this.intervalMs(queries) * (JITTER_FROM + JITTER_SPREAD * jitter));
      return slot;
    }
  }

  /** Forgets the answers that have expired. */
  handleTick(nowMs: number): void {
    for (;;) {
      const slot = this.expiry.pop(nowMs);
      if (slot === NONE) return;
      this.remove(slot);
    }
  }

  /** The four words of the entry's address, and then its port, stand in `words` from `wordsAt(slot)` on. */
  get words(): Int32Array {
    return this.map.keys;
  }

  wordsAt(slot: AvailabilitySlot): number {
    return slot * KEY_WORDS;
  }

  port(slot: AvailabilitySlot): number {
    return this.map.keys[slot * KEY_WORDS + 4]!;
  }

  snapshot(nowMs: number): AvailabilityReport[] {
    const reports: AvailabilityReport[] = [];
    for (let index = 0; index < this.slab.top; index++) {
      if (!this.slab.has(index)) continue;
      const slot = index as AvailabilitySlot;
      reports.push({
        address: addressText(this.words, this.wordsAt(slot)),
        port: this.port(slot),
        state: AVAILABILITY_NAMES[this.state[slot]!]!,
        queries: this.queries[slot]!,
        pinned: this.pinned[slot] === 1,
        nextQueryInMs: this.asking.has(slot) ? this.asking.of(slot) - nowMs : undefined,
        expiresInMs: this.expiry.has(slot) ? this.expiry.of(slot) - nowMs : undefined,
      });
    }
    return reports;
  }

  private intervalMs(queries: number): number {
    return Math.min(this.retryMs * 2 ** queries, this.retryMaxMs);
  }

  /** A slot for the key that was looked for last. */
  private add(nowMs: number): AvailabilitySlot | None {
    if (this.slab.size === this.slab.capacity) {
      const soonest = this.expiry.first();
      if (soonest === NONE) {
        this.refused++;
        return NONE;
      }
      if (this.expiry.next() > nowMs) this.evicted++;
      this.remove(soonest);
    }
    const slot = this.slab.take();
    if (slot === NONE) return NONE;
    this.map.insert(slot, this.key, 0);
    this.state[slot] = AVAILABILITY_ASKING;
    this.queries[slot] = 0;
    this.pinned[slot] = 0;
    return slot;
  }

  private pin(slot: AvailabilitySlot): void {
    this.pinned[slot] = 1;
    this.expiry.cancel(slot);
  }

  private expire(slot: AvailabilitySlot, timeMs: number): void {
    if (this.pinned[slot] === 0) this.expiry.set(slot, timeMs);
  }
}
