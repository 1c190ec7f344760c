import type { MediaPacket } from "./format.ts";

/** Puts video together again: frames are shown in order, each when it is there and the one before has been shown. */
export class Frames {
  readonly shownMs: number[] = [];
  /** From the sending of a frame to its showing. */
  readonly delaysMs: number[] = [];
  readonly #waiting = new Map<number, Frame>();
  #next = 0;

  handle(packet: MediaPacket, nowMs: number): void {
    if (packet.frame < this.#next) return;
    let frame = this.#waiting.get(packet.frame);
    if (frame === undefined) {
      frame = {
        missing: new Set(Array.from({ length: packet.packets }, (_, i) => i)),
        isKey: packet.isKey,
        sentMs: packet.sentMs,
        sinceMs: nowMs,
      };
      this.#waiting.set(packet.frame, frame);
    }
    frame.missing.delete(packet.place);
    this.#show(nowMs);
  }

  /** The next frame does not come although later ones have been there for long. */
  wantsKey(nowMs: number): boolean {
    const oldest = Math.min(...[...this.#waiting.values()].map(({ sinceMs }) => sinceMs));
    return nowMs - oldest > HOPELESS_MS;
  }

  #show(nowMs: number): void {
    for (;;) {
      const ready = this.#isComplete(this.#next) ? this.#next : this.#completeKey();
      if (ready === undefined) return;
      this.shownMs.push(nowMs);
      this.delaysMs.push(nowMs - this.#waiting.get(ready)!.sentMs);
      for (const number of this.#waiting.keys()) if (number <= ready) this.#waiting.delete(number);
      this.#next = ready + 1;
    }
  }

  #isComplete(number: number): boolean {
    return this.#waiting.get(number)?.missing.size === 0;
  }

  /** A key frame needs none before it. */
  #completeKey(): number | undefined {
    return [...this.#waiting].find(([number, { isKey }]) => isKey && this.#isComplete(number))?.[0];
  }
}

interface Frame {
  missing: Set<number>;
  isKey: boolean;
  sentMs: number;
  sinceMs: number;
}

const HOPELESS_MS = 300;
