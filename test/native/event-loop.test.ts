import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runScenario } from "../helpers/child.ts";
import { TestNamespace } from "../helpers/namespace.ts";
import type { scenarios } from "./event-loop-child.ts";

type Scenarios = typeof scenarios;

let namespace: TestNamespace;

beforeAll(async () => {
  namespace = await TestNamespace.create("loop");
  await namespace.quiet();
});
afterAll(() => namespace?.remove());

function child<Name extends keyof Scenarios>(name: Name, ...args: Parameters<Scenarios[Name]>) {
  return runScenario<Scenarios, Name>("test/native/event-loop-child.ts", name, args, {
    namespace: namespace.name,
  });
}

describe("a descriptor that is always readable", () => {
  it.each(["udpFlood", "tunFlood"] as const)(
    "calls back once in a turn; timers and other sockets have theirs (%s)",
    async (flood) => {
      const { calls, turns, otherCalls, timeouts, elapsedMs } = await child(flood);
      expect(turns / calls).toBeGreaterThan(0.95);
      expect(otherCalls / calls).toBeGreaterThan(0.95);
      // A timer of a millisecond; how often it runs in this time without a flood is up to the machine.
      expect(timeouts).toBeGreaterThan(elapsedMs / 20);
      expect(timeouts).toBeGreaterThan(1);
    },
  );
});

describe("closing in a callback", () => {
  it("keeps another readable descriptor, device or socket, from calling back in the same turn", async () => {
    const called = await child("closeEachOther");
    expect(Math.min(called.tun, called.socket)).toBe(0);
    expect(Math.max(called.tun, called.socket)).toBeGreaterThan(0);
  });

  it("leaves the descriptor free for the next socket, which gets its own events only", async () => {
    const { descriptors, received } = await child("reopen", 100);
    expect(received).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(descriptors).toBe(1);
  });
});

describe("a callback that throws", () => {
  it("is an uncaught exception, and the next one is called all the same", async () => {
    expect(await child("throwing")).toEqual({ errors: ["call 1", "call 2", "call 3"], calls: 3 });
  });
});

describe("the end of a process or worker with polls open", () => {
  it("of a process is clean", async () => {
    expect(await child("exiting")).toBe(true);
  });

  it.each([
    { doing: "floods", code: 1, errors: [] },
    { doing: "idles", code: 1, errors: [] },
    { doing: "exits", code: 7, errors: [] },
    { doing: "closes", code: 0, errors: [] },
    { doing: "throws", code: 1, errors: new Array(5).fill("out of a callback") },
  ])(
    "of a worker that $doing is clean, time after time, and the main thread goes on",
    async ({ doing, code, errors }) => {
      expect(await child("workers", doing, 5)).toEqual({
        codes: new Array(5).fill(code),
        errors,
        received: 5,
      });
    },
  );

  it("of several workers at once is clean", async () => {
    expect(await child("together", 4)).toEqual([1, 1, 1, 1]);
  });
});
