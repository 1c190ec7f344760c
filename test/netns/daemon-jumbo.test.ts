import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { StatusView } from "../../src/control/views.ts";
import { udpStream, waitFor } from "../../tools/lab/index.ts";
import { FAR, Tunnel } from "./tunnel.ts";

const MTU = 9000;
const LINE = { rateMbit: 50, mtu: MTU };

// one ==l0, l1== two
describe("daemons with two lines that carry large packets", () => {
  let tunnel: Tunnel;

  beforeAll(async () => {
    tunnel = await Tunnel.up({ ...LINE, delayMs: 2 }, { ...LINE, delayMs: 10 });
    const areLarge = async () => (await tunnel.readyPaths()).every(({ mtuBytes }) => mtuBytes === MTU);
    await waitFor(areLarge, { what: "the size that gets through" });
  });
  afterAll(async () => {
    await tunnel?.[Symbol.asyncDispose]();
  });

  it("put the segments of a transfer in order", async () => {
    const held: number[] = [];
    for (const reorder of ["off", "auto"]) {
      await tunnel.setRule(`protocol: tcp, priority: throughput, reorder: ${reorder}`);
      await tunnel.through({ durationS: 4, congestion: "cubic" });
      held.push((await tunnel.two.ask<StatusView>("status")).reordering.held);
    }
    expect(held[0]).toBe(0);
    // They overtake others all the time; none would be held if they were too large for that.
    expect(held[1]).toBeGreaterThan(200);
    expect((await tunnel.two.ask<StatusView>("status")).reordering).toMatchObject({ byFullness: 0 });
  });

  it("put datagrams in order where a rule wants it", async () => {
    await tunnel.setRule("protocol: udp, priority: throughput, reorder: on");
    // More than one line carries.
    const stream = { to: FAR, port: 7100, count: 3000, perSecond: 1000, bytes: 8000 };
    const { distinct, outOfOrder } = await udpStream(tunnel.one.host, tunnel.two.host, stream);
    expect(distinct).toBeGreaterThan(2900);
    // Without order it is half of them.
    expect(outOfOrder).toBeLessThan(150);
  });
});
