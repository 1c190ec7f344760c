import type { Feedback } from "./format.ts";

/** How fast to send video, in the manner of WebRTC: delay that grows and heavy loss lower the rate, else it rises. */
export class RateControl {
  bitsPerS: number;
  readonly #most: number;
  /** Smallest delays of the last reports: what the way takes without a queue. */
  readonly #delaysMs: number[] = [];
  #reportedMs: number;

  constructor(startBitsPerS: number, mostBitsPerS: number, nowMs: number) {
    this.bitsPerS = startBitsPerS;
    this.#most = mostBitsPerS;
    this.#reportedMs = nowMs;
  }

  handleReport({ bitsPerS, lost, delayMs }: NonNullable<Feedback["report"]>, nowMs: number): void {
    const sinceS = Math.min(0.5, (nowMs - this.#reportedMs) / 1000);
    this.#reportedMs = nowMs;
    this.#delaysMs.push(delayMs);
    if (this.#delaysMs.length > BASE_REPORTS) this.#delaysMs.shift();
    const queueMs = delayMs - Math.min(...this.#delaysMs);
    if (lost > HEAVY_LOSS) this.#set(this.bitsPerS * (1 - lost / 2));
    else if (queueMs > LONG_QUEUE_MS) this.#set(Math.min(this.bitsPerS, DECREASE * bitsPerS));
    // Only a rate that is used says that there is room for more.
    else if (bitsPerS > this.bitsPerS / 2) this.#set(this.bitsPerS * (1 + INCREASE_PER_S * sinceS));
  }

  /** The receiver is silent. */
  handleTick(nowMs: number): void {
    if (nowMs - this.#reportedMs < SILENCE_MS) return;
    this.#reportedMs = nowMs;
    this.#set(this.bitsPerS / 2);
  }

  #set(bitsPerS: number): void {
    this.bitsPerS = Math.min(this.#most, Math.max(LEAST_BITS_PER_S, bitsPerS));
  }
}

const LEAST_BITS_PER_S = 100_000;
const BASE_REPORTS = 100;
const HEAVY_LOSS = 0.1;
const LONG_QUEUE_MS = 60;
const DECREASE = 0.85;
const INCREASE_PER_S = 0.25;
const SILENCE_MS = 500;
