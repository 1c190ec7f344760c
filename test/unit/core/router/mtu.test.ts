import { describe, expect, it } from "vitest";
import { pathReports } from "../../../../src/core/tables/path-report.ts";
import { TCP_FLAG } from "../../../helpers/packets.ts";
import type { SimNode } from "../../../sim/node.ts";
import { ADDRESS_A as A, ADDRESS_B as B, tcpPacket, udpPacket } from "../../../sim/packets.ts";
import { ipv4, type LinkOptions, TwoNodes } from "../../../sim/two-nodes.ts";

/** Outer IP and UDP headers and the trailer. */
const OVERHEAD = 57;

const up = (seconds: number, ...links: LinkOptions[]) => {
  const nodes = new TwoNodes(links);
  nodes.run(seconds);
  return nodes;
};

const mtus = ({ router }: SimNode) => pathReports(router.paths).map(({ mtuBytes }) => mtuBytes);

describe("the size of packets that a path carries", () => {
  it("is what the devices can, where the network can it too, and known after one round trip", () => {
    const nodes = up(0.5, { delayUs: 20_000 });
    expect(mtus(nodes.a)).toEqual([1500]);
    expect(nodes.a.sizes).toEqual([1500 - OVERHEAD]);
    let large = 0;
    nodes.onDatagram = (_, __, { bytes }) => {
      if (bytes.length > 1000) large++;
    };
    nodes.run(700);
    expect(large).toBe(0);
  });

  it.each([1492, 1480, 1400, 1350, 1280, 1000, 576])(
    "is found without a word of the network's (%i)",
    (mtuBytes) => {
      const nodes = up(10, { delayUs: 20_000, mtuBytes });
      const [found] = mtus(nodes.a);
      expect(found).toBeLessThanOrEqual(mtuBytes);
      expect(found).toBeGreaterThanOrEqual(mtuBytes * 0.9);
      expect(nodes.a.sizes.at(-1)).toBe(found! - OVERHEAD);
      expect(mtus(nodes.b)).toEqual([found]);
    },
  );

  it("is found over a line that loses packets of all sizes", () => {
    const nodes = up(20, { delayUs: 5_000, mtuBytes: 1400, loss: 0.1 });
    expect(mtus(nodes.a)).toEqual([1400]);
    const fine = up(20, { delayUs: 5_000, loss: 0.1 });
    expect(mtus(fine.a)).toEqual([1500]);
  });

  it("is more than usual where that gets through, and no more is used before", () => {
    const nodes = up(5, { delayUs: 20_000, mtu: 9000 });
    expect(mtus(nodes.a)).toEqual([9000]);
    expect(nodes.a.sizes).toEqual([1500 - OVERHEAD, 9000 - OVERHEAD]);
    const narrow = up(5, { delayUs: 20_000, mtu: 9000, mtuBytes: 1500 });
    expect(mtus(narrow.a)).toEqual([1500]);
    expect(narrow.a.sizes).toEqual([1500 - OVERHEAD]);
  });

  it("is bounded by the device at the other end, of which that one tells", () => {
    const nodes = new TwoNodes([{ delayUs: 20_000 }]);
    nodes.b.setLocals([{ socket: 0, device: "l0", address: ipv4(10, 0, 0, 2), port: 7000, mtu: 1400 }]);
    nodes.run(0.5);
    expect(mtus(nodes.a)).toEqual([1400]);
  });

  it("follows the device here at once", () => {
    const nodes = up(2, {});
    const local = (mtu: number) => ({ socket: 0, device: "l0", address: ipv4(10, 0, 0, 1), port: 7000, mtu });
    nodes.a.setLocals([local(1300)]);
    expect(mtus(nodes.a)).toEqual([1300]);
    nodes.a.setLocals([local(1500)]);
    nodes.run(2);
    expect(mtus(nodes.a)).toEqual([1500]);
  });

  it("is the smallest for the device: everything fits through every path that works", () => {
    const nodes = up(10, {}, { mtuBytes: 1400 });
    expect(nodes.a.sizes.at(-1)).toBe(1400 - OVERHEAD);
    for (const line of [nodes.lines[1]!.ab, nodes.lines[1]!.ba]) line.isCut = true;
    nodes.run(10);
    expect(nodes.a.sizes.at(-1)).toBe(1500 - OVERHEAD);
  });

  it("is tried again upwards now and then, ever more seldom", () => {
    const nodes = up(10, { mtuBytes: 1400 });
    let large = 0;
    nodes.onDatagram = (from, _, { bytes }) => {
      if (from === "a" && bytes.length > 1200) large++;
    };
    nodes.run(1_000);
    expect(large).toBeGreaterThan(3);
    expect(large).toBeLessThan(40);
    nodes.lines[0]!.ab.options.mtuBytes = 1500;
    nodes.run(700);
    expect(mtus(nodes.a)).toEqual([1500]);
  });
});

describe("a line whose size shrinks without a word", () => {
  const tcp = (sequence: number, bytes: number) =>
    tcpPacket(A, B, sequence, new Uint8Array(bytes), { flags: TCP_FLAG.ack });
  /** Packets of a TCP that gets no acknowledgement: the same window again and again. */
  function stream(nodes: TwoNodes, seconds: number, bytes: number): number {
    let delivered = 0;
    nodes.b.onDelivered = (packet) => {
      delivered += packet.length > 1000 ? 1 : 0;
    };
    for (let k = 0; k < seconds * 100; k++) {
      nodes.a.inject(tcp(1000 * k, bytes), bytes > 1400 ? 1400 : 0);
      nodes.run(0.01);
    }
    return delivered;
  }

  it("is noticed within a second, and TCP goes on at once in segments that fit", () => {
    const nodes = up(2, { delayUs: 10_000 });
    expect(stream(nodes, 1, 1400)).toBeGreaterThan(95);
    nodes.lines[0]!.ab.options.mtuBytes = 1400;
    stream(nodes, 1, 1400);
    expect(mtus(nodes.a)[0]).toBeLessThanOrEqual(1400);
    expect(stream(nodes, 1, 1400)).toBeGreaterThan(95);
    nodes.run(5);
    expect(mtus(nodes.a)).toEqual([1400]);
    expect(nodes.a.router.drops.snapshot()).toEqual([]);
  });

  it("is no reason to give up a size when the line is cut, or loses a great deal", () => {
    const nodes = up(2, { delayUs: 10_000 });
    nodes.lines[0]!.ab.isCut = true;
    stream(nodes, 1, 1400);
    nodes.lines[0]!.ab.isCut = false;
    nodes.lines[0]!.ab.options.loss = 0.2;
    stream(nodes, 10, 1400);
    expect(mtus(nodes.a)).toEqual([1500]);
  });

  it("makes larger datagrams go by another path, or their sender hears of it", () => {
    const nodes = up(10, { mtuBytes: 1400 }, {});
    const datagram = (bytes: number) => {
      const packet = udpPacket(A, B, new Uint8Array(bytes - 28));
      packet[6] = 0x40;
      return packet;
    };
    for (let i = 0; i < 20; i++) nodes.a.inject(datagram(1443));
    nodes.run(0.1);
    expect(nodes.b.delivered.map(({ length }) => length)).toEqual(new Array(20).fill(1443));
    nodes.a.inject(datagram(1444));
    nodes.run(0.1);
    expect(nodes.b.delivered).toHaveLength(20);
    expect(nodes.a.router.drops.snapshot()).toEqual([{ reason: "too-big", packets: 1, bytes: 1444 }]);
    const [error] = nodes.a.delivered;
    expect([...error!.subarray(12, 22)]).toEqual([...B, ...A, 3, 4]);
    expect(new DataView(error!.buffer, error!.byteOffset).getUint16(26)).toBe(1443);
    expect([...error!.subarray(28, 60)]).toEqual([...datagram(1444).subarray(0, 32)]);
  });
});
