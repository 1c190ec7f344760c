import { expect, it } from "vitest";
import type { PathView } from "../../src/control/views.ts";
import { iperf3, Lab, type LinkDescription, waitFor } from "../../tools/lab/index.ts";
import { LabDaemon, twoHostsConfig } from "./daemon-lab.ts";
import { FAR } from "./tunnel.ts";

// one ==l0, l1== two
it("the paper's scheduler takes its numbers from the configuration", async () => {
  const link: LinkDescription = { between: ["one", "two"], rateMbit: 20, delayMs: 5, subnet6: "none" };
  const lab = await Lab.up({
    hosts: { one: {}, two: {} },
    links: { l0: link, l1: { ...link, delayMs: 25 } },
  });
  const numbers = "{ step: 50, intervalMs: 50, weightMin: 7, weightMax: 11, startTotal: 18 }";
  const more = `scheduler: paper\nalgorithm1: ${numbers}\n`;
  const one = new LabDaemon(lab.host("one"), twoHostsConfig(1, lab.host("two"), more));
  const two = new LabDaemon(lab.host("two"), twoHostsConfig(2, lab.host("one"), more));
  try {
    await Promise.all([one.up(), two.up()]);
    const weights = async () => {
      const paths = await one.ask<PathView[]>("paths");
      return paths.flatMap(({ state, weight }) => (state === "ready" ? [weight] : []));
    };
    await waitFor(async () => (await weights()).length === 2, { what: "both paths" });
    // More than either line carries.
    await iperf3(one.host, two.host, {
      to: FAR,
      udp: true,
      bitrateMbit: 30,
      durationS: 2,
      lengthBytes: 1000,
    });
    for (const weight of await weights()) expect([7, 11]).toContain(weight);
  } finally {
    one[Symbol.dispose]();
    two[Symbol.dispose]();
    await lab.down();
  }
});
