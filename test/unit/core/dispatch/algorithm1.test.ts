import { describe, expect, it } from "vitest";
import type { NodeSlot, PathSlot } from "../../../../src/core/base/ids.ts";
import { Algorithm1, type Algorithm1Options } from "../../../../src/core/dispatch/algorithm1.ts";
import { USE_BACKUP, USE_NO, USE_YES } from "../../../../src/core/tables/paths.ts";
import { addPath, node, pathTable } from "../tables/fixtures.ts";

const A = node(0);
const B = node(1);

/** A node with paths that work, whose queuing delays a test sets. */
class World {
  readonly paths = pathTable({ delays: { smoothing: 1 } });
  readonly scheduler: Algorithm1;
  nowMs = 0;

  constructor(options: Partial<Algorithm1Options> = {}) {
    this.scheduler = new Algorithm1(this.paths, options);
    this.scheduler.handleTick(0);
  }

  add(count: number, to = A): PathSlot[] {
    const slots = Array.from({ length: count }, (_, i) => addPath(this.paths, to, i, 10 * to + i));
    for (const slot of slots) this.paths.delays.handleFeedback(slot, to, 0, this.nowMs);
    return slots;
  }

  /** The peer feeds these queuing delays back, one for each path, and T passes. */
  step(queuingUs: readonly number[], of: NodeSlot = A, tickMs = 100): number[] {
    for (const [i, sampleUs] of queuingUs.entries()) this.feed(this.paths.at(of, i), sampleUs);
    this.nowMs += tickMs;
    this.scheduler.handleTick(this.nowMs);
    return [...this.scheduler.weights(of)];
  }

  feed(slot: PathSlot, sampleUs: number): void {
    this.paths.delays.handleFeedback(slot, this.paths.nodeOf(slot), sampleUs, this.nowMs);
    this.scheduler.handleFeedback(slot);
  }
}

describe("Algorithm 1", () => {
  it("starts with 1000 / N", () => {
    for (const count of [1, 2, 3, 4]) {
      const world = new World();
      world.add(count);
      expect([...world.scheduler.weights(A)]).toEqual(new Array(count).fill(1000 / count));
    }
  });

  it("is the table worked out by hand for two paths", () => {
    const world = new World();
    world.add(2);
    //             Q1, Q2        Qavg            W1   W2
    const table = [
      [
        [0, 0],
        /*    0 */ [510, 510],
      ],
      [
        [10, 20],
        /* 15 */ [520, 500],
      ],
      [
        [30, 10],
        /* 20 */ [510, 510],
      ],
      [
        [5, 5],
        /*    5 */ [520, 520],
      ],
      [
        [0, 1],
        /*  0.5 */ [530, 510],
      ],
      [
        [90, 0],
        /*  45 */ [520, 520],
      ],
      [
        [90, 0],
        /*  45 */ [510, 530],
      ],
    ] as const;
    for (const [queuingUs, weights] of table) expect(world.step(queuingUs)).toEqual(weights);
  });

  it("is the table worked out by hand for four paths", () => {
    const world = new World();
    world.add(4);
    const table = [
      [
        [0, 10, 20, 30],
        /* 15 */ [260, 260, 240, 240],
      ],
      [
        [40, 0, 0, 0],
        /*   10 */ [250, 270, 250, 250],
      ],
      [
        [1, 1, 1, 1],
        /*     1 */ [260, 280, 260, 260],
      ],
      [
        [0, 0, 0, 4],
        /*     1 */ [270, 290, 270, 250],
      ],
      [
        [3, 2, 1, 0],
        /*   1.5 */ [260, 280, 280, 260],
      ],
      [
        [7, 5, 5, 7],
        /*     6 */ [250, 290, 290, 250],
      ],
    ] as const;
    for (const [queuingUs, weights] of table) expect(world.step(queuingUs)).toEqual(weights);
    expect([0, 1, 2, 3].map((i) => world.paths.weight[world.paths.at(A, i)])).toEqual([250, 290, 290, 250]);
  });

  it("keeps the weights from 1 to 1000", () => {
    const world = new World();
    world.add(2);
    for (let i = 0; i < 49; i++) world.step([0, 10]);
    expect(world.step([0, 10])).toEqual([1000, 1]);
    expect(world.step([0, 10])).toEqual([1000, 1]);
    expect(world.step([10, 0])).toEqual([990, 11]);
  });

  it("takes S, the bounds and the start from its options", () => {
    const world = new World({ step: 7, weightMin: 5, weightMax: 120, startTotal: 200 });
    world.add(2);
    expect([...world.scheduler.weights(A)]).toEqual([100, 100]);
    expect([world.step([0, 9]), world.step([0, 9]), world.step([0, 9])]).toEqual([
      [107, 93],
      [114, 86],
      [120, 79],
    ]);
    for (let i = 0; i < 20; i++) world.step([0, 9]);
    expect(world.step([0, 9])).toEqual([120, 5]);
  });

  it("starts within its bounds", () => {
    for (const [options, start] of [
      [{ weightMax: 500, startTotal: 2000 }, 500],
      [{ weightMin: 10, startTotal: 2 }, 10],
    ] as const) {
      const world = new World(options);
      world.add(2);
      expect([...world.scheduler.weights(A)]).toEqual([start, start]);
    }
  });

  it("makes one step in every T, and one only after a pause", () => {
    const world = new World({ intervalMs: 50 });
    world.add(2);
    expect(world.step([0, 9], A, 20)).toEqual([500, 500]);
    expect(world.step([0, 9], A, 30)).toEqual([510, 490]);
    expect(world.step([0, 9], A, 49)).toEqual([510, 490]);
    expect(world.step([0, 9], A, 1000)).toEqual([520, 480]);
    expect(world.step([0, 9], A, 49)).toEqual([520, 480]);
    expect(world.step([0, 9], A, 1)).toEqual([530, 470]);
  });

  it("stays in the rhythm of T when ticks come late", () => {
    const world = new World();
    world.add(2);
    expect(world.step([0, 9], A, 130)).toEqual([510, 490]);
    expect(world.step([0, 9], A, 70)).toEqual([520, 480]);
  });

  it("makes no step for a node of which nothing was fed back", () => {
    const world = new World();
    world.add(2);
    world.add(2, B);
    expect(world.scheduler.nextDeadlineMs()).toBe(Number.POSITIVE_INFINITY);
    world.step([0, 9]);
    expect(world.step([])).toEqual([510, 490]);
    expect([...world.scheduler.weights(B)]).toEqual([500, 500]);
    expect(world.step([9, 0], B)).toEqual([490, 510]);
    expect([...world.scheduler.weights(A)]).toEqual([510, 490]);
    world.feed(world.paths.at(A, 0), 0);
    expect(world.scheduler.nextDeadlineMs()).toBe(world.nowMs + 100);
  });

  it("leaves out paths of which no delay is known", () => {
    const world = new World();
    world.add(2);
    const unknown = addPath(world.paths, A, 7);
    const [first, second] = world.step([10, 20]);
    expect([first, second]).toEqual([1000 / 3 + 10, 1000 / 3 - 10]);
    expect(world.paths.weight[unknown]).toBe(1000 / 3);
  });

  it("gives no weight to paths that are not eligible, nor the start of one before it works", () => {
    const world = new World();
    const slots = world.add(3);
    world.paths.setUse(slots[2]!, USE_BACKUP);
    expect(world.step([0, 10, 999])).toEqual([510, 490, 0]);
    world.paths.setUse(slots[0]!, USE_NO);
    expect(world.step([0, 10, 999])).toEqual([0, 500, 0]);
    world.paths.setUse(slots[0]!, USE_YES);
    expect([...world.scheduler.weights(A)]).toEqual([500, 500, 0]);
    world.paths.setUse(slots[2]!, USE_YES);
    expect([...world.scheduler.weights(A)]).toEqual([500, 500, 1000 / 3]);
  });

  it("keeps the weights of paths that move up in the list", () => {
    const world = new World();
    const slots = world.add(3);
    world.step([0, 30, 60]);
    world.paths.remove(slots[0]!);
    expect([...world.scheduler.weights(A)]).toEqual([1000 / 3 + 10, 1000 / 3 - 10]);
  });
});
