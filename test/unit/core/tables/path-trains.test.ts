import { describe, expect, it } from "vitest";
import type { PathSlot } from "../../../../src/core/base/ids.ts";
import { PathTrains } from "../../../../src/core/tables/path-trains.ts";
import { CARRIES_MASK } from "../../../../src/core/wire/control-body.ts";

const P = 0 as PathSlot;
const BYTES = 1000;
/** The delay without a queue, with the clocks' difference in it. */
const FLOOR_US = 2 ** 31 - 5_000;

/** A path whose narrowest part carries 1000 bytes in `packetUs`; what is sent through it is told of at once. */
class Line {
  private readonly counts = {
    bytes: new Float64Array(1),
    packets: new Float64Array(1),
    lost: new Float64Array(1),
  };
  readonly trains = new PathTrains(1, this.counts);
  nowUs = 0;
  holdsUs = Number.POSITIVE_INFINITY;
  /** Whether a packet of a kind was sent before. */
  isAgain: (k: number) => boolean = () => false;
  private freeUs = 0;
  private readonly packetUs: number;

  constructor(bytesPerMs: number) {
    this.packetUs = (BYTES * 1000) / bytesPerMs;
    this.send(1, 1);
    this.nowUs += 100_000;
  }

  /** Packets, one each `everyUs`; each is delayed by `extra` of its number more, or lost where there is no room. */
  send(packets: number, everyUs: number, extraUs: (k: number) => number = () => 0): this {
    for (let k = 0; k < packets; k++) {
      if (this.freeUs - this.nowUs > this.holdsUs) {
        this.counts.lost[0]!++;
        this.nowUs += everyUs;
        continue;
      }
      this.freeUs = Math.max(this.freeUs, this.nowUs) + this.packetUs;
      this.counts.bytes[0]! += BYTES;
      this.counts.packets[0]!++;
      const arrivedUs = this.freeUs + extraUs(k);
      const delayUs = (arrivedUs - this.nowUs + FLOOR_US) | 0;
      if (this.isAgain(k)) this.trains.handleOld(P, arrivedUs);
      else this.trains.handlePacket(P, this.nowUs | 0, delayUs, arrivedUs);
      this.nowUs += everyUs;
    }
    return this;
  }

  get found(): { bytesPerMs: number; isFaster: boolean } | undefined {
    const carries = this.trains.take(P);
    return carries === 0 ? undefined : { bytesPerMs: carries & CARRIES_MASK, isFaster: carries < 0 };
  }
}

describe("packets that had to wait behind each other", () => {
  it("show what the path carries, once, whatever the clocks", () => {
    const line = new Line(5_000);
    expect(line.send(60, 1).found).toEqual({ bytesPerMs: 5_000, isFaster: true });
    expect(line.found).toBeUndefined();
  });

  it("show it when they come as fast as they were sent, too", () => {
    const line = new Line(5_000);
    line.send(30, 1);
    line.trains.take(P);
    expect(line.send(200, 200).found).toEqual({ bytesPerMs: 5_000, isFaster: false });
  });

  it("show nothing if they are few, or did not wait", () => {
    expect(new Line(5_000).send(20, 1).found).toBeUndefined();
    expect(new Line(50_000).send(40, 1).found).toBeUndefined();
    expect(new Line(5_000).send(2_000, 210).found).toBeUndefined();
  });

  it("show nothing if they waited for something else: they come in lumps", () => {
    // Each tenth packet stands still for a while, and the ones behind it with it.
    const line = new Line(1e6);
    for (let k = 0; k < 100; k++) line.send(10, 500, (i) => Math.max(12_000 - 500 * i, 1_000));
    expect(line.found).toBeUndefined();
  });

  it("show it on a slow path with fewer bytes, unless delays vary by themselves", () => {
    expect(new Line(125).send(9, 1).found).toEqual({ bytesPerMs: 125, isFaster: true });
    expect(new Line(125).send(4, 1).found).toBeUndefined();
    const noisy = new Line(125);
    for (let k = 0; k < 10; k++) noisy.send(1, 50_000, () => (k % 3 === 0 ? 0 : 5_000));
    expect(noisy.send(9, 1).found).toBeUndefined();
  });

  it("show what the path carries of late", () => {
    const line = new Line(5_000);
    line.send(60, 1);
    line.nowUs += 100_000;
    line.send(10, 1);
    line.nowUs += 100_000;
    expect(line.found?.bytesPerMs).toBe(5_000);
    line.trains.reset(P);
    expect(line.found).toBeUndefined();
  });

  it("show it where most of them are lost, because the queue is full", () => {
    const line = new Line(5_000);
    line.holdsUs = 2_000;
    line.send(30, 1);
    line.trains.take(P);
    expect(line.send(300, 50).found).toEqual({ bytesPerMs: expect.closeTo(5_000, -2), isFaster: true });
  });

  it("show it when many of them were sent before", () => {
    const line = new Line(5_000);
    line.isAgain = (k) => k % 20 > 5;
    expect(line.send(60, 1).found).toEqual({ bytesPerMs: 5_000, isFaster: true });
  });

  it("show no more than was sent: they come faster after something stood still", () => {
    const line = new Line(50_000);
    // All but the first wait for what takes 20 ms, less and less.
    line.send(200, 200, (k) => Math.max(20_000 - 100 * k, 1_000));
    expect(line.found).toEqual({ bytesPerMs: expect.closeTo(5_000, -2), isFaster: false });
  });

  it("do not seem to be sent faster because delays happen to grow, where they are known to vary", () => {
    const growing = (line: Line) => line.send(40, 200, (k) => 1_000 + 100 * k).found?.isFaster;
    const calm = new Line(50_000);
    for (let k = 0; k < 3; k++) {
      calm.send(1, 1);
      calm.nowUs += 20_000;
    }
    expect(growing(calm)).toBe(true);
    const noisy = new Line(50_000);
    for (let k = 0; k < 20; k++) {
      noisy.send(1, 1, () => 500 * (k % 9));
      noisy.nowUs += 20_000;
    }
    noisy.trains.take(P);
    expect(growing(noisy)).toBe(false);
    // What is sent at twice the rate of the path at least shows all the same.
    const full = new Line(5_000);
    for (let k = 0; k < 20; k++) {
      full.send(1, 1, () => 500 * (k % 9));
      full.nowUs += 20_000;
    }
    full.trains.take(P);
    expect(full.send(60, 80).found?.isFaster).toBe(true);
  });

  it("do not seem to be sent faster where two of a few lone ones were late", () => {
    const young = new Line(50_000);
    for (const extraUs of [0, 0, 9_000, 0, 0, 8_000, 0]) {
      young.send(1, 1, () => extraUs);
      young.nowUs += 20_000;
    }
    young.trains.take(P);
    expect(young.send(40, 200, (k) => 1_000 + 100 * k).found?.isFaster).toBe(false);
  });

  it("do not seem to be sent faster where a single delay may be as long", () => {
    const noisy = new Line(5_000);
    for (let k = 0; k < 20; k++) noisy.send(1, 50_000, () => 5_000 * (k % 5));
    noisy.trains.take(P);
    expect(noisy.send(60, 80).found?.isFaster).toBe(false);
    expect(noisy.send(300, 80).found?.isFaster).toBe(true);
  });
});
