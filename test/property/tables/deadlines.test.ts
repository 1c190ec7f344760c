import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Deadlines } from "../../../src/core/base/deadlines.ts";
import { NONE } from "../../../src/core/base/ids.ts";
import { check } from "../../helpers/property.ts";

const SLOTS = 12;
const step = fc.oneof(
  fc.record({ do: fc.constant("set"), slot: fc.nat(SLOTS - 1), timeMs: fc.integer({ min: 0, max: 30 }) }),
  fc.record({ do: fc.constant("cancel"), slot: fc.nat(SLOTS - 1), timeMs: fc.constant(0) }),
  fc.record({ do: fc.constant("pop"), slot: fc.constant(0), timeMs: fc.integer({ min: 0, max: 30 }) }),
);

describe("deadlines", () => {
  it("do what a list does that is searched each time", () => {
    check(
      fc.property(fc.array(step, { maxLength: 150, size: "max" }), (list) => {
        const deadlines = new Deadlines(SLOTS);
        const twin = new Map<number, number>();
        for (const { do: action, slot, timeMs } of list) {
          if (action === "set") {
            deadlines.set(slot, timeMs);
            twin.set(slot, timeMs);
          } else if (action === "cancel") {
            expect(deadlines.cancel(slot)).toBe(twin.delete(slot));
          } else {
            const popped = deadlines.pop(timeMs);
            const earliest = Math.min(...twin.values());
            if (earliest > timeMs) {
              expect(popped).toBe(NONE);
            } else {
              expect(twin.get(popped)).toBe(earliest);
              twin.delete(popped);
            }
          }
          expect(deadlines.next()).toBe(Math.min(...twin.values()));
          expect(deadlines.size).toBe(twin.size);
          if (twin.size > 0) expect(deadlines.of(deadlines.first())).toBe(deadlines.next());
          for (let i = 0; i < SLOTS; i++) expect(deadlines.has(i)).toBe(twin.has(i));
        }
      }),
      60,
    );
  });
});
