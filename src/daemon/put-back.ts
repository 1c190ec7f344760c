import type { Logger } from "pino";

/** What somebody removes on purpose is not put back for ever. */
const TIMES_MAX = 5;
const WITHIN_MS = 3_600_000;

/** Decides whether what others have removed from the host, or set otherwise, is put back, and says so. */
export class PutBack {
  private readonly tun: string;
  private readonly log: Logger;
  private times: number[] = [];
  private hasStopped = false;

  constructor(tun: string, log: Logger) {
    this.tun = tun;
    this.log = log;
  }

  isDue(missing: readonly string[], nowMs: number): boolean {
    if (missing.length === 0) return false;
    this.times = this.times.filter((timeMs) => nowMs - timeMs < WITHIN_MS);
    const isDue = this.times.length < TIMES_MAX;
    const what = `${this.tun}: somebody has removed or changed ${missing.join(", ")}`;
    if (isDue) {
      this.times.push(nowMs);
      this.log.warn(`${what}; putting it back`);
    } else if (!this.hasStopped) {
      const why = `something was put back ${TIMES_MAX} times within an hour`;
      this.log.error(`${what}; leaving it, since ${why}: stop what does that, then send SIGHUP`);
    }
    this.hasStopped = !isDue;
    return isDue;
  }
}
