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
  readonly trains = new PathTrains(1);
  nowUs = 0;
  private freeUs = 0;
  private bytes = 0;
  private readonly packetUs: number;

  constructor(bytesPerMs: number) {
    this.packetUs = (BYTES * 1000) / bytesPerMs;
    this.send(1, 1);
    this.nowUs += 100_000;
  }

  /** Packets, one each `everyUs`; each is delayed by `extra` of its number more. */
  send(packets: number, everyUs: number, extraUs: (k: number) => number = () => 0): this {
    for (let k = 0; k < packets; k++) {
      this.freeUs = Math.max(this.freeUs, this.nowUs) + this.packetUs;
      this.bytes += BYTES;
      const arrivedUs = this.freeUs + extraUs(k);
      const delayUs = (arrivedUs - this.nowUs + FLOOR_US) | 0;
      this.trains.handlePacket(P, this.nowUs | 0, delayUs, this.bytes, arrivedUs);
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
});
