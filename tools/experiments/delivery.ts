import { readFileSync } from "node:fs";
import type { LabProcess } from "../lab/index.ts";
import type { Series } from "./experiment.ts";

/** Bytes that a program has read from its sockets, so often that pauses of a few milliseconds can be seen. */
export class Delivery {
  readonly #atS: number[] = [];
  readonly #bytes: number[] = [];
  readonly #startMs: number;
  readonly #timer: NodeJS.Timeout;

  constructor(receiver: LabProcess, startMs: number = performance.now()) {
    this.#startMs = startMs;
    const path = `/proc/${receiver.pid}/io`;
    this.#timer = setInterval(() => this.#sample(path), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sample(path: string): void {
    const bytes = readBytes(path);
    if (bytes === undefined) return;
    this.#atS.push((performance.now() - this.#startMs) / 1000);
    this.#bytes.push(bytes);
  }

  /** The longest time without a new byte that touches a span of time, and when it began: all of it after the program's end. */
  longestGap(fromS: number, toS: number): { seconds: number; atS: number } {
    if ((this.#atS.at(-1) ?? 0) < fromS) return { seconds: toS - fromS, atS: fromS };
    let longest = { seconds: 0, atS: fromS };
    let last: number | undefined;
    for (const [i, atS] of this.#atS.entries()) {
      const isNew = i > 0 && this.#bytes[i]! > this.#bytes[i - 1]!;
      const isLast = i === this.#atS.length - 1;
      if (!isNew && !isLast) continue;
      const [beganS, endedS] = [Math.max(last ?? atS, fromS - EVERY_MS / 1000), atS];
      if (last !== undefined && last < toS && endedS > fromS && endedS - beganS > longest.seconds) {
        longest = { seconds: endedS - beganS, atS: beganS };
      }
      last = atS;
    }
    return longest;
  }

  /** Mean Mbit/s. */
  rate(fromS: number, toS: number): number {
    return ((this.#bytesAt(toS) - this.#bytesAt(fromS)) * 8) / 1e6 / (toS - fromS);
  }

  /** How long after a moment the rate over a window is this high for the first time. */
  reaches(mbitPerS: number, fromS: number, toS: number, windowS: number): number | undefined {
    for (let atS = fromS; atS + windowS <= toS; atS += EVERY_MS / 1000) {
      if (this.rate(atS, atS + windowS) >= mbitPerS) return atS - fromS;
    }
    return undefined;
  }

  /** Mbit/s. */
  series(everyS: number): Series {
    const endS = this.#atS.at(-1) ?? 0;
    const atS: number[] = [];
    for (let at = everyS; at <= endS; at += everyS) atS.push(at);
    return { atS, values: atS.map((at) => this.rate(at - everyS, at)) };
  }

  /** Those that had been read at a time, by the last sample before it. */
  #bytesAt(atS: number): number {
    let [low, high] = [0, this.#atS.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#atS[middle]! <= atS) low = middle + 1;
      else high = middle;
    }
    return this.#bytes[Math.max(0, low - 1)] ?? 0;
  }
}

const EVERY_MS = 4;

/** Nothing once the program has ended. */
function readBytes(path: string): number | undefined {
  try {
    return Number(/^rchar: (\d+)$/m.exec(readFileSync(path, "latin1"))![1]);
  } catch {
    return undefined;
  }
}
