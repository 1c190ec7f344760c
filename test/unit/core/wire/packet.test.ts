import { describe, expect, it } from "vitest";
import { TunPacket } from "../../../../src/core/wire/packet.ts";
import { ipv6Header } from "../../../helpers/ipv6-header.ts";
import { concat, ipv4Header, pattern, tcpHeader, udpHeader, vnetHeader } from "../../../helpers/packets.ts";

const TCP = 6;
const UDP = 17;
const AT = 64;

/** Parses bytes that stand at AT in an arena of garbage. */
function parse(...parts: Uint8Array[]): TunPacket | false {
  const bytes = concat(...parts);
  const arena = new Uint8Array(AT + bytes.length + 64).fill(0xa5);
  arena.set(bytes, AT);
  const packet = new TunPacket();
  return packet.parse(new DataView(arena.buffer), AT, bytes.length) && packet;
}

describe("a packet of the TUN device", () => {
  it("that carries TCP is parsed into its parts", () => {
    const packet = parse(vnetHeader(), ipv4Header({ protocol: TCP }), tcpHeader(), pattern(100));
    expect(packet).toEqual({
      version: 4,
      ipAt: AT + 10,
      ipBytes: 20,
      protocol: TCP,
      transportAt: AT + 30,
      transportBytes: 20,
      payloadAt: AT + 50,
      payloadBytes: 100,
      segments: 1,
      segmentBytes: 100,
    });
  });

  it("may have options in both headers", () => {
    const packet = parse(
      vnetHeader(),
      ipv4Header({ protocol: TCP, options: [1, 1, 1, 0] }),
      tcpHeader({ options: [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8] }),
      pattern(7),
    );
    expect(packet).toMatchObject({ ipBytes: 24, transportBytes: 32, payloadAt: AT + 66, payloadBytes: 7 });
  });

  it("that carries UDP is parsed into its parts", () => {
    const packet = parse(vnetHeader(), ipv4Header({ protocol: UDP }), udpHeader(13), pattern(5));
    expect(packet).toMatchObject({ protocol: UDP, transportBytes: 8, payloadAt: AT + 38, payloadBytes: 5 });
  });

  it("says into how many segments it is to be cut, the last one shorter or not", () => {
    const cut = (bytes: number) =>
      parse(
        vnetHeader({ gsoType: 1, gsoSize: 1000 }),
        ipv4Header({ protocol: TCP }),
        tcpHeader(),
        pattern(bytes),
      );
    expect(cut(3000)).toMatchObject({ segments: 3, segmentBytes: 1000 });
    expect(cut(3001)).toMatchObject({ segments: 4, segmentBytes: 1000 });
    expect(cut(1001)).toMatchObject({ segments: 2, segmentBytes: 1000 });
  });

  it("is one segment where its payload is no longer than the segment size", () => {
    const packet = parse(
      vnetHeader({ gsoType: 5, gsoSize: 1000 }),
      ipv4Header({ protocol: UDP }),
      udpHeader(),
      pattern(1000),
    );
    expect(packet).toMatchObject({ segments: 1, segmentBytes: 1000 });
  });

  it("is not cut where the device says nothing of segmentation, whatever size stands there", () => {
    const packet = parse(
      vnetHeader({ gsoSize: 10 }),
      ipv4Header({ protocol: TCP }),
      tcpHeader(),
      pattern(100),
    );
    expect(packet).toMatchObject({ segments: 1, segmentBytes: 100 });
  });

  it("without payload is one empty segment", () => {
    const packet = parse(vnetHeader(), ipv4Header({ protocol: TCP }), tcpHeader());
    expect(packet).toMatchObject({ segments: 1, segmentBytes: 0, payloadBytes: 0 });
  });

  it("of another protocol is carried whole", () => {
    const packet = parse(vnetHeader(), ipv4Header({ protocol: 47 }), pattern(60));
    expect(packet).toMatchObject({ protocol: 0, transportBytes: 0, payloadAt: AT + 30, payloadBytes: 60 });
  });

  it.each([
    ["the first fragment", 0x2000],
    ["a later fragment", 0x2010],
    ["the last fragment", 0x0010],
  ])("that is %s is carried whole: its ports may be elsewhere", (_, fragment) => {
    const packet = parse(vnetHeader(), ipv4Header({ protocol: TCP, fragment }), tcpHeader(), pattern(9));
    expect(packet).toMatchObject({ protocol: 0, transportBytes: 0, payloadBytes: 29 });
  });

  it("is no fragment for its don't-fragment bit", () => {
    const packet = parse(vnetHeader(), ipv4Header({ protocol: TCP, fragment: 0x4000 }), tcpHeader());
    expect(packet).toMatchObject({ protocol: TCP });
  });

  it("with a broken transport header is carried whole", () => {
    const short = tcpHeader();
    short[12] = 0x40;
    const long = tcpHeader();
    long[12] = 0xf0;
    for (const header of [short, long, tcpHeader().subarray(0, 19)]) {
      expect(parse(vnetHeader(), ipv4Header({ protocol: TCP }), header)).toMatchObject({
        protocol: 0,
        payloadBytes: header.length,
      });
    }
    const udp = udpHeader().subarray(0, 7);
    expect(parse(vnetHeader(), ipv4Header({ protocol: UDP }), udp)).toMatchObject({ protocol: 0 });
  });

  it("that is to be cut but has no transport header is not carried", () => {
    const vnet = vnetHeader({ gsoType: 1, gsoSize: 10 });
    expect(parse(vnet, ipv4Header({ protocol: 47 }), pattern(60))).toBe(false);
    expect(parse(vnet, ipv4Header({ protocol: TCP, fragment: 0x2000 }), tcpHeader(), pattern(60))).toBe(
      false,
    );
  });

  it("that is no IP packet is not carried", () => {
    const version6 = ipv4Header({ protocol: TCP });
    version6[0] = 0x65;
    const shortHeader = ipv4Header({ protocol: TCP });
    shortHeader[0] = 0x44;
    const longHeader = ipv4Header({ protocol: TCP });
    longHeader[0] = 0x46;
    for (const header of [version6, shortHeader, longHeader, ipv4Header({ protocol: TCP }).subarray(0, 19)]) {
      expect(parse(vnetHeader(), header)).toBe(false);
    }
    expect(parse(vnetHeader())).toBe(false);
    expect(parse(vnetHeader().subarray(0, 4))).toBe(false);
    expect(parse(new Uint8Array(0))).toBe(false);
  });

  it("may be IPv6", () => {
    const tcp = parse(vnetHeader(), ipv6Header(TCP), tcpHeader(), pattern(100));
    expect(tcp).toEqual({
      version: 6,
      ipAt: AT + 10,
      ipBytes: 40,
      protocol: TCP,
      transportAt: AT + 50,
      transportBytes: 20,
      payloadAt: AT + 70,
      payloadBytes: 100,
      segments: 1,
      segmentBytes: 100,
    });
    const udp = parse(vnetHeader(), ipv6Header(UDP), udpHeader(13), pattern(5));
    expect(udp).toMatchObject({ version: 6, protocol: UDP, transportBytes: 8, payloadBytes: 5 });
    const icmp = parse(vnetHeader(), ipv6Header(58), pattern(8));
    expect(icmp).toMatchObject({ version: 6, protocol: 0, transportBytes: 0, payloadBytes: 8 });
  });

  it.each([
    ["TCP", 4, ipv6Header(TCP), tcpHeader()],
    ["TCP with CWR", 0x84, ipv6Header(TCP), tcpHeader()],
    ["UDP", 5, ipv6Header(UDP), udpHeader()],
    [
      "TCP behind a destination options header",
      4,
      concat(ipv6Header(60), Uint8Array.of(TCP, 0, 1, 4, 0, 0, 0, 0)),
      tcpHeader(),
    ],
  ])("may be IPv6 that is to be cut: %s", (_, gsoType, ip, transport) => {
    const packet = parse(vnetHeader({ gsoType, gsoSize: 1000 }), ip, transport, pattern(2500));
    expect(packet).toMatchObject({
      version: 6,
      ipBytes: ip.length,
      transportBytes: transport.length,
      payloadBytes: 2500,
      segments: 3,
      segmentBytes: 1000,
    });
  });

  it("that is a fragment of an IPv6 packet is carried whole", () => {
    const fragment = (flags: number) => Uint8Array.of(TCP, 0, 0, flags, 0, 0, 0, 1);
    for (const flags of [0x01, 0x08]) {
      const packet = parse(vnetHeader(), ipv6Header(44), fragment(flags), tcpHeader());
      expect(packet).toMatchObject({ version: 6, ipBytes: 48, protocol: 0, payloadBytes: 20 });
    }
    const atomic = parse(vnetHeader(), ipv6Header(44), fragment(0), tcpHeader());
    expect(atomic).toMatchObject({ ipBytes: 48, protocol: TCP, transportBytes: 20 });
  });

  it("leaves nothing of the packet before in the record", () => {
    const arena = new Uint8Array(512);
    const merged = concat(
      vnetHeader({ gsoType: 1, gsoSize: 10 }),
      ipv4Header({ protocol: TCP, options: [1, 1, 1, 0] }),
      tcpHeader(),
      pattern(60),
    );
    const plain = concat(vnetHeader(), ipv4Header({ protocol: 47 }), pattern(30));
    arena.set(merged, 0);
    arena.set(plain, 256);
    const view = new DataView(arena.buffer);
    const reused = new TunPacket();
    reused.parse(view, 0, merged.length);
    reused.parse(view, 256, plain.length);
    const fresh = new TunPacket();
    fresh.parse(view, 256, plain.length);
    expect(reused).toEqual(fresh);
  });
});
