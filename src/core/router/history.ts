import { NONE, type None, type PathSlot, type SessionSlot } from "../base/ids.ts";

/** Runs that are remembered if nothing else is asked for. */
export const RUNS = 1 << 14;
/** Runs that are looked at for one request of the peer. */
const STEPS_MAX = 4096;
/** Runs that are looked at for one timestamp. */
const STAMP_STEPS_MAX = 512;
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
  private readonly runs: number;
  // Columns by run, modulo their number.
  readonly path: Int32Array;
  readonly firstSequence: Int32Array;
  readonly segments: Int32Array;
  /** Index of the mode that its path was chosen by. */
  readonly mode: Uint16Array;
  readonly session: Int32Array;
  readonly sessionId: Int32Array;
  readonly flags: Uint8Array;
  readonly tos: Uint8Array;
  /** The first segment's headers; those of the next lie `headerStride` behind. */
  readonly headerAt: Int32Array;
  readonly headerStride: Int32Array;
  readonly headerBytes: Int32Array;
  readonly payloadAt: Int32Array;
  readonly payloadBytes: Int32Array;
  readonly segmentBytes: Int32Array;
  /** Of the first segment. */
  readonly timestampUs: Int32Array;
  readonly sentUs: Float64Array;
  /** How long it had to wait, as was thought when it was sent, and PathQueues.corrected of then. */
  readonly queueUs: Float64Array;
  readonly corrected: Float64Array;
  /** How often the bytes were sent before. */
  readonly tries: Uint8Array;
  /** Positions in the two rings, as the totals of bytes that went through them. */
  readonly dataMark: Float64Array;
  readonly headerMark: Float64Array;
  /** Segments that were sent again, a bit each. */
  private readonly againLow: Int32Array;
  private readonly againHigh: Int32Array;
  private readonly before: Float64Array;
  private readonly lastOf: Float64Array;
  /** Runs up to this one are not remembered any more. */
  private forgotten = NONE as number;
  private steps = 0;
  /** Where the last search ended: what lies before it need not be looked for behind it. */
  private searchedPath: PathSlot | None = NONE;
  private searchedSequence = 0;
  private searchedRun: Run | None = NONE;

  /** `runs`, a power of two, are remembered. */
  constructor(paths: number, runs = RUNS) {
    this.runs = runs;
    this.path = new Int32Array(runs);
    this.firstSequence = new Int32Array(runs);
    this.segments = new Int32Array(runs);
    this.mode = new Uint16Array(runs);
    this.session = new Int32Array(runs);
    this.sessionId = new Int32Array(runs);
    this.flags = new Uint8Array(runs);
    this.tos = new Uint8Array(runs);
    this.headerAt = new Int32Array(runs);
    this.headerStride = new Int32Array(runs);
    this.headerBytes = new Int32Array(runs);
    this.payloadAt = new Int32Array(runs);
    this.payloadBytes = new Int32Array(runs);
    this.segmentBytes = new Int32Array(runs);
    this.timestampUs = new Int32Array(runs);
    this.sentUs = new Float64Array(runs);
    this.queueUs = new Float64Array(runs);
    this.corrected = new Float64Array(runs);
    this.tries = new Uint8Array(runs);
    this.dataMark = new Float64Array(runs);
    this.headerMark = new Float64Array(runs);
    this.againLow = new Int32Array(runs);
    this.againHigh = new Int32Array(runs);
    this.before = new Float64Array(runs);
    this.lastOf = new Float64Array(paths).fill(NONE);
  }

  /** Remembers another run of a path; the caller fills in its columns. */
  add(path: PathSlot): number {
    const at = this.count & (this.runs - 1);
    this.path[at] = path;
    this.againLow[at] = 0;
    this.againHigh[at] = 0;
    this.before[at] = this.lastOf[path]!;
    this.lastOf[path] = this.count++;
    return at;
  }

  /** The modes are others from now on. */
  forgetModes(): void {
    this.forgotten = this.count - 1;
  }

  /** The path is another one from now on. */
  forgetPath(path: PathSlot): void {
    this.lastOf[path] = NONE;
    this.searchedPath = NONE;
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
    return run & (this.runs - 1);
  }

  /** Whether a run is still remembered. */
  has(run: Run): boolean {
    return run > Math.max(this.count - this.runs, this.forgotten);
  }

  /** Another request begins: what the searches for it cost together is bounded. */
  beginSearch(): void {
    this.steps = 0;
    this.searchedPath = NONE;
  }

  /**
   * The run to which a path sequence number belongs; NONE where it is not remembered, or was no data. Numbers from high to
   * low are found in one pass.
   */
  find(path: PathSlot, sequence: number): Run | None {
    const isBefore = path === this.searchedPath && ((sequence - this.searchedSequence) | 0) <= 0;
    let run = isBefore && this.searchedRun !== NONE ? this.remembered(this.searchedRun) : this.last(path);
    this.searchedPath = path;
    this.searchedSequence = sequence;
    this.searchedRun = run;
    for (; run !== NONE && this.steps < STEPS_MAX; this.steps++) {
      this.searchedRun = run;
      const segment = this.segmentOf(run, sequence);
      if (segment >= 0) return segment < this.segments[this.at(run)]! ? run : NONE;
      run = this.previous(run);
    }
    return NONE;
  }

  /** The run to which a timestamp belongs that was sent on a path of late; NONE where there was none. */
  findStamp(path: PathSlot, timestampUs: number): Run | None {
    let run = this.last(path);
    for (let steps = 0; run !== NONE && steps < STAMP_STEPS_MAX; steps++) {
      const segment = this.segmentOfStamp(run, timestampUs);
      // What was sent again has the timestamp of what was sent first.
      if (segment >= 0 && this.tries[this.at(run)] === 0)
        return segment < this.segments[this.at(run)]! ? run : NONE;
      run = this.previous(run);
    }
    return NONE;
  }

  /** Which of the segments of a run, or of one behind it, has a timestamp; negative before the first. */
  segmentOfStamp(run: Run, timestampUs: number): number {
    return (timestampUs - this.timestampUs[this.at(run)]!) | 0;
  }

  /** How long a segment of a run had to wait, as was thought when it was sent, on a path of this rate. */
  waitUs(run: Run, segment: number, rateBytesPerS: number): number {
    const at = this.at(run);
    const ahead = (segment + 1) * (this.segmentBytes[at]! + this.headerBytes[at]!);
    return this.queueUs[at]! + (ahead * 1e6) / rateBytesPerS;
  }

  /** Which of the segments of a run, or of one behind it, has a path sequence number; negative before the first. */
  segmentOf(run: Run, sequence: number): number {
    return (sequence - this.firstSequence[this.at(run)]!) | 0;
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
    return run !== NONE && this.has(run as Run) ? (run as Run) : NONE;
  }
}
