import { describe, expect, it } from "vitest";
import { TCP_FLAG } from "../../../helpers/packets.ts";
import { ADDRESS_A as A, ADDRESS_B as B, tcpPacket, udpPacket } from "../../../sim/packets.ts";
import { TwoNodes } from "../../../sim/two-nodes.ts";

const payload = new Uint8Array(300).fill(7);

/** Two nodes between which no line works any more. */
function apart(): TwoNodes {
  const nodes = new TwoNodes([{ delayUs: 5_000 }, { delayUs: 5_000 }]);
  nodes.run(2);
  for (const { ab, ba } of nodes.lines) for (const line of [ab, ba]) line.isCut = true;
  nodes.run(20);
  return nodes;
}

describe("a host that no path leads from", () => {
  it("hears so of a TCP segment, which stands in what it hears", () => {
    const { a } = apart();
    const segment = tcpPacket(A, B, 77, payload);
    a.inject(segment);
    expect(a.delivered).toHaveLength(1);
    const [error] = a.delivered;
    expect([error![9], ...error!.subarray(12, 22)]).toEqual([1, ...B, ...A, 3, 1]);
    expect([...error!.subarray(28, 28 + 40)]).toEqual([...segment.subarray(0, 40)]);
  });

  it.each([
    ["a connection that is to begin", tcpPacket(A, B, 77, payload, { flags: TCP_FLAG.syn })],
    ["an answer without data", tcpPacket(A, B, 77, new Uint8Array(0))],
    ["a datagram", udpPacket(A, B, payload)],
  ])("hears nothing of %s", (_, packet) => {
    const { a } = apart();
    a.inject(packet);
    expect(a.delivered).toEqual([]);
  });

  it("has a packet without data that it has sent again sent as soon as there is a path, and no other", () => {
    const nodes = apart();
    const ports = (sourcePort: number) => ({ sourcePort });
    const empty = (sequence: number, port: number) =>
      tcpPacket(A, B, sequence, new Uint8Array(0), ports(port));
    for (let i = 0; i < 3; i++) {
      // Asks again and again, and answers with another number each time, or twice at once.
      for (const packet of [empty(9, 2001), empty(i, 2002)]) nodes.a.inject(packet);
      if (i === 2) for (let k = 0; k < 2; k++) nodes.a.inject(empty(9, 2003));
      nodes.run(0.5);
    }
    for (const { ab, ba } of nodes.lines) for (const line of [ab, ba]) line.isCut = false;
    nodes.run(20);
    expect(nodes.a.delivered).toEqual([]);
    const fields = (packet: Uint8Array) => [...packet.subarray(20, 36)];
    expect(nodes.b.delivered.map(fields)).toEqual([fields(empty(9, 2001))]);
  });

  it("hears nothing where a path works", () => {
    const nodes = apart();
    nodes.lines[1]!.ab.isCut = false;
    nodes.lines[1]!.ba.isCut = false;
    nodes.run(10);
    nodes.a.inject(tcpPacket(A, B, 77, payload));
    nodes.run(1);
    expect(nodes.a.delivered).toEqual([]);
    expect(nodes.b.delivered).toHaveLength(1);
  });
});
