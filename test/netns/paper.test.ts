import { expect, it } from "vitest";
import type { PathView } from "../../src/control/views.ts";
import { contentSha256, contentUrl, curl, startContentServer, waitFor } from "../../tools/lab/index.ts";
import { FAR, Tunnel } from "./tunnel.ts";

const LINE = { rateMbit: 20, delayMs: 5 };
const SIZE = 3_000_000;

// one ==l0, l1== two
it("the paper's scheduler takes its numbers from the configuration", async () => {
  // Weights begin with 10, whatever happens to them are 1 more than a multiple of 3, and do not get far in a few seconds.
  const numbers = "{ step: 3, intervalMs: 1000, weightMin: 7, startTotal: 20 }";
  const more = `scheduler: paper\nalgorithm1: ${numbers}\n`;
  await using tunnel = await Tunnel.up(LINE, { ...LINE, delayMs: 25 }, { one: more, two: more });
  const weights = async () => (await tunnel.readyPaths()).map(({ weight }) => weight);
  // More than either line carries.
  const flow = tunnel.through({ udp: true, bitrateMbit: 30, durationS: 3, lengthBytes: 1000 });
  const haveMoved = async () => (await weights()).some((weight) => weight > 10);
  await waitFor(haveMoved, { what: "a path to gain weight" });
  await flow;
  for (const weight of await weights()) {
    expect(weight % 3).toBe(1);
    expect(weight).toBeGreaterThanOrEqual(7);
    expect(weight).toBeLessThan(40);
  }
});

it("a daemon that leaves the numbers out, as the paper does, works with one that has them", async () => {
  await using tunnel = await Tunnel.up(LINE, LINE, { one: "wire: paper\n", two: "" });
  const { one, two } = tunnel;
  const servers = await Promise.all([one, two].map(({ host }) => startContentServer(host)));
  for (const [host, from] of [
    [one.host, FAR],
    [two.host, "10.77.0.1"],
  ] as const) {
    expect(await curl(host, contentUrl(from, SIZE))).toMatchObject({ sha256: contentSha256(SIZE) });
  }
  for (const server of servers) await server.stop();
  for (const { loss } of await one.ask<PathView[]>("paths")) expect(loss).toBeUndefined();
  for (const path of await tunnel.readyPaths()) expect(path.receivedPackets).toBeGreaterThan(100);
  const known = (await two.ask<PathView[]>("paths")).filter(({ state }) => state === "ready");
  expect(known.map(({ loss }) => typeof loss)).toEqual(["number", "number"]);
});
