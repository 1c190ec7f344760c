import { describe, expect, it } from "vitest";
import type { PathSlot } from "../../../../src/core/base/ids.ts";
import { PathDelivery } from "../../../../src/core/tables/path-delivery.ts";
import { Received } from "../../../../src/core/wire/control-body.ts";

const P = 0 as PathSlot;

function report(packets: number, lost: number, bytes: number): Received {
  const received = new Received();
  received.packets = packets | 0;
  received.lost = lost | 0;
  received.bytesHigh = Math.floor(bytes / 2 ** 32) | 0;
  received.bytesLow = bytes | 0;
  return received;
}

describe("what the peer has received of a path", () => {
  it("gives a rate with the second report, and an average after that", () => {
    const delivery = new PathDelivery(1);
    delivery.handleReport(P, report(100, 0, 100_000), 0);
    expect(delivery.rateBytesPerS[P]).toBe(0);
    delivery.handleReport(P, report(200, 0, 200_000), 100_000);
    expect(delivery.rateBytesPerS[P]).toBe(1_000_000);
    delivery.handleReport(P, report(400, 0, 2_200_000), 1_100_000);
    expect(delivery.rateBytesPerS[P]).toBe(1_500_000);
    delivery.handleReport(P, report(400, 0, 2_200_000), 2_100_000);
    expect(delivery.rateBytesPerS[P]).toBe(750_000);
  });

  it("gives the loss of the last few hundred packets", () => {
    const delivery = new PathDelivery(1);
    let [packets, lost] = [0, 0];
    for (let i = 0; i < 100; i++) {
      delivery.handleReport(P, report(packets, lost, packets * 1000), i * 100_000);
      packets += 90;
      lost += 10;
    }
    expect(delivery.loss[P]).toBeCloseTo(0.1, 3);
    for (let i = 100; i < 200; i++) {
      delivery.handleReport(P, report(packets, lost, packets * 1000), i * 100_000);
      packets += 100;
    }
    expect(delivery.loss[P]).toBeCloseTo(0, 3);
  });

  it("takes back the loss of packets that were only late", () => {
    const delivery = new PathDelivery(1);
    delivery.handleReport(P, report(0, 0, 0), 0);
    delivery.handleReport(P, report(236, 20, 0), 100_000);
    expect(delivery.loss[P]).toBeCloseTo(20 / 512, 6);
    delivery.handleReport(P, report(256, 0, 0), 200_000);
    expect(delivery.loss[P]).toBe(0);
  });

  it("is not taken from a report that was overtaken, or came twice", () => {
    const delivery = new PathDelivery(1);
    delivery.handleReport(P, report(0, 0, 0), 0);
    delivery.handleReport(P, report(100, 0, 100_000), 200_000);
    delivery.handleReport(P, report(50, 50, 50_000), 100_000);
    delivery.handleReport(P, report(100, 0, 100_000), 200_000);
    expect([delivery.rateBytesPerS[P], delivery.loss[P], delivery.reports[P]]).toEqual([500_000, 0, 2]);
  });

  it("goes on after a silence of more than half the range of timestamps", () => {
    const delivery = new PathDelivery(1);
    delivery.handleReport(P, report(0, 0, 0), 0);
    delivery.handleReport(P, report(100, 0, 100_000), 100_000);
    const later = (40 * 60e6) | 0;
    delivery.handleReport(P, report(200, 0, 200_000), later);
    expect(delivery.rateBytesPerS[P]).toBe(1e6);
    delivery.handleReport(P, report(300, 0, 2_200_000), later + 1_000_000);
    expect(delivery.rateBytesPerS[P]).toBe(1.5e6);
  });

  it("goes on over the wrap of clock and counters", () => {
    const delivery = new PathDelivery(1);
    delivery.handleReport(P, report(0xffff_ff00, 0xffff_fff0, 2 ** 32 - 50_000), -50_000);
    delivery.handleReport(P, report(0x100, 0x10, 2 ** 32 + 50_000), 50_000);
    expect(delivery.rateBytesPerS[P]).toBe(1_000_000);
    expect(delivery.loss[P]).toBeCloseTo(32 / (256 + 512 + 32), 6);
  });

  it("begins anew when the peer counts anew", () => {
    const delivery = new PathDelivery(1);
    delivery.handleReport(P, report(1000, 10, 1e6), 0);
    delivery.handleReport(P, report(2000, 10, 2e6), 1_000_000);
    delivery.handleReport(P, report(5, 0, 5000), 2_000_000);
    expect(delivery.rateBytesPerS[P]).toBe(1e6);
    delivery.handleReport(P, report(1005, 0, 1_005_000), 3_000_000);
    expect([delivery.rateBytesPerS[P], delivery.loss[P]]).toEqual([1e6, 0]);
  });

  it("is forgotten with the path", () => {
    const delivery = new PathDelivery(1);
    delivery.handleReport(P, report(0, 0, 0), 0);
    delivery.handleReport(P, report(50, 50, 50_000), 100_000);
    delivery.reset(P);
    expect([delivery.rateBytesPerS[P], delivery.loss[P], delivery.reports[P]]).toEqual([0, 0, 0]);
  });
});
