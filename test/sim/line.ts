import type { Rng } from "../../src/core/base/rng.ts";
import type { Clock } from "./clock.ts";

export interface LineOptions {
  delayUs?: number;
  /** 0: unlimited. */
  bitsPerS?: number;
  queueBytes?: number;
  /** From 0 to 1. */
  loss?: number;
  /** Larger IP packets vanish. */
  mtuBytes?: number;
}

/** Of a frame, beside the IP packet. */
export const ETHERNET_BYTES = 14;

/** One direction of a link: first-in first-out, with a rate, a queue, a delay and random loss. */
export class Line {
  options: Required<LineOptions>;
  isCut = false;
  sent = 0;
  lost = 0;
  overflowed = 0;
  private readonly clock: Clock;
  private readonly rng: Rng;
  private freeUs = 0;

  constructor(clock: Clock, rng: Rng, options: LineOptions = {}) {
    this.clock = clock;
    this.rng = rng;
    this.options = { delayUs: 1000, bitsPerS: 0, queueBytes: 100_000, loss: 0, mtuBytes: 65_535, ...options };
  }

  carry(bytes: number, deliver: () => void): void {
    const { delayUs, bitsPerS, queueBytes, loss, mtuBytes } = this.options;
    this.sent++;
    if (this.isCut || bytes - ETHERNET_BYTES > mtuBytes || this.rng.unit() < loss) {
      this.lost++;
      return;
    }
    const startUs = Math.max(this.clock.nowUs, this.freeUs);
    if (bitsPerS > 0) {
      if (((startUs - this.clock.nowUs) * bitsPerS) / 8e6 > queueBytes) {
        this.overflowed++;
        return;
      }
      this.freeUs = startUs + (bytes * 8e6) / bitsPerS;
    } else {
      this.freeUs = startUs;
    }
    this.clock.after(this.freeUs - this.clock.nowUs + delayUs, deliver);
  }
}
