import { describe, expect, it } from "vitest";
import { NORMAL } from "../../../../src/core/router/policies.ts";
import { POLICY_METERED } from "../../../../src/core/wire/control-body.ts";
import { ADDRESS_A as A, ADDRESS_B as B, udpPacket } from "../../../sim/packets.ts";
import { ipv4, TwoNodes } from "../../../sim/two-nodes.ts";

/** One line behind a NAT that forgets after a while, and on which bytes cost money. */
function behindNat(timeoutS: number) {
  const nodes = new TwoNodes([{ nat: { timeoutUs: timeoutS * 1e6 }, delayUs: 20_000 }]);
  const policy = { ...NORMAL, bits: POLICY_METERED };
  nodes.a.setLocals([{ socket: 0, device: "l0", address: ipv4(10, 0, 0, 1), port: 7000, mtu: 1500, policy }]);
  nodes.run(5);
  return nodes;
}

/** Bits a second on the line, outer headers included, in both directions. */
function cost(nodes: TwoNodes, seconds: number): number {
  let bytes = 0;
  nodes.onDatagram = (_, __, datagram) => {
    bytes += datagram.bytes.length + 28;
  };
  nodes.run(seconds);
  nodes.onDatagram = () => {};
  return (8 * bytes) / seconds;
}

/** How many of some datagrams, each after a silence of so long, come from outside to behind the NAT. */
function reached(nodes: TwoNodes, count: number, silenceS: number): number {
  nodes.a.delivered.length = 0;
  for (let i = 0; i < count; i++) {
    nodes.run(silenceS);
    nodes.b.inject(udpPacket(B, A, new Uint8Array(100), [6000, 5000]));
  }
  nodes.run(1);
  return nodes.a.delivered.length;
}

describe("a path on which bytes cost money", () => {
  it("costs next to nothing while it is idle, and is reached from outside all the same", () => {
    const nodes = behindNat(30);
    expect(cost(nodes, 200)).toBeLessThan(200);
    expect(reached(nodes, 8, 17.3)).toBe(8);
  });

  it("is kept alive more often where a NAT forgets sooner, and no more often than that needs", () => {
    const nodes = behindNat(6);
    nodes.run(60);
    expect(reached(nodes, 20, 9.7)).toBeGreaterThanOrEqual(19);
    const bits = cost(nodes, 200);
    expect(bits).toBeLessThan(700);
    expect(bits).toBeGreaterThan(150);
  });
});

it("a path without data costs less than 2 kbit/s", () => {
  const nodes = new TwoNodes([{ delayUs: 20_000 }]);
  nodes.a.inject(udpPacket(A, B, new Uint8Array(100)));
  nodes.run(10);
  expect(cost(nodes, 60)).toBeLessThan(2000);
});
