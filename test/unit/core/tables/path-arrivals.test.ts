import { describe, expect, it } from "vitest";
import type { PathSlot } from "../../../../src/core/base/ids.ts";
import {
  ARRIVAL_DUPLICATE,
  ARRIVAL_LATE,
  ARRIVAL_NEW,
  ARRIVAL_OLD,
  ARRIVAL_WINDOW,
  PathArrivals,
} from "../../../../src/core/tables/path-arrivals.ts";
import { Received } from "../../../../src/core/wire/control-body.ts";

const P = 1 as PathSlot;
const [N, L, D, O] = [ARRIVAL_NEW, ARRIVAL_LATE, ARRIVAL_DUPLICATE, ARRIVAL_OLD];

function arrived(...sequences: number[]) {
  const arrivals = new PathArrivals(2);
  const verdicts = sequences.map((sequence) => arrivals.handlePacket(P, sequence | 0, 100));
  return { arrivals, verdicts, packets: arrivals.packets[P], lost: arrivals.lost[P] };
}

describe("what has come in on a path", () => {
  it("is all there when every number came", () => {
    expect(arrived(7, 8, 9)).toMatchObject({ verdicts: [N, N, N], packets: 3, lost: 0 });
  });

  it("lacks the numbers that were passed over, until they come late", () => {
    expect(arrived(1, 2, 5)).toMatchObject({ packets: 3, lost: 2 });
    expect(arrived(1, 2, 5, 3)).toMatchObject({ verdicts: [N, N, N, L], packets: 4, lost: 1 });
    expect(arrived(1, 2, 5, 4, 3)).toMatchObject({ packets: 5, lost: 0 });
  });

  it("tells a number that the peer may have come to from one that somebody made up", () => {
    const { arrivals } = arrived(-5, -4);
    const mayFollow = (sequence: number) => arrivals.mayFollow(P, sequence | 0);
    expect([-3, 0, 1_000_000, -4, -5, -4 - ARRIVAL_WINDOW + 1].map(mayFollow)).toEqual(
      new Array(6).fill(true),
    );
    expect([-4 - ARRIVAL_WINDOW, 1 << 25, 1 << 31].map(mayFollow)).toEqual([false, false, false]);
    expect(new PathArrivals(2).mayFollow(P, 12345)).toBe(true);
  });

  it("begins anew with another path of the peer's, and what was counted stays", () => {
    const { arrivals } = arrived(1000, 1001);
    arrivals.renew(P);
    expect([0, 1, 1].map((sequence) => arrivals.handlePacket(P, sequence, 100))).toEqual([N, N, D]);
    expect([arrivals.packets[P], arrivals.lost[P], arrivals.highest[P]]).toEqual([4, 0, 1]);
  });

  it("does not count duplicates, of whatever packet", () => {
    const { verdicts, packets, lost, arrivals } = arrived(1, 1, 3, 2, 2, 1, 3);
    expect(verdicts).toEqual([N, D, N, L, D, D, D]);
    expect([packets, lost, arrivals.duplicates[P], arrivals.bytes[P]]).toEqual([3, 0, 4, 300]);
  });

  it("has not lost what was sent before the first packet that came", () => {
    expect(arrived(10, 8, 9, 8, 11, 13)).toMatchObject({ verdicts: [N, L, L, D, N, N], packets: 5, lost: 1 });
  });

  it("counts over the wrap", () => {
    expect(arrived(0xffff_fffe, 0xffff_ffff, 1, 0, 2)).toMatchObject({
      verdicts: [N, N, N, L, N],
      packets: 5,
      lost: 0,
    });
    expect(arrived(0x7fff_ffff, 0x8000_0003)).toMatchObject({ packets: 2, lost: 3 });
  });

  it("tells duplicates from late packets to the last number of the window", () => {
    for (const first of [0, 1, 17, 31, 32, 0xffff_fff0]) {
      const last = first + ARRIVAL_WINDOW + 1;
      const { arrivals, lost } = arrived(first, last);
      expect(lost).toBe(ARRIVAL_WINDOW);
      expect(arrivals.handlePacket(P, (first + 1) | 0, 100)).toBe(O);
      expect(arrivals.handlePacket(P, (first + 2) | 0, 100)).toBe(L);
      expect(arrivals.handlePacket(P, (first + 2) | 0, 100)).toBe(D);
      expect([arrivals.lost[P], arrivals.packets[P], arrivals.old[P]]).toEqual([ARRIVAL_WINDOW - 1, 3, 1]);
    }
  });

  it("forgets all bits when a gap is larger than the window", () => {
    const { arrivals } = arrived(...Array.from({ length: 3000 }, (_, i) => i), 1_000_000);
    expect(arrivals.lost[P]).toBe(1_000_000 - 3000);
    for (let i = 1; i < ARRIVAL_WINDOW; i++) expect(arrivals.handlePacket(P, 1_000_000 - i, 1)).toBe(L);
  });

  it("counts anew when the peer does, but not for single old packets", () => {
    const { arrivals } = arrived(5_000_000, 5_000_001, 5_000_005);
    expect(arrivals.lost[P]).toBe(3);
    for (const stray of [0, 10, 11, 12, 500]) expect(arrivals.handlePacket(P, stray, 1)).toBe(O);
    expect(arrivals.highest[P]).toBe(5_000_005);
    const verdicts = Array.from({ length: 9 }, (_, i) => arrivals.handlePacket(P, i, 1));
    expect(verdicts).toEqual([O, O, O, O, O, O, O, N, N]);
    expect([arrivals.highest[P], arrivals.lost[P]]).toEqual([8, 3]);
    expect(arrivals.handlePacket(P, 10, 1)).toBe(N);
    expect(arrivals.lost[P]).toBe(4);
  });

  it("is told to the peer modulo what the report holds", () => {
    const { arrivals } = arrived(-20, -16, -14);
    arrivals.bytes[P] = 3 * 2 ** 32 + 5;
    expect(arrivals.received(P, new Received())).toMatchObject({
      packets: 3,
      bytesHigh: 3,
      bytesLow: 5,
      lost: 4,
      highest: -14,
    });
  });

  it("may have no numbers at all", () => {
    const arrivals = new PathArrivals(2);
    arrivals.handleUnnumbered(P, 500);
    arrivals.handleUnnumbered(P, 600);
    expect([arrivals.packets[P], arrivals.bytes[P], arrivals.lost[P]]).toEqual([2, 1100, 0]);
    expect(arrivals.handlePacket(P, 900, 1)).toBe(N);
    expect(arrivals.lost[P]).toBe(0);
  });

  it("is forgotten with the path", () => {
    const { arrivals } = arrived(1, 5, 5);
    arrivals.handleTimestamp(P, 100, 200, 0);
    arrivals.reset(P);
    const { packets, lost, duplicates, bytes, feedbackDue, newestTimestampUs } = arrivals;
    expect(
      [packets, lost, duplicates, bytes, feedbackDue, newestTimestampUs].map((column) => column[P]),
    ).toEqual([0, 0, 0, 0, 0, 0]);
    expect(arrivals.handlePacket(P, 5, 100)).toBe(N);
    expect(arrivals.lost[P]).toBe(0);
  });
});

describe("the timestamps that a path brings", () => {
  it("are told with the time at which the newest came, whatever older ones follow", () => {
    const arrivals = new PathArrivals(2);
    arrivals.handleTimestamp(P, 1000, 5_000, 0);
    // A packet that was sent again keeps its timestamp.
    arrivals.handleTimestamp(P, 900, 6_000, 0);
    expect([arrivals.newestTimestampUs[P], arrivals.newestUs[P]]).toEqual([1000, 5_000]);
    arrivals.handleTimestamp(P, 1001, 7_000, 0);
    expect([arrivals.newestTimestampUs[P], arrivals.newestUs[P]]).toEqual([1001, 7_000]);
  });

  it("give the delay to be fed back, modulo 2^32", () => {
    const arrivals = new PathArrivals(2);
    arrivals.handleTimestamp(P, 1000, 5_000, 0);
    expect([arrivals.delayUs[P], arrivals.feedbackDue[P]]).toEqual([4000, 1]);
    arrivals.handleTimestamp(P, -10, 2 ** 33 + 40, 0);
    expect(arrivals.delayUs[P]).toBe(50);
    arrivals.reset(P);
    arrivals.handleTimestamp(P, 0x7fff_ffff, -0x8000_0000, 0);
    expect(arrivals.delayUs[P]).toBe(1);
  });

  it("show the newest one after a silence of any length", () => {
    for (const silentUs of [61e6, 30 * 60e6, 40 * 60e6, 72 * 60e6, 24 * 3600e6]) {
      const arrivals = new PathArrivals(2);
      const seen = [0, 1, 2].map((us) => {
        arrivals.handleTimestamp(P, us === 0 ? 0 : (silentUs + us) | 0, us === 0 ? 0 : silentUs + us, 0);
        return arrivals.newestTimestampUs[P];
      });
      expect(seen).toEqual([0, (silentUs + 1) | 0, (silentUs + 2) | 0]);
    }
  });

  it("show the newest one, whatever came last", () => {
    const arrivals = new PathArrivals(2);
    const newest = [-5, -10, 3, -7, 2].map((timestamp) => {
      arrivals.handleTimestamp(P, timestamp, 0, 0);
      return arrivals.newestTimestampUs[P];
    });
    expect(newest).toEqual([-5, -5, 3, 3, 3]);
    arrivals.reset(P);
    arrivals.handleTimestamp(P, -0x4000_0000, 0, 0);
    expect(arrivals.newestTimestampUs[P]).toBe(-0x4000_0000);
  });
});
