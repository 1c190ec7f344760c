import type { PlayerOptions } from "./player-report.ts";

/** What a player has, shows and asks for next, given times and what came. */
export class Playback {
  bufferS = 0;
  stalledS = 0;
  level: number;
  readonly #options: Pick<PlayerOptions, "chunkS" | "levelsMbit" | "mostBufferS" | "seekAtS">;
  #atS = 0;
  #hasBegun = false;
  #isPlaying = false;
  #seekAtS: number;
  #soughtAtS = Number.NEGATIVE_INFINITY;
  /** Of the last chunks, smoothed. */
  #rateMbit: number | undefined;

  constructor(
    options: Pick<PlayerOptions, "chunkS" | "levelsMbit" | "mostBufferS" | "seekAtS" | "firstLevel">,
  ) {
    this.#options = options;
    this.level = options.firstLevel;
    this.#seekAtS = options.seekAtS ?? Number.POSITIVE_INFINITY;
  }

  advance(atS: number): void {
    const passedS = atS - this.#atS;
    this.#atS = atS;
    if (this.#isPlaying) {
      const shownS = Math.min(passedS, this.bufferS);
      this.bufferS -= shownS;
      this.stalledS += passedS - shownS;
      if (this.bufferS === 0) this.#isPlaying = false;
    } else if (this.#hasBegun) this.stalledS += passedS;
    if (atS >= this.#seekAtS) this.#seek();
  }

  /** What to ask for, at once or after a while. */
  nextChunk(): { waitS: number; levelMbit: number } {
    const { chunkS, levelsMbit, mostBufferS } = this.#options;
    const overS = this.bufferS + chunkS - mostBufferS;
    if (overS > 0) return { waitS: overS, levelMbit: 0 };
    this.#choose();
    return { waitS: 0, levelMbit: levelsMbit[this.level]! };
  }

  /** A chunk has come whole, at a rate; one that was asked for before a jump is of no use after it. */
  addChunk(rateMbit: number, askedAtS: number): void {
    this.#rateMbit = this.#rateMbit === undefined ? rateMbit : (this.#rateMbit + rateMbit) / 2;
    if (askedAtS < this.#soughtAtS) return;
    this.bufferS += this.#options.chunkS;
    this.#hasBegun = true;
    this.#isPlaying = true;
  }

  /** Up when there is some reserve and the rate has been enough, down before the reserve is gone. */
  #choose(): void {
    const { levelsMbit } = this.#options;
    const [rate, next] = [this.#rateMbit, levelsMbit[this.level + 1]];
    if (rate === undefined) return;
    if (next !== undefined && this.bufferS > UP_BUFFER_S && rate > UP_MARGIN * next) this.level++;
    else if (this.level > 0 && this.bufferS < DOWN_BUFFER_S && rate < levelsMbit[this.level]!) this.level--;
  }

  #seek(): void {
    this.#seekAtS = Number.POSITIVE_INFINITY;
    this.#soughtAtS = this.#atS;
    this.bufferS = 0;
    this.#isPlaying = false;
    this.level = Math.max(0, this.level - 1);
  }
}

const UP_BUFFER_S = 15;
const UP_MARGIN = 1.1;
const DOWN_BUFFER_S = 8;
