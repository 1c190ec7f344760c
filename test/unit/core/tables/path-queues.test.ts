import { describe, expect, it } from "vitest";
import type { PathSlot } from "../../../../src/core/base/ids.ts";
import { Rng } from "../../../../src/core/base/rng.ts";
import { PathQueues } from "../../../../src/core/tables/path-queues.ts";

const P = 0 as PathSlot;
const OTHER = 1 as PathSlot;
/** A byte takes a microsecond. */
const RATE = 1e6;
/** The delay without a queue, with the clocks' difference in it. */
const FLOOR_US = -70_000;
const UNKNOWN = Number.NaN;

function queues(rateBytesPerS = RATE): PathQueues {
  const table = new PathQueues(2);
  for (const slot of [P, OTHER]) {
    table.reset(slot);
    table.assume(slot, rateBytesPerS);
  }
  return table;
}

/** A packet that left at `sentUs` and had to wait for `waitUs` is reported as soon as it is there. */
function measure(
  table: PathQueues,
  sentUs: number,
  waitUs: number,
  thoughtUs = UNKNOWN,
  corrected = 0,
): void {
  table.handleDelay(P, FLOOR_US + waitUs, sentUs + 50_000 + waitUs, thoughtUs, corrected);
}

/** A packet that did not have to wait shows what the floor is, at time 0. */
function showFloor(table: PathQueues): void {
  table.handleDelay(P, FLOOR_US, 0, UNKNOWN, 0);
}

describe("the queue of a path", () => {
  it("grows by bytes over rate, drains with time, and is that of its path only", () => {
    const table = queues();
    expect(table.queueUs(P, 0)).toBe(0);
    table.handleSent(P, 10, 10_000, 0);
    expect([0, 4_000, 9_999, 10_000, 50_000].map((us) => table.queueUs(P, us))).toEqual([
      10_000, 6_000, 1, 0, 0,
    ]);
    table.handleSent(P, 5, 5_000, 4_000);
    expect(table.queueUs(P, 4_000)).toBe(11_000);
    // What was idle has not saved anything.
    table.handleSent(P, 1, 1_000, 100_000);
    expect(table.queueUs(P, 100_000)).toBe(1_000);
    expect(table.queueUs(OTHER, 0)).toBe(0);
  });

  it("is none as long as the rate is not known", () => {
    const table = queues(Number.POSITIVE_INFINITY);
    table.handleSent(P, 1000, 1e9, 0);
    expect(table.queueUs(P, 0)).toBe(0);
  });

  it("is believed to be five seconds at most", () => {
    const table = queues();
    showFloor(table);
    table.handleSent(P, 1, 1e9, 0);
    expect(table.queueUs(P, 0)).toBe(5e6);
  });

  it("is none where delays are longer than any queue: a clock has been set, or stood still", () => {
    const table = queues();
    showFloor(table);
    table.handleSent(P, 1, 50_000, 0);
    const rate = table.rateBytesPerS[P];
    measure(table, 0, 600e6);
    expect(table.queueUs(P, 601e6)).toBe(0);
    measure(table, 0, 600e6 + 2_000);
    expect(table.floorUs[P]).toBe(FLOOR_US + 600e6);
    expect(table.rateBytesPerS[P]).toBe(rate);
  });

  it("is forgotten with the path", () => {
    const table = queues();
    table.handleSent(P, 1, 10_000, 0);
    measure(table, 0, 90_000);
    table.reset(P);
    expect([table.queueUs(P, 0), table.corrected[P], table.lossUs[P]]).toEqual([0, 0, 0]);
    expect([table.floorUs[P], table.rateBytesPerS[P]]).toEqual([Number.NaN, Number.POSITIVE_INFINITY]);
  });
});

describe("the floor of a path's delays", () => {
  it("is the lowest one of late", () => {
    const table = queues();
    expect(table.floorUs[P]).toBe(Number.NaN);
    const floors = [30, 10, 20, -40, 500].map((waitUs, i) => {
      measure(table, i * 1e6, waitUs);
      return table.floorUs[P]! - FLOOR_US;
    });
    expect(floors).toEqual([30, 10, 10, -40, -40]);
  });

  it("rises a minute after the last low one at the latest, and not within thirty seconds", () => {
    const table = queues();
    measure(table, 0, 0);
    const risesS = Array.from({ length: 90 }, (_, i) => i + 1).filter((second) => {
      measure(table, second * 1e6, 9_000);
      return table.floorUs[P] === FLOOR_US + 9_000;
    });
    expect(risesS[0]).toBeGreaterThan(30);
    expect(risesS[0]).toBeLessThanOrEqual(62);
    expect(risesS.at(-1)).toBe(90);
    expect(risesS.length).toBe(91 - risesS[0]!);
  });
});

describe("a measured delay", () => {
  it("moves the queue half of the way from what was thought to what was measured", () => {
    const table = queues();
    showFloor(table);
    table.handleSent(P, 100, 100_000, 0);
    // At 70 ms it is said that what left at 0 had to wait for 20 ms, not for 10.
    measure(table, 0, 20_000, 10_000, 0);
    expect(table.queueUs(P, 70_000)).toBe(30_000 + 5_000);
    expect(table.corrected[P]).toBe(5_000);
    // What was right changes nothing.
    measure(table, 10_000, 20_000, 20_000, 5_000);
    expect(table.queueUs(P, 80_000)).toBe(25_000);
    // Half of 10 ms less.
    measure(table, 20_000, 10_000, 20_000, 5_000);
    expect(table.queueUs(P, 80_000)).toBe(20_000);
    expect(table.corrected[P]).toBe(0);
  });

  it("does not correct again what has been corrected since the packet left", () => {
    const table = queues();
    showFloor(table);
    table.handleSent(P, 500, 500_000, 0);
    // All left at one time with one thought, 8 ms too little.
    const corrections = Array.from({ length: 12 }, () => {
      measure(table, 0, 18_000, 10_000, 0);
      return table.corrected[P]!;
    });
    expect(corrections.slice(0, 3)).toEqual([4_000, 6_000, 7_000]);
    expect(Math.max(...corrections)).toBeLessThanOrEqual(8_000);
    expect(corrections.at(-1)).toBeCloseTo(8_000, -1);
  });

  it("is compared with the queue of now where it is not known what was thought", () => {
    const table = queues();
    showFloor(table);
    table.handleSent(P, 100, 100_000, 0);
    measure(table, 0, 20_000);
    // 30 ms were left at 70 ms; half of the way to 20.
    expect(table.queueUs(P, 70_000)).toBe(25_000);
    expect(table.corrected[P]).toBe(-5_000);
  });

  it("never leaves less than no queue", () => {
    const table = queues();
    showFloor(table);
    table.handleSent(P, 1, 1_000, 0);
    measure(table, 0, 0, 90_000, 0);
    expect(table.queueUs(P, 50_000)).toBe(0);
    expect(table.corrected[P]).toBe(0);
  });

  it("makes the rate a higher one when queues are much shorter than was thought, all the time, and packets wait", () => {
    expect(rateAfter(0.2)).toBeGreaterThan(1.3 * RATE);
    expect(rateAfter(0.2, { heldBytes: 0 })).toBe(RATE);
    expect(rateAfter(0.9)).toBe(RATE);
    expect(rateAfter(3)).toBe(RATE);
  });

  it("makes a rate that is only assumed a higher one when they are shorter", () => {
    const assumed = { heldBytes: 0, isKnown: false };
    expect(rateAfter(0.6, { ...assumed, forUs: 90_000 })).toBe(1.5 * RATE);
    expect(rateAfter(0.6, assumed)).toBeGreaterThan(10 * RATE);
    expect(rateAfter(0.2, { ...assumed, forUs: 90_000 })).toBeGreaterThan(2 * RATE);
    expect(rateAfter(0.8, assumed)).toBe(RATE);
  });

  /** Packets were thought to have to wait for 20 ms, and had to wait for a part of that. */
  function rateAfter(measuredPart: number, { heldBytes = 1, isKnown = true, forUs = 1e6 } = {}): number {
    const table = queues();
    if (isKnown) table.handleRate(P, RATE, true, 0);
    table.heldBytes[P] = heldBytes;
    for (let us = 0; us <= forUs; us += 5_000)
      measure(table, us, us % 10_000 === 0 ? 0 : measuredPart * 20_000, 20_000, table.corrected[P]);
    return table.rateBytesPerS[P]!;
  }
});

describe("the rate of a path", () => {
  const FASTER = true;

  /** What is known after the peer has said one after the other of `rates`. */
  function told(table: PathQueues, rates: readonly number[], isFaster: boolean, nowUs = 0): number {
    for (const rate of rates) table.handleRate(P, rate, isFaster, nowUs);
    return table.rateBytesPerS[P]!;
  }

  it("is not known until packets were sent faster than they came", () => {
    const table = queues(Number.POSITIVE_INFINITY);
    expect(told(table, [RATE, RATE], !FASTER)).toBe(Number.POSITIVE_INFINITY);
    expect(told(table, [RATE], FASTER)).toBe(RATE);
  });

  it("is assumed only where it is not known, and until the peer says anything", () => {
    const table = queues(Number.POSITIVE_INFINITY);
    table.assume(P, 7);
    table.assume(P, 8);
    expect(table.rateBytesPerS[P]).toBe(7);
    expect(told(table, [RATE], !FASTER)).toBe(RATE);
    table.assume(P, 7);
    expect(table.rateBytesPerS[P]).toBe(RATE);
  });

  it("is the highest at which packets have come by then", () => {
    const table = queues(Number.POSITIVE_INFINITY);
    expect(told(table, [0.8 * RATE, 1.1 * RATE, 0.7 * RATE], !FASTER)).toBe(Number.POSITIVE_INFINITY);
    expect(told(table, [0.9 * RATE], FASTER)).toBe(1.1 * RATE);
  });

  it("is assumed as long as packets come as fast as they are sent, unless delays vary by themselves", () => {
    const found = (isFaster: boolean, noiseUs: number) => {
      const table = queues(Number.POSITIVE_INFINITY);
      table.assume(P, RATE / 2);
      for (let us = 0; us < 400_000; us += 10_000) measure(table, us, us % 20_000 === 0 ? 0 : noiseUs, 0);
      told(table, [RATE], isFaster);
      for (let us = 400_000; us < 900_000; us += 10_000)
        measure(table, us, 1_000, 20_000, table.corrected[P]);
      return table.rateBytesPerS[P];
    };
    expect(found(!FASTER, 0)).toBeGreaterThan(2 * RATE);
    expect(found(FASTER, 0)).toBe(RATE);
    expect(found(!FASTER, 20_000)).toBe(RATE);
  });

  it("stays what was assumed where they come more slowly because they are sent so", () => {
    const table = queues();
    expect(told(table, [RATE / 4, RATE / 4], !FASTER)).toBe(RATE);
    expect(told(table, [RATE / 4], FASTER)).toBe(RATE / 4);
  });

  it("rises when the peer says so twice, at once if it is much higher", () => {
    const known = queues(Number.POSITIVE_INFINITY);
    expect(told(known, [RATE, RATE, 1.2 * RATE], FASTER)).toBe(RATE);
    expect(told(known, [1.2 * RATE], FASTER)).toBeCloseTo(1.05 * RATE, 0);
    expect(told(known, [3 * RATE, 2.9 * RATE], FASTER)).toBeCloseTo(2.9 * RATE, 0);
  });

  it("falls only where packets were sent faster, or others wait", () => {
    const fallen = (isFaster: boolean, heldBytes: number) => {
      const table = queues(Number.POSITIVE_INFINITY);
      told(table, [RATE], FASTER);
      table.heldBytes[P] = heldBytes;
      return told(table, [RATE / 2, RATE / 2], isFaster);
    };
    expect(fallen(!FASTER, 0)).toBe(RATE);
    expect(fallen(FASTER, 0)).toBe(0.875 * RATE);
    expect(fallen(!FASTER, 1)).toBe(0.875 * RATE);
  });

  it("makes what is on the path take longer or shorter when it changes", () => {
    const table = queues();
    table.handleSent(P, 10, 20_000, 0);
    const before = table.corrected[P]!;
    told(table, [4 * RATE], FASTER, 8_000);
    expect(table.queueUs(P, 8_000)).toBe(3_000);
    // What is on its way is compared with as much less.
    expect(table.corrected[P]! - before).toBe(-9_000);
    told(table, [2 * RATE, 2 * RATE], FASTER, 8_000);
    expect(table.rateBytesPerS[P]).toBeLessThan(4 * RATE);
    expect(table.queueUs(P, 8_000) * table.rateBytesPerS[P]!).toBeCloseTo(3_000 * 4 * RATE, -3);
  });

  it("is not raised once more by what left while a lower one was assumed", () => {
    const table = queues(RATE / 4);
    showFloor(table);
    table.handleSent(P, 10, 10_000, 0);
    told(table, [RATE], !FASTER, 1_000);
    for (let us = 5_000; us <= 200_000; us += 5_000) measure(table, us, 10_000, 40_000, 0);
    expect(table.rateBytesPerS[P]).toBe(RATE);
  });

  it("falls more slowly where delays are not as they were thought to be", () => {
    const table = queues(Number.POSITIVE_INFINITY);
    told(table, [RATE], FASTER);
    for (let us = 0; us < 1e6; us += 10_000) measure(table, us, us % 20_000, 0, table.corrected[P]);
    expect(told(table, [RATE / 2, RATE / 2], FASTER)).toBeGreaterThan(0.97 * RATE);
  });
});

describe("what waits here", () => {
  it("comes before a packet, and is no part of the queue", () => {
    const table = queues();
    table.handleSent(P, 10, 10_000, 0);
    table.heldBytes[P] = 5_000;
    expect(table.queueUs(P, 4_000)).toBe(6_000);
    expect(table.waitUs(P, 4_000)).toBe(11_000);
    expect(table.waitUs(P, 50_000)).toBe(5_000);
    expect(table.emptiesUs(P)).toBe(10_000);
  });
});

describe("losses", () => {
  const BURST = 45;

  /**
   * Bursts of 45 ms, of which a packet is lost with a probability that depends on its queue; answers which part of the
   * losses was put down to a full queue.
   */
  function lose(
    table: PathQueues,
    bursts: number,
    probability: (queueUs: number) => number,
    seed = 1,
  ): number {
    const rng = new Rng(seed);
    let losses = 0;
    let full = 0;
    for (let burst = 0; burst < bursts; burst++) {
      const us = burst * 100_000;
      measure(table, us, 0);
      measure(table, us, BURST * 1000);
      for (let k = 1; k <= BURST; k++) {
        // Only what was sent makes these queues.
        const queueUs = k * 1000;
        table.handleSent(P, 1, k === 1 ? queueUs - table.queueUs(P, us + 99_000) : 1000, us + 99_000);
        if (rng.unit() >= probability(queueUs)) continue;
        losses++;
        if (table.handleLoss(P, queueUs)) full++;
      }
    }
    return losses === 0 ? 0 : full / losses;
  }

  it("are those of a full queue where only long ones lose packets", () => {
    const table = queues();
    expect(lose(table, 300, (queueUs) => (queueUs > 43_000 ? 0.5 : 0))).toBe(1);
    expect(table.lossUs[P]).toBeGreaterThan(40_000);
    expect(table.lossUs[P]).toBeLessThanOrEqual(45_000);
  });

  it("show what the path carries where that is not known yet: as much as came through", () => {
    const table = queues(Number.POSITIVE_INFINITY);
    table.handleRate(P, 0.7e6, false, 0);
    expect(table.rateBytesPerS[P]).toBe(Number.POSITIVE_INFINITY);
    measure(table, 0, 0);
    for (let k = 1; k <= 20; k++) measure(table, k * 10_000, 40_000);
    expect(table.handleLoss(P, 40_000)).toBe(true);
    expect(table.rateBytesPerS[P]).toBe(0.7e6);
  });

  it("come through at some rate, whatever a report says", () => {
    const table = queues(Number.POSITIVE_INFINITY);
    table.handleRate(P, 0, true, 0);
    expect(table.rateBytesPerS[P]).toBe(Number.POSITIVE_INFINITY);
    table.handleRate(P, 1e6, true, 0);
    for (let k = 0; k < 100; k++) table.handleRate(P, 0, true, 0);
    expect(table.rateBytesPerS[P]).toBe(1e6);
  });

  it("say nothing of how long queues were as long as the rate was not known", () => {
    const table = queues(Number.POSITIVE_INFINITY);
    for (let us = 0; us < 200; us++) {
      table.handleSent(P, 1, 1000, us);
      expect(table.handleLoss(P, 0)).toBe(false);
    }
    table.handleRate(P, 1e6, true, 0);
    expect(lose(table, 300, (queueUs) => (queueUs > 43_000 ? 0.5 : 0))).toBe(1);
  });

  it("are not where short ones lose as many", () => {
    for (const loss of [0.01, 0.05, 0.2])
      for (const seed of [1, 2, 3]) expect(lose(queues(), 1000, () => loss, seed)).toBeLessThan(0.05);
  });

  it("of long queues show nothing as long as they are so few that it may be chance", () => {
    const table = queues();
    measure(table, 0, 0);
    measure(table, 0, 40_000);
    for (let i = 0; i < 1000; i++) {
      table.handleSent(P, 1, 1, 1_000_000 + i * 1000);
      if (i % 50 === 0) table.handleLoss(P, 0);
    }
    // Some 10 packets behind a long queue, of which a fiftieth gets lost anyway.
    table.handleSent(P, 1, 35_000, 2_000_000);
    for (let i = 0; i < 10; i++) table.handleSent(P, 1, 100, 2_000_000);
    expect([1, 2, 3, 4].map(() => table.handleLoss(P, 35_000))).toEqual([false, false, false, true]);
  });

  it("without a queue show that packets get lost at random", () => {
    for (const [loss, isRandom] of [
      [0, false],
      [0.0005, false],
      [0.01, true],
    ] as const) {
      const table = queues();
      lose(table, 500, (queueUs) => (queueUs > 43_000 ? 0.5 : loss));
      expect(table.losesAtRandom(P)).toBe(isRandom);
    }
  });

  it("are mostly where both come together", () => {
    const table = queues();
    const part = lose(table, 1000, (queueUs) => (queueUs > 43_000 ? 0.5 : 0.01));
    // 2 packets of 45 are lost with one half, 43 with one in a hundred: 0.7 of the losses are of the first kind.
    expect(part).toBeGreaterThan(0.6);
    expect(part).toBeLessThan(0.85);
  });

  it("say nothing of queues as long as none was long", () => {
    const table = queues();
    measure(table, 0, 0);
    measure(table, 0, 900);
    for (let i = 0; i < 100; i++) expect(table.handleLoss(P, 900)).toBe(false);
    expect(table.lossUs[P]).toBe(0);
  });

  it("are told apart by what happened of late", () => {
    const table = queues();
    lose(table, 1000, (queueUs) => (queueUs > 43_000 ? 0.5 : 0));
    lose(table, 1000, () => 0.05);
    expect(lose(table, 1000, () => 0.05, 2)).toBeLessThan(0.1);
    expect(lose(table, 1000, (queueUs) => (queueUs > 43_000 ? 0.5 : 0), 3)).toBeGreaterThan(0.9);
  });
});
