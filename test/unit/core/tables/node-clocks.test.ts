import { describe, expect, it } from "vitest";
import { NodeClocks } from "../../../../src/core/tables/node-clocks.ts";
import { node } from "./fixtures.ts";

const A = node(0);
const EVERY_US = 100_000;
const WAY_US = 10_000;

/** What waits on the way at a time, there and back. */
type Queues = (atS: number) => [there: number, back: number];

/** A peer whose clock gains `ppm` µs a second. */
class World {
  readonly clocks = new NodeClocks(2);
  private us = 0;
  private readonly ppm: number;
  private readonly queues: Queues;

  constructor(ppm: number, queues: Queues = () => [0, 0]) {
    this.ppm = ppm;
    this.queues = queues;
  }

  /** What it seems to gain while round trips show it for `seconds`, in µs. */
  gain(seconds: number): number {
    const before = this.clocks.gainedUs[A]!;
    for (const endUs = this.us + seconds * 1e6; this.us < endUs; this.us += EVERY_US) {
      const [there, back] = this.queues(this.us / 1e6);
      const thereUs = -5e8 + WAY_US + there + (this.us * this.ppm) / 1e6;
      this.clocks.handleRoundTrip(A, thereUs, 2 * WAY_US + there + back, 1e9 + this.us);
    }
    return this.clocks.gainedUs[A]! - before;
  }

  beSilent(seconds: number): this {
    this.us += seconds * 1e6;
    return this;
  }
}

describe("a peer's clock", () => {
  it.each([50, -50, 500, -500])("is followed where it gains %i µs a second", (ppm) => {
    const world = new World(ppm);
    world.gain(20);
    expect(world.gain(20) / (20 * ppm)).toBeCloseTo(1, 1);
  });

  it("is followed, if not as closely, while a queue comes and goes one way", () => {
    const world = new World(500, (s) => [5_000 * Math.abs(Math.sin(s)), 0]);
    world.gain(20);
    const part = world.gain(20) / (20 * 500);
    expect(part).toBeGreaterThan(0.75);
    expect(part).toBeLessThan(1.05);
  });

  it.each<[string, Queues]>([
    ["a queue that grows one way", (s) => [300 * s, 0]],
    ["queues that grow both ways", (s) => [300 * s, 300 * s]],
    ["a queue that is there for a while", (s) => [s > 10 && s < 30 ? 20_000 : 0, 0]],
    ["a queue that goes over to the other way", (s) => (s < 20 ? [3_000, 0] : [0, 3_000])],
    ["a route that is longer one way and shorter the other way", (s) => (s < 20 ? [0, 8_000] : [8_000, 0])],
  ])("is not said to gain because of %s", (_what, queues) => {
    expect(new World(0, queues).gain(40)).toBe(0);
  });

  it("is not said to have gained more while nothing is heard", () => {
    const world = new World(500);
    world.gain(20);
    expect(world.beSilent(3600).gain(1)).toBeLessThan(5_000);
    expect(world.clocks.gainedUs[node(1)]).toBe(0);
  });
});
