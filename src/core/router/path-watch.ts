import type { PathSlot } from "../base/ids.ts";
import type { Context } from "./context.ts";
import { BEAT_MS, REPORT_BYTES, REPORT_US, type Reporter } from "./reporter.ts";

/** The peer reports after so many bytes, and so long; one report may be lost, where few packets are. */
const REPORT_DUE_MS = (2 * REPORT_US) / 1000 + 20;
/** A heartbeat that is later than this was lost, or not sent. */
export const LATE_BEATS = 1.5;
/**
 * The peer is asked whether it has received what was too little for a report: when it should have told with a heartbeat,
 * or soon while it sends much, which the little may be the acknowledgments of.
 */
const ASK_MS = LATE_BEATS * BEAT_MS;
const ASK_SOON_MS = 50;
/** It is asked so often before that is taken for lost. */
const ASKED_TIMES = 3;
/** No patience is needed where no more than this part is lost; where more is, longer silences come about as seldom. */
const FEW_LOST = 0.01;
const PATIENCE_MAX = 3;
/** Loss is an average over about so many heartbeats, so that one outage does not count for much. */
const LOSS_BEATS = 32;
/** A round trip may take so much longer than most. */
export const RTT_SLACK = 1.25;
/** How often what has been sent is looked at. */
const LOOK_MS = 20;

/**
 * Whether what is sent on the paths arrives: it is reported, or the peer answers when it is asked. A path on which neither
 * happens has failed, which shows sooner so than by its silence, and even where only our direction of it is cut.
 */
export class PathWatch {
  /** The peer is to be asked by a probe. */
  onDoubt: (path: PathSlot, nowUs: number) => void = () => {};
  /** What was sent on a path does not arrive. */
  onLoss: (path: PathSlot, nowUs: number) => void = () => {};
  private readonly context: Context;
  private readonly reporter: Reporter;
  // By path: bytes sent and not yet reported, and the last one's timestamp.
  private readonly bytes: Float64Array;
  private readonly stamp: Int32Array;
  /** Since when there are such, and since when they are enough for a report to be due; Infinity where they are not. */
  private readonly sinceMs: Float64Array;
  private readonly dueMs: Float64Array;
  private readonly askedMs: Float64Array;
  /** Paths on which something is not reported. */
  private readonly watched: Int32Array;
  private count = 0;
  /** By path: what is lost on the way to us, from 0 to 1, and what had come in and was lost when that was looked at. */
  private readonly loss: Float64Array;
  private readonly packets: Float64Array;
  private readonly lost: Float64Array;
  private lookMs = Number.POSITIVE_INFINITY;

  constructor(context: Context, reporter: Reporter) {
    const { paths } = context.limits;
    this.context = context;
    this.reporter = reporter;
    reporter.onReported = (path, timestamp, nowUs) => this.handleReport(path, timestamp, nowUs / 1000);
    this.bytes = new Float64Array(paths);
    this.stamp = new Int32Array(paths);
    this.sinceMs = new Float64Array(paths);
    this.dueMs = new Float64Array(paths);
    this.askedMs = new Float64Array(paths);
    this.watched = new Int32Array(paths);
    this.loss = new Float64Array(paths);
    this.packets = new Float64Array(paths);
    this.lost = new Float64Array(paths);
  }

  begin(path: PathSlot): void {
    this.bytes[path] = 0;
    this.sinceMs[path] = Number.POSITIVE_INFINITY;
    this.dueMs[path] = Number.POSITIVE_INFINITY;
    this.askedMs[path] = Number.NEGATIVE_INFINITY;
    this.loss[path] = 0;
    this.packets[path] = 0;
    this.lost[path] = 0;
  }

  /** A heartbeat leaves by a path that works. */
  noteBeat(path: PathSlot): void {
    const { arrivals } = this.context.paths;
    const packets = arrivals.packets[path]! - this.packets[path]!;
    // No more than half of all: the rest was an outage.
    const lost = Math.min(Math.max(arrivals.lost[path]! - this.lost[path]!, 0), packets);
    this.packets[path] = arrivals.packets[path]!;
    this.lost[path] = arrivals.lost[path]!;
    if (packets <= 0) return;
    this.loss[path] = this.loss[path]! + (lost / (packets + lost) - this.loss[path]!) / LOSS_BEATS;
  }

  /** A path works again: nothing that was sent on it, or lost, in the meantime says anything of it now. */
  resume(path: PathSlot): void {
    this.forget(path);
    this.packets[path] = this.context.paths.arrivals.packets[path]!;
    this.lost[path] = this.context.paths.arrivals.lost[path]!;
  }

  /** `bytes` bytes of data leave by a path. */
  noteSent(path: PathSlot, bytes: number, timestamp: number, nowMs: number): void {
    const { sinceMs, dueMs } = this;
    this.bytes[path] = this.bytes[path]! + bytes;
    this.stamp[path] = timestamp;
    if (this.bytes[path]! >= REPORT_BYTES && dueMs[path] === Number.POSITIVE_INFINITY) dueMs[path] = nowMs;
    if (sinceMs[path] !== Number.POSITIVE_INFINITY) return;
    sinceMs[path] = nowMs;
    this.watched[this.count++] = path;
    if (this.lookMs > nowMs + LOOK_MS) this.lookMs = nowMs + LOOK_MS;
  }

  /** The peer has answered a probe. */
  noteAnswer(path: PathSlot, nowMs: number): void {
    if (this.sinceMs[path] !== Number.POSITIVE_INFINITY) this.sinceMs[path] = nowMs;
  }

  /** What was sent on a path until now need not be reported. */
  forget(path: PathSlot): void {
    this.bytes[path] = 0;
    this.dueMs[path] = Number.POSITIVE_INFINITY;
    if (this.sinceMs[path] === Number.POSITIVE_INFINITY) return;
    this.sinceMs[path] = Number.POSITIVE_INFINITY;
    const index = this.watched.indexOf(path);
    this.watched[index] = this.watched[--this.count]!;
  }

  /** How many times as long the peer may be silent as on a line that loses next to nothing. */
  patience(path: PathSlot): number {
    return Math.min(Math.max(Math.log(FEW_LOST) / Math.log(this.loss[path]!), 1), PATIENCE_MAX);
  }

  handleTick(nowUs: number): void {
    const nowMs = nowUs / 1000;
    if (nowMs < this.lookMs) return;
    for (let i = this.count - 1; i >= 0; i--) this.look(this.watched[i]! as PathSlot, nowMs, nowUs);
    this.lookMs = this.count > 0 ? nowMs + LOOK_MS : Number.POSITIVE_INFINITY;
  }

  nextDeadlineMs(): number {
    return this.lookMs;
  }

  /** The peer has reported what has come in on a path of ours, the last of it with `timestamp`. */
  private handleReport(path: PathSlot, timestamp: number, nowMs: number): void {
    if (((this.stamp[path]! - timestamp) | 0) <= 0) {
      this.forget(path);
      return;
    }
    this.bytes[path] = 0;
    this.dueMs[path] = Number.POSITIVE_INFINITY;
    this.noteAnswer(path, nowMs);
  }

  private look(path: PathSlot, nowMs: number, nowUs: number): void {
    const { paths } = this.context;
    const waitMs = (RTT_SLACK * paths.delays.rttUs[path]! + paths.queues.queueUs(path, nowUs)) / 1000;
    const askMs = waitMs + (this.reporter.hasComeMuch(paths.nodeOf(path), nowUs) ? ASK_SOON_MS : ASK_MS);
    const sinceMs = nowMs - this.sinceMs[path]!;
    const patience = this.patience(path);
    if (nowMs - this.dueMs[path]! > patience * REPORT_DUE_MS + waitMs || sinceMs > (1 + patience) * askMs) {
      this.onLoss(path, nowUs);
    } else if (sinceMs > askMs && nowMs - this.askedMs[path]! > askMs / ASKED_TIMES) {
      this.askedMs[path] = nowMs;
      this.onDoubt(path, nowUs);
    }
  }
}
