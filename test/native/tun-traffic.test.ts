import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runScenario } from "../helpers/child.ts";
import { TestNamespace } from "../helpers/namespace.ts";
import type { scenarios } from "./tun-traffic-child.ts";

type Scenarios = typeof scenarios;

let namespace: TestNamespace;

beforeAll(async () => {
  namespace = await TestNamespace.create("traffic");
  await namespace.quiet();
});
afterAll(() => namespace?.remove());

function child<Name extends keyof Scenarios>(name: Name, ...args: Parameters<Scenarios[Name]>) {
  return runScenario<Scenarios, Name>("test/native/tun-traffic-child.ts", name, args, {
    namespace: namespace.name,
  });
}

const MTU_BYTES = 1400 + 10;
const TCP_BYTES = 8 << 20;
const MESSAGES = 20;

describe.each([false, true])("traffic through the TUN device (rebuilt segment by segment: %s)", (rebuild) => {
  it("of a TCP connection comes in super-packets and arrives whole", async () => {
    const { seen, ...result } = await child("tcp", {}, rebuild, TCP_BYTES);
    expect(result).toEqual({
      upWhole: true,
      downWhole: true,
      offloads: { checksum: true, tso: true, uso: true },
      badChecksums: 0,
    });
    expect(seen.refused).toBe(0);
    expect(seen.longest).toBeGreaterThan(10 * MTU_BYTES);
    // Of the packets with payload most are many segments long.
    expect(seen.segments).toBeGreaterThan(4 * seen.packets);
    // What was rebuilt was merged again: no more packets go back than a few for each that came.
    expect(seen.merged).toBeGreaterThan(seen.superPackets / 2);
    expect(seen.written).toBeLessThan(2 * seen.packets);
  });

  it("of UDP comes in super-packets, is written as such, and arrives as the datagrams that were sent", async () => {
    const { seen, ...result } = await child("udp", {}, rebuild, MESSAGES);
    expect(result).toMatchObject({
      datagrams: 21 * MESSAGES,
      sizes: [1000, 300],
      whole: true,
      badChecksums: 0,
    });
    expect(result.from).toEqual(["10.2.0.2"]);
    expect(seen).toEqual({
      packets: MESSAGES,
      superPackets: MESSAGES,
      segments: 21 * MESSAGES,
      longest: 10 + 28 + 20_300,
      written: MESSAGES,
      merged: MESSAGES,
      refused: 0,
    });
    // The receiving socket got a super-packet whole.
    expect(result.joined).toBe(20_300);
  });

  it.each([
    ["checksum offload", { checksum: false }, { checksum: false, tso: false, uso: false }],
    ["TCP segmentation", { tso: false }, { checksum: true, tso: false, uso: false }],
  ])("arrives whole without %s, packet by packet", async (_, wanted, offloads) => {
    const tcp = await child("tcp", wanted, rebuild, TCP_BYTES / 4);
    expect(tcp).toMatchObject({ upWhole: true, downWhole: true, badChecksums: 0, offloads });
    const udp = await child("udp", wanted, rebuild, MESSAGES);
    expect(udp).toMatchObject({ datagrams: 21 * MESSAGES, sizes: [1000, 300], whole: true, badChecksums: 0 });
    for (const { seen } of [tcp, udp]) {
      expect(seen).toMatchObject({ superPackets: 0, merged: 0, refused: 0 });
      expect(seen.longest).toBeLessThanOrEqual(MTU_BYTES);
      expect(seen.segments).toBe(seen.packets);
    }
  });

  it("arrives whole without UDP segmentation: TCP in super-packets, UDP datagram by datagram", async () => {
    const tcp = await child("tcp", { uso: false }, rebuild, TCP_BYTES / 4);
    expect(tcp).toMatchObject({ upWhole: true, downWhole: true, badChecksums: 0 });
    expect(tcp.seen.superPackets).toBeGreaterThan(0);
    const udp = await child("udp", { uso: false }, rebuild, MESSAGES);
    expect(udp).toMatchObject({ datagrams: 21 * MESSAGES, sizes: [1000, 300], whole: true, badChecksums: 0 });
    expect(udp.seen).toMatchObject({ packets: 21 * MESSAGES, superPackets: 0, merged: 0, refused: 0 });
  });
});
