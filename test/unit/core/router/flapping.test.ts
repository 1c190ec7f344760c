import { describe, expect, it } from "vitest";
import { USE_YES } from "../../../../src/core/tables/paths.ts";
import { ADDRESS_A as A, ADDRESS_B as B, udpPacket } from "../../../sim/packets.ts";
import { TwoNodes } from "../../../sim/two-nodes.ts";

const STEP_S = 0.005;
const payload = new Uint8Array(500);

/**
 * 200 packets a second over two lines, of which the first is there for a time and gone for as long, again and again.
 * Answers, second by second, how often a used the line or ceased to; and the longest pause of what arrived.
 */
function flap(periodS: number, seconds: number) {
  const nodes = new TwoNodes([{ delayUs: 5_000 }, { delayUs: 15_000 }]);
  nodes.run(2);
  const { paths } = nodes.a.router;
  const isUsed = () => {
    for (let slot = 0; slot < paths.slab.top; slot++) {
      if (paths.slab.has(slot) && paths.devices[slot] === "l0") return paths.useOf(slot as never) === USE_YES;
    }
    throw new Error("no path over l0");
  };
  let longestS = 0;
  let heardS = 0;
  nodes.b.onDelivered = () => {
    longestS = Math.max(longestS, nodes.clock.nowUs / 1e6 - heardS);
    heardS = nodes.clock.nowUs / 1e6;
  };
  const changes = new Array<number>(seconds).fill(0);
  heardS = nodes.clock.nowUs / 1e6;
  let before = isUsed();
  for (let s = 0; s < seconds; s += STEP_S) {
    for (const line of Object.values(nodes.lines[0]!)) line.isCut = Math.floor(s / periodS) % 2 === 1;
    nodes.a.inject(udpPacket(A, B, payload));
    nodes.run(STEP_S);
    if (isUsed() !== before) changes[Math.floor(s)]!++;
    before = isUsed();
  }
  return { nodes, isUsed, changes, longestS };
}

describe("a line that comes and goes", () => {
  it.each([0.2, 0.5, 0.7])(
    "every %f s is used but seldom after a few times, and nothing waits long",
    (periodS) => {
      const { changes, longestS } = flap(periodS, 30);
      const sum = (numbers: number[]) => numbers.reduce((total, one) => total + one, 0);
      expect(sum(changes)).toBeGreaterThan(0);
      expect(sum(changes.slice(10))).toBeLessThan(20 / periodS / 5);
      expect(longestS).toBeLessThan(0.2);
    },
  );

  it("is used again when it stays", () => {
    const { nodes, isUsed } = flap(0.7, 30);
    for (const line of Object.values(nodes.lines[0]!)) line.isCut = false;
    for (let s = 0; s < 3; s += STEP_S) {
      nodes.a.inject(udpPacket(A, B, payload));
      nodes.run(STEP_S);
    }
    expect(isUsed()).toBe(true);
  });
});
