import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PeerView, SessionsView } from "../../src/control/views.ts";
import type { AvailabilityReport } from "../../src/core/tables/availability.ts";
import {
  contentSha256,
  contentUrl,
  curl,
  type Host,
  iperf3,
  Lab,
  ping,
  startContentServer,
  waitFor,
} from "../../tools/lab/index.ts";
import { hostSetup, LabDaemon } from "./daemon-lab.ts";

const BYTES = 12_000_000;

//            /--w0--\        /--s0--\
//     client          core            server          inside --h0-- home (NAT) --h1-- core
//      |     \--w1--/        \--s1--/                 guest  --h2--/
//      \--q0-- old
describe("traffic to real addresses", () => {
  let lab: Lab;
  let client: LabDaemon;
  let server: LabDaemon;
  let inside: LabDaemon;
  let alone: number;
  let legacyAlone: number;
  const before: string[] = [];

  beforeAll(async () => {
    const v4 = { subnet6: "none" };
    lab = await Lab.up({
      hosts: {
        client: { policyRouting: true },
        core: { router: true },
        server: { policyRouting: true },
        old: {},
        home: { nat: { kind: "masquerade" } },
        inside: {},
        guest: {},
      },
      links: {
        w0: { between: ["client", "core"], rateMbit: 20, delayMs: 3 },
        w1: { between: ["client", "core"], rateMbit: 20, delayMs: 3, ...v4 },
        s0: { between: ["server", "core"] },
        s1: { between: ["server", "core"], ...v4 },
        q0: { between: ["client", "old"], ...v4 },
        h0: { between: ["inside", "home"], ...v4 },
        h1: { between: ["home", "core"], rateMbit: 20, delayMs: 3, ...v4 },
        h2: { between: ["guest", "home"], ...v4 },
      },
    });
    client = new LabDaemon(lab.host("client"), config("client", 1, "w?"));
    server = new LabDaemon(lab.host("server"), config("server", 2, "s?"));
    inside = new LabDaemon(lab.host("inside"), config("inside", 3, "h?"));
    alone = await flow(client.host, server.host.ip("s0"), server.host);
    legacyAlone = await flow(client.host, lab.host("old").ip("q0"), lab.host("old"));
    before.push(await hostSetup(client.host), await hostSetup(server.host));
    await startContentServer(server.host);
    await Promise.all([client.up(), server.up(), inside.up()]);
  });

  afterAll(async () => {
    for (const daemon of [client, server, inside]) daemon?.[Symbol.dispose]();
    await lab?.down();
  });

  const config = (name: string, number: number, interfaces: string) => `
name: ${name}
node: "02:00:00:00:00:0${number}"
tun: { address: 10.77.0.${number}/24 }
interfaces: "${interfaces}"
realAddresses: true
`;

  const flow = async (from: Host, to: string, at: Host, durationS = 2) =>
    (await iperf3(from, at, { to, durationS, congestion: "cubic" })).receivedBitsPerS;

  /** The first one over new paths is slower: what they are good for is not known yet. */
  const bestFlow = async (from: Host, to: string, at: Host) =>
    Math.max(await flow(from, to, at), await flow(from, to, at));

  /** Packets that the host has handed to its TUN device. */
  const handedOver = async (host: Host) =>
    Number((await host.exec("cat", ["/sys/class/net/mpip0/statistics/tx_packets"])).stdout);

  /** Whether what goes to an address is handed over. */
  const isCarried = async (host: Host, to: string) => {
    const count = await handedOver(host);
    await ping(host, to, { count: 2, waitMs: 500 });
    return (await handedOver(host)) >= count + 2;
  };

  it("finds out by itself which hosts are nodes, loses nothing meanwhile, and uses all lines to each address", async () => {
    const { received } = await ping(client.host, server.host.ip("s0"), { count: 20, intervalMs: 100 });
    expect(received).toBe(20);
    const isBoth = async () => {
      const [peer] = await client.ask<PeerView[]>("peers");
      return peer !== undefined && peer.pathsReady >= 4;
    };
    await waitFor(isBoth, { what: "paths over all lines" });
    for (const link of ["s0", "s1"]) {
      await waitFor(() => isCarried(client.host, server.host.ip(link)), { what: `${link} to be carried` });
      expect(await bestFlow(client.host, server.host.ip(link), server.host)).toBeGreaterThan(1.4 * alone);
    }
    await waitFor(() => isCarried(server.host, client.host.ip("w1")), { what: "w1 to be carried" });
    expect(await bestFlow(server.host, client.host.ip("w1"), client.host)).toBeGreaterThan(1.4 * alone);
  });

  it("keeps the addresses of both ends as they are", async () => {
    await curl(client.host, contentUrl(server.host.ip("s1"), 1000));
    const { sessions } = await server.ask<SessionsView>("sessions");
    const web = sessions.find(({ sourcePort }) => sourcePort === 8080);
    expect(web).toMatchObject({ source: server.host.ip("s1"), destination: client.host.ip("w0") });
    const route = (await client.host.exec("ip", ["route", "get", server.host.ip("s1")])).stdout;
    expect(route).toContain("dev w0");
  });

  it("carries IPv6 in the same way", async () => {
    const to = server.host.ip("s0", 6);
    expect((await ping(client.host, to, { count: 10, intervalMs: 100 })).received).toBe(10);
    await waitFor(() => isCarried(client.host, to), { what: `${to} to be carried` });
  });

  it("leaves a host that is none alone after one look, at full speed", async () => {
    const old = lab.host("old");
    const count = await handedOver(client.host);
    // The machine may be slower for a while than it was before; what is carried never is as fast.
    const isFast = async () => (await flow(client.host, old.ip("q0"), old)) > 0.4 * legacyAlone;
    await waitFor(isFast, { what: "full speed", timeoutMs: 30_000 });
    expect((await handedOver(client.host)) - count).toBeLessThan(20);
    const asked = (await client.host.exec("nft", ["list", "set", "ip", "mpip0", "asked"])).stdout;
    expect(asked).toContain(old.ip("q0"));
    const known = await client.ask<AvailabilityReport[]>("availability");
    expect(known).toContainEqual(
      expect.objectContaining({ address: old.ip("q0"), state: expect.stringMatching(/^(asking|no)$/) }),
    );
  });

  it("goes on without the daemon of either end, and with it again, within one connection", async () => {
    for (const daemon of [client, server]) {
      const url = contentUrl(server.host.ip("s0"), BYTES);
      const download = curl(client.host, url, { args: ["--limit-rate", "2M"] });
      await new Promise((resolve) => setTimeout(resolve, 1500));
      await daemon.process!.stop("SIGKILL");
      await new Promise((resolve) => setTimeout(resolve, 1500));
      await daemon.up();
      expect(await download).toMatchObject({ bytes: BYTES, sha256: contentSha256(BYTES) });
      const other = daemon === client ? server : client;
      await other.process!.output(/: reached/);
      await waitFor(() => isCarried(client.host, server.host.ip("s0")), { what: "s0 to be carried again" });
    }
  });

  it("carries what a node behind a NAT sends, as its NAT's address, and nothing of its neighbours", async () => {
    const to = server.host.ip("s0");
    await ping(inside.host, to, { count: 3 });
    await waitFor(() => isCarried(inside.host, to), { what: "s0 to be carried from inside" });
    const url = contentUrl(to, BYTES);
    const count = await handedOver(inside.host);
    expect(await curl(inside.host, url)).toMatchObject({ bytes: BYTES, sha256: contentSha256(BYTES) });
    expect((await handedOver(inside.host)) - count).toBeGreaterThan(100);
    const { sessions } = await server.ask<SessionsView>("sessions");
    const web = sessions.filter(({ destination }) => destination === lab.host("home").ip("h1"));
    expect(web.length).toBeGreaterThan(0);
    expect(web.every(({ source }) => source === to)).toBe(true);
    const onServer = await handedOver(server.host);
    expect(await curl(lab.host("guest"), url)).toMatchObject({ bytes: BYTES, sha256: contentSha256(BYTES) });
    expect((await handedOver(server.host)) - onServer).toBeLessThan(100);
  });

  it("does not let strangers through to other hosts", async () => {
    await server.host.sysctl("net.ipv4.ip_forward", 1);
    const beyond = await server.host.exec("nft", ["list", "chain", "ip", "mpip0", "forward"]);
    expect(beyond.stdout).toContain('iifname "mpip0" ip saddr @carried drop');
    await server.host.sysctl("net.ipv4.ip_forward", 0);
  });

  it("undoes everything at the end", async () => {
    await Promise.all([client.process!.stop("SIGTERM", 5000), server.process!.stop("SIGTERM", 5000)]);
    expect(await hostSetup(client.host)).toBe(before[0]);
    expect(await hostSetup(server.host)).toBe(before[1]);
  });
});
