import { describe, expect, it } from "vitest";
import type { PathSlot } from "../../../../src/core/base/ids.ts";
import { PathDelivery } from "../../../../src/core/tables/path-delivery.ts";
import { PathGates } from "../../../../src/core/tables/path-gates.ts";
import { PathQueues } from "../../../../src/core/tables/path-queues.ts";

const P = 0 as PathSlot;

/** A path that carries a byte in a µs unless `rateBytesPerS` says otherwise. */
class World {
  readonly queues = new PathQueues(1);
  readonly delivery = new PathDelivery(1);
  readonly gates = new PathGates(1, this.queues, this.delivery);
  nowUs = 1e6;

  constructor(rateBytesPerS = 1e6) {
    this.queues.reset(P);
    this.queues.assume(P, rateBytesPerS);
    this.queues.handleDelay(P, 0, 0, Number.NaN, 0);
    this.queues.deviationUs[P] = 0;
  }

  send(bytes: number): void {
    this.queues.handleSent(P, 1, bytes, this.nowUs);
    this.gates.handleSent(P, bytes, this.nowUs);
  }

  /** For how long `bytes` bytes have to wait; 0 if they may leave. */
  waitUs(bytes = 1000): number {
    return Math.max(this.gates.opensUs(P, bytes) - this.nowUs, 0);
  }
}

describe("a path", () => {
  it("takes what keeps it busy, and more when that has drained", () => {
    const world = new World();
    expect(world.waitUs()).toBe(0);
    world.send(5_000);
    expect(world.waitUs()).toBe(0);
    world.send(10_000);
    expect(world.waitUs()).toBe(10_000);
    world.nowUs += 9_000;
    expect(world.waitUs()).toBe(1_000);
    world.nowUs += 1_000;
    expect(world.waitUs()).toBe(0);
  });

  it("takes no more than some bytes where it is fast", () => {
    const world = new World(20e6);
    world.send(200_000);
    // 10 ms, of which 64 KB are 3.2.
    expect(world.waitUs()).toBeCloseTo(6_800, 3);
    const faster = new World(1e9);
    faster.send(10e6);
    expect(faster.waitUs()).toBeCloseTo(8_500, 3);
  });

  it("takes everything as long as it is not known what it carries", () => {
    const world = new World(Number.POSITIVE_INFINITY);
    world.queues.handleDelay(P, 50_000, world.nowUs, Number.NaN, 0);
    world.send(1e9);
    expect(world.queues.queueUs(P, world.nowUs)).toBeGreaterThan(20_000);
    expect(world.waitUs(1e6)).toBe(0);
  });

  /** Measurements around a queue of 20 ms that is expected: `offUs` is how far they are off by turns. */
  function measure(world: World, offUs: readonly number[]): void {
    for (let k = 0; k < 100; k++) {
      world.nowUs += 100_000;
      const measuredUs = 20_000 + offUs[k % offUs.length]!;
      world.queues.handleDelay(P, measuredUs, world.nowUs, 20_000, world.queues.corrected[P]!);
    }
    world.nowUs += 1e6;
  }

  it("takes more where delays vary, but not where they are all longer than was thought", () => {
    const gateUs = (offUs: readonly number[]) => {
      const world = new World();
      measure(world, offUs);
      world.send(100_000);
      // What has been carried is no reason to open here.
      world.gates.handleSent(P, 1e9, world.nowUs);
      return 100_000 - world.waitUs();
    };
    expect(gateUs([0])).toBeCloseTo(5_000, 0);
    expect(gateUs([-4_000, 4_000])).toBeCloseTo(9_000, -3);
    expect(gateUs([4_000])).toBeCloseTo(5_000, -1);
  });

  it("is tried with more than what it is known to carry where delays vary", () => {
    const paced = (offUs: readonly number[]) => {
      const world = new World();
      world.delivery.rateBytesPerS[P] = 0.5e6;
      measure(world, offUs);
      // A queue of a minute seems to be there.
      world.queues.handleSent(P, 1, 60e6, world.nowUs);
      world.gates.handleSent(P, 10_000, world.nowUs);
      const first = world.waitUs();
      world.gates.handleSent(P, 10_000, world.nowUs);
      return 10_000 / (world.waitUs() - first);
    };
    expect(paced([0])).toBeCloseTo(0.5, 3);
    expect(paced([-4_000, 4_000])).toBeCloseTo(1.25, 3);
  });

  it("is tried with as much also where timers come late", () => {
    const world = new World();
    measure(world, [-4_000, 4_000]);
    world.queues.handleSent(P, 1, 60e6, world.nowUs);
    let sent = 0;
    for (const endUs = world.nowUs + 1e6; world.nowUs < endUs; world.nowUs += 1_250) {
      for (; world.waitUs() === 0; sent += 1_000) world.gates.handleSent(P, 1_000, world.nowUs);
    }
    expect(sent).toBeGreaterThan(1.2e6);
    expect(sent).toBeLessThan(1.3e6);
  });

  it("is kept from being so full that it loses packets, and may turn out to hold more after minutes", () => {
    const world = new World();
    world.queues.lossUs[P] = 4_000;
    world.gates.handleFull(P, world.nowUs);
    world.send(3_000);
    // 0.6 of 4 ms may be there before, 0.8 of it after.
    expect(world.waitUs(500)).toBeCloseTo(600, 6);
    expect(world.waitUs(2_000)).toBeCloseTo(1_800, 6);
    // A packet that is too large in any case waits until next to nothing is left.
    expect(world.waitUs(50_000)).toBeCloseTo(2_000, 6);
    world.nowUs += 60e6;
    world.send(6_000);
    expect(world.waitUs(500)).toBeCloseTo(6_000 - 2_700, 6);
  });

  it("still takes what it has carried where others' packets make the queue", () => {
    const world = new World(2e6);
    world.delivery.rateBytesPerS[P] = 1e6;
    let sent = 0;
    for (const endUs = world.nowUs + 1e6; world.nowUs < endUs; world.nowUs += 100) {
      // All the time a queue of 50 ms is measured.
      if (world.nowUs % 10_000 === 0) world.queues.handleDelay(P, 50_000, world.nowUs, Number.NaN, 0);
      if (world.waitUs() > 0) continue;
      world.send(1_000);
      sent += 1_000;
    }
    expect(sent).toBeGreaterThan(0.95e6);
    expect(sent).toBeLessThan(1.05e6);
  });
});
