import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  contentSha256,
  contentUrl,
  curl,
  type Host,
  iperf3,
  Lab,
  median,
  ping,
  readDescription,
  recordRates,
  startContentServer,
} from "../../tools/lab/index.ts";

describe("measuring over two lines of 40 and 20 Mbit/s", () => {
  let lab: Lab;
  let client: Host;
  let server: Host;
  beforeAll(async () => {
    lab = await Lab.up(readDescription("tools/lab/examples/two-links.yaml"), "two-links.yaml");
    [client, server] = [lab.host("client"), lab.host("server")];
  });
  afterAll(() => lab.down());

  it("iperf3 over UDP tells loss and rate", async () => {
    const udp = { to: server.ip("l1"), from: client.ip("l1"), udp: true, lengthBytes: 1400, durationS: 1 };
    const within = await iperf3(client, server, { ...udp, bitrateMbit: 10 });
    expect(within.lostPercent).toBeLessThan(1);
    expect(within.receivedBitsPerS / 1e6).toBeCloseTo(10, -0.5);
    const beyond = await iperf3(client, server, { ...udp, bitrateMbit: 40 });
    expect(beyond.lostPercent).toBeGreaterThan(25);
    expect(beyond).not.toHaveProperty("retransmits");
  });

  it("iperf3 over TCP tells what the receiver got, interval by interval", async () => {
    const options = { to: server.ip("l0", 6), durationS: 1, intervalMs: 250, parallel: 3, reverse: true };
    const result = await iperf3(client, server, { ...options, congestion: "reno" });
    expect(result).toMatchObject({ congestion: "reno", retransmits: expect.any(Number) });
    expect(result.intervals.length).toBeGreaterThanOrEqual(4);
    expect(result.receivedBitsPerS).toBeLessThanOrEqual(result.sentBitsPerS * 1.01);
    expect(result.receivedBitsPerS / 1e6).toBeGreaterThan(20);
  });

  it("iperf3 runs side by side, and over MPTCP uses both lines", async () => {
    for (const host of [client, server]) {
      await host.exec("ip", ["mptcp", "limits", "set", "subflow", "4", "add_addr_accepted", "4"]);
    }
    await client.exec("ip", ["mptcp", "endpoint", "add", client.ip("l1"), "dev", "l1", "subflow"]);
    await server.exec("ip", ["mptcp", "endpoint", "add", server.ip("l1"), "dev", "l1", "signal"]);
    const options = { to: server.ip("l0"), durationS: 3, intervalMs: 500, congestion: "cubic" };
    const mptcp = await iperf3(client, server, { ...options, mptcp: true });
    expect(median(mptcp.intervals.map(({ bitsPerS }) => bitsPerS)) / 1e6).toBeGreaterThan(42);
    const [one, other] = await Promise.all([
      iperf3(client, server, { ...options, durationS: 1 }),
      iperf3(client, server, { ...options, durationS: 1, to: server.ip("l1") }),
    ]);
    expect(one.receivedBitsPerS).toBeGreaterThan(0);
    expect(other.receivedBitsPerS).toBeGreaterThan(0);
  });

  it("iperf3 that fails says between whom and why", async () => {
    const run = iperf3(client, server, { to: "10.0.0.99", durationS: 1 });
    await expect(run).rejects.toThrow("iperf3 from client to server: unable to connect to server");
  });

  it("ping gives every round trip, and loss as a result", async () => {
    const result = await ping(client, server.ip("l1"), {
      count: 8,
      intervalMs: 20,
      sizeBytes: 1000,
      via: "l1",
    });
    expect(result.rttsMs).toHaveLength(8);
    expect(result.medianMs).toBeGreaterThan(40);
    expect(result.p95Ms).toBeLessThanOrEqual(result.maxMs);
    expect(await ping(client, "10.1.0.99", { count: 2, waitMs: 100 })).toMatchObject({
      received: 0,
      lossPercent: 100,
    });
    await expect(ping(client, "192.0.2.1")).rejects.toThrow(
      "ping failed: ping: connect: Network is unreachable",
    );
  });

  it("downloads arrive whole, and the rates of the lines are recorded meanwhile", async () => {
    const bytes = 4_000_003;
    const web = await startContentServer(server);
    const interfaces = [
      { host: "client", link: "l0" },
      { host: "client", link: "l1" },
      { host: "server", link: "l0" },
    ];
    const recording = await recordRates(lab, interfaces, { everyMs: 100 });
    const download = await curl(client, contentUrl(server.ip("l0"), bytes));
    const rates = await recording.stop();
    expect(download).toMatchObject({ status: 200, bytes, sha256: contentSha256(bytes) });
    expect(download.bitsPerS / 1e6).toBeGreaterThan(15);
    expect(download.bitsPerS / 1e6).toBeLessThan(40);
    expect((await curl(client, contentUrl(server.ip("l0"), 0).replace("/0", "/x"))).status).toBe(404);

    const [client0, client1, server0] = rates.map(({ samples }) => samples);
    const received = client0!.map(({ receivedBitsPerS }) => receivedBitsPerS / 1e6);
    expect(received.length).toBeGreaterThan(5);
    expect(Math.max(...received)).toBeGreaterThan(30);
    expect(Math.max(...client1!.map(({ receivedBitsPerS }) => receivedBitsPerS))).toBeLessThan(100_000);
    expect(Math.max(...server0!.map(({ sentBitsPerS }) => sentBitsPerS)) / 1e6).toBeGreaterThan(30);
    const spacing = client0!.slice(1, -1).map(({ atMs }, i) => atMs - client0![i]!.atMs);
    expect(median(spacing)).toBeGreaterThan(90);
    expect(median(spacing)).toBeLessThan(130);
    await web.stop();
  });

  it("a recording outlives its lab", async () => {
    await using other = await Lab.up({ hosts: { a: {}, b: {} }, links: { l0: { between: ["a", "b"] } } });
    const recording = await recordRates(other, [{ host: "a", link: "l0" }], { everyMs: 5 });
    await sleep(30);
    await other.down();
    await sleep(30);
    expect((await recording.stop())[0]!.samples.length).toBeGreaterThan(1);
  });
});
