import { describe, expect, it } from "vitest";
import { Rng } from "../../../src/core/base/rng.ts";
import { corpus, exercise, FuzzFailure, mutate } from "../../fuzz/fuzz.ts";
import { TARGETS, type Target } from "../../fuzz/targets.ts";

const PACKETS = 800;

describe("no parser throws, reads what is not there, or writes", () => {
  const seeds = corpus();

  it.each(TARGETS)("given what is known: $name", (target) => {
    for (const bytes of seeds) exercise(target, bytes);
  });

  it.each(TARGETS)("given mutations of it: $name", (target) => {
    const rng = new Rng(1);
    for (let n = 0; n < PACKETS; n++) exercise(target, mutate(rng, seeds));
  });
});

describe("the fuzzer", () => {
  const bugs: Target[] = [
    { name: "throws", run: (view, at, length) => length > 3 && JSON.parse(`${view.getUint8(at)}x`) },
    { name: "reads a byte behind", run: (view, at, length) => view.getUint8(at + length) },
    { name: "reads a byte in front", run: (view, at) => view.getUint8(at - 1) },
    { name: "says where", run: (_, at) => at },
    { name: "writes", run: (view, at, length) => length > 3 && view.setUint8(at, view.getUint8(at) ^ 1) },
    {
      name: "writes behind, where it can",
      run: (view, at, length) => view.byteLength > at + length && view.setUint8(at + length, 1),
    },
  ];

  it.each(bugs)("finds a parser that $name", (bug) => {
    expect(() => exercise(bug, new Uint8Array(8))).toThrow(FuzzFailure);
  });

  it("makes the same packets from the same seed, and others from another", () => {
    const packets = (seed: number) => {
      const rng = new Rng(seed);
      return Array.from({ length: 20 }, () => mutate(rng, corpus()));
    };
    expect(packets(7)).toEqual(packets(7));
    expect(packets(7)).not.toEqual(packets(8));
  });
});
