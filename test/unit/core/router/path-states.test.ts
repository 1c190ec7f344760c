import { describe, expect, it } from "vitest";
import {
  PATH_DOWN,
  PATH_PROBING,
  PATH_READY,
  PATH_STATE_NAMES,
  PATH_SUSPECT,
  PathStates,
} from "../../../../src/core/router/path-states.ts";
import { addPath, node, pathTable } from "../tables/fixtures.ts";

/** A path that was probed at time 0 and answered. */
function ready() {
  const paths = pathTable();
  const path = addPath(paths, node(0), 0);
  const states = new PathStates(paths);
  states.begin(path, 0);
  states.handleAnswer(path, 0);
  return { paths, path, states };
}

/** A path that has failed so often, `apartMs` apart, and has been answered in between. */
function failed(times: number, apartMs: number) {
  const { path, states } = ready();
  let nowMs = 0;
  for (let i = 0; i < times; i++) {
    nowMs += apartMs;
    while (states.of(path) !== PATH_READY) states.handleAnswer(path, nowMs);
    states.handleSilence(path, nowMs);
  }
  return { path, states, nowMs };
}

/** Answers in a row until the path is ready. */
function answers({ path, states, nowMs }: ReturnType<typeof failed>): number {
  for (let count = 1; ; count++) if (states.handleAnswer(path, nowMs)) return count;
}

describe("the state of a path", () => {
  it("is that of a path being probed, until one probe is answered", () => {
    const paths = pathTable();
    const path = addPath(paths, node(0), 0);
    const states = new PathStates(paths);
    states.begin(path, 5);
    expect([states.of(path), states.since(path)]).toEqual([PATH_PROBING, 5]);
    for (let i = 0; i < 20; i++) expect(states.handleUnanswered(path, 10 + i)).toBe(false);
    expect(states.handleSilence(path, 40)).toBe(false);
    expect(states.handleAnswer(path, 50)).toBe(true);
    expect([states.of(path), states.since(path)]).toEqual([PATH_READY, 50]);
    expect(states.handleAnswer(path, 60)).toBe(false);
    expect(states.since(path)).toBe(50);
    expect(PATH_STATE_NAMES[states.of(path)]).toBe("ready");
  });

  it("is suspect after silence, and down after five probes that were not answered", () => {
    const { paths, path, states } = ready();
    expect(states.handleSilence(path, 100)).toBe(true);
    expect(states.handleSilence(path, 101)).toBe(false);
    const downs = Array.from({ length: 6 }, (_, i) => states.handleUnanswered(path, 200 + i));
    expect(downs).toEqual([false, false, false, false, true, false]);
    expect([paths.state[path], states.since(path)]).toEqual([PATH_DOWN, 204]);
  });

  it("is not down while probes are answered now and then", () => {
    const { path, states, nowMs } = failed(3, 10);
    for (let i = 0; i < 50; i++) {
      for (let k = 0; k < 4; k++) states.handleUnanswered(path, nowMs);
      states.handleAnswer(path, nowMs);
    }
    expect(states.of(path)).toBe(PATH_SUSPECT);
  });

  it("is ready again after one answer, and after two more for each further failure, up to eight", () => {
    expect([1, 2, 3, 4, 5, 6, 300].map((times) => answers(failed(times, 10)))).toEqual([1, 3, 5, 7, 8, 8, 8]);
  });

  it("wants the answers in a row", () => {
    const { path, states, nowMs } = failed(2, 10);
    for (let i = 0; i < 10; i++) {
      expect(states.handleAnswer(path, nowMs)).toBe(false);
      expect(states.handleAnswer(path, nowMs)).toBe(false);
      states.handleUnanswered(path, nowMs);
    }
    expect([1, 2, 3].map(() => states.handleAnswer(path, nowMs))).toEqual([false, false, true]);
  });

  it("forgives one failure every ten seconds without another", () => {
    const after = (ms: number) => {
      const world = failed(4, 10);
      return answers({ ...world, nowMs: world.nowMs + ms });
    };
    expect([0, 9_999, 10_000, 20_000, 30_000, 40_000, 1e9].map(after)).toEqual([7, 7, 5, 3, 1, 1, 1]);
    expect(answers(failed(50, 10_001))).toBe(1);
  });

  it("forgives from the end of the last failure that was forgiven", () => {
    const { path, states, nowMs } = failed(3, 10);
    expect(states.answersNeeded(path, nowMs + 15_000)).toBe(3);
    expect(states.answersNeeded(path, nowMs + 19_000)).toBe(3);
    expect(states.answersNeeded(path, nowMs + 20_000)).toBe(1);
  });

  it("knows nothing of the path that had the slot before", () => {
    const { path, states, nowMs } = failed(5, 10);
    states.begin(path, nowMs);
    expect(states.handleAnswer(path, nowMs)).toBe(true);
    states.handleSilence(path, nowMs);
    expect(states.handleAnswer(path, nowMs)).toBe(true);
  });
});
