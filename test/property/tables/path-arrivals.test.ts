import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PathSlot } from "../../../src/core/base/ids.ts";
import {
  ARRIVAL_DUPLICATE,
  ARRIVAL_LATE,
  ARRIVAL_NEW,
  ARRIVAL_OLD,
  ARRIVAL_WINDOW,
  PathArrivals,
} from "../../../src/core/tables/path-arrivals.ts";
import { check } from "../../helpers/property.ts";

const P = 0 as PathSlot;

/** Numbers that do not wrap, and all of them remembered. */
class Twin {
  readonly seen = new Set<number>();
  first = 0;
  highest = Number.NEGATIVE_INFINITY;

  handle(sequence: number): number {
    if (this.seen.size === 0) this.first = sequence;
    if (sequence > this.highest) {
      this.highest = sequence;
      this.seen.add(sequence);
      return ARRIVAL_NEW;
    }
    if (this.highest - sequence >= ARRIVAL_WINDOW) return ARRIVAL_OLD;
    if (this.seen.has(sequence)) return ARRIVAL_DUPLICATE;
    this.seen.add(sequence);
    return ARRIVAL_LATE;
  }

  get lost(): number {
    const after = [...this.seen].filter((sequence) => sequence >= this.first).length;
    return this.highest - this.first + 1 - after;
  }
}

/** How far each packet is from the highest number so far: mostly near, before and behind. */
const distance = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -6, max: 4 }) },
  { weight: 2, arbitrary: fc.integer({ min: -ARRIVAL_WINDOW - 3, max: ARRIVAL_WINDOW + 40 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 100_000 }) },
);
const start = fc.constantFrom(0, 31, 1000, 2 ** 31 - 20, 2 ** 32 - 20);

describe("what has come in on a path", () => {
  it("is counted as if every number were remembered, over any wrap", () => {
    check(
      fc.property(
        start,
        fc.array(distance, { minLength: 1, maxLength: 300, size: "max" }),
        (first, distances) => {
          const arrivals = new PathArrivals(1);
          const twin = new Twin();
          let strays = 0;
          for (const [i, far] of distances.entries()) {
            const sequence = i === 0 ? first : twin.highest + far;
            // So many old ones in a row would be a peer that counts anew.
            strays = i > 0 && twin.highest - sequence >= ARRIVAL_WINDOW ? strays + 1 : 0;
            if (strays > 7) return;
            expect(arrivals.handlePacket(P, sequence | 0, 10)).toBe(twin.handle(sequence));
            expect(arrivals.lost[P]).toBe(twin.lost);
            expect(arrivals.packets[P]).toBe(twin.seen.size);
            expect(arrivals.bytes[P]).toBe(10 * twin.seen.size);
            expect(arrivals.highest[P]).toBe(twin.highest | 0);
          }
        },
      ),
    );
  });

  it("has lost exactly what did not come, in whatever order the rest came", () => {
    const packets = fc.array(fc.record({ comes: fc.boolean(), jitter: fc.nat(400) }), {
      minLength: 2,
      maxLength: 400,
      size: "max",
    });
    check(
      fc.property(packets, fc.integer(), (list, base) => {
        const arrivals = new PathArrivals(1);
        const numbered = list.map((packet, sequence) => ({ ...packet, sequence }));
        const sent = numbered.filter(({ comes }, i) => comes || i === 0 || i === list.length - 1);
        // The first one comes first: what was sent before that is nobody's loss.
        const [head, ...rest] = sent;
        rest.sort((a, b) => a.sequence + a.jitter - b.sequence - b.jitter);
        for (const { sequence } of [head!, ...rest, ...rest])
          arrivals.handlePacket(P, (base + sequence) | 0, 1);
        expect(arrivals.lost[P]).toBe(list.length - sent.length);
        expect(arrivals.duplicates[P]).toBe(rest.length);
      }),
    );
  });
});
