import { describe, expect, it } from "vitest";
import type { PathSlot, SessionSlot } from "../../../../src/core/base/ids.ts";
import { Congestion, REFUSE, WAIT, WAIT_AND_SIGNAL } from "../../../../src/core/router/congestion.ts";
import { addPath, node, pathTable } from "../tables/fixtures.ts";

const A = node(0);
const B = node(1);
const SESSIONS = 8;
const ONE = 0 as SessionSlot;

interface PathSpec {
  floorMs: number;
  rttMs: number;
  /** In bytes per µs. */
  rate: number;
}

class World {
  readonly paths = pathTable();
  readonly congestion = new Congestion(this.paths, SESSIONS);
  nowUs = 1e6;

  add({ floorMs, rttMs, rate }: PathSpec, to = A): PathSlot {
    const { queues, delays } = this.paths;
    const slot = addPath(this.paths, to, this.paths.count(to), 10 * to + this.paths.count(to));
    queues.assume(slot, rate * 1e6);
    queues.handleDelay(slot, 1000 * floorMs, this.nowUs, Number.NaN, 0);
    queues.deviationUs[slot] = 0;
    delays.handleRtt(slot, 1000 * rttMs);
    return slot;
  }

  /** What becomes of a packet when those before it have had to wait for as long for some time. */
  judgeLasting(path: PathSlot, waitMs: number, { to = A, session = ONE, isBehind = true } = {}): number {
    for (let ms = 0; ms < 400; ms += 10, this.nowUs += 10_000) {
      const judgement = this.judge(path, waitMs, { to, session, isBehind });
      if (judgement !== WAIT) return judgement;
    }
    return WAIT;
  }

  judge(path: PathSlot, waitMs: number, { to = A, session = ONE, isBehind = true } = {}): number {
    const { heldBytes, rateBytesPerS } = this.paths.queues;
    heldBytes[path] = (waitMs * rateBytesPerS[path]!) / 1000;
    return this.congestion.judge(to, session, path, isBehind, this.nowUs);
  }
}

describe("the sender of what waits", () => {
  it("is told when it has waited for half of a round trip, once, and refused when that does not help", () => {
    const world = new World();
    const path = world.add({ floorMs: 20, rttMs: 40, rate: 4 });
    expect(world.judgeLasting(path, 19)).toBe(WAIT);
    const beforeUs = world.nowUs;
    expect(world.judgeLasting(path, 21)).toBe(WAIT_AND_SIGNAL);
    // Not because of a burst.
    expect(world.nowUs - beforeUs).toBe(50_000);
    expect(world.judge(path, 30)).toBe(WAIT);
    world.nowUs += 150_000;
    expect(world.judge(path, 30)).toBe(WAIT);
    expect(world.judge(path, 119)).toBe(WAIT);
    expect(world.judge(path, 121)).toBe(REFUSE);
    world.nowUs += 500_000;
    expect(world.judge(path, 30)).toBe(WAIT_AND_SIGNAL);
    expect(world.congestion.signalled).toBe(2);
  });

  it("may let some milliseconds wait however short the round trip is, and more where delays vary", () => {
    const world = new World();
    const path = world.add({ floorMs: 1, rttMs: 2, rate: 4 });
    expect(world.judgeLasting(path, 9)).toBe(WAIT);
    world.paths.queues.deviationUs[path] = 5_000;
    expect(world.judgeLasting(path, 19)).toBe(WAIT);
    expect(world.judgeLasting(path, 21)).toBe(WAIT_AND_SIGNAL);
  });

  it("may let some packets wait however long they take on slow lines", () => {
    const world = new World();
    const path = world.add({ floorMs: 10, rttMs: 20, rate: 0.125 });
    world.add({ floorMs: 10, rttMs: 20, rate: 0.125 });
    expect(world.judgeLasting(path, 95)).toBe(WAIT);
    expect(world.judgeLasting(path, 97)).toBe(WAIT_AND_SIGNAL);
    expect(world.judge(path, 195)).toBe(WAIT);
    expect(world.judge(path, 197)).toBe(REFUSE);
  });

  it("is not that of a session that sends so little that none of it waits already", () => {
    const world = new World();
    const path = world.add({ floorMs: 20, rttMs: 40, rate: 1 });
    expect(world.judgeLasting(path, 40, { isBehind: false })).toBe(WAIT);
    expect(world.judgeLasting(path, 40)).toBe(WAIT_AND_SIGNAL);
  });

  it("is one after the other if there are several, ever sooner", () => {
    const world = new World();
    const path = world.add({ floorMs: 20, rttMs: 40, rate: 1 });
    const toldMs: number[] = [];
    for (let ms = 0; ms < 1000; ms++, world.nowUs += 1000) {
      for (let session = 0; session < SESSIONS; session++)
        if (world.judge(path, 40, { session: session as SessionSlot }) === WAIT_AND_SIGNAL) toldMs.push(ms);
    }
    const betweenMs = toldMs.slice(1).map((ms, i) => ms - toldMs[i]!);
    expect(betweenMs.length).toBeGreaterThan(6);
    expect(betweenMs.at(-1)!).toBeLessThan(0.6 * betweenMs[0]!);
  });

  it("waits for a slower path, too, as far as that is worth it", () => {
    const world = new World();
    const fast = world.add({ floorMs: 10, rttMs: 20, rate: 3 });
    world.add({ floorMs: 100, rttMs: 200, rate: 1 });
    // Until then 90 ms later, and half of the slower one's round trip.
    expect(world.judgeLasting(fast, 189)).toBe(WAIT);
    expect(world.judgeLasting(fast, 191)).toBe(WAIT_AND_SIGNAL);
    const useless = new World();
    const only = useless.add({ floorMs: 10, rttMs: 20, rate: 3 });
    useless.add({ floorMs: 100, rttMs: 200, rate: 0.1 });
    expect(useless.judgeLasting(only, 9)).toBe(WAIT);
    expect(useless.judgeLasting(only, 11)).toBe(WAIT_AND_SIGNAL);
  });

  it("has nothing to do with those of other nodes", () => {
    const world = new World();
    const path = world.add({ floorMs: 20, rttMs: 40, rate: 1 });
    const other = world.add({ floorMs: 20, rttMs: 40, rate: 1 }, B);
    expect(world.judgeLasting(path, 30)).toBe(WAIT_AND_SIGNAL);
    expect(world.judgeLasting(other, 30, { to: B, session: 1 as SessionSlot })).toBe(WAIT_AND_SIGNAL);
  });

  it("is not told again by whatever else tells it", () => {
    const { congestion } = new World();
    expect(congestion.maySignal(ONE, 100_000, 1e6)).toBe(true);
    expect(congestion.maySignal(ONE, 100_000, 1.1e6)).toBe(false);
    expect(congestion.maySignal(1 as SessionSlot, 100_000, 1.1e6)).toBe(true);
    expect(congestion.maySignal(ONE, 100_000, 1.2e6)).toBe(true);
  });
});
