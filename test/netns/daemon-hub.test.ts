import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  contentSha256,
  contentUrl,
  curl,
  Lab,
  ping,
  startContentServer,
  waitFor,
} from "../../tools/lab/index.ts";
import { LabDaemon } from "./daemon-lab.ts";

const hubConfig = (forward: boolean) => `
name: hub
tun: { name: mphub, address: [10.77.0.1/24, "fd77::1/64"] }
interfaces: "l*"
forward: ${forward}
peers:
  - { name: spoke2, node: "02:00:00:00:00:02", routes: [10.77.0.2, "fd77::2"] }
  - { name: spoke3, node: "02:00:00:00:00:03", routes: [10.77.0.3, "fd77::3"] }
`;

// spoke2 --l2-- hub --l3-- spoke3
describe("a hub with two spokes", () => {
  let lab: Lab;
  const daemons: LabDaemon[] = [];

  beforeAll(async () => {
    lab = await Lab.up({
      // Otherwise the kernel holds back some of the errors that traceroute waits for.
      hosts: {
        hub: { sysctls: { "net.ipv4.icmp_ratelimit": 0, "net.ipv6.icmp.ratelimit": 0 } },
        spoke2: {},
        spoke3: { sysctls: { "net.ipv4.icmp_ratelimit": 0, "net.ipv6.icmp.ratelimit": 0 } },
      },
      links: {
        l2: { between: ["spoke2", "hub"], subnet6: "none" },
        l3: { between: ["spoke3", "hub"], subnet6: "none" },
      },
    });
    const hub = lab.host("hub");
    daemons.push(new LabDaemon(hub, hubConfig(false)));
    for (const number of [2, 3]) {
      const config = `
name: spoke${number}
node: "02:00:00:00:00:0${number}"
tun: { address: [10.77.0.${number}/24, "fd77::${number}/64"] }
interfaces: l${number}
peers: [{ name: hub, endpoints: ${hub.ip(`l${number}`)}, routes: [10.77.0.0/24, "fd77::/64"] }]
`;
      daemons.push(new LabDaemon(lab.host(`spoke${number}`), config));
    }
    await Promise.all(daemons.map((daemon) => daemon.up()));
    await daemons[0]!.process!.output(/spoke2: reached/);
    await daemons[0]!.process!.output(/spoke3: reached/);
  });

  afterAll(async () => {
    for (const daemon of daemons) daemon[Symbol.dispose]();
    await lab?.down();
  });

  const received = async (from: string, to: string) =>
    (await ping(lab.host(from), to, { count: 3, waitMs: 500 })).received;

  /** Of both families, that the hub has sent so far. */
  const redirects = async () => {
    const names = ["IcmpOutRedirects", "Icmp6OutRedirects"];
    const { stdout } = await lab.host("hub").exec("nstat", ["-asz", ...names]);
    return names.map((name) => Number(new RegExp(`${name} +(\\d+)`).exec(stdout)![1]));
  };

  it("keeps the spokes apart, even where the host forwards", async () => {
    await lab.host("hub").sysctl("net.ipv4.ip_forward", 1);
    expect(await received("spoke2", "10.77.0.1")).toBe(3);
    expect(await received("spoke3", "10.77.0.1")).toBe(3);
    expect(await received("spoke2", "10.77.0.3")).toBe(0);
    await lab.host("hub").sysctl("net.ipv4.ip_forward", 0);
  });

  it("forwards between them where that is asked for", async () => {
    const [hub] = daemons;
    const before = await redirects();
    hub!.write(hubConfig(true));
    await hub!.process!.output(/read and in use/);
    await waitFor(async () => (await received("spoke2", "10.77.0.3")) === 3, {
      what: "a way to the other spoke",
    });
    expect(await received("spoke3", "10.77.0.2")).toBe(3);
    expect(await lab.host("hub").sysctl("net.ipv4.ip_forward")).toBe("1");
    // The spokes are not neighbours of each other, although both are behind one device of the hub.
    expect(await redirects()).toEqual(before);
  });

  it("is a hop on the way between them, for UDP, TCP and ICMP", async () => {
    for (const [options, ...way] of [
      [[], "10.77.0.1", "10.77.0.3"],
      [["-T", "-p", "80"], "10.77.0.1", "10.77.0.3"],
      [["-I"], "10.77.0.1", "10.77.0.3"],
      [[], "fd77::1", "fd77::3"],
    ] as const) {
      const args = ["-n", "-w", "2", "-N", "3", ...options, way[1]];
      const { stdout } = await lab.host("spoke2").exec("traceroute", args);
      const hops = [...stdout.matchAll(/^ \d+ {2}(\S+)(?: {2}[\d.]+ ms){3}$/gm)].map(([, hop]) => hop);
      expect(hops).toEqual(way);
    }
  });

  it("carries what they download from each other", async () => {
    const server = await startContentServer(lab.host("spoke3"));
    const bytes = 3_000_000;
    const download = await curl(lab.host("spoke2"), contentUrl("10.77.0.3", bytes));
    expect(download).toMatchObject({ status: 200, bytes, sha256: contentSha256(bytes) });
    await server.stop("SIGKILL");
  });

  it("no longer forwards when its daemon has ended", async () => {
    const [hub] = daemons;
    await hub!.run("down");
    await hub!.process!.exited;
    expect(await lab.host("hub").sysctl("net.ipv4.ip_forward")).toBe("0");
  });
});

// one --l0-- two, which is a copy of it, the node ID included
it("hosts that are copies of each other say so", async () => {
  await using lab = await Lab.up({
    hosts: { one: {}, two: {} },
    links: { l0: { between: ["one", "two"], subnet6: "none" } },
  });
  const other = { one: "two", two: "one" } as const;
  const daemons = (["one", "two"] as const).map(
    (name, i) =>
      new LabDaemon(
        lab.host(name),
        `
name: ${name}
node: "02:00:00:00:00:01"
tun: { address: 10.77.0.${i + 1}/24 }
interfaces: l0
peers: [{ name: ${other[name]}, endpoints: ${lab.host(other[name]).ip("l0")}, routes: 10.77.0.${2 - i} }]
`,
      ),
  );
  try {
    await Promise.all(daemons.map((daemon) => daemon.up()));
    for (const daemon of daemons) {
      await daemon.process!.output(
        /another node with our own node ID is refused; one of the two needs another/,
      );
      await waitFor(
        async () => /down, refuses us: node ID clash, \d+ ID clashes/.test(await daemon.run("peers")),
        { what: "the clash in mpip peers" },
      );
      expect(await daemon.run("status")).toMatch(/dropped +node-id-clash: \d+ packets/);
    }
  } finally {
    for (const daemon of daemons) daemon[Symbol.dispose]();
  }
});
