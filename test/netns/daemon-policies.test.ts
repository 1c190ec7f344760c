import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PathView, StatusView } from "../../src/control/views.ts";
import { type Host, iperf3, Lab, ping, recordRates, waitFor } from "../../tools/lab/index.ts";
import { LabDaemon } from "./daemon-lab.ts";

const MBIT = 1e6;

// one ==l0, l1== two; only one has policies, and two is told them
describe("lines with policies", () => {
  let lab: Lab;
  let one: LabDaemon;
  let two: LabDaemon;

  beforeAll(async () => {
    lab = await Lab.up({
      hosts: { one: {}, two: {} },
      links: {
        l0: { between: ["one", "two"], rateMbit: 10, delayMs: 5, subnet6: "none" },
        l1: { between: ["one", "two"], rateMbit: 20, delayMs: 5, subnet6: "none" },
      },
    });
    one = new LabDaemon(lab.host("one"), config(1, lab.host("two"), "[l0, { name: l1, policy: backup }]"));
    two = new LabDaemon(lab.host("two"), config(2, lab.host("one"), "[l0, l1]"));
    await Promise.all([one.up(), two.up()]);
    await arePaths("backup");
  });

  afterAll(async () => {
    one?.[Symbol.dispose]();
    two?.[Symbol.dispose]();
    await lab?.down();
  });

  const config = (own: number, peer: Host, interfaces: string) => `
name: host${own}
node: "02:00:00:00:00:0${own}"
tun: { address: 10.77.0.${own}/24 }
interfaces: ${interfaces}
peers: [{ name: host${3 - own}, endpoints: [${peer.ip("l0")}, ${peer.ip("l1")}], routes: 10.77.0.${3 - own} }]
`;

  const setInterfaces = async (interfaces: string) => {
    one.process!.stderr = "";
    one.write(config(1, two.host, interfaces));
    one.process!.signal("SIGHUP");
    await one.process!.output(/read and in use/);
  };

  /** Waits until both ends use l0 as any line, and l1 as said. */
  const arePaths = (l1: PathView["use"]) =>
    waitFor(
      async () => {
        for (const daemon of [one, two]) {
          const paths = await daemon.ask<PathView[]>("paths");
          const uses = (device: string, use: string) =>
            paths.some((path) => path.device === device && path.use === use && path.state === "ready");
          if (!uses("l0", "yes") || !uses("l1", l1)) return false;
        }
        return true;
      },
      { what: `both ends to use l1 as ${l1}` },
    );

  /** Mean rates of the lines in both directions together, in bits per second, while something happens. */
  async function rates(work: () => Promise<unknown>): Promise<{ l0: number; l1: number }> {
    const recording = await recordRates(lab, [
      { host: "one", link: "l0" },
      { host: "one", link: "l1" },
    ]);
    await work();
    const [l0, l1] = (await recording.stop()).map(({ samples }) => {
      const sum = samples.reduce((total, sample) => total + sample.receivedBitsPerS + sample.sentBitsPerS, 0);
      return sum / samples.length;
    });
    return { l0: l0!, l1: l1! };
  }

  const flow = (options: { reverse?: boolean; durationS?: number } = {}) =>
    iperf3(one.host, two.host, { to: "10.77.0.2", durationS: 2, congestion: "cubic", ...options });
  const datagrams = (bitrateMbit: number, durationS: number) =>
    iperf3(one.host, two.host, { to: "10.77.0.2", udp: true, bitrateMbit, durationS, lengthBytes: 1200 });

  it("keep a backup free of data in both directions, use it when the other fails, and leave it again", async () => {
    for (const reverse of [false, true]) {
      const { l0, l1 } = await rates(() => flow({ reverse }));
      expect(l0).toBeGreaterThan(5 * MBIT);
      expect(l1).toBeLessThan(l0 / 100);
    }
    await lab.link("l0").cut("silent");
    const isThere = async () => (await ping(one.host, "10.77.0.2", { count: 2, waitMs: 300 })).received === 2;
    await waitFor(isThere, { what: "the backup to be used" });
    const used = await rates(() => flow());
    expect(used.l1).toBeGreaterThan(5 * MBIT);
    await lab.link("l0").restore();
    await arePaths("backup");
    const { l0, l1 } = await rates(() => flow());
    expect(l1).toBeLessThan(l0 / 100);
  });

  it("use a metered line only for what the others cannot carry", async () => {
    await setInterfaces("[l0, { name: l1, policy: metered }]");
    await arePaths("backup");
    const little = await rates(() => datagrams(5, 2));
    expect(little.l1).toBeLessThan(little.l0 / 50);
    const much = await rates(() => datagrams(18, 4));
    expect(much.l1).toBeGreaterThan(2 * MBIT);
    const isClosed = async () =>
      (await one.ask<PathView[]>("paths")).some(({ device, use }) => device === "l1" && use === "backup");
    await waitFor(isClosed, { what: "the metered line to be left again" });
  });

  it("hold a line to its rate in both directions, at whichever end it is known", async () => {
    await setInterfaces("[l0, { name: l1, rateMbit: { send: 4, receive: 2 } }]");
    await arePaths("yes");
    await lab.link("l0").cut("silent");
    await waitFor(async () => (await ping(one.host, "10.77.0.2", { count: 2, waitMs: 300 })).received === 2, {
      what: "l1 alone to be used",
    });
    const sent = await flow({ durationS: 4 });
    expect(sent.receivedBitsPerS).toBeLessThan(4.4 * MBIT);
    expect(sent.receivedBitsPerS).toBeGreaterThan(2.4 * MBIT);
    const received = await flow({ durationS: 4, reverse: true });
    expect(received.receivedBitsPerS).toBeLessThan(2.3 * MBIT);
    expect(received.receivedBitsPerS).toBeGreaterThan(1 * MBIT);
    await lab.link("l0").restore();
  });

  it("spend a quota and no more, over restarts too, and show what is left", async () => {
    const quota = "{ bytes: 2 MB, usedUp: off }";
    await setInterfaces(`[l0, { name: l1, quota: ${quota} }]`);
    await arePaths("yes");
    const isUsedUp = one.process!.output(/l1: its quota is used up until .*; it is off now/, 30_000);
    for (let flows = 0; flows < 5 && !one.messages.some((line) => /quota is used up/.test(line)); flows++) {
      await flow();
    }
    await isUsedUp;
    await arePaths("no");
    const off = await rates(() => flow());
    expect(off.l1).toBeLessThan(off.l0 / 100);
    await one.process!.stop("SIGKILL");
    await one.up();
    await one.process!.output(/host2: reached/);
    const status = await one.ask<StatusView>("status");
    expect(status.quotas).toMatchObject([{ device: "l1", bytes: 2e6, usedUp: "off" }]);
    expect(status.quotas[0]!.usedBytes).toBeGreaterThan(2e6);
    const again = await rates(() => flow());
    expect(again.l1).toBeLessThan(again.l0 / 100);
    await setInterfaces("[l0, { name: l1, quota: { bytes: 1 GB } }]");
    await arePaths("yes");
  });
});
