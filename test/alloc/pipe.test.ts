import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runScenario } from "../helpers/child.ts";
import { TestNamespace } from "../helpers/namespace.ts";
import type { scenarios } from "./pipe-child.ts";

type Scenarios = typeof scenarios;

let namespace: TestNamespace;

beforeAll(async () => {
  namespace = await TestNamespace.create(
    "alloc",
    [1, 2, 3, 4].map((host) => `addr add 10.1.0.${host}/32 dev lo`),
  );
  await namespace.quiet();
});
afterAll(() => namespace?.remove());

const MILLION = 1_000_000;

function carry(packets: number, allocate: boolean) {
  return runScenario<Scenarios, "carry">("test/alloc/pipe-child.ts", "carry", [packets, 400_000, allocate], {
    namespace: namespace.name,
    // A young generation of 1 MiB: sixteen bytes for every packet would make it collect sixteen times.
    node: ["--expose-gc", "--max-semi-space-size=1"],
  });
}

describe("the hot path", () => {
  it("carries a million packets without allocating: nothing is collected and the heap does not grow", async () => {
    const { carried, collections, grownBytes, ends } = await carry(MILLION, false);
    expect(carried).toBe(MILLION);
    expect(collections).toBe(0);
    // A tenth of a byte for each packet; the measuring itself leaves some kilobytes.
    expect(grownBytes).toBeLessThan(MILLION / 10);
    // And it did carry them, every single one.
    const rounds = (MILLION + 400_000) / 200;
    const messages = ends[0]!.sent.messages;
    expect(messages).toBeGreaterThanOrEqual(rounds);
    for (const { read, written, sent, received } of ends) {
      expect(read.messages).toBe(32 * rounds);
      expect([sent.messages, received]).toEqual([messages, messages]);
      expect([sent.refused, written.refused]).toEqual([0, 0]);
      expect(written.messages).toBeGreaterThanOrEqual(2 * rounds);
    }
  });

  it("would be seen to allocate one small object for each packet", async () => {
    const { collections, kept } = await carry(MILLION / 5, true);
    expect(kept).toBe(true);
    expect(collections).toBeGreaterThan(1);
  });
});
