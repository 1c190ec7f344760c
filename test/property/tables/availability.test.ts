import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NONE } from "../../../src/core/base/ids.ts";
import { Availability } from "../../../src/core/tables/availability.ts";
import { check } from "../../helpers/property.ts";
import { ip4, SEED } from "../../unit/core/tables/fixtures.ts";

const CAPACITY = 4;
const OPTIONS = { threshold: 2, retryMs: 100, retryMaxMs: 150, yesMs: 700, noMs: 500 };
/** 100 and 150 ms, each 5/4 of it at most. */
const ASKING_MS = 1.25 * 250;
const HOST = ip4(192, 0, 2, 1);

interface Entry {
  state: "asking" | "yes" | "no";
  queries: number;
  queryMs: number;
  expiresMs: number;
}

/** A list that is gone through each time, without pinned entries. */
class Twin {
  readonly entries = new Map<number, Entry>();

  ask(port: number, nowMs: number, isGone: (port: number) => boolean): void {
    if (this.entries.has(port)) return;
    this.makeRoom(isGone);
    const expiresMs = nowMs + ASKING_MS + OPTIONS.noMs;
    this.entries.set(port, { state: "asking", queries: 0, queryMs: nowMs, expiresMs });
  }

  confirm(port: number, nowMs: number, isGone: (port: number) => boolean): void {
    const known = this.entries.get(port);
    if (known === undefined) this.makeRoom(isGone);
    const queries = known?.queries ?? 0;
    this.entries.set(port, { state: "yes", queries, queryMs: Infinity, expiresMs: nowMs + OPTIONS.yesMs });
  }

  /** The ports asked, in any order. */
  tick(nowMs: number): number[] {
    const asked: number[] = [];
    for (const [port, entry] of this.entries) {
      if (entry.queryMs > nowMs) continue;
      if (entry.queries >= OPTIONS.threshold) {
        Object.assign(entry, { state: "no", queryMs: Infinity, expiresMs: nowMs + OPTIONS.noMs });
        continue;
      }
      const interval = Math.min(OPTIONS.retryMs * 2 ** entry.queries, OPTIONS.retryMaxMs);
      Object.assign(entry, { queries: entry.queries + 1, queryMs: nowMs + interval });
      asked.push(port);
    }
    for (const [port, entry] of this.entries) if (entry.expiresMs <= nowMs) this.entries.delete(port);
    return asked;
  }

  /** Of several that expire next, the one goes that is gone. */
  private makeRoom(isGone: (port: number) => boolean): void {
    if (this.entries.size < CAPACITY) return;
    const soonestMs = Math.min(...[...this.entries.values()].map(({ expiresMs }) => expiresMs));
    const soonest = [...this.entries].filter(([, { expiresMs }]) => expiresMs === soonestMs);
    const gone = soonest.find(([port]) => isGone(port));
    expect(gone).toBeDefined();
    this.entries.delete(gone![0]);
  }
}

const step = fc.record({
  do: fc.constantFrom("ask", "confirm", "tick"),
  port: fc.integer({ min: 1, max: 6 }),
  laterMs: fc.integer({ min: 0, max: 120 }),
});

describe("the availability table", () => {
  it("does what a list does that is gone through each time", () => {
    check(
      fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
        const availability = new Availability({ capacity: CAPACITY, seed: SEED, ...OPTIONS });
        const twin = new Twin();
        const isGone = (port: number) => availability.find(HOST, 0, port) === NONE;
        let nowMs = 0;
        for (const { do: action, port, laterMs } of steps) {
          nowMs += laterMs;
          if (action === "ask") {
            availability.ask(HOST, 0, port, false, nowMs);
            twin.ask(port, nowMs, isGone);
          } else if (action === "confirm") {
            availability.confirm(HOST, 0, port, nowMs);
            twin.confirm(port, nowMs, isGone);
          }
          const asked: number[] = [];
          let slot = availability.pollQuery(nowMs, 0.5);
          for (; slot !== NONE; slot = availability.pollQuery(nowMs, 0.5))
            asked.push(availability.port(slot));
          availability.handleTick(nowMs);
          expect(asked.sort()).toEqual(twin.tick(nowMs).sort());
          const rows = availability.snapshot(nowMs).map(({ port, state, queries }) => [port, state, queries]);
          const twinRows = [...twin.entries].map(([port, { state, queries }]) => [port, state, queries]);
          expect(rows.sort()).toEqual(twinRows.sort());
          const deadlines = [...twin.entries.values()].flatMap(({ queryMs, expiresMs }) => [
            queryMs,
            expiresMs,
          ]);
          expect(availability.nextDeadlineMs()).toBe(Math.min(...deadlines));
        }
      }),
    );
  });
});
