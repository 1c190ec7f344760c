import { describe, expect, it } from "vitest";
import {
  readFeedback,
  readMedia,
  VIDEO,
  writeFeedback,
  writeMedia,
} from "../../../tools/experiments/call/format.ts";
import { Frames } from "../../../tools/experiments/call/frames.ts";
import { Missing } from "../../../tools/experiments/call/missing.ts";
import { RateControl } from "../../../tools/experiments/call/rate-control.ts";

const packet = (frame: number, place: number, packets: number, isKey = false) => ({
  ...{ kind: VIDEO, isKey, place, sequence: 0, sentMs: 0, frame, packets },
});

describe("datagrams of a call", () => {
  it("come back as they were", () => {
    const media = { ...packet(70_000, 3, 9, true), sequence: 4_000_000_000, sentMs: 123.456 };
    expect(readMedia(writeMedia(media, 1000))).toEqual(media);
    const feedback = { report: { bitsPerS: 1, lost: 0.5, delayMs: 3 }, missing: [1, 2], wantsKey: true };
    expect(readFeedback(writeFeedback(feedback))).toEqual(feedback);
  });
});

describe("frames", () => {
  it("are shown in order, when they are complete and the one before has been shown", () => {
    const frames = new Frames();
    frames.handle(packet(0, 0, 1), 10);
    frames.handle(packet(2, 0, 1), 20);
    frames.handle(packet(1, 1, 2), 30);
    expect(frames.shownMs).toEqual([10]);
    frames.handle(packet(1, 0, 2), 40);
    expect(frames.shownMs).toEqual([10, 40, 40]);
    frames.handle(packet(1, 0, 2), 50);
    expect(frames.shownMs).toHaveLength(3);
  });

  it("go on at a key frame when one before it does not come", () => {
    const frames = new Frames();
    frames.handle(packet(0, 0, 1), 0);
    frames.handle(packet(2, 0, 1), 100);
    expect(frames.wantsKey(300)).toBe(false);
    expect(frames.wantsKey(450)).toBe(true);
    frames.handle(packet(5, 0, 1, true), 500);
    expect(frames.shownMs).toEqual([0, 500]);
    expect(frames.wantsKey(5000)).toBe(false);
  });
});

describe("missing packets", () => {
  it("are asked for after some patience, again after a while, and count as lost once", () => {
    const missing = new Missing();
    missing.handle(0, 0);
    missing.handle(3, 1);
    expect(missing.due(5)).toEqual([]);
    expect(missing.due(12)).toEqual([1, 2]);
    expect(missing.due(20)).toEqual([]);
    missing.handle(1, 30);
    expect(missing.due(80)).toEqual([2]);
    expect(missing.takeLoss()).toBe(0.5);
    expect(missing.takeLoss()).toBe(0);
    expect(missing.due(3000)).toEqual([]);
  });

  it("that were only overtaken teach patience", () => {
    const missing = new Missing();
    missing.handle(1, 0);
    missing.handle(0, 9);
    missing.handle(3, 100);
    expect(missing.due(110)).toEqual([]);
    expect(missing.due(111)).toEqual([2]);
  });
});

describe("the rate of video", () => {
  const report = (bitsPerS: number, lost: number, delayMs: number) => ({ bitsPerS, lost, delayMs });
  it("rises while it is used, up to the most", () => {
    const rate = new RateControl(1e6, 2e6, 0);
    rate.handleReport(report(1e6, 0, 10), 100);
    expect(rate.bitsPerS).toBeGreaterThan(1e6);
    for (let ms = 200; ms < 10_000; ms += 100) rate.handleReport(report(rate.bitsPerS, 0, 10), ms);
    expect(rate.bitsPerS).toBe(2e6);
    rate.handleReport(report(1e5, 0, 10), 10_000);
    expect(rate.bitsPerS).toBe(2e6);
  });

  it.each([
    ["heavy loss", report(1e6, 0.4, 10)],
    ["a queue", report(1e6, 0, 100)],
  ])("falls with %s", (_, bad) => {
    const rate = new RateControl(1e6, 2e6, 0);
    rate.handleReport(report(1e6, 0, 10), 100);
    const before = rate.bitsPerS;
    rate.handleReport(bad, 200);
    expect(rate.bitsPerS).toBeLessThan(0.9 * before);
  });

  it("halves when the receiver is silent", () => {
    const rate = new RateControl(1e6, 2e6, 0);
    rate.handleTick(400);
    expect(rate.bitsPerS).toBe(1e6);
    rate.handleTick(500);
    rate.handleTick(900);
    expect(rate.bitsPerS).toBe(5e5);
  });
});
