import { describe, expect, it } from "vitest";
import type { PathSlot } from "../../../../src/core/base/ids.ts";
import { EarliestArrival } from "../../../../src/core/dispatch/earliest-arrival.ts";
import { Modes, type PathChoice } from "../../../../src/core/dispatch/modes.ts";
import { USE_BACKUP, USE_NO } from "../../../../src/core/tables/paths.ts";
import { addPath, node, pathTable } from "../tables/fixtures.ts";

const A = node(0);
const B = node(1);
const BYTES = 1000;
const TICK_MS = 100;

interface LineSpec {
  floorMs?: number;
  /** In MB/s, which is bytes in a µs. */
  rate?: number;
  /** The queue at which packets are lost. */
  holdsMs?: number;
}

/** Nodes whose paths' queues are predicted as they are: nothing is measured but floors. */
class World {
  readonly paths = pathTable();
  readonly scheduler = new EarliestArrival(this.paths);
  readonly modes = new Modes(this.paths, this.scheduler, [{ mode: "all-paths" }]);
  nowUs = 0;

  constructor(...lines: LineSpec[]) {
    for (const line of lines) this.add(line);
  }

  add({ floorMs, rate, holdsMs }: LineSpec, to = A): PathSlot {
    const { paths } = this;
    const { queues } = paths;
    const slot = addPath(paths, to, paths.count(to), 10 * to + paths.count(to));
    if (rate !== undefined) queues.assume(slot, rate * 1e6);
    if (floorMs !== undefined) queues.handleDelay(slot, 1000 * floorMs, this.nowUs, Number.NaN, 0);
    if (holdsMs !== undefined) queues.lossUs[slot] = 1000 * holdsMs;
    return slot;
  }

  choice(to = A): PathChoice {
    this.modes.handleTick(this.nowUs / 1000);
    return this.modes.choice(to, 0);
  }

  /** The place of the path by which a packet leaves. */
  send(bytes = BYTES, to = A): number {
    const path = this.scheduler.next(this.choice(to), 1, bytes, this.nowUs);
    this.paths.handleSent(path, 1, bytes, this.nowUs / 1000);
    return this.paths.placeOf(path);
  }

  /** Packets at a rate in MB/s, in turns of `burst`; answers how many took each path. */
  stream(seconds: number, rate: number, { burst = 1, bytes = BYTES, to = A } = {}): number[] {
    const taken: number[] = new Array(this.paths.count(to)).fill(0);
    const turns = Math.round((seconds * rate * 1e6) / (bytes * burst));
    for (let turn = 0; turn < turns; turn++) {
      for (let k = 0; k < burst; k++) taken[this.send(bytes, to)]!++;
      this.pass((seconds * 1e6) / turns);
    }
    return taken;
  }

  pass(us: number): void {
    const before = Math.floor(this.nowUs / 1000);
    this.nowUs += us;
    if (Math.floor(this.nowUs / 1000) > before) this.scheduler.handleTick(Math.floor(this.nowUs / 1000));
  }

  queuesMs(to = A): number[] {
    const { paths } = this;
    return Array.from(
      { length: paths.count(to) },
      (_, i) => paths.queues.queueUs(paths.at(to, i), this.nowUs) / 1000,
    );
  }
}

describe("as long as the fastest path keeps up", () => {
  it("it gets everything, wherever it stands in the list", () => {
    expect(new World({ floorMs: 10, rate: 1 }, { floorMs: 30, rate: 10 }).stream(2, 0.7)).toEqual([1400, 0]);
    expect(new World({ floorMs: 30, rate: 10 }, { floorMs: 10, rate: 1 }).stream(2, 0.7)).toEqual([0, 1400]);
  });

  it("a burst goes where each of its packets arrives first", () => {
    const world = new World({ floorMs: 10, rate: 1 }, { floorMs: 14.5, rate: 1 });
    const places = Array.from({ length: 12 }, () => world.send());
    // Five milliseconds later it arrives by the other just as early; from then on both are filled.
    expect(places.slice(0, 5)).toEqual([0, 0, 0, 0, 0]);
    expect(places.slice(5, 10)).toEqual([1, 1, 1, 1, 1]);
  });

  it("what it has to carry counts: a large packet goes to the path with the higher rate", () => {
    const world = new World({ floorMs: 10, rate: 1 }, { floorMs: 12, rate: 10 });
    expect(world.send(1000)).toBe(0);
    world.pass(100_000);
    expect(world.send(10_000)).toBe(1);
  });

  it("short bursts do not make it one that does not keep up", () => {
    const world = new World({ floorMs: 10, rate: 1 }, { floorMs: 60, rate: 1 });
    expect(world.stream(2, 0.5, { burst: 5 })).toEqual([1000, 0]);
  });
});

describe("a path that others are quicker than", () => {
  it("lets the others have as much to do, each in proportion to what it can hold", () => {
    const world = new World(
      { floorMs: 10, rate: 1, holdsMs: 40 },
      { floorMs: 40, rate: 1, holdsMs: 20 },
      { floorMs: 90, rate: 0.5, holdsMs: 80 },
    );
    // Together they carry 2.5 MB/s, and get a bit more.
    world.stream(1, 2.52);
    const parts = world.queuesMs().map((ms, i) => ms / [40, 20, 80][i]!);
    expect(Math.max(...parts)).toBeGreaterThan(0.1);
    expect(Math.max(...parts) - Math.min(...parts)).toBeLessThan(0.1);
  });

  it("has more than they all can hold wait where it arrives first", () => {
    const world = new World({ floorMs: 10, rate: 1, holdsMs: 5 }, { floorMs: 40, rate: 1, holdsMs: 10 });
    world.stream(2, 2.1);
    const [first, second] = world.queuesMs();
    expect(first! + second!).toBeGreaterThan(100);
    expect(Math.abs(first! + 10 - (second! + 40))).toBeLessThan(5);
  });

  it("makes the paths carry what they can: nothing waits longer than it must", () => {
    const world = new World({ floorMs: 10, rate: 1 }, { floorMs: 40, rate: 3 });
    world.stream(1, 3.8);
    const [first, second] = world.stream(1, 3.8);
    expect(first).toBeGreaterThan(700);
    expect(second).toBeGreaterThan(2600);
    expect(Math.max(...world.queuesMs())).toBeLessThan(30);
  });

  it("takes those of which it is not known what they hold for no better than the others", () => {
    const world = new World({ floorMs: 10, rate: 1, holdsMs: 80 }, { floorMs: 30, rate: 1 });
    world.stream(1, 2.1);
    const [first, second] = world.queuesMs();
    expect(Math.abs(first! - second!)).toBeLessThan(2);
  });

  it("has rates assumed where they are not known, lower ones than its own", () => {
    const world = new World({ floorMs: 10, rate: 2 }, { floorMs: 30 }, { floorMs: 50, rate: 7 });
    const { rateBytesPerS } = world.paths.queues;
    world.stream(0.5, 1);
    expect(rateBytesPerS[world.paths.at(A, 1)]).toBe(Number.POSITIVE_INFINITY);
    world.stream(0.5, 6);
    const [own, assumed, other] = [0, 1, 2].map((place) => rateBytesPerS[world.paths.at(A, place)]! / 1e6);
    expect([own, other]).toEqual([2, 7]);
    expect(assumed).toBeGreaterThan(0.1);
    expect(assumed).toBeLessThan(2);
  });

  it("has a path of unknown rate sent no more than a little before it can have shown what it carries", () => {
    const world = new World({ floorMs: 10, rate: 40 }, { floorMs: 30 });
    const path = world.paths.at(A, 1);
    world.paths.delays.handleRtt(path, 64_000);
    world.stream(0.2, 80, { bytes: 1400 });
    expect(world.paths.queues.rateBytesPerS[path]! / 1e6).toBeCloseTo(4, 1);
  });

  it("has none assumed, its own neither, as long as that is not known: delays that vary are no queue", () => {
    const world = new World({ floorMs: 10 }, { floorMs: 10.5 });
    const { queues, delays } = world.paths;
    const paths = [0, 1].map((place) => world.paths.at(A, place));
    for (const path of paths) delays.handleRtt(path, 64_000);
    queues.handleDelay(paths[0]!, 15_000, 0, Number.NaN, 0);
    expect(world.send()).toBe(1);
    expect(paths.map((path) => queues.rateBytesPerS[path])).toEqual([Infinity, Infinity]);
  });

  it("is one as soon as packets would arrive earlier by another, with what waits here", () => {
    const world = new World({ floorMs: 10, rate: 1, holdsMs: 20 }, { floorMs: 90, rate: 1 });
    const path = world.paths.at(A, 0);
    world.paths.queues.heldBytes[path] = 78_000;
    expect(Array.from({ length: 4 }, () => world.send())).toEqual([0, 0, 0, 1]);
  });

  it("still gets small packets while they arrive there first", () => {
    const world = new World({ floorMs: 10, rate: 1 }, { floorMs: 90, rate: 1 });
    world.stream(1, 2.2);
    expect(world.queuesMs()[0]).toBeGreaterThan(5);
    const small = Array.from({ length: 20 }, () => world.send(100));
    expect(small).toEqual(new Array(20).fill(0));
    expect(Array.from({ length: 20 }, () => world.send())).toContain(1);
  });

  it("gets everything again once that is clearly less than it could carry, and not before", () => {
    const world = new World({ floorMs: 10, rate: 1 }, { floorMs: 60, rate: 1 });
    world.stream(1, 2.1);
    world.stream(1, 0.9, { burst: 5 });
    expect(world.stream(1, 0.9, { burst: 5 })[1]).toBeGreaterThan(300);
    world.stream(0.3, 0.7, { burst: 5 });
    expect(world.stream(1, 0.7, { burst: 5 })).toEqual([700, 0]);
  });

  it("is one for its node only", () => {
    const world = new World({ floorMs: 10, rate: 1 }, { floorMs: 30, rate: 1 });
    world.add({ floorMs: 10, rate: 1 }, B);
    world.add({ floorMs: 30, rate: 1 }, B);
    expect(world.stream(1, 2.1)[1]).toBeGreaterThan(500);
    expect(world.stream(0.5, 0.5, { to: B })).toEqual([250, 0]);
  });
});

describe("a path that is kept in use and never filled", () => {
  const FAST = { floorMs: 1, rate: 1 };
  const SLOW = { floorMs: 51, rate: 1 };
  const LONGER_MS = 50;

  /** When packets took the second path, one time for those less than 5 ms apart, at 0.97 of what the first carries. */
  function batches(world: World, seconds: number, rate = 0.97): number[] {
    const times: number[] = [];
    let lastUs = Number.NEGATIVE_INFINITY;
    const endUs = world.nowUs + seconds * 1e6;
    while (world.nowUs < endUs) {
      if (world.send() === 1) {
        if (world.nowUs - lastUs > 5000) times.push(world.nowUs / 1000);
        lastUs = world.nowUs;
      }
      world.pass(BYTES / rate);
    }
    return times;
  }

  const gaps = (times: number[]) => times.slice(1).map((time, i) => time - times[i]!);

  const mean = (numbers: number[]) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  const meanGap = (world: World, seconds: number, rate?: number) => mean(gaps(batches(world, seconds, rate)));

  it("has the next one used a little after a second, the more often the longer that goes well", () => {
    const world = new World(FAST, SLOW);
    expect(batches(world, 1)).toEqual([]);
    const first = batches(world, 2);
    expect(first.length).toBeGreaterThan(30);
    expect(mean(gaps(first)) / LONGER_MS).toBeGreaterThan(0.75);
    world.stream(6, 0.97);
    expect(meanGap(world, 2) / LONGER_MS).toBeLessThan(0.6);
    expect(world.stream(1, 0.97)[1]).toBeLessThan(100);
    world.stream(60, 0.97);
    expect(meanGap(world, 2) / LONGER_MS).toBeGreaterThan(0.3);
  });

  it("has it used more seldom again when less is sent", () => {
    const world = new World(FAST, SLOW);
    world.stream(9, 1);
    const before = meanGap(world, 1, 1);
    world.stream(1, 0.8);
    expect(meanGap(world, 0.5, 0.8)).toBeGreaterThan(1.2 * before);
    world.stream(8, 1);
    expect(meanGap(world, 0.5, 1)).toBeLessThan(1.2 * before);
  });

  it("is left alone for some seconds when less is sent with batches, however seldom", () => {
    const world = new World(FAST, SLOW);
    world.stream(1.2, 0.97);
    expect(world.stream(1, 0.7)[1]).toBeGreaterThan(5);
    world.stream(1, 0.7);
    expect(world.stream(12, 0.97)[1]).toBe(0);
    expect(world.stream(10, 0.97)[1]).toBeGreaterThan(50);
  });

  it("ends that others are filled as well when its own queue is empty", () => {
    const world = new World(FAST, SLOW);
    world.stream(2, 0.97);
    world.stream(1, 2.1);
    expect(world.stream(1, 1.5)[1]).toBeGreaterThan(400);
    world.stream(0.5, 0.7);
    expect(world.stream(1, 0.97)[1]).toBeLessThan(100);
  });

  it("has as much sent by that as keeps its own queue short", () => {
    const world = new World(FAST, SLOW);
    world.stream(2, 0.97);
    expect(world.stream(2, 1.2)[1]).toBeGreaterThan(380);
    expect(Math.max(...world.queuesMs())).toBeLessThan(0.3 * LONGER_MS);
  });

  it("is left alone while its queue grows: it will be full in any case", () => {
    const world = new World(FAST, { ...SLOW, floorMs: 91 });
    const [, second] = world.stream(5, 1.015);
    expect(world.queuesMs()[0]).toBeGreaterThan(60);
    expect(second).toBe(0);
  });

  it("is left alone for some seconds after it has been filled", () => {
    const world = new World(FAST, SLOW);
    world.stream(1, 2.1);
    world.stream(1, 0.5);
    expect(world.stream(12, 0.97)[1]).toBe(0);
    expect(world.stream(10, 0.97)[1]).toBeGreaterThan(50);
  });

  it("is left alone while it is not quite in use, and where its rate is not known", () => {
    expect(new World(FAST, SLOW).stream(5, 0.85)[1]).toBe(0);
    expect(new World({ floorMs: 1 }, SLOW).stream(5, 0.97)[1]).toBe(0);
  });

  it("is left alone again a second after it is no longer in use, not at once", () => {
    const world = new World(FAST, SLOW);
    world.stream(2, 0.97);
    expect(batches(world, 0.6, 0.2).length).toBeGreaterThan(8);
    world.stream(1, 0.2);
    expect(world.stream(1, 0.95)[1]).toBe(0);
    const idle = new World(FAST, SLOW);
    idle.stream(2, 0.97);
    idle.pass(3e6);
    expect(idle.stream(0.8, 0.95)[1]).toBe(0);
  });

  it("has small packets arrive early, and none by a path that may not be used", () => {
    const world = new World(FAST, SLOW, { floorMs: 11, rate: 1 }, { floorMs: 12, rate: 1 });
    world.paths.setUse(world.paths.at(A, 2), USE_NO);
    world.paths.limits.setRate(0, 1000, 0);
    world.paths.limits.assign(world.paths.at(A, 3), 0, -1);
    const taken = world.stream(4, 0.97);
    expect(taken[1]).toBeGreaterThan(30);
    // What was in the bucket, and what came in.
    expect([taken[2], taken[3]! < 33 + 4 + 5]).toEqual([0, true]);
    expect(world.stream(1, 0.97, { bytes: 200 }).slice(1)).toEqual([0, 0, 0]);
  });
});

describe("paths that cannot be used", () => {
  it("get nothing if they are not eligible, whether others keep up or not", () => {
    const world = new World(
      { floorMs: 10, rate: 1 },
      { floorMs: 1, rate: 9 },
      { floorMs: 30, rate: 1 },
      { floorMs: 2, rate: 9 },
    );
    world.paths.setUse(world.paths.at(A, 1), USE_BACKUP);
    world.paths.setUse(world.paths.at(A, 3), USE_NO);
    for (const rate of [0.5, 2.2, 0.5]) {
      const taken = world.stream(1, rate);
      expect([taken[1], taken[3]]).toEqual([0, 0]);
    }
  });

  it("get nothing while their limits are spent", () => {
    const world = new World({ floorMs: 10, rate: 1 }, { floorMs: 30, rate: 1 });
    world.paths.limits.setRate(0, 100_000, 0);
    world.paths.limits.assign(world.paths.at(A, 0), 0, -1);
    const [limited, free] = world.stream(4, 0.5);
    // What was in the bucket, and what came in.
    expect(limited).toBeLessThan(33 + 400 + 5);
    expect(limited! + free!).toBe(2000);
  });

  it("get nothing while their limits are spent and the others are filled evenly", () => {
    const world = new World({ floorMs: 10, rate: 1 }, { floorMs: 30, rate: 1 }, { floorMs: 30, rate: 1 });
    world.paths.limits.setRate(0, 100_000, 0);
    world.paths.limits.assign(world.paths.at(A, 1), 0, -1);
    expect(world.stream(4, 2.1)[1]).toBeLessThan(33 + 400 + 5);
  });

  it("get nothing as long as no delay of theirs is known", () => {
    const world = new World({ floorMs: 10, rate: 1 }, {});
    expect(world.stream(1, 2)).toEqual([2000, 0]);
  });

  it("are used all the same where there is no other", () => {
    const unknown = new World({}, {});
    expect(unknown.send()).toBe(0);
    const spent = new World({ floorMs: 10, rate: 1 });
    spent.paths.limits.setRate(0, 1, 0);
    spent.paths.limits.assign(spent.paths.at(A, 0), 0, -1);
    expect(spent.stream(1, 1)).toEqual([1000]);
  });
});

describe("weights", () => {
  it("say what each path got of late, and add up", () => {
    const world = new World({ floorMs: 10, rate: 1 }, { floorMs: 30, rate: 3 });
    expect([...world.scheduler.weights(A)]).toEqual([500, 500]);
    world.stream(2, 0.5);
    const alone = [...world.scheduler.weights(A)];
    expect(alone[0]).toBeGreaterThan(990);
    expect(alone[1]).toBeGreaterThanOrEqual(1);
    const taken = world.stream(3, 4);
    const [first, second] = world.scheduler.weights(A);
    expect(first! + second!).toBeCloseTo(1000, 0);
    expect(first! / 1000).toBeCloseTo(taken[0]! / (taken[0]! + taken[1]!), 1);
    expect(world.paths.weight[world.paths.at(A, 1)]).toBe(second);
  });

  it("are 0 for what is not eligible, and stay as they are without packets", () => {
    const world = new World({ floorMs: 10, rate: 1 }, { floorMs: 30, rate: 1 }, { floorMs: 5, rate: 1 });
    world.paths.setUse(world.paths.at(A, 2), USE_NO);
    expect([...world.scheduler.weights(A)]).toEqual([500, 500, 0]);
    expect(world.scheduler.nextDeadlineMs()).toBe(Number.POSITIVE_INFINITY);
    for (let i = 0; i < 10; i++) world.pass(1000 * TICK_MS);
    expect([...world.scheduler.weights(A)]).toEqual([500, 500, 0]);
    world.send();
    expect(world.scheduler.nextDeadlineMs()).toBeLessThanOrEqual(world.nowUs / 1000 + TICK_MS);
    world.pass(1000 * TICK_MS);
    expect([...world.scheduler.weights(A)]).toEqual([625, 375, 0]);
    expect(world.scheduler.nextDeadlineMs()).toBe(Number.POSITIVE_INFINITY);
  });
});
