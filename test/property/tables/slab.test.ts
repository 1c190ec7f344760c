import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NONE } from "../../../src/core/base/ids.ts";
import { Slab } from "../../../src/core/base/slab.ts";
import { check } from "../../helpers/property.ts";

describe("a slab", () => {
  it("hands out every slot to one owner at a time", () => {
    const steps = fc.array(fc.option(fc.nat(9), { freq: 2 }), { maxLength: 200, size: "max" });
    check(
      fc.property(steps, (list) => {
        const slab = new Slab(8);
        const taken = new Set<number>();
        for (const released of list) {
          if (released === null) {
            const slot = slab.take();
            expect(slot === NONE).toBe(taken.size === 8);
            if (slot === NONE) continue;
            expect(taken.has(slot)).toBe(false);
            expect(slot < slab.top && slot < 8).toBe(true);
            taken.add(slot);
          } else {
            expect(slab.release(released)).toBe(taken.delete(released));
          }
          expect(slab.size).toBe(taken.size);
          for (let slot = 0; slot < 10; slot++) expect(slab.has(slot)).toBe(taken.has(slot));
        }
      }),
      60,
    );
  });
});
