import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  PATH_DOWN,
  PATH_PROBING,
  PATH_READY,
  PATH_SUSPECT,
  PathStates,
} from "../../../src/core/router/path-states.ts";
import { check } from "../../helpers/property.ts";
import { addPath, node, pathTable } from "../../unit/core/tables/fixtures.ts";

const UNANSWERED_MAX = 5;
const ANSWERS_MAX = 8;
const FORGIVE_MS = 10_000;

type Kind = "answer" | "silence" | "unanswered";

/** Everything that has happened, from which each answer is worked out anew. */
class Twin {
  state = PATH_PROBING;
  sinceMs = 0;
  private readonly failuresMs: number[] = [];
  private inState: Kind[] = [];

  handle(kind: Kind, nowMs: number): boolean {
    this.inState.push(kind);
    const next = this.next(kind, nowMs);
    if (next === this.state) return false;
    if (next === PATH_SUSPECT) this.failuresMs.push(nowMs);
    this.state = next;
    this.sinceMs = nowMs;
    this.inState = [];
    return true;
  }

  private next(kind: Kind, nowMs: number): number {
    const { state } = this;
    if (state === PATH_READY) return kind === "silence" ? PATH_SUSPECT : state;
    if (kind === "answer") {
      const needed = state === PATH_PROBING ? 1 : this.needed(nowMs);
      return this.inARow("answer", "unanswered") >= needed ? PATH_READY : state;
    }
    const isDead = state === PATH_SUSPECT && this.inARow("unanswered", "answer") >= UNANSWERED_MAX;
    return isDead ? PATH_DOWN : state;
  }

  /** How many of `kind` have come since the last `not`. */
  private inARow(kind: Kind, not: Kind): number {
    return this.inState.slice(this.inState.lastIndexOf(not) + 1).filter((one) => one === kind).length;
  }

  /** Each failure counts one more, each ten seconds after one that bring none count one less. */
  needed(nowMs: number): number {
    const forgiven = (failures: number, ms: number) => Math.max(failures - Math.floor(ms / FORGIVE_MS), 0);
    let failures = 0;
    let lastMs = 0;
    for (const atMs of this.failuresMs) {
      failures = Math.min(forgiven(failures, atMs - lastMs) + 1, ANSWERS_MAX);
      lastMs = atMs;
    }
    return Math.min(Math.max(2 * forgiven(failures, nowMs - lastMs) - 1, 1), ANSWERS_MAX);
  }
}

const events = fc.array(
  fc.record({
    kind: fc.constantFrom<Kind>("answer", "silence", "unanswered"),
    times: fc.integer({ min: 1, max: 9 }),
    laterMs: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 30_000 })),
  }),
  { maxLength: 80, size: "max" },
);

function world() {
  const paths = pathTable();
  const path = addPath(paths, node(0), 0);
  const states = new PathStates(paths);
  states.begin(path, 0);
  const handle = (kind: Kind, nowMs: number) => {
    if (kind === "answer") return states.handleAnswer(path, nowMs);
    return kind === "silence" ? states.handleSilence(path, nowMs) : states.handleUnanswered(path, nowMs);
  };
  return { path, states, handle };
}

describe("the states of a path", () => {
  it("are what the list of all events says", () => {
    check(
      fc.property(events, (list) => {
        const { path, states, handle } = world();
        const twin = new Twin();
        let nowMs = 0;
        for (const { kind, times, laterMs } of list) {
          for (let i = 0; i < times; i++) {
            nowMs += laterMs;
            expect(handle(kind, nowMs)).toBe(twin.handle(kind, nowMs));
            expect([states.of(path), states.since(path)]).toEqual([twin.state, twin.sinceMs]);
          }
        }
      }),
    );
  });

  it("go the ways that are drawn, and no others", () => {
    const ways = new Set(["0>1", "1>2", "2>1", "2>3", "3>1"]);
    check(
      fc.property(events, (list) => {
        const { path, states, handle } = world();
        let nowMs = 0;
        for (const { kind, times, laterMs } of list) {
          for (let i = 0; i < times; i++) {
            nowMs += laterMs;
            const before = states.of(path);
            const isChange = handle(kind, nowMs);
            expect(isChange).toBe(states.of(path) !== before);
            if (isChange) expect(ways).toContain(`${before}>${states.of(path)}`);
          }
        }
      }),
    );
  });

  it("are never stuck: eight answers in a row make any path ready", () => {
    check(
      fc.property(events, (list) => {
        const { path, states, handle } = world();
        let nowMs = 0;
        for (const { kind, times, laterMs } of list) {
          for (let i = 0; i < times; i++) {
            nowMs += laterMs;
            handle(kind, nowMs);
          }
        }
        for (let i = 0; i < ANSWERS_MAX; i++) handle("answer", nowMs);
        expect(states.of(path)).toBe(PATH_READY);
      }),
    );
  });
});
