import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TunPacket } from "../../src/core/wire/packet.ts";
import { concat, ipv4Header, pattern, tcpHeader, udpHeader, vnetHeader } from "../helpers/packets.ts";
import { check } from "../helpers/property.ts";

const AT = 16;

/** Parses `bytes` in an arena that ends right behind them, so that a read past the packet throws. */
function parse(bytes: Uint8Array): TunPacket | false {
  // Words are read where the record says that a transport header stands, never past it.
  const arena = concat(new Uint8Array(AT).fill(0x45), bytes);
  const packet = new TunPacket();
  return packet.parse(new DataView(arena.buffer), AT, bytes.length) && packet;
}

function expectInside(packet: TunPacket, length: number): void {
  const end = AT + length;
  expect(packet.ipAt).toBe(AT + 10);
  expect(packet.ipBytes).toBeGreaterThanOrEqual(20);
  expect(packet.transportAt).toBe(packet.ipAt + packet.ipBytes);
  expect(packet.payloadAt).toBe(packet.transportAt + packet.transportBytes);
  expect(packet.payloadBytes).toBeGreaterThanOrEqual(0);
  expect(packet.payloadAt + packet.payloadBytes).toBe(end);
  expect(packet.segments).toBeGreaterThanOrEqual(1);
  expect((packet.segments - 1) * packet.segmentBytes).toBeLessThanOrEqual(packet.payloadBytes);
  expect(packet.segments * packet.segmentBytes).toBeGreaterThanOrEqual(packet.payloadBytes);
  if (packet.protocol === 0) expect([packet.transportBytes, packet.segments]).toEqual([0, 1]);
  if (packet.protocol === 6) expect(packet.transportBytes).toBeGreaterThanOrEqual(20);
  if (packet.protocol === 17) expect(packet.transportBytes).toBe(8);
}

const words = (max: number) =>
  fc
    .integer({ min: 0, max })
    .chain((count) => fc.array(fc.nat(255), { minLength: 4 * count, maxLength: 4 * count }));

const valid = fc
  .record({
    tcp: fc.boolean(),
    gsoType: fc.constantFrom(0, 1, 4, 5, 0x81),
    gsoSize: fc.nat(0xffff),
    ipOptions: words(10),
    tcpOptions: words(10),
    payload: fc.nat(3000),
  })
  .map(({ tcp, gsoType, gsoSize, ipOptions, tcpOptions, payload }) =>
    concat(
      vnetHeader({ gsoType, gsoSize }),
      ipv4Header({ protocol: tcp ? 6 : 17, options: ipOptions }),
      tcp ? tcpHeader({ options: tcpOptions }) : udpHeader(),
      pattern(payload),
    ),
  );

const mutation = fc.record({ at: fc.nat(80), bit: fc.nat(7) });

describe("parsing a packet of the TUN device", () => {
  it("accepts every well-formed one and stays inside", () => {
    check(
      fc.property(valid, (bytes) => {
        const packet = parse(bytes);
        expect(packet).not.toBe(false);
        expectInside(packet as TunPacket, bytes.length);
      }),
    );
  });

  it("neither throws nor points outside for a truncated and mutated one", () => {
    check(
      fc.property(valid, fc.nat(120), fc.array(mutation, { maxLength: 6 }), (bytes, length, mutations) => {
        const broken = bytes.slice(0, length);
        for (const { at, bit } of mutations) if (at < broken.length) broken[at]! ^= 1 << bit;
        const packet = parse(broken);
        if (packet) expectInside(packet, broken.length);
      }),
      1000,
    );
  });

  it("neither throws nor points outside for random bytes", () => {
    const random = fc.uint8Array({ maxLength: 100 }).map((bytes) => {
      // Most random bytes are no IPv4; half of these are, in their first byte.
      if (bytes.length > 10 && bytes[0]! & 1) bytes[10] = 0x45 + (bytes[0]! >> 5);
      return bytes;
    });
    check(
      fc.property(random, (bytes) => {
        const packet = parse(bytes);
        if (packet) expectInside(packet, bytes.length);
      }),
      1000,
    );
  });
});
