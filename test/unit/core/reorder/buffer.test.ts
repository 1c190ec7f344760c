import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ReorderBuffer } from "../../../../src/core/reorder/buffer.ts";

const HEADER_BYTES = 20;
const BLOCKS = 32;
const LARGE_BLOCKS = 8;
const LARGEST_BLOCKS = 2;
const POOLS = [
  { blockBytes: 64, blocks: BLOCKS },
  { blockBytes: 320, blocks: LARGE_BLOCKS },
  { blockBytes: 1024, blocks: LARGEST_BLOCKS },
];
/** Of payload: the most that fits into a block of each size. */
const [SMALL, LARGE, LARGEST] = POOLS.map(({ blockBytes }) => blockBytes - HEADER_BYTES) as [
  number,
  number,
  number,
];
const POOLS_AT = 4096;
const END = POOLS.reduce((at, { blockBytes, blocks }) => at + blockBytes * blocks, POOLS_AT);

interface Released {
  session: number;
  number: number;
  tag: number;
  at: number;
  payloadBytes: number;
}

/** A buffer whose packets carry their number in the header, and what it has handed on. */
class Bench {
  readonly released: Released[] = [];
  evidence = -(2 ** 31);
  holdUs = 1e9;
  patienceUs = 0;
  readonly late: number[] = [];
  readonly buffer: ReorderBuffer;
  private readonly bytes = new Uint8Array(END);
  private readonly view = new DataView(this.bytes.buffer);

  constructor(limit = 16, sessions = 4) {
    const owner = {
      release: (session: number, tag: number, at: number, headerBytes: number, payloadBytes: number) => {
        expect(headerBytes).toBe(HEADER_BYTES);
        const number = this.view.getInt32(at + 4);
        const packet = { session, number, tag, at, payloadBytes };
        this.expectUnchanged(packet);
        this.released.push(packet);
      },
      evidence: () => this.evidence,
      patienceUs: () => this.patienceUs,
      holdUs: () => this.holdUs,
      noteLate: (_: number, lateUs: number) => this.late.push(lateUs),
    };
    this.buffer = new ReorderBuffer(this.bytes, owner, POOLS_AT, POOLS, sessions, limit);
  }

  /** A packet of ten numbers from `start` on, sent at `timestamp`. */
  accept(
    start: number,
    timestamp = start,
    { session = 0, length = 10, nowUs = 0, tag = 0, payloadBytes = 8 } = {},
  ): void {
    this.write(start, payloadBytes);
    const end = (start + length) | 0;
    this.buffer.accept(session, start | 0, end, timestamp | 0, nowUs, tag, 0, HEADER_BYTES, payloadBytes);
  }

  /** A packet that has no other number than the time at which it was sent. */
  acceptStamped(timestamp: number, { session = 0, nowUs = 0, payloadBytes = 8 } = {}): void {
    this.write(timestamp, payloadBytes);
    this.buffer.acceptStamped(session, timestamp | 0, nowUs, 0, 0, HEADER_BYTES, payloadBytes);
  }

  /** What was handed on since has been written: until then it must have stayed as it was. */
  recycle(): void {
    for (const packet of this.released.splice(0)) if (packet.at > 0) this.expectUnchanged(packet);
    this.buffer.recycle();
  }

  /** The payload is the number again and again. */
  private write(number: number, payloadBytes: number): void {
    this.view.setInt32(4, number);
    for (let i = 0; i < payloadBytes; i += 4) this.view.setInt32(HEADER_BYTES + i, number);
  }

  private expectUnchanged({ number, at, payloadBytes }: Released): void {
    const words = Array.from({ length: 1 + payloadBytes / 4 }, (_, i) =>
      this.view.getInt32(at + (i === 0 ? 4 : HEADER_BYTES + 4 * (i - 1))),
    );
    expect(new Set(words)).toEqual(new Set([number]));
  }

  get numbers(): number[] {
    return this.released.map(({ number }) => number);
  }
}

describe("the reorder buffer", () => {
  it("tells how much later than what waits for it a packet has left", () => {
    const bench = new Bench();
    bench.accept(100, 1000);
    bench.accept(120, 1002);
    bench.accept(130, 1003);
    bench.accept(110, 1040);
    // In its turn, or in no order at all: nothing waited for it.
    bench.accept(140, 1050);
    bench.accept(100, 1090);
    expect(bench.late).toEqual([38]);
    bench.accept(160, 1100);
    bench.accept(150, 1060);
    expect(bench.late).toEqual([38]);
  });

  it("hands on at once what comes in order", () => {
    const bench = new Bench();
    for (const start of [100, 110, 120]) bench.accept(start);
    expect(bench.numbers).toEqual([100, 110, 120]);
    expect(bench.buffer.counters.held).toBe(0);
  });

  it("holds what comes early until the gap is filled, and keeps its tag", () => {
    const bench = new Bench();
    bench.accept(100);
    bench.accept(130, 130, { tag: 3 });
    bench.accept(120, 120, { tag: 2 });
    expect(bench.numbers).toEqual([100]);
    bench.accept(110);
    expect(bench.numbers).toEqual([100, 110, 120, 130]);
    expect(bench.released.map(({ tag }) => tag)).toEqual([0, 0, 2, 3]);
    expect(bench.buffer.size).toBe(0);
  });

  it("waits for what may be sent again, but not again and again", () => {
    const bench = new Bench();
    bench.patienceUs = 20;
    const waited = (gap: number, nowUs: number) => {
      const start = 100 + 40 * gap;
      for (const behind of [0, 20]) bench.accept(start + behind, start, { nowUs });
      bench.evidence = start + 30;
      bench.buffer.handleEvidence(nowUs);
      const isWaiting = bench.buffer.size > 0;
      // It comes after all, or is given up.
      if (gap % 2 === 0) bench.accept(start + 10, start, { nowUs: nowUs + 10 });
      bench.buffer.handleEvidence(nowUs + 20);
      expect(bench.buffer.size).toBe(0);
      bench.buffer.recycle();
      bench.accept(start + 30, start + 30, { nowUs: nowUs + 20 });
      return isWaiting;
    };
    const gaps = Array.from({ length: 8 }, (_, gap) => gap);
    expect(gaps.map((gap) => waited(gap, 1000 * gap))).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
    // Most are forgotten after a while.
    expect(gaps.map((gap) => waited(8 + gap, 1_500_000 + 1000 * gap))).toContain(true);
    expect(waited(16, 60_000_000)).toBe(true);
  });

  it("waits at the same time for all that was lost at the same time", () => {
    const bench = new Bench();
    bench.patienceUs = 20;
    const gaps = Array.from({ length: 8 }, (_, gap) => 100 + 20 * gap);
    bench.accept(90);
    for (const start of gaps) bench.accept(start + 10, start + 10, { nowUs: 1000 });
    bench.evidence = 300;
    for (const [i, start] of gaps.entries()) {
      bench.buffer.handleEvidence(1000 + i);
      expect(bench.numbers.at(-1)).toBe(start - 10);
      bench.accept(start, start, { nowUs: 1001 + i });
    }
    expect(bench.buffer.counters.byEvidence).toBe(0);
    // Together they were one of those that are waited for.
    const again = [300, 330, 360].map((start, i) => {
      bench.evidence = start;
      bench.accept(start, start, { nowUs: 2000 + 100 * i });
      bench.buffer.handleEvidence(2000 + 100 * i);
      const isWaiting = bench.buffer.size > 0;
      bench.buffer.handleEvidence(2020 + 100 * i);
      return isWaiting;
    });
    expect(again).toEqual([true, true, true]);
  });

  it("waits as long for what may be sent again when it is looked at for other reasons meanwhile", () => {
    const bench = new Bench();
    bench.holdUs = 5;
    bench.patienceUs = 20;
    bench.accept(100);
    bench.accept(120, 120, { nowUs: 1000 });
    bench.evidence = 120;
    bench.buffer.handleEvidence(1000);
    expect(bench.buffer.nextDeadlineUs()).toBe(1020);
    for (const nowUs of [1005, 1008, 1019]) {
      bench.buffer.handleEvidence(nowUs);
      bench.buffer.handleTime(nowUs);
      expect(bench.numbers).toEqual([100]);
    }
    bench.buffer.handleTime(1020);
    expect(bench.numbers).toEqual([100, 120]);
    // What no path has passed is held no longer than the paths are apart.
    bench.accept(150, 150, { nowUs: 2000 });
    bench.buffer.handleEvidence(2000);
    bench.buffer.handleTime(2004);
    expect(bench.numbers).toEqual([100, 120]);
    bench.buffer.handleTime(2005);
    expect(bench.numbers).toEqual([100, 120, 150]);
  });

  it("goes on where the numbers wrap", () => {
    const bench = new Bench();
    bench.accept(0x7fff_fff6);
    bench.accept(-0x7fff_fff6);
    bench.accept(-0x8000_0000);
    expect(bench.numbers).toEqual([0x7fff_fff6, -0x8000_0000, -0x7fff_fff6]);
    const zero = new Bench();
    zero.accept(-10);
    zero.accept(10);
    zero.accept(0);
    expect(zero.numbers).toEqual([-10, 0, 10]);
  });

  it("hands on what was sent again, and lets only what is held already pass for a duplicate", () => {
    const bench = new Bench();
    bench.accept(100);
    bench.accept(100);
    bench.accept(120);
    bench.accept(120);
    expect(bench.numbers).toEqual([100, 100]);
    expect(bench.buffer.counters.duplicates).toBe(1);
    bench.accept(110);
    expect(bench.numbers).toEqual([100, 100, 110, 120]);
  });

  it("lets what was sent again not overtake what waits and was sent before it", () => {
    const bench = new Bench();
    bench.accept(100, 1000);
    bench.accept(120, 1002);
    bench.accept(130, 1003);
    bench.accept(90, 1030);
    bench.accept(80, 1040);
    expect(bench.numbers).toEqual([100]);
    // Behind it, and twice what stands at its place in the list.
    bench.accept(150, 1050);
    bench.accept(140, 1041);
    bench.accept(140, 1041);
    // Sent before what waits: it has overtaken nothing.
    bench.accept(70, 1001);
    expect(bench.numbers).toEqual([100, 70]);
    bench.accept(110, 1001);
    expect(bench.numbers).toEqual([100, 70, 110, 120, 130, 140, 90, 80, 150]);
    expect(bench.buffer.counters.duplicates).toBe(1);
    expect(bench.late).toEqual([]);
    expect(bench.buffer.size).toBe(0);
  });

  it("lets what was sent again wait on while what was sent before it may still come, and others wait, too", () => {
    const bench = new Bench();
    bench.evidence = 900;
    bench.accept(100, 1000);
    bench.accept(120, 1002);
    bench.accept(90, 1030);
    bench.accept(80, 1031);
    bench.accept(140, 1032);
    bench.accept(110, 1001);
    expect(bench.numbers).toEqual([100, 110, 120]);
    bench.accept(160, 1040);
    bench.evidence = 1030;
    bench.accept(130, 1029);
    expect(bench.numbers).toEqual([100, 110, 120, 130, 140, 90]);
    // Not for longer than anything else.
    bench.holdUs = 5;
    bench.accept(150, 1035, { nowUs: 5 });
    expect(bench.numbers).toEqual([100, 110, 120, 130, 140, 90, 150, 160, 80]);
    expect(bench.buffer.size).toBe(0);
  });

  it("hands on what was sent again when the gap in front of it is given up", () => {
    const bench = new Bench();
    bench.accept(100, 1000);
    bench.accept(120, 1002);
    bench.accept(90, 1030);
    bench.evidence = 1002;
    bench.buffer.handleEvidence(0);
    expect(bench.numbers).toEqual([100, 120, 90]);
  });

  it("hands on what was sent again at once where there is no room for it to wait", () => {
    const bench = new Bench(BLOCKS + 1);
    bench.accept(100, 1000);
    for (let i = 0; i < BLOCKS; i++) bench.accept(120 + 10 * i, 1002 + i);
    bench.accept(90, 2000);
    expect(bench.numbers).toEqual([100, 90]);
  });

  it("gives up a gap when every path has passed it, and only that one", () => {
    const bench = new Bench();
    bench.accept(100, 1);
    bench.accept(120, 3);
    bench.accept(140, 5);
    bench.evidence = 2;
    bench.buffer.handleEvidence(0);
    expect(bench.numbers).toEqual([100]);
    bench.evidence = 4;
    bench.buffer.handleEvidence(0);
    expect(bench.numbers).toEqual([100, 120]);
    bench.accept(130, 4);
    expect(bench.numbers).toEqual([100, 120, 130, 140]);
    expect(bench.buffer.counters.byEvidence).toBe(1);
  });

  it("gives up a gap when what waits behind it has waited long enough, in the order of the numbers", () => {
    const bench = new Bench();
    bench.holdUs = 1000;
    bench.accept(100, 1, { nowUs: 0 });
    bench.accept(140, 5, { nowUs: 100 });
    bench.accept(120, 3, { nowUs: 600 });
    expect(bench.buffer.nextDeadlineUs()).toBe(1600);
    bench.buffer.handleTime(1500);
    expect(bench.numbers).toEqual([100]);
    bench.buffer.handleTime(1600);
    expect(bench.numbers).toEqual([100, 120, 140]);
    expect(bench.buffer.counters.byTime).toBe(2);
    expect(bench.buffer.nextDeadlineUs()).toBe(Number.POSITIVE_INFINITY);
  });

  it("hands everything on when a session holds as much as it may", () => {
    const bench = new Bench(3);
    for (const start of [100, 120, 160, 140]) bench.accept(start);
    expect(bench.numbers).toEqual([100, 120, 140, 160]);
    bench.accept(170);
    expect(bench.numbers.at(-1)).toBe(170);
    expect(bench.buffer.counters.byFullness).toBe(1);
  });

  it("lets no session's gap delay another's packets", () => {
    const bench = new Bench();
    bench.accept(100, 1, { session: 1 });
    bench.accept(120, 2, { session: 1 });
    bench.accept(500, 3, { session: 2 });
    bench.accept(510, 4, { session: 2 });
    expect(bench.released.filter(({ session }) => session === 2)).toHaveLength(2);
    expect(bench.released.filter(({ session }) => session === 1)).toHaveLength(1);
  });

  it("uses a block again only when what was handed on has been written", () => {
    const bench = new Bench(BLOCKS + 1, 1);
    bench.accept(0);
    for (let k = 0; k < BLOCKS; k++) bench.accept(20 + 10 * k);
    bench.accept(10);
    expect(bench.released).toHaveLength(BLOCKS + 2);
    bench.accept(2000);
    expect(bench.buffer.counters.byFullness).toBe(1);
    bench.buffer.recycle();
    bench.accept(3000);
    expect(bench.buffer.size).toBe(1);
  });

  it("holds packets of any size, and puts them in order", () => {
    const bench = new Bench();
    const sizes = [SMALL, SMALL + 4, LARGE, LARGE + 4, LARGEST];
    bench.accept(100);
    for (const [i, payloadBytes] of sizes.entries()) bench.accept(160 - 10 * i, 0, { payloadBytes });
    expect(bench.numbers).toEqual([100]);
    expect(bench.buffer.size).toBe(sizes.length);
    bench.accept(110);
    expect(bench.numbers).toEqual([100, 110, 120, 130, 140, 150, 160]);
    expect(bench.released.slice(2).map(({ payloadBytes }) => payloadBytes)).toEqual(sizes.toReversed());
    bench.recycle();
  });

  it.each([
    { payloadBytes: SMALL, blocks: BLOCKS, others: [LARGE, LARGEST] },
    { payloadBytes: LARGE, blocks: LARGE_BLOCKS, others: [SMALL, LARGEST] },
    { payloadBytes: LARGEST, blocks: LARGEST_BLOCKS, others: [SMALL, LARGE] },
  ])(
    "goes on as if there were no buffer where no block is free for $payloadBytes bytes, and only then",
    ({ payloadBytes, blocks, others }) => {
      const bench = new Bench(BLOCKS + 1);
      for (const session of [0, 1, 2]) bench.accept(100, 0, { session });
      for (let i = 0; i < blocks; i++) bench.accept(120 + 10 * i, 0, { payloadBytes });
      for (const [i, other] of others.entries())
        bench.accept(120, 0, { session: 1 + i, payloadBytes: other });
      bench.released.length = 0;
      expect(bench.buffer.size).toBe(blocks + 2);
      bench.accept(2000, 0, { payloadBytes });
      expect(bench.numbers).toEqual([...Array.from({ length: blocks }, (_, i) => 120 + 10 * i), 2000]);
      expect(bench.buffer.counters.byFullness).toBe(1);
      // They have not been written yet.
      bench.accept(2020, 0, { payloadBytes });
      expect(bench.buffer.counters.byFullness).toBe(2);
      bench.recycle();
      bench.accept(2040, 0, { payloadBytes });
      expect(bench.buffer.size).toBe(3);
    },
  );

  it("leaves what it has handed on as it is until that has been written", () => {
    const step = fc.record({
      start: fc.integer({ min: 0, max: 40 }).map((i) => 10 * i),
      session: fc.integer({ min: 0, max: 3 }),
      payloadBytes: fc.constantFrom(8, SMALL, LARGE, LARGEST),
      evidence: fc.option(fc.integer({ min: 0, max: 400 }), { nil: undefined }),
      isWritten: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const bench = new Bench(12);
        for (const { start, session, payloadBytes, evidence, isWritten } of steps) {
          bench.accept(start, start, { session, payloadBytes });
          if (evidence !== undefined) {
            bench.evidence = evidence;
            bench.buffer.handleEvidence(0);
          }
          if (isWritten) bench.recycle();
        }
        bench.evidence = 400;
        bench.buffer.handleEvidence(0);
        bench.recycle();
        expect(bench.buffer.size).toBe(0);
      }),
    );
  });

  it("forgets a session, and starts anew with the number that it is told", () => {
    const bench = new Bench();
    bench.accept(100);
    bench.accept(120);
    bench.buffer.forget(0);
    expect(bench.buffer.size).toBe(0);
    bench.accept(5000);
    bench.buffer.resync(0, 9000);
    bench.accept(9010);
    bench.accept(9000);
    expect(bench.numbers).toEqual([100, 5000, 9000, 9010]);
  });

  it("hands on every packet once and, where nothing is given up, sorted", () => {
    const orders = fc.shuffledSubarray(
      Array.from({ length: 14 }, (_, i) => 10 * (i + 1)),
      { minLength: 14 },
    );
    fc.assert(
      fc.property(orders, fc.integer(), (order, base) => {
        const bench = new Bench(BLOCKS);
        bench.accept(base | 0);
        for (const offset of order)
          bench.accept((base + offset) | 0, 0, { payloadBytes: offset % 20 === 0 ? LARGE : SMALL });
        const expected = [
          base,
          ...[...order].sort((one, other) => one - other).map((offset) => base + offset),
        ];
        expect(bench.numbers).toEqual(expected.map((number) => number | 0));
      }),
    );
  });

  it("hands on every packet once, in order of the gaps that are given up, whatever is lost", () => {
    const step = fc.record({
      offset: fc.integer({ min: 1, max: 20 }),
      evidence: fc.integer({ min: 0, max: 20 }),
    });
    fc.assert(
      fc.property(fc.uniqueArray(step, { selector: ({ offset }) => offset, maxLength: 20 }), (steps) => {
        const bench = new Bench(8);
        bench.accept(0, 0);
        for (const { offset, evidence } of steps) {
          bench.accept(10 * offset, offset);
          bench.evidence = evidence;
          bench.buffer.handleEvidence(0);
          bench.buffer.recycle();
        }
        bench.evidence = 100;
        bench.buffer.handleEvidence(0);
        expect(bench.buffer.size).toBe(0);
        const expected = [0, ...steps.map(({ offset }) => 10 * offset)];
        expect([...bench.numbers].sort((one, other) => one - other)).toEqual(
          expected.sort((one, other) => one - other),
        );
      }),
    );
  });

  it("hands on every packet once, those in between that are sent again, too", () => {
    const step = fc.record({
      offset: fc.integer({ min: 0, max: 20 }),
      isAgain: fc.boolean(),
      behind: fc.integer({ min: 0, max: 20 }),
    });
    fc.assert(
      fc.property(fc.uniqueArray(step, { selector: ({ offset }) => offset, maxLength: 20 }), (steps) => {
        const bench = new Bench(12);
        bench.accept(0, 0);
        steps.forEach(({ offset, isAgain, behind }, i) => {
          const start = isAgain ? -10 * (i + 1) : 10 * (offset + 1);
          bench.accept(start, i + 1, { nowUs: i });
          bench.evidence = i - behind;
          bench.buffer.handleEvidence(i);
          bench.buffer.recycle();
        });
        bench.evidence = 100;
        bench.buffer.handleEvidence(100);
        expect(bench.buffer.size).toBe(0);
        expect(new Set(bench.numbers).size).toBe(bench.numbers.length);
        expect(bench.numbers).toHaveLength(steps.length + 1);
      }),
    );
  });
});

describe("packets that have no other number than when they were sent", () => {
  it("are handed on at once as far as all paths have passed them, the others when they have", () => {
    const bench = new Bench();
    bench.evidence = 100;
    bench.acceptStamped(90);
    bench.acceptStamped(100);
    expect(bench.numbers).toEqual([90, 100]);
    bench.acceptStamped(130);
    bench.acceptStamped(120);
    bench.acceptStamped(140);
    expect(bench.numbers).toEqual([90, 100]);
    bench.evidence = 135;
    bench.buffer.handleEvidence(0);
    expect(bench.numbers).toEqual([90, 100, 120, 130]);
    bench.evidence = 140;
    bench.buffer.handleEvidence(0);
    expect(bench.numbers).toEqual([90, 100, 120, 130, 140]);
    expect(bench.buffer.size).toBe(0);
    // They had to wait, but nothing was given up.
    expect(bench.buffer.counters).toMatchObject({ held: 3, byEvidence: 0, byTime: 0, byFullness: 0 });
  });

  it("are not waited for when they are late, nor is what may be sent again", () => {
    const bench = new Bench();
    bench.patienceUs = 1e6;
    bench.evidence = 100;
    bench.acceptStamped(100);
    bench.acceptStamped(50);
    bench.acceptStamped(120);
    bench.acceptStamped(60);
    expect(bench.numbers).toEqual([100, 50, 60]);
    bench.evidence = 120;
    bench.buffer.handleEvidence(0);
    expect(bench.numbers).toEqual([100, 50, 60, 120]);
  });

  it("are held no longer than any is, and no more of them", () => {
    const bench = new Bench(4);
    bench.evidence = 0;
    bench.holdUs = 50;
    bench.acceptStamped(100, { nowUs: 1000 });
    bench.acceptStamped(110, { nowUs: 1010 });
    expect(bench.buffer.nextDeadlineUs()).toBe(1050);
    bench.buffer.handleTime(1049);
    expect(bench.numbers).toEqual([]);
    bench.buffer.handleTime(1050);
    expect(bench.numbers).toEqual([100]);
    for (const timestamp of [140, 130, 120]) bench.acceptStamped(timestamp, { nowUs: 1050 });
    expect(bench.numbers).toEqual([100, 110, 120, 130, 140]);
    expect(bench.buffer.counters).toMatchObject({ byTime: 0, byFullness: 1 });
  });

  it("are each handed on once, and sorted as far as none is late", () => {
    const step = fc.record({
      offset: fc.integer({ min: 1, max: 40 }),
      evidence: fc.integer({ min: 0, max: 40 }),
    });
    const steps = fc.uniqueArray(step, { selector: ({ offset }) => offset, maxLength: 12 });
    fc.assert(
      fc.property(steps, fc.integer(), (all, base) => {
        const bench = new Bench(BLOCKS);
        const late: number[] = [];
        let passed = 0;
        bench.evidence = base | 0;
        for (const { offset, evidence } of all) {
          if (offset < passed) late.push((base + offset) | 0);
          bench.acceptStamped((base + offset) | 0);
          passed = Math.max(passed, evidence);
          bench.evidence = (base + passed) | 0;
          bench.buffer.handleEvidence(0);
          bench.buffer.recycle();
        }
        bench.evidence = (base + 100) | 0;
        bench.buffer.handleEvidence(0);
        const inTime = bench.numbers.filter((number) => !late.includes(number));
        expect(bench.numbers).toHaveLength(all.length);
        expect(inTime.map((number) => (number - base) | 0)).toEqual(
          all
            .map(({ offset }) => offset)
            .filter((offset) => !late.includes((base + offset) | 0))
            .sort((one, other) => one - other),
        );
      }),
    );
  });
});
