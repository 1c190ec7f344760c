import type { PathSlot } from "../base/ids.ts";
import type { Paths } from "../tables/paths.ts";

/** States of a path, as `paths.state` has them. */
export const PATH_PROBING = 0;
export const PATH_READY = 1;
/** It worked, and no sign of life has come for longer than one should. */
export const PATH_SUSPECT = 2;
/** Nor has any come since. */
export const PATH_DOWN = 3;
export const PATH_STATE_NAMES = ["probing", "ready", "suspect", "down"] as const;

/** Probes without an answer that make a suspect path a dead one. */
const UNANSWERED_MAX = 5;
/** A path that has failed so long ago counts as if it had failed once less. */
const FORGIVE_MS = 10_000;
/** Answers in a row that a path needs after it has failed again and again. */
const ANSWERS_MAX = 8;

/**
 * The states of the paths (issue of every multipath tunnel: a link that comes and goes must not make the sessions come
 * and go with it).
 *
 *     probing ──answer──▶ ready ──silence──▶ suspect ──probes unanswered──▶ down
 *                           ▲                   │                            │
 *                           └── answers in a row ┴────────────────────────────┘
 *
 * One answer is enough after the first failure; each further one within FORGIVE_MS asks for two more.
 */
export class PathStates {
  private readonly paths: Paths;
  // By path.
  private readonly failures: Uint8Array;
  private readonly failedMs: Float64Array;
  private readonly answers: Uint8Array;
  private readonly unanswered: Uint8Array;
  private readonly sinceMs: Float64Array;

  constructor(paths: Paths) {
    const capacity = paths.node.length;
    this.paths = paths;
    this.failures = new Uint8Array(capacity);
    this.failedMs = new Float64Array(capacity);
    this.answers = new Uint8Array(capacity);
    this.unanswered = new Uint8Array(capacity);
    this.sinceMs = new Float64Array(capacity);
  }

  begin(path: PathSlot, nowMs: number): void {
    this.failures[path] = 0;
    this.failedMs[path] = nowMs;
    this.enter(path, PATH_PROBING, nowMs);
  }

  of(path: PathSlot): number {
    return this.paths.state[path]!;
  }

  /** Since when the path is in its state. */
  since(path: PathSlot): number {
    return this.sinceMs[path]!;
  }

  /** A probe was answered; true where the path is ready by that. */
  handleAnswer(path: PathSlot, nowMs: number): boolean {
    const state = this.of(path);
    this.unanswered[path] = 0;
    if (state === PATH_READY) return false;
    this.answers[path] = this.answers[path]! + 1;
    if (state !== PATH_PROBING && this.answers[path]! < this.answersNeeded(path, nowMs)) return false;
    this.enter(path, PATH_READY, nowMs);
    return true;
  }

  /** Nothing has been heard for too long, or what was sent does not arrive; true where the path is suspect by that. */
  handleSilence(path: PathSlot, nowMs: number): boolean {
    if (this.of(path) !== PATH_READY) return false;
    this.forgive(path, nowMs);
    this.failures[path] = Math.min(this.failures[path]! + 1, ANSWERS_MAX);
    this.failedMs[path] = nowMs;
    this.enter(path, PATH_SUSPECT, nowMs);
    return true;
  }

  /** A probe was not answered in time; true where the path is down by that. */
  handleUnanswered(path: PathSlot, nowMs: number): boolean {
    this.answers[path] = 0;
    if (this.of(path) !== PATH_SUSPECT) return false;
    this.unanswered[path] = this.unanswered[path]! + 1;
    if (this.unanswered[path]! < UNANSWERED_MAX) return false;
    this.enter(path, PATH_DOWN, nowMs);
    return true;
  }

  answersNeeded(path: PathSlot, nowMs: number): number {
    this.forgive(path, nowMs);
    return Math.min(Math.max(2 * this.failures[path]! - 1, 1), ANSWERS_MAX);
  }

  private forgive(path: PathSlot, nowMs: number): void {
    const forgiven = Math.floor((nowMs - this.failedMs[path]!) / FORGIVE_MS);
    if (forgiven <= 0) return;
    this.failures[path] = Math.max(this.failures[path]! - forgiven, 0);
    this.failedMs[path] = this.failedMs[path]! + forgiven * FORGIVE_MS;
  }

  private enter(path: PathSlot, state: number, nowMs: number): void {
    this.paths.state[path] = state;
    this.answers[path] = 0;
    this.unanswered[path] = 0;
    this.sinceMs[path] = nowMs;
  }
}
