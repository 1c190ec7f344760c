import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PathSlot } from "../../../src/core/base/ids.ts";
import { Algorithm1 } from "../../../src/core/dispatch/algorithm1.ts";
import type { ModeSpec } from "../../../src/core/dispatch/mode-spec.ts";
import {
  CHOICE_COPIES,
  CHOICE_NONE,
  CHOICE_SINGLE,
  CHOICE_SPREAD,
  Modes,
} from "../../../src/core/dispatch/modes.ts";
import { USE_BACKUP, USE_NO, USE_YES } from "../../../src/core/tables/paths.ts";
import { check } from "../../helpers/property.ts";
import { addPath, node, pathTable } from "../../unit/core/tables/fixtures.ts";

const A = node(0);

describe("Algorithm 1", () => {
  it("is the paper's, line by line", () => {
    const queuing = fc.array(fc.integer({ min: 0, max: 50_000 }), { minLength: 4, maxLength: 4 });
    const count = fc.integer({ min: 1, max: 4 });
    check(
      fc.property(
        count,
        fc.array(queuing, { maxLength: 150, size: "max" }),
        fc.integer({ min: 1, max: 200 }),
        (n, list, step) => {
          const paths = pathTable({ delays: { smoothing: 1 } });
          const scheduler = new Algorithm1(paths, { step });
          scheduler.handleTick(0);
          for (let i = 0; i < n; i++) paths.delays.handleFeedback(addPath(paths, A, i), A, 0, 0);
          const twin = new Array<number>(n).fill(1000 / n);
          for (const [tick, sample] of list.entries()) {
            const q = sample.slice(0, n);
            for (const [i, sampleUs] of q.entries()) {
              paths.delays.handleFeedback(paths.at(A, i), A, sampleUs, 0);
              scheduler.handleFeedback(paths.at(A, i));
            }
            scheduler.handleTick(100 * (tick + 1));
            const average = q.reduce((sum, delay) => sum + delay, 0) / n;
            for (let i = 0; i < n; i++) {
              if (q[i]! <= average) {
                twin[i] = twin[i]! + step;
                if (twin[i]! > 1000) twin[i] = 1000;
              } else {
                twin[i] = twin[i]! - step;
                if (twin[i]! < 1) twin[i] = 1;
              }
            }
            expect([...scheduler.weights(A)]).toEqual(twin);
          }
        },
      ),
    );
  });
});

describe("modes", () => {
  const specs: ModeSpec[] = [
    { mode: "all-paths" },
    { mode: "selected-paths", delayBelowMs: 40 },
    { mode: "selected-paths", interfaces: ["eth1"], strict: true },
    { mode: "single-path" },
    { mode: "single-path", path: "eth2" },
    { mode: "protected-path", copies: 2 },
  ];
  const step = fc.record({
    do: fc.constantFrom("add", "remove", "use", "delay", "tick"),
    place: fc.nat(3),
    use: fc.constantFrom(USE_NO, USE_BACKUP, USE_YES),
    delayUs: fc.integer({ min: 1000, max: 90_000 }),
  });

  it("choose paths that work, at any time, if there are any", () => {
    check(
      fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
        const paths = pathTable({ delays: { smoothing: 1 } });
        const scheduler = new Algorithm1(paths);
        const modes = new Modes(paths, scheduler, specs);
        const live = new Map<number, PathSlot>();
        let nowMs = 0;
        for (const { do: action, place, use, delayUs } of steps) {
          const slot = live.get(place);
          if (action === "tick") {
            nowMs += 100;
            scheduler.handleTick(nowMs);
            modes.handleTick(nowMs);
          } else if (slot === undefined) {
            if (action === "add") live.set(place, addPath(paths, A, place));
          } else if (action === "remove") {
            paths.remove(slot);
            live.delete(place);
          } else if (action === "use") {
            paths.setUse(slot, use);
          } else if (action === "delay") {
            paths.delays.handleFeedback(slot, A, delayUs, nowMs);
            paths.delays.handleRtt(slot, 2 * delayUs);
            scheduler.handleFeedback(slot);
          }
          const working = [...live.values()].filter((slot) => paths.useOf(slot) !== USE_NO);
          const eligible = working.filter((slot) => paths.isEligible(slot));
          for (const [mode, spec] of specs.entries()) {
            const choice = modes.choice(A, mode);
            if (choice.kind === CHOICE_NONE) {
              const isStrict = spec.mode === "selected-paths" && spec.strict;
              expect(working.length === 0 || isStrict).toBe(true);
            } else if (choice.kind === CHOICE_SPREAD) {
              expect(choice.weights.length).toBe(paths.count(A));
              const used = [...choice.weights.keys()].filter((i) => choice.weights[i] !== 0);
              for (const i of used) expect(working).toContain(paths.at(A, i));
              if (spec.mode === "all-paths") expect(used.length).toBe(eligible.length);
            } else if (choice.kind === CHOICE_SINGLE) {
              expect(mode === 3 ? eligible : working).toContain(choice.path);
            } else {
              expect(choice.kind).toBe(CHOICE_COPIES);
              const copies = [...choice.copies.subarray(0, choice.copyCount)];
              expect(new Set(copies).size).toBe(Math.min(2, eligible.length));
              for (const slot of copies) expect(eligible).toContain(slot);
            }
          }
        }
      }),
      80,
    );
  });
});
