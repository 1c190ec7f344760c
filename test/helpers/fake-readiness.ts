import { IoError } from "../../src/io/error.ts";
import type { OnReadable } from "../../src/io/port.ts";

/** Calls back once in each turn of the event loop in which there is something to read, as a polled descriptor does. */
export class Readiness {
  closed = false;
  private onReadable: OnReadable | undefined;
  private turn = 0;
  private scheduled: NodeJS.Immediate | undefined;
  private readonly readable: () => boolean;

  constructor(readable: () => boolean) {
    this.readable = readable;
  }

  start(onReadable: OnReadable, what: string): void {
    if (this.closed || this.onReadable !== undefined)
      throw new IoError(`cannot wait for packets of ${what}: closed or started before`);
    this.onReadable = onReadable;
    this.changed();
  }

  /** There may be something to read now. */
  changed(): void {
    if (this.onReadable === undefined || this.scheduled !== undefined || !this.readable()) return;
    this.scheduled = setImmediate(() => {
      this.scheduled = undefined;
      if (this.readable()) this.onReadable?.(++this.turn);
      this.changed();
    });
  }

  close(): void {
    this.closed = true;
    this.onReadable = undefined;
    clearImmediate(this.scheduled);
    this.scheduled = undefined;
  }
}
