import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PathView, PeerView } from "../../src/control/views.ts";
import { type Description, Lab, type NatKind, ping, waitFor } from "../../tools/lab/index.ts";
import { LabDaemon } from "./daemon-lab.ts";

const ETHERNET_BYTES = 14;

/** The NATs in front of each client, from the inside to the outside. */
const CLIENTS: Readonly<Record<string, readonly NatKind[]>> = {
  keep: ["masquerade"],
  rand: ["random"],
  symm: ["symmetric"],
  twice: ["masquerade", "random"],
  worst: ["symmetric", "symmetric"],
};
/** Behind the NAT of another one, and so seen at the same address. */
const SHARING: Readonly<Record<string, string>> = { flat: "keep" };
/** How long nothing is sent, in two parts, between which the NATs forget their mappings. */
const IDLE_MS = [8_000, 22_000] as const;
/** What does not answer is tried ever less, as the server's address behind its NAT: by then not for most of a minute. */
const SETTLED_MS = 54_000;
/**
 * Lines without a NAT, by the most that each of their paths may cost while nothing is sent, in bit/s. On the metered one
 * 200 are to be enough; in so short a time a heartbeat more than usual makes a difference.
 */
const IDLE_COSTS = { still0: 2_000, still1: 250 };
const names = [...Object.keys(CLIENTS), ...Object.keys(SHARING)];
const addressOf = (name: string) => `10.77.0.${10 + names.indexOf(name)}`;
const nodeOf = (name: string) => `02:00:00:00:00:${10 + names.indexOf(name)}`;

// Every client reaches the server by two ways: at its own address, and at a port that another NAT forwards.
//
//     clients -- their NATs -- core --w0-------------- server
//                     mallory ---/\--w2-- office --w1--/
// still --still0, still1-- core
function description(): Description {
  const hosts: Description["hosts"] = {
    core: { router: true },
    office: { nat: { kind: "masquerade", forwards: [{ protocol: "udp", port: 7000, to: "server" }] } },
    server: {},
    mallory: {},
    still: {},
  };
  const links: Description["links"] = {
    w0: { between: ["server", "core"], subnet6: "none" },
    w1: { between: ["server", "office"], subnet6: "none" },
    w2: { between: ["office", "core"], subnet6: "none" },
    mal: { between: ["mallory", "core"], subnet6: "none" },
    still0: { between: ["still", "core"], subnet6: "none" },
    still1: { between: ["still", "core"], subnet6: "none" },
  };
  for (const [name, kinds] of Object.entries(CLIENTS)) {
    hosts[name] = {};
    const hops = [name, ...kinds.map((_, i) => natOf(name, i)), "core"];
    for (const [i, kind] of kinds.entries()) hosts[natOf(name, i)] = { nat: { kind, udpTimeoutS: 4 } };
    for (let i = 0; i + 1 < hops.length; i++)
      links[`${name}${i}`] = { between: [hops[i]!, hops[i + 1]!], subnet6: "none" };
  }
  for (const [name, other] of Object.entries(SHARING)) {
    hosts[name] = {};
    links[`${name}0`] = { between: [name, natOf(other, 0)], subnet6: "none" };
  }
  return { hosts, links };
}

const natOf = (name: string, i: number) => `${name}nat${i}`;

describe("clients behind NATs of all kinds, and a server with a forwarded port", () => {
  let lab: Lab;
  let server: LabDaemon;
  let still: LabDaemon;
  const clients = new Map<string, LabDaemon>();
  let upMs = 0;

  beforeAll(async () => {
    lab = await Lab.up(description());
    const office = lab.host("office").ip("w2");
    const peers = names.map(
      (name) => `  - { name: ${name}, node: "${nodeOf(name)}", routes: ${addressOf(name)} }\n`,
    );
    peers.push('  - { name: still, node: "02:00:00:00:00:50", routes: 10.77.0.50 }\n');
    still = new LabDaemon(
      lab.host("still"),
      `name: still
node: "02:00:00:00:00:50"
tun: { address: 10.77.0.50/24 }
interfaces: [still0, { name: still1, policy: metered }]
peers: [{ name: server, endpoints: ${lab.host("server").ip("w0")}, routes: 10.77.0.1 }]
`,
    );
    server = new LabDaemon(
      lab.host("server"),
      `name: server\ntun: { address: 10.77.0.1/24 }\ninterfaces: [w0, w1]\npeers:\n${peers.join("")}`,
    );
    for (const name of names) {
      const config = `
name: ${name}
node: "${nodeOf(name)}"
tun: { address: ${addressOf(name)}/24 }
peers: [{ name: server, endpoints: [${lab.host("server").ip("w0")}, ${office}], routes: 10.77.0.1 }]
`;
      clients.set(name, new LabDaemon(lab.host(name), config));
    }
    await Promise.all([server.up(), still.up()]);
    upMs = performance.now();
    await Promise.all([...clients.values()].map((client) => client.up()));
  }, 60_000);

  afterAll(async () => {
    server?.[Symbol.dispose]();
    still?.[Symbol.dispose]();
    for (const client of clients.values()) client[Symbol.dispose]();
    await lab?.down();
  });

  const ready = async (daemon: LabDaemon, peer?: string) =>
    (await daemon.ask<PathView[]>("paths")).filter(
      (path) => path.state === "ready" && (peer === undefined || path.peer === peer),
    );

  const readyOfClients = async () => (await ready(server)).filter(({ peer }) => names.includes(peer));

  const rebindAll = () => {
    const nats = Object.entries(CLIENTS).flatMap(([name, kinds]) => kinds.map((_, i) => natOf(name, i)));
    return Promise.all(nats.map((name) => lab.nat(name).rebind()));
  };

  /** Bits of IP that have gone over a line, both ways, and when. */
  const lineBits = async (link: string) => {
    const names = ["rx_bytes", "tx_bytes", "rx_packets", "tx_packets"];
    const files = names.map((name) => `/sys/class/net/${link}/statistics/${name}`);
    const { stdout } = await still.host.exec("cat", files);
    const [received, sent, ...packets] = stdout.trim().split("\n").map(Number);
    return {
      bits: 8 * (received! + sent! - ETHERNET_BYTES * (packets[0]! + packets[1]!)),
      ms: performance.now(),
    };
  };

  it("reach each other by both ways, from both sides", async () => {
    await waitFor(async () => (await readyOfClients()).length === 2 * names.length, {
      what: "two paths to each client",
    });
    const seen = await ready(server);
    for (const name of names) {
      const ways = seen.filter(({ peer }) => peer === name);
      expect(new Set(ways.map(({ device }) => device))).toEqual(new Set(["w0", "w1"]));
      const own = lab.host(name).ip(`${name}0`);
      for (const { remote } of ways) expect(remote).not.toBe(own);
      expect(await ready(clients.get(name)!)).toHaveLength(2);
    }
    const pings = names.map((name) => ping(server.host, addressOf(name), { count: 5 }));
    for (const { received } of await Promise.all(pings)) expect(received).toBe(5);
  });

  it("go on when all NATs forget all mappings and give out others, while packets are on their way", async () => {
    const before = await readyOfClients();
    const streams = names.map((name) => ping(server.host, addressOf(name), { count: 150, intervalMs: 20 }));
    await rebindAll();
    for (const [i, { received }] of (await Promise.all(streams)).entries())
      expect(received, names[i]!).toBeGreaterThan(75);
    const after = await waitFor(
      async () => {
        const paths = await readyOfClients();
        return paths.length === before.length && paths;
      },
      { what: "all paths again" },
    );
    // The same paths, at other places.
    const ids = (paths: PathView[]) => paths.map(({ peer, id }) => `${peer} ${id}`).sort();
    const places = (paths: PathView[]) => new Set(paths.map(({ remote, port }) => `${remote} ${port}`));
    expect(ids(after)).toEqual(ids(before));
    expect([...places(after)].filter((place) => places(before).has(place))).toEqual([]);
  });

  it("are reached by the server after half a minute of silence in which the NATs have begun anew", async () => {
    const lines = Object.entries(IDLE_COSTS);
    await sleep(upMs + SETTLED_MS - performance.now());
    const before = await Promise.all(lines.map(([link]) => lineBits(link)));
    await sleep(IDLE_MS[0]);
    await rebindAll();
    await sleep(IDLE_MS[1]);
    const after = await Promise.all(lines.map(([link]) => lineBits(link)));
    const paths = await ready(still);
    const pings = names.map((name) => ping(server.host, addressOf(name), { count: 3 }));
    for (const [i, { received }] of (await Promise.all(pings)).entries()) expect(received, names[i]!).toBe(3);
    for (const [i, [link, most]] of lines.entries()) {
      const perS = ((after[i]!.bits - before[i]!.bits) * 1000) / (after[i]!.ms - before[i]!.ms);
      const count = paths.filter(({ device }) => device === link).length;
      expect(perS, link).toBeGreaterThan(0);
      expect(perS, link).toBeLessThan(count * most);
    }
  });

  it("are known by where they are now only", async () => {
    const peers = await server.ask<PeerView[]>("peers");
    const paths = await ready(server);
    for (const name of names) {
      const observed = peers
        .find((peer) => peer.name === name)!
        .addresses.filter(({ sources }) => sources.includes("observed"));
      const places = (list: { port: number; address: string }[]) =>
        list.map(({ address, port }) => `${address} ${port}`).sort();
      const own = paths.filter(({ peer }) => peer === name);
      const distinct = new Set(own.map(({ remote, port }) => `${remote} ${port}`));
      expect(places(observed)).toEqual([...distinct].sort());
    }
  });

  it("are not taken to be where somebody else sends their packets from", async () => {
    const before = await readyOfClients();
    const capture = join(server.directory, "capture");
    const tcpdump = ["-i", "w0", "-w", capture, "-c", "200", "udp", "dst", "port", "7000"];
    const streams = names.map((name) => ping(server.host, addressOf(name), { count: 60, intervalMs: 20 }));
    await server.host.exec("tcpdump", tcpdump);
    await Promise.all(streams);
    const datagrams = capturedDatagrams(readFileSync(capture));
    expect(datagrams).toHaveLength(200);
    const mallory = lab.host("mallory");
    const { stdout } = await mallory.exec(
      "node",
      [resolve("dist/test/netns/send-datagrams.js"), server.host.ip("w0"), "7000", "6666"],
      { input: datagrams.map((datagram) => datagram.toString("hex")).join("\n") },
    );
    // It is asked whether it is one of the clients, and no more.
    expect(Number(stdout)).toBeGreaterThan(0);
    expect(Number(stdout)).toBeLessThan(200);
    const places = (paths: PathView[]) =>
      paths.map(({ id, peer, remote, port }) => `${peer} ${id} ${remote} ${port}`).sort();
    expect(places(await readyOfClients())).toEqual(places(before));
    const peers = await server.ask<PeerView[]>("peers");
    const known = peers.flatMap(({ addresses }) => addresses.map(({ address }) => address));
    expect(known).not.toContain(mallory.ip("mal"));
  });
});

/** The payloads of UDP over IPv4 in a file of tcpdump. */
function capturedDatagrams(file: Buffer): Buffer[] {
  const UDP_BYTES = 8;
  const datagrams: Buffer[] = [];
  for (let at = 24; at < file.length; ) {
    const length = file.readUInt32LE(at + 8);
    const packet = file.subarray(at + 16 + ETHERNET_BYTES, at + 16 + length);
    datagrams.push(packet.subarray((packet[0]! & 0x0f) * 4 + UDP_BYTES));
    at += 16 + length;
  }
  return datagrams;
}
