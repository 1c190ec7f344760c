import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PathView } from "../../src/control/views.ts";
import { type Host, Lab, ping, waitFor } from "../../tools/lab/index.ts";
import { ipBatch } from "../../tools/lab/namespace.ts";
import { LabDaemon } from "./daemon-lab.ts";

// client ==l0, l1== router0, router1 ==w0, w1== server, and for a while a line l9 from client to server
describe("a daemon that uses every line with a default route", () => {
  let lab: Lab;
  let client: LabDaemon;
  let server: LabDaemon;

  beforeAll(async () => {
    lab = await Lab.up({
      hosts: {
        client: { sysctls: { "net.ipv4.conf.all.rp_filter": 1 } },
        router0: { router: true },
        router1: { router: true },
        server: {},
      },
      links: {
        l0: { between: ["client", "router0"], subnet6: "none" },
        l1: { between: ["client", "router1"], subnet6: "none" },
        w0: { between: ["server", "router0"], subnet6: "none" },
        w1: { between: ["server", "router1"], subnet6: "none" },
      },
    });
    const [hostClient, hostServer] = [lab.host("client"), lab.host("server")];
    const endpoints = [hostServer.ip("w0"), hostServer.ip("w1"), "10.9.0.2", '"fd09::2"'];
    client = new LabDaemon(
      hostClient,
      `name: client
node: "02:00:00:00:00:01"
tun: { address: 10.77.0.1/24 }
peers: [{ name: server, endpoints: [${endpoints}], routes: 10.77.0.2 }]
`,
    );
    server = new LabDaemon(
      hostServer,
      `name: server
tun: { address: 10.77.0.2/24 }
interfaces: ["w?", "l?"]
peers: [{ name: client, node: "02:00:00:00:00:01", routes: 10.77.0.1 }]
`,
    );
    await Promise.all([client.up(), server.up()]);
    await client.process!.output(/server: reached/);
  });

  afterAll(async () => {
    client?.[Symbol.dispose]();
    server?.[Symbol.dispose]();
    await lab?.down();
  });

  /** Waits well below the time from one look at the network to the next when the kernel announces nothing. */
  const isReady = (device: string, remote: string) =>
    waitFor(
      async () => {
        const paths = await client.ask<PathView[]>("paths");
        return paths.some(
          (path) => path.device === device && path.remote === remote && path.state === "ready",
        );
      },
      { what: `a path over ${device} to ${remote}`, timeoutMs: 5_000 },
    );

  it("has paths over all of them, whatever their metric, though the kernel is strict", async () => {
    await isReady("l0", server.host.ip("w0"));
    await isReady("l1", server.host.ip("w1"));
    expect((await ping(client.host, "10.77.0.2", { count: 3 })).received).toBe(3);
  });

  it("uses a device that appears, once a default route leads there, until it is gone", async () => {
    await addLine(client.host, server.host);
    await ipBatch(["addr add 10.9.0.1/24 dev l9"], client.host.namespace);
    await ipBatch(["addr add 10.9.0.2/24 dev l9"], server.host.namespace);
    await server.process!.output(/l9 10\.9\.0\.2: used/, 5_000);
    expect(client.messages.some((line) => line.startsWith("l9"))).toBe(false);
    await ipBatch(["route add default via 10.9.0.2 metric 900"], client.host.namespace);
    await client.process!.output(/l9 10\.9\.0\.1: used/, 5_000);
    await isReady("l9", "10.9.0.2");
    await ipBatch(["link del l9"], client.host.namespace);
    await client.process!.output(/l9 10\.9\.0\.1: no longer used/, 5_000);
    await server.process!.output(/l9 10\.9\.0\.2: no longer used/, 5_000);
  });

  it("uses a device whose default route stands in a table of its own, once a rule leads there", async () => {
    await addLine(client.host, server.host);
    await ipBatch(["addr add 10.9.0.2/24 dev l9"], server.host.namespace);
    client.process!.stderr = "";
    await ipBatch(
      [
        "addr add 10.9.0.1/24 dev l9",
        "route add default via 10.9.0.2 table 109",
        "rule add fwmark 0x99 lookup 109",
      ],
      client.host.namespace,
    );
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(client.messages).toEqual([]);
    await ipBatch(["rule add from 10.9.0.1 lookup 109"], client.host.namespace);
    await client.process!.output(/l9 10\.9\.0\.1: used/, 5_000);
    await isReady("l9", "10.9.0.2");
    await ipBatch(["rule del from 10.9.0.1 lookup 109"], client.host.namespace);
    await client.process!.output(/l9 10\.9\.0\.1: no longer used/, 5_000);
    await ipBatch(["rule del fwmark 0x99 lookup 109", "link del l9"], client.host.namespace);
  });

  it("takes another device of the same name and address for another one", async () => {
    await addLine(client.host, server.host);
    const addresses = (end: number) => [`addr add 10.9.0.${end}/24 dev l9`];
    await ipBatch(addresses(2), server.host.namespace);
    await ipBatch([...addresses(1), "route add default via 10.9.0.2 metric 900"], client.host.namespace);
    await isReady("l9", "10.9.0.2");
    // So that the daemon sees none of it before all is done.
    client.process!.signal("SIGSTOP");
    await ipBatch(
      [
        "link set l9 down",
        "link set l9 name l9old",
        `link add l9 type veth peer name l9new netns ${server.host.namespace}`,
        "link set l9 up",
        "addr flush dev l9old",
        ...addresses(1),
        "route add default via 10.9.0.2 metric 900",
      ],
      client.host.namespace,
    );
    await ipBatch(
      ["link del l9", "link set l9new name l9", "link set l9 up", ...addresses(2)],
      server.host.namespace,
    );
    client.process!.signal("SIGCONT");
    await isReady("l9", "10.9.0.2");
    const capture = ["-ni", "l9", "-Q", "out", "-c", "1", "udp port 7000"];
    const [sent] = await Promise.all([
      client.host.exec("timeout", ["5", "tcpdump", ...capture], { allowFailure: true }),
      ping(client.host, "10.77.0.2", { count: 20, intervalMs: 50 }),
    ]);
    expect(sent.stdout).toContain("10.9.0.1.7000");
    await ipBatch(["link del l9"], client.host.namespace);
  });

  it("waits until an IPv6 address is certain to be nobody else's", async () => {
    await addLine(client.host, server.host);
    await ipBatch(["-6 addr add fd09::2/64 dev l9 nodad"], server.host.namespace);
    await ipBatch(["-6 addr add fd09::1/64 dev l9"], client.host.namespace);
    const shown = (await client.host.exec("ip", ["-6", "addr", "show", "dev", "l9"])).stdout;
    expect(shown).toMatch(/fd09::1\/64.* tentative/);
    await ipBatch(["-6 route add default via fd09::2 dev l9"], client.host.namespace);
    await isReady("l9", "fd09::2");
    expect(client.messages.filter((line) => /cannot|fd09::1.*;/.test(line))).toEqual([]);
  });

  it("leaves the kernel as strict as it was", async () => {
    const filters = () =>
      Promise.all(["all", "l0", "l1"].map((name) => client.host.sysctl(`net.ipv4.conf.${name}.rp_filter`)));
    expect(await filters()).toEqual(["1", "2", "2"]);
    await client.process!.stop("SIGTERM", 5000);
    expect(await filters()).toEqual(["1", "0", "0"]);
    expect(client.messages.filter((line) => line.includes("rp_filter"))).toEqual([]);
  });
});

/** A line without addresses, whose end at the client looks for others with its IPv6 addresses. */
async function addLine(client: Host, server: Host): Promise<void> {
  await ipBatch([`link add l9 netns ${client.namespace} type veth peer name l9 netns ${server.namespace}`]);
  await client.sysctl("net.ipv6.conf.l9.accept_dad", 1);
  for (const host of [client, server]) await ipBatch(["link set l9 up"], host.namespace);
}
