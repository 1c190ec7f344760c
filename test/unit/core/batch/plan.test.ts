import { describe, expect, it } from "vitest";
import { PIECES_MAX, PLAN_HEAD, PLAN_STATUS } from "../../../../src/core/batch/layout.ts";
import { Plan } from "../../../../src/core/batch/plan.ts";
import { planMessages } from "../../../helpers/plan-messages.ts";

const piecesOf = (plan: Plan) => planMessages(plan).map(({ pieces }) => pieces);

describe("a plan", () => {
  it("lays messages end to end, each a head and its pieces", () => {
    const plan = new Plan(64);
    const first = plan.begin();
    plan.route(7, Int32Array.of(9, 1, 2, 3, 4), 1, 4500, 1200, 0xb8);
    plan.piece(100, 50);
    plan.piece(300, 20);
    const second = plan.begin();
    plan.piece(0, 10);
    expect([first, second]).toEqual([0, PLAN_HEAD + 4]);
    expect([...plan.words.subarray(0, plan.end)]).toEqual([
      ...[0, 2, 7, 4500, 1200, 0xb8, 1, 2, 3, 4, 100, 50, 300, 20],
      ...[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10],
    ]);
    expect(plan.count).toBe(2);
  });

  it("makes a piece longer when the next bytes follow it in the arena", () => {
    const plan = new Plan(64);
    plan.begin();
    plan.piece(100, 50);
    plan.piece(150, 20);
    plan.piece(170, 1);
    expect(piecesOf(plan)).toEqual([[[100, 71]]]);
  });

  it("keeps pieces apart that overlap, leave a gap or go backwards", () => {
    const plan = new Plan(64);
    plan.begin();
    plan.piece(100, 50);
    plan.piece(151, 9);
    plan.piece(155, 5);
    plan.piece(50, 50);
    expect(piecesOf(plan)).toEqual([
      [
        [100, 50],
        [151, 9],
        [155, 5],
        [50, 50],
      ],
    ]);
  });

  it("never joins the first piece of a message to the message before", () => {
    const plan = new Plan(64);
    plan.begin();
    plan.piece(100, 50);
    plan.begin();
    plan.piece(150, 20);
    expect(piecesOf(plan)).toEqual([[[100, 50]], [[150, 20]]]);
  });

  it("knows whether a message of so many pieces still has room, to the word", () => {
    const plan = new Plan(PLAN_HEAD + 4);
    expect([plan.fits(2), plan.fits(3)]).toEqual([true, false]);
    plan.begin();
    expect([plan.fits(0), plan.piecesLeft()]).toEqual([false, 2]);
    plan.piece(0, 1);
    expect(plan.piecesLeft()).toBe(1);
    plan.piece(10, 1);
    expect(plan.piecesLeft()).toBe(0);
  });

  it("gives a message no more pieces than the kernel takes", () => {
    const plan = new Plan(PLAN_HEAD + 4 * PIECES_MAX);
    plan.begin();
    for (let i = 0; i < PIECES_MAX - 1; i++) plan.piece(2 * i, 1);
    expect(plan.piecesLeft()).toBe(1);
    plan.piece(2 * PIECES_MAX, 1);
    expect(plan.piecesLeft()).toBe(0);
  });

  it("adds up the bytes of a message and finds the one behind it", () => {
    const plan = new Plan(64);
    const first = plan.begin();
    plan.piece(0, 10);
    plan.piece(20, 5);
    const second = plan.begin();
    expect([plan.bytes(first), plan.after(first)]).toEqual([15, second]);
    expect([plan.bytes(second), plan.after(second)]).toEqual([0, plan.end]);
  });

  it("hands out what the kernel wrote as the status of a message", () => {
    const plan = new Plan(64);
    plan.begin();
    const second = plan.begin();
    plan.words[second + PLAN_STATUS] = -90;
    expect([plan.status(0), plan.status(second)]).toEqual([0, -90]);
  });

  it("starts anew after clear, without the statuses of before", () => {
    const plan = new Plan(64);
    plan.begin();
    plan.piece(0, 10);
    plan.words[PLAN_STATUS] = -90;
    plan.clear();
    expect([plan.count, plan.end]).toEqual([0, 0]);
    const head = plan.begin();
    expect([head, plan.status(head), plan.bytes(head)]).toEqual([0, 0, 0]);
  });
});
