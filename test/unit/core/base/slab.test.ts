import { describe, expect, it } from "vitest";
import { NONE } from "../../../../src/core/base/ids.ts";
import { Slab } from "../../../../src/core/base/slab.ts";

describe("a slab", () => {
  it("hands out the slots from 0 on", () => {
    const slab = new Slab(3);
    expect([slab.take(), slab.take(), slab.take()]).toEqual([0, 1, 2]);
    expect([slab.size, slab.top]).toEqual([3, 3]);
  });

  it("answers NONE when all are in use, and goes on when one is released", () => {
    const slab = new Slab(2);
    slab.take();
    slab.take();
    expect(slab.take()).toBe(NONE);
    expect(slab.release(0)).toBe(true);
    expect(slab.take()).toBe(0);
  });

  it("hands out the slot released last, before any that was never used", () => {
    const slab = new Slab(8);
    for (let i = 0; i < 3; i++) slab.take();
    slab.release(0);
    slab.release(2);
    expect([slab.take(), slab.take(), slab.take()]).toEqual([2, 0, 3]);
  });

  it("releases a slot once only", () => {
    const slab = new Slab(4);
    slab.take();
    expect(slab.release(0)).toBe(true);
    expect(slab.release(0)).toBe(false);
    expect([slab.take(), slab.take()]).toEqual([0, 1]);
  });

  it("knows no slot that is free, was never used, or does not exist", () => {
    const slab = new Slab(2);
    slab.take();
    slab.take();
    slab.release(1);
    expect([-1, 0, 1, 2].map((slot) => slab.has(slot))).toEqual([false, true, false, false]);
    expect(slab.release(2)).toBe(false);
  });

  it("gives a slot another generation each time that it is taken, odd ones while it is in use", () => {
    const slab = new Slab(1);
    const seen = [slab.generation[0]];
    for (let i = 0; i < 2; i++) {
      slab.take();
      seen.push(slab.generation[0]);
      slab.release(0);
      seen.push(slab.generation[0]);
    }
    expect(seen).toEqual([0, 1, 2, 3, 4]);
  });
});
