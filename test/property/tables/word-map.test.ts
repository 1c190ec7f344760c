import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NONE } from "../../../src/core/base/ids.ts";
import { WordMap } from "../../../src/core/base/word-map.ts";
import { check } from "../../helpers/property.ts";

type Step = { do: "insert" | "delete" | "find"; slot: number; key: [number, number] };

/** Few different words, so that keys meet again, and whole buckets of neighbours come about in a small map. */
const word = fc.oneof(fc.integer({ min: -2, max: 2 }), fc.integer());
const steps = (slots: number) =>
  fc.array(
    fc.record<Step>({
      do: fc.constantFrom("insert", "delete", "find"),
      slot: fc.nat(slots - 1),
      key: fc.tuple(word, word),
    }),
    { maxLength: 200, size: "max" },
  );

describe("a map of words", () => {
  it("does what a Map does, with one key for each slot", () => {
    check(
      fc.property(steps(20), fc.tuple(fc.integer(), fc.integer()), (list, seed) => {
        const map = new WordMap(2, 20, seed);
        const twin = new Map<string, number>();
        const keyOf = new Map<number, string>();
        for (const step of list) {
          const words = Int32Array.from([99, ...step.key]);
          const text = step.key.join();
          if (step.do === "insert" && !twin.has(text) && !keyOf.has(step.slot)) {
            map.insert(step.slot, words, 1);
            twin.set(text, step.slot);
            keyOf.set(step.slot, text);
          } else if (step.do === "delete") {
            expect(map.delete(step.slot)).toBe(keyOf.has(step.slot));
            twin.delete(keyOf.get(step.slot) ?? "");
            keyOf.delete(step.slot);
          }
          expect(map.find(words, 1)).toBe(twin.get(text) ?? NONE);
          expect(map.has(step.slot)).toBe(keyOf.has(step.slot));
          expect(map.size).toBe(twin.size);
        }
        for (const [text, slot] of twin) {
          expect(map.find(Int32Array.from(text.split(","), Number), 0)).toBe(slot);
        }
      }),
    );
  });

  it("leaves nothing behind, however often it is filled and emptied", () => {
    check(
      fc.property(fc.integer(), (seed) => {
        const map = new WordMap(1, 64, [seed, 1]);
        for (let round = 0; round < 50; round++) {
          for (let i = 0; i < 64; i++) map.insert(i, Int32Array.of(round * 64 + i), 0);
          for (let i = 0; i < 64; i++) map.delete((i * 37) % 64);
          expect(map.size).toBe(0);
          // A bucket left behind would in the end make this search endless.
          expect(map.find(Int32Array.of(-1), 0)).toBe(NONE);
        }
      }),
      20,
    );
  });
});
