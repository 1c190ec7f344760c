import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runScenario } from "../helpers/child.ts";
import { TestNamespace } from "../helpers/namespace.ts";
import type { scenarios } from "./native-child.ts";

type Scenarios = typeof scenarios;

let namespace: TestNamespace;

beforeAll(async () => {
  namespace = await TestNamespace.create("native");
});
afterAll(() => namespace?.remove());

function child<Name extends keyof Scenarios>(name: Name, ...args: Parameters<Scenarios[Name]>) {
  return runScenario<Scenarios, Name>("test/native/native-child.ts", name, args, {
    namespace: namespace.name,
    node: ["--expose-gc"],
  });
}

describe("a function of the addon", () => {
  /** Without arguments these are asked to move nothing, and say that they did; the last one takes none. */
  const MOVES_NOTHING =
    /^((tunRead|tunWrite|udpSend|udpErrors): (nothing|wrong types|symbols|strings)|ringOpen: .*)$/;

  it("answers wrong arguments with a negative errno, and touches nothing", async () => {
    const { answers, functions, touched, leaked } = await child("wrong");
    for (const { call, answer } of answers) {
      expect(typeof answer, call).toBe("number");
      if (MOVES_NOTHING.test(call)) expect(answer, call).toBe(0);
      else expect(answer as number, call).toBeLessThan(0);
    }
    expect([touched, leaked]).toEqual([false, 0]);
    // Each has been called wrongly at least in the four ways that fit all.
    for (const name of functions) {
      expect(answers.filter(({ call }) => call.startsWith(`${name}: `)).length).toBeGreaterThanOrEqual(4);
    }
  });

  it("answers 0 where there is nothing to read", async () => {
    expect(await child("nothing")).toEqual({ tun: 0, udp: 0, errors: 0 });
  });

  it("answers a piece that leaves the arena with EFAULT, for its message alone", async () => {
    const { touched, ...answers } = await child("pieces");
    expect(touched).toBe(false);
    for (const all of Object.values(answers)) {
      expect(all).toHaveLength(9);
      for (const one of all) expect(one).toEqual([0, -14]);
    }
  });

  it("survives plans of garbage and writes nothing outside of the arena", async () => {
    const { answers, touched } = await child("garbage", 20_07, 3000);
    expect([answers, touched]).toEqual([[true], false]);
  });

  it("says what libuv cannot wait for, and waits for a descriptor once", async () => {
    expect(await child("polls")).toEqual({
      file: -1,
      first: 0,
      again: -17,
      stop: 0,
      stopAgain: -2,
      restart: 0,
    });
  });

  it("takes no more answers of the network than there are records for", async () => {
    expect(await child("records")).toEqual({ none: 0, one: 1, rest: 2 });
  });

  it("tells of changes in the kernel's tables, of the kinds that were asked for, also when some were lost", async () => {
    const { nothing, another, ...told } = await child("announcements");
    expect([nothing, another]).toEqual([0, 0]);
    for (const [change, count] of Object.entries(told)) expect(count, change).toBeGreaterThan(0);
  });
});

describe("what the addon opens", () => {
  it("is gone when it was closed: descriptors at once, arenas when they are collected", async () => {
    const { descriptors, bytes } = await child("leaks", 40);
    expect(descriptors).toBe(0);
    // 40 arenas of 16 MiB were opened.
    expect(bytes).toBeLessThan(20 * (16 << 20));
  });
});
