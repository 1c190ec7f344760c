import { describe, expect, it } from "vitest";
import { PIECES_MAX } from "../../../../src/core/batch/layout.ts";
import { TUN_WRITER_MIN_WORDS } from "../../../../src/core/deliver/tun-writer.ts";
import { concat, ipv4Header, tcpHeader, udpHeader, vnetHeader } from "../../../helpers/packets.ts";
import { ALL_OFFLOADS, type Segment, WriterBench } from "../../../helpers/writer-bench.ts";
import { internetChecksum } from "../../../naive/checksum.ts";

/** The sum that the pseudo-header leaves in a checksum field for the kernel to go on with. */
function pseudoSum(protocol: number, length: number): number {
  return 0xffff - internetChecksum([10, 0, 0, 1, 10, 0, 0, 2, 0, protocol, length >> 8, length & 0xff]);
}

function withBig16(bytes: Uint8Array, ...values: [at: number, value: number][]): Uint8Array {
  const view = new DataView(bytes.buffer);
  for (const [at, value] of values) view.setUint16(at, value);
  return bytes;
}

/** An IPv4 header with its length and checksum. */
function finishedIp(protocol: number, totalLength: number): Uint8Array {
  const header = ipv4Header({ protocol, totalLength });
  return withBig16(header, [10, internetChecksum(header)]);
}

describe("a written packet", () => {
  it("of one TCP segment is these bytes", () => {
    const bench = new WriterBench();
    bench.tcp({ sequence: 77, payload: Uint8Array.of(1, 2, 3, 4, 5) });
    expect(bench.written()).toEqual([
      concat(
        vnetHeader({ flags: 1, checksumStart: 20, checksumOffset: 16 }),
        finishedIp(6, 45),
        withBig16(tcpHeader({ sequence: 77 }), [16, pseudoSum(6, 25)]),
        Uint8Array.of(1, 2, 3, 4, 5),
      ),
    ]);
  });

  it("of merged TCP segments is these bytes", () => {
    const bench = new WriterBench();
    bench.tcp({ sequence: 10, payload: Uint8Array.of(1, 2, 3), flags: 0x10 });
    bench.tcp({ sequence: 13, payload: Uint8Array.of(4, 5, 6), flags: 0x10 });
    bench.tcp({ sequence: 16, payload: Uint8Array.of(7, 8), flags: 0x18 });
    expect(bench.written()).toEqual([
      concat(
        vnetHeader({
          flags: 1,
          gsoType: 1,
          headerLength: 40,
          gsoSize: 3,
          checksumStart: 20,
          checksumOffset: 16,
        }),
        finishedIp(6, 48),
        withBig16(tcpHeader({ sequence: 10, flags: 0x18 }), [16, pseudoSum(6, 28)]),
        Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
      ),
    ]);
  });

  it("of one UDP datagram is these bytes", () => {
    const bench = new WriterBench();
    bench.udp({ payload: Uint8Array.of(9) });
    expect(bench.written()).toEqual([
      concat(
        vnetHeader({ flags: 1, checksumStart: 20, checksumOffset: 6 }),
        finishedIp(17, 29),
        withBig16(udpHeader(9), [6, pseudoSum(17, 9)]),
        Uint8Array.of(9),
      ),
    ]);
  });

  it("of merged UDP datagrams is these bytes", () => {
    const bench = new WriterBench();
    bench.udp({ payload: Uint8Array.of(1, 2) });
    bench.udp({ payload: Uint8Array.of(3) });
    expect(bench.written()).toEqual([
      concat(
        vnetHeader({
          flags: 1,
          gsoType: 5,
          headerLength: 28,
          gsoSize: 2,
          checksumStart: 20,
          checksumOffset: 6,
        }),
        finishedIp(17, 31),
        withBig16(udpHeader(11), [6, pseudoSum(17, 11)]),
        Uint8Array.of(1, 2, 3),
      ),
    ]);
  });

  it("leaves the templates and the payload as they were", () => {
    const bench = new WriterBench();
    const ipAt = bench.put(ipv4Header({ protocol: 6 }));
    const tcpAt = bench.put(tcpHeader());
    const before = bench.arena.slice();
    bench.writer.tcp(1, ipAt, 20, tcpAt, 20, 1 << 20, 100);
    bench.messages();
    const changed = bench.arena.findLastIndex((byte, i) => byte !== before[i]);
    // Behind the vnet header and the two headers in the scratch, nothing.
    expect(changed).toBe(10 + 20 + 20 - 1);
  });
});

describe("TCP segments of one flow", () => {
  /** Writes a segment of 100 bytes and then another; answers into how many packets they went. */
  const packets = (second: Segment, first: Segment = {}) => {
    const bench = new WriterBench();
    bench.tcp({ sequence: 1000, ...first });
    bench.tcp({ sequence: 1100, ...second });
    return bench.messages().length;
  };

  it("are merged when they follow each other and their headers agree", () => {
    expect(packets({})).toBe(1);
  });

  it.each<[string, Segment, Segment?]>([
    ["the flow", { flow: 2 }],
    ["a gap in the sequence", { sequence: 1101 }],
    ["a step back in the sequence", { sequence: 1000 }],
    ["the acknowledgement", { acknowledgement: 2 }],
    ["the window", { window: 501 }],
    ["a missing ACK flag", { flags: 0x00 }],
    ["ECE", { flags: 0x50 }],
    ["the length of the options", { options: [1, 1, 1, 1] }],
    [
      "the options' first word",
      { options: [9, 1, 8, 10, 1, 2, 3, 4] },
      { options: [1, 1, 8, 10, 1, 2, 3, 4] },
    ],
    [
      "the options' last word",
      { options: [1, 1, 8, 10, 1, 2, 3, 5] },
      { options: [1, 1, 8, 10, 1, 2, 3, 4] },
    ],
    ["a longer payload", { payload: 101 }],
    ["an empty payload", { payload: 0 }],
    ["SYN", { flags: 0x12 }],
    ["FIN", { flags: 0x11 }],
    ["RST", { flags: 0x14 }],
    ["URG", { flags: 0x30 }],
    ["CWR", { flags: 0x90 }],
  ])("are not merged over %s", (_, second, first = {}) => {
    expect(packets(second, first)).toBe(2);
  });

  it("are merged over options that agree", () => {
    const options = [1, 1, 8, 10, 1, 2, 3, 4];
    expect(packets({ options }, { options })).toBe(1);
  });

  it.each([
    ["SYN", 0x12],
    ["FIN", 0x11],
    ["RST", 0x14],
    ["URG", 0x30],
    ["CWR", 0x90],
    ["PSH", 0x18],
  ])("are not merged behind a segment with %s", (_, flags) => {
    // The second has the same flags, so that nothing else keeps them apart.
    expect(packets({ flags }, { flags })).toBe(2);
    expect(packets({}, { flags })).toBe(2);
  });

  it("may end in a shorter one, behind which a packet begins", () => {
    const bench = new WriterBench();
    bench.tcp({ sequence: 0, payload: 100 });
    bench.tcp({ sequence: 100, payload: 99 });
    bench.tcp({ sequence: 199, payload: 99 });
    expect(bench.payloads()).toEqual([199, 99]);
  });

  it("end with the one that has PSH, which the packet then has", () => {
    const bench = new WriterBench();
    bench.tcp({ sequence: 0 });
    bench.tcp({ sequence: 100, flags: 0x18 });
    bench.tcp({ sequence: 200 });
    expect(bench.payloads()).toEqual([200, 100]);
    expect(bench.written().map((bytes) => bytes[43])).toEqual([0x18, 0x10]);
  });

  it("are merged across the end of the sequence numbers", () => {
    const bench = new WriterBench();
    bench.tcp({ sequence: 0xffffff9c });
    bench.tcp({ sequence: 0 });
    bench.tcp({ sequence: 100 });
    expect(bench.payloads()).toEqual([300]);
  });

  it("are merged across the middle of the sequence numbers", () => {
    const bench = new WriterBench();
    bench.tcp({ sequence: 0x80000000 - 200 });
    bench.tcp({ sequence: 0x80000000 - 100 });
    bench.tcp({ sequence: 0x80000000 });
    expect(bench.payloads()).toEqual([300]);
    bench.tcp({ sequence: 0x80000000 - 100 });
    bench.tcp({ sequence: 0x80000000 });
    expect(bench.payloads()).toEqual([300, 200]);
  });

  it("fill a packet up to 65535 bytes and no further", () => {
    const bench = new WriterBench();
    const size = 1000;
    const full = 65535 - 40;
    for (let sent = 0; sent < full - size; sent += size) bench.tcp({ sequence: sent, payload: size });
    const last = full % size;
    bench.tcp({ sequence: full - last, payload: last + 1 });
    expect(bench.payloads()).toEqual([full - last, last + 1]);
    bench.writer.clear();
    for (let sent = 0; sent < full - size; sent += size) bench.tcp({ sequence: sent, payload: size });
    bench.tcp({ sequence: full - last, payload: last });
    expect(bench.payloads()).toEqual([full]);
    expect(bench.written()[0]!.length).toBe(65545);
  });

  it("are merged no longer when the packet has all the pieces that the kernel takes", () => {
    const bench = new WriterBench();
    for (let i = 0; i < PIECES_MAX + 1; i++) bench.tcp({ sequence: i, payload: 1 });
    // One piece of the first packet are its headers.
    expect(bench.payloads()).toEqual([PIECES_MAX - 1, 2]);
  });

  it("are not merged where the device has no TCP segmentation", () => {
    const bench = new WriterBench({ ...ALL_OFFLOADS, tso: false });
    bench.tcp({ sequence: 0 });
    bench.tcp({ sequence: 100 });
    expect(bench.payloads()).toEqual([100, 100]);
    expect(bench.written()[0]!.subarray(0, 10)).toEqual(
      vnetHeader({ flags: 1, checksumStart: 20, checksumOffset: 16 }),
    );
  });

  it("are not merged with a datagram of a flow of the same number", () => {
    const bench = new WriterBench();
    bench.tcp({ sequence: 0 });
    bench.udp({});
    bench.tcp({ sequence: 100 });
    expect(bench.payloads()).toEqual([100, 100, 100]);
  });
});

describe("UDP datagrams of one flow", () => {
  const sizes = (...payloads: number[]) => {
    const bench = new WriterBench();
    for (const payload of payloads) bench.udp({ payload });
    return bench.payloads();
  };

  it("are merged while they have one size, the last one shorter or not", () => {
    expect(sizes(100, 100, 100)).toEqual([300]);
    expect(sizes(100, 100, 60)).toEqual([260]);
    expect(sizes(100, 60, 60)).toEqual([160, 60]);
    expect(sizes(100, 101)).toEqual([100, 101]);
  });

  it("are never merged when they are empty: they would vanish", () => {
    expect(sizes(100, 0, 100)).toEqual([100, 0, 100]);
    expect(sizes(0, 0)).toEqual([0, 0]);
  });

  it("are merged up to as many as the kernel cuts", () => {
    expect(sizes(...new Array(65).fill(10))).toEqual([640, 10]);
  });

  it("fill a packet up to 65535 bytes and no further", () => {
    const full = 65535 - 28;
    expect(sizes(...new Array(46).fill(1400), full - 46 * 1400)).toEqual([full]);
    expect(sizes(...new Array(46).fill(1400), full - 46 * 1400 + 1)).toEqual([
      46 * 1400,
      full - 46 * 1400 + 1,
    ]);
  });

  it("are not merged with those of another flow, nor where the device has no UDP segmentation", () => {
    const bench = new WriterBench();
    bench.udp({ flow: 1 });
    bench.udp({ flow: 2 });
    expect(bench.payloads()).toEqual([100, 100]);
    const without = new WriterBench({ ...ALL_OFFLOADS, uso: false });
    without.udp({});
    without.udp({});
    expect(without.payloads()).toEqual([100, 100]);
  });
});

describe("the writer", () => {
  it("builds the next packets at the same place after clear", () => {
    const bench = new WriterBench();
    bench.tcp({ sequence: 0 });
    const [before] = bench.messages();
    bench.writer.clear();
    bench.tcp({ sequence: 100 });
    const after = bench.messages();
    expect(after).toHaveLength(1);
    expect(after[0]!.pieces[0]).toEqual(before!.pieces[0]);
  });

  it("does not merge with a packet from before clear", () => {
    const bench = new WriterBench();
    bench.tcp({ sequence: 0 });
    bench.writer.clear();
    bench.tcp({ sequence: 100 });
    expect(bench.payloads()).toEqual([100]);
  });

  it("changes nothing when it is finished twice or empty", () => {
    const bench = new WriterBench();
    bench.writer.finish();
    expect(bench.writer.plan.count).toBe(0);
    bench.tcp({ sequence: 0 });
    const once = bench.written();
    expect(bench.written()).toEqual(once);
  });

  it("says when its scratch or its plan has no room for another packet, before either is overrun", () => {
    const bench = new WriterBench();
    let packets = 0;
    while (bench.writer.fits(120)) {
      bench.tcp({
        sequence: 7,
        options: new Array(40).fill(1),
        ipOptions: new Array(40).fill(1),
        payload: 0,
      });
      packets++;
    }
    expect(packets).toBe(Math.floor((1 << 18) / 130));
    // The first byte behind the scratch.
    expect(bench.arena[1 << 18]).toBe(0xa5);
    const small = new WriterBench(ALL_OFFLOADS, 18 + 14);
    expect(small.writer.fits(40)).toBe(true);
    small.tcp({ payload: 1 });
    expect(small.writer.fits(40)).toBe(true);
    small.tcp({ payload: 1, flow: 2 });
    expect(small.writer.fits(40)).toBe(false);
    const room = (1 << 18) - 10;
    expect([room, room + 1].map((bytes) => new WriterBench().writer.fits(bytes))).toEqual([true, false]);
  });

  it("can hold the largest packet in the plan it asks for at least", () => {
    const bench = new WriterBench(ALL_OFFLOADS, TUN_WRITER_MIN_WORDS);
    for (let i = 0; i < PIECES_MAX - 1; i++) bench.tcp({ sequence: i, payload: 1 });
    expect(bench.payloads()).toEqual([PIECES_MAX - 1]);
  });
});
