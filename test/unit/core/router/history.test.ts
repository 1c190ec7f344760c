import { describe, expect, it } from "vitest";
import { NONE, type PathSlot } from "../../../../src/core/base/ids.ts";
import { History, type Run } from "../../../../src/core/router/history.ts";

const A = 0 as PathSlot;
const B = 1 as PathSlot;
/** More runs than are remembered. */
const MANY = 1 << 15;

function sent(history: History, path: PathSlot, firstSequence: number, segments: number): Run {
  const run = history.count as Run;
  const at = history.add(path);
  history.firstSequence[at] = firstSequence;
  history.segments[at] = segments;
  return run;
}

describe("what was sent of late", () => {
  it("is found by path and any of its sequence numbers", () => {
    const history = new History(2);
    const first = sent(history, A, 0, 3);
    const other = sent(history, B, 0, 2);
    const second = sent(history, A, 5, 1);
    expect([0, 1, 2, 5].map((sequence) => history.find(A, sequence))).toEqual([first, first, first, second]);
    expect([0, 1].map((sequence) => history.find(B, sequence))).toEqual([other, other]);
    // Control packets have numbers, too, and are not remembered; others have not been given yet, or never.
    expect([3, 4, 6, -1].map((sequence) => history.find(A, sequence))).toEqual([NONE, NONE, NONE, NONE]);
    expect(history.find(B, 2)).toBe(NONE);
  });

  it("is found in one pass from the newest to the oldest, however many runs that are", () => {
    const history = new History(2);
    const runs = Array.from({ length: 3000 }, (_, sequence) => {
      sent(history, B, sequence, 1);
      return sent(history, A, sequence, 1);
    });
    history.beginSearch();
    const found = runs.map((_, i) => history.find(A, runs.length - 1 - i)).reverse();
    expect(found).toEqual(runs);
    // What is newer, or another path's, is looked for from the start.
    history.beginSearch();
    const numbers = [10, 2000].map((sequence) => [history.find(A, sequence), history.find(B, sequence)]);
    expect(numbers).toEqual([
      [runs[10], NONE],
      [NONE, NONE],
    ]);
  });

  it("is found over the wrap of the numbers", () => {
    const history = new History(1);
    const before = sent(history, A, 0x7fff_fff0, 8);
    const over = sent(history, A, 0x7fff_fffe, 4);
    const after = sent(history, A, 0x8000_0002 | 0, 2);
    expect(history.find(A, 0x7fff_fff7)).toBe(before);
    expect([0x7fff_ffff, 0x8000_0000 | 0, 0x8000_0001 | 0].map((n) => history.find(A, n))).toEqual(
      new Array(3).fill(over),
    );
    expect(history.find(A, 0x8000_0003 | 0)).toBe(after);
    expect(history.find(A, 0x7fff_fff8)).toBe(NONE);
  });

  it("is forgotten when so many runs have followed that its place is taken", () => {
    const history = new History(2);
    sent(history, A, 0, 1);
    for (let i = 0; i < MANY; i++) sent(history, B, i, 1);
    expect(history.find(A, 0)).toBe(NONE);
    expect(history.last(A)).toBe(NONE);
    const found = history.find(B, MANY - 1);
    expect(found).toBe(history.count - 1);
    expect(history.previous(found as Run)).toBe(history.count - 2);
    // A path that was silent for so long goes on where it was.
    const run = sent(history, A, 1, 1);
    expect(history.find(A, 1)).toBe(run);
    expect(history.previous(run)).toBe(NONE);
  });

  it("is not taken for what another path sent which has its slot now", () => {
    const history = new History(1);
    sent(history, A, 0, 4);
    history.forgetPath(A);
    expect(history.last(A)).toBe(NONE);
    const run = sent(history, A, 2, 1);
    expect(history.find(A, 2)).toBe(run);
    expect(history.find(A, 1)).toBe(NONE);
    expect(history.previous(run)).toBe(NONE);
  });

  it("is marked as sent again once for each segment", () => {
    const history = new History(1);
    const run = sent(history, A, 0, 64);
    const other = sent(history, A, 64, 64);
    const segments = Array.from({ length: 64 }, (_, segment) => segment);
    expect(segments.filter((segment) => history.markAgain(run, segment))).toEqual(segments);
    expect(segments.filter((segment) => history.markAgain(run, segment))).toEqual([]);
    expect(history.markAgain(other, 63)).toBe(true);
  });

  it("has no marks of the run whose place it takes", () => {
    const history = new History(1);
    history.markAgain(sent(history, A, 0, 64), 40);
    for (let i = 0; i < MANY; i++) expect(history.markAgain(sent(history, A, 64 + i, 64), 40)).toBe(true);
  });
});
