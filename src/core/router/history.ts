import { NONE, type None, type PathSlot, type SessionSlot } from "../base/ids.ts";

/** Runs that are remembered. */
const RUNS = 1 << 14;
/** How far back one search goes. */
const STEPS_MAX = 4096;
const SEGMENTS_PER_WORD = 32;
/** Segments that a run may have; of a longer one, more than one are made. */
export const RUN_SEGMENTS_MAX = 2 * SEGMENTS_PER_WORD;

/** A run in the history: its number, which only grows. */
export type Run = number & { readonly __brand: "Run" };

/**
 * What was sent of late, run by run, so that it can be sent again: where its bytes still lie in the arena, and by which
 * path and path sequence numbers it left. Nothing is copied: what the device gave, and the headers built for it, lie in
 * two rings, and a run is worth something until the rings have come round to it.
 */
export class History {
  /** Runs so far; the next one's number. */
  count = 0;
  // Columns by run, modulo RUNS.
  readonly path = new Int32Array(RUNS);
  readonly firstSequence = new Int32Array(RUNS);
  readonly segments = new Int32Array(RUNS);
  readonly session = new Int32Array(RUNS);
  readonly sessionId = new Int32Array(RUNS);
  readonly flags = new Uint8Array(RUNS);
  readonly tos = new Uint8Array(RUNS);
  /** The first segment's headers; those of the next lie `headerStride` behind. */
  readonly headerAt = new Int32Array(RUNS);
  readonly headerStride = new Int32Array(RUNS);
  readonly headerBytes = new Int32Array(RUNS);
  readonly payloadAt = new Int32Array(RUNS);
  readonly payloadBytes = new Int32Array(RUNS);
  readonly segmentBytes = new Int32Array(RUNS);
  /** Of the first segment. */
  readonly timestampUs = new Int32Array(RUNS);
  readonly sentUs = new Float64Array(RUNS);
  /** How long it had to wait, as was thought when it was sent. */
  readonly queueUs = new Float64Array(RUNS);
  /** How often the bytes were sent before. */
  readonly tries = new Uint8Array(RUNS);
  /** Positions in the two rings, as the totals of bytes that went through them. */
  readonly dataMark = new Float64Array(RUNS);
  readonly headerMark = new Float64Array(RUNS);
  /** Segments that were sent again, a bit each. */
  private readonly againLow = new Int32Array(RUNS);
  private readonly againHigh = new Int32Array(RUNS);
  private readonly before = new Float64Array(RUNS);
  private readonly lastOf: Float64Array;

  constructor(paths: number) {
    this.lastOf = new Float64Array(paths).fill(NONE);
  }

  /** Remembers another run of a path; the caller fills in its columns. */
  add(path: PathSlot): number {
    const at = this.count & (RUNS - 1);
    this.path[at] = path;
    this.againLow[at] = 0;
    this.againHigh[at] = 0;
    this.before[at] = this.lastOf[path]!;
    this.lastOf[path] = this.count++;
    return at;
  }

  /** The path is another one from now on. */
  forgetPath(path: PathSlot): void {
    this.lastOf[path] = NONE;
  }

  /** The run that was sent last on a path, and the one before a run; NONE where that is not remembered. */
  last(path: PathSlot): Run | None {
    return this.remembered(this.lastOf[path]!);
  }

  previous(run: Run): Run | None {
    return this.remembered(this.before[this.at(run)]!);
  }

  /** Where a run's columns are. */
  at(run: Run): number {
    return run & (RUNS - 1);
  }

  /** The run to which a path sequence number belongs; NONE where it is not remembered, or was no data. */
  find(path: PathSlot, sequence: number): Run | None {
    let run = this.last(path);
    for (let steps = 0; run !== NONE && steps < STEPS_MAX; steps++) {
      const at = this.at(run);
      const distance = (sequence - this.firstSequence[at]!) | 0;
      if (distance >= 0) return distance < this.segments[at]! ? run : NONE;
      run = this.previous(run);
    }
    return NONE;
  }

  /** Marks a segment as sent again; false where it was marked. */
  markAgain(run: Run, segment: number): boolean {
    const at = this.at(run);
    const words = segment < SEGMENTS_PER_WORD ? this.againLow : this.againHigh;
    const bit = 1 << (segment & (SEGMENTS_PER_WORD - 1));
    if ((words[at]! & bit) !== 0) return false;
    words[at] = words[at]! | bit;
    return true;
  }

  sessionOf(run: Run): SessionSlot {
    return this.session[this.at(run)]! as SessionSlot;
  }

  private remembered(run: number): Run | None {
    return run !== NONE && run > this.count - RUNS ? (run as Run) : NONE;
  }
}
