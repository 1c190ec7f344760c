/** Which packets of a numbered stream are missing, and when to ask for them (again). */
export class Missing {
  readonly #wanted = new Map<number, { sinceMs: number; askedMs: number; times: number }>();
  #highest = -1;
  /** How late packets come that were overtaken: nothing is asked for before that. */
  #patienceMs = FIRST_PATIENCE_MS;
  /** Numbers that were passed, and those found missing, since `takeLoss`. */
  #passed = 0;
  #missed = 0;

  handle(sequence: number, nowMs: number): void {
    for (let skipped = this.#highest + 1; skipped < sequence; skipped++) {
      this.#wanted.set(skipped, { sinceMs: nowMs, askedMs: Number.NEGATIVE_INFINITY, times: 0 });
    }
    if (sequence > this.#highest) {
      this.#passed += sequence - this.#highest;
      this.#highest = sequence;
      return;
    }
    const late = this.#wanted.get(sequence);
    this.#wanted.delete(sequence);
    if (late?.times === 0) {
      this.#patienceMs = Math.min(MOST_PATIENCE_MS, Math.max(this.#patienceMs, 1.2 * (nowMs - late.sinceMs)));
    }
  }

  /** Those to ask for now. */
  due(nowMs: number): number[] {
    const due: number[] = [];
    for (const [sequence, wanted] of this.#wanted) {
      if (nowMs - wanted.sinceMs > FORGET_MS) this.#wanted.delete(sequence);
      else if (nowMs - wanted.sinceMs >= this.#patienceMs && nowMs - wanted.askedMs >= AGAIN_MS) {
        wanted.askedMs = nowMs;
        if (wanted.times++ === 0) this.#missed++;
        due.push(sequence);
      }
    }
    return due;
  }

  /** The share that was lost since the last call. */
  takeLoss(): number {
    const lost = this.#passed === 0 ? 0 : Math.min(1, this.#missed / this.#passed);
    this.#passed = 0;
    this.#missed = 0;
    return lost;
  }
}

const FIRST_PATIENCE_MS = 10;
const MOST_PATIENCE_MS = 150;
const AGAIN_MS = 60;
const FORGET_MS = 1500;
