import type { Logger } from "pino";
import { IoError } from "../io/error.ts";
import { NetworkEvents } from "../io/network-events.ts";

/** A look in any case: in case that something changes of which the kernel tells nobody, or cannot tell us. */
const LOOK_INTERVAL_MS = 10_000;
const LOOK_UNTOLD_MS = 1_000;
/** From one look to the next while changes go on; where a look takes long, many times as long. */
const PAUSE_MS = 100;
const PAUSE_LOOKS = 10;

/** Has a look at the network whenever something in it changes. */
export class NetworkWatch {
  private readonly look: () => void;
  private readonly intervalMs: number;
  private readonly events: NetworkEvents | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** Whether the next look is one that a change asked for. */
  private isDue = false;
  private quietUntilMs = Number.NEGATIVE_INFINITY;

  constructor(look: () => void, log: Logger) {
    this.look = look;
    this.events = listen(() => this.handleChange(), log);
    this.intervalMs = this.events === undefined ? LOOK_UNTOLD_MS : LOOK_INTERVAL_MS;
    this.arm(this.intervalMs);
  }

  close(): void {
    clearTimeout(this.timer);
    this.events?.close();
  }

  private handleChange(): void {
    if (this.isDue) return;
    const waitMs = this.quietUntilMs - performance.now();
    if (waitMs <= 0) {
      this.lookNow();
      return;
    }
    this.isDue = true;
    this.arm(waitMs);
  }

  private lookNow(): void {
    this.isDue = false;
    const startMs = performance.now();
    this.look();
    const endMs = performance.now();
    this.quietUntilMs = endMs + Math.max(PAUSE_MS, PAUSE_LOOKS * (endMs - startMs));
    this.arm(this.intervalMs);
  }

  private arm(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.lookNow(), ms);
  }
}

function listen(onChange: () => void, log: Logger): NetworkEvents | undefined {
  try {
    return new NetworkEvents(onChange);
  } catch (error) {
    if (!(error instanceof IoError)) throw error;
    log.warn(`${error.message}; looking every second instead`);
    return undefined;
  }
}
