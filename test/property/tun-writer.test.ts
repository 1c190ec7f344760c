import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concat, ipv4Header, tcpHeader, udpHeader } from "../helpers/packets.ts";
import { check } from "../helpers/property.ts";
import { ALL_OFFLOADS, NO_OFFLOADS, type Segment, WriterBench } from "../helpers/writer-bench.ts";
import { wirePackets, withChecksums } from "../naive/segmentation.ts";

interface Drawn {
  flow: number;
  size: number;
  flags: number;
  window: number;
  options: number[];
  /** From where the flow's next byte would be. */
  jump: number;
}

const drawn: fc.Arbitrary<Drawn> = fc.record({
  flow: fc.constantFrom(1, 1, 1, 1, 2),
  size: fc.constantFrom(0, 1, 99, 100, 100, 100, 100, 100, 101),
  flags: fc.constantFrom(0x10, 0x10, 0x10, 0x10, 0x10, 0x18, 0x11, 0x12, 0x14, 0x30, 0x50, 0x90),
  window: fc.constantFrom(500, 500, 500, 501),
  options: fc.constantFrom([], [], [], [1, 1, 1, 1]),
  jump: fc.constantFrom(0, 0, 0, 0, 0, 1, -100),
});

/** The segments of a sender: those of a flow follow each other, but now and then one is lost or sent again. */
function segments(start: number, all: readonly Drawn[]): (Segment & { payload: Uint8Array })[] {
  const next = new Map<number, number>();
  return all.map(({ flow, size, flags, window, options, jump }) => {
    const sequence = ((next.get(flow) ?? start) + jump) >>> 0;
    next.set(flow, (sequence + size) >>> 0);
    const payload = Uint8Array.from({ length: size }, (_, i) => (sequence + i) & 0xff);
    return { flow, sourcePort: flow, sequence, flags, window, options, payload };
  });
}

const hex = (packets: readonly Uint8Array[]) => packets.map((bytes) => Buffer.from(bytes).toString("hex"));

const offloads = fc.constantFrom(ALL_OFFLOADS, NO_OFFLOADS, { checksum: true, tso: false, uso: false });

describe("what is written to the TUN device", () => {
  it("is cut by the kernel into the very TCP segments that were given, whatever was merged", () => {
    check(
      fc.property(
        fc.constantFrom(0, 0x7fffff00, 0xffffff00),
        fc.array(drawn, { maxLength: 60 }),
        offloads,
        (start, all, available) => {
          const bench = new WriterBench(available);
          const given = segments(start, all);
          for (const one of given) bench.tcp(one);
          const expected = given.map((one) =>
            withChecksums(concat(ipv4Header({ protocol: 6 }), tcpHeader(one), one.payload)),
          );
          expect(hex(bench.written().flatMap(wirePackets))).toEqual(hex(expected));
        },
      ),
      150,
    );
  });

  it("is cut by the kernel into the very UDP datagrams that were given, whatever was merged", () => {
    const datagram = fc.record({
      flow: fc.constantFrom(1, 1, 1, 2),
      size: fc.constantFrom(0, 1, 99, 100, 100, 100, 100, 101),
    });
    check(
      fc.property(fc.array(datagram, { maxLength: 100 }), offloads, (given, available) => {
        const bench = new WriterBench(available);
        const payloads = given.map(({ size }, i) => new Uint8Array(size).fill(i));
        given.forEach(({ flow }, i) => {
          bench.udp({ flow, payload: payloads[i]! });
        });
        const expected = payloads.map((payload) =>
          withChecksums(concat(ipv4Header({ protocol: 17 }), udpHeader(8 + payload.length), payload)),
        );
        expect(hex(bench.written().flatMap(wirePackets))).toEqual(hex(expected));
      }),
      150,
    );
  });
});
