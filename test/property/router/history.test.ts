import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NONE, type PathSlot } from "../../../src/core/base/ids.ts";
import { History, RUN_SEGMENTS_MAX, type Run } from "../../../src/core/router/history.ts";
import { check } from "../../helpers/property.ts";

const PATHS = 3;
/** Runs that are remembered. */
const RUNS = 1 << 14;

/** A list of all runs, gone through each time. */
class Twin {
  readonly runs: { path: number; first: number; segments: number; again: Set<number> }[] = [];

  find(path: number, sequence: number): number {
    for (let run = this.runs.length - 1; run > this.runs.length - RUNS && run >= 0; run--) {
      const { path: of, first, segments } = this.runs[run]!;
      const distance = (sequence - first) | 0;
      if (of === path && distance >= 0 && distance < segments) return run;
    }
    return NONE;
  }

  forget(path: number): void {
    for (const run of this.runs) if (run.path === path) run.path = NONE;
  }
}

const path = fc.integer({ min: 0, max: PATHS - 1 });
const event = fc.oneof(
  // Numbers are left out where control packets went, and where nothing was to be remembered.
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      path,
      skipped: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 50 })),
      segments: fc.integer({ min: 1, max: RUN_SEGMENTS_MAX }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("find" as const), path, back: fc.nat(400) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("mark" as const), path, back: fc.nat(400) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("forget" as const), path }) },
  // As many short runs of another path as the ring has places, or nearly so.
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("flood" as const),
      path,
      runs: fc.constantFrom(RUNS - 20, RUNS - 1, RUNS, RUNS + 1),
    }),
  },
);

describe("the history", () => {
  it("finds, marks and forgets what a list of all runs does", () => {
    check(
      fc.property(
        fc.integer(),
        fc.array(event, { minLength: 1, maxLength: 40 }),
        fc.array(fc.nat(400), { maxLength: 20 }),
        (start, events, last) => {
          const history = new History(PATHS);
          const twin = new Twin();
          const next = new Int32Array(PATHS).fill(start);
          const send = (to: number, segments: number) => {
            const at = history.add(to as PathSlot);
            history.firstSequence[at] = next[to]!;
            history.segments[at] = segments;
            twin.runs.push({ path: to, first: next[to]!, segments, again: new Set() });
            next[to] = next[to]! + segments;
          };
          for (const one of events) {
            const to = one.path;
            if (one.kind === "send") {
              next[to] = next[to]! + one.skipped;
              send(to, one.segments);
            } else if (one.kind === "flood") {
              for (let i = 0; i < one.runs; i++) send(to, 1);
            } else if (one.kind === "forget") {
              history.forgetPath(to as PathSlot);
              twin.forget(to);
              // Another path has the slot now, and counts from the start.
              next[to] = start;
            } else {
              const sequence = (next[to]! - one.back) | 0;
              const run = history.find(to as PathSlot, sequence);
              expect(run).toBe(twin.find(to, sequence));
              if (run === NONE || one.kind === "find") continue;
              const { first, again } = twin.runs[run]!;
              const segment = (sequence - first) | 0;
              expect(history.markAgain(run as Run, segment)).toBe(!again.has(segment));
              again.add(segment);
            }
          }
          for (let to = 0; to < PATHS; to++) {
            for (const back of last) {
              const sequence = (next[to]! - back) | 0;
              expect(history.find(to as PathSlot, sequence)).toBe(twin.find(to, sequence));
            }
          }
        },
      ),
      100,
    );
  });
});
