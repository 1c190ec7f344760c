import { readFileSync } from "node:fs";
import { parse, stringify } from "yaml";
import type { PathView, StatusView } from "../../src/control/views.ts";
import { disableMptcp, enableMptcp, LabDaemon, linkAddresses, waitFor } from "../lab/index.ts";
import type { Network } from "./network.ts";

/** A way to get from the client to the server: what an experiment compares. */
export interface Way {
  name: string;
  kind: WayKind;
  start(network: Network): Promise<RunningWay>;
}

export const WAY_KINDS = ["single", "mptcp", "mpip"] as const;
export type WayKind = (typeof WAY_KINDS)[number];

export interface RunningWay {
  /** Addresses of the two hosts that lead over it. */
  client: string;
  server: string;
  /** Connections ask for MPTCP. */
  mptcp: boolean;
  /** Of the client and the server, where there are any. */
  daemons: readonly LabDaemon[];
  stop(): Promise<void>;
}

/** Keys of a configuration file, to be laid over those of the experiment. */
export type Patch = { [key: string]: unknown };

/** A configuration of mpip, of this build or another one. */
export interface Variant {
  name: string;
  patch: Patch;
  checkout?: string;
}

export type DaemonReports = Record<Side, DaemonReport>;

export interface DaemonReport {
  status: StatusView;
  paths: PathView[];
}

type Side = "client" | "server";
const SIDES: readonly Side[] = ["client", "server"];

/** The device of mpip, and the addresses that the nodes have on it: two, for MPTCP to make a mesh of. */
const TUN = "mpip0";
const INNER: Record<Side, readonly string[]> = {
  client: ["10.77.0.1", "10.77.1.1"],
  server: ["10.77.0.2", "10.77.1.2"],
};

export function singleWay(i: number): Way {
  return {
    name: `link ${i + 1}`,
    kind: "single",
    start: async (network) => ({
      ...addresses(network, i),
      mptcp: false,
      daemons: [],
      stop: async () => {},
    }),
  };
}

/** By its name. */
export function isSingle(way: string): boolean {
  return way.startsWith("link ");
}

export const mptcpWay: Way = {
  name: "MPTCP",
  kind: "mptcp",
  start: async (network) => {
    const { client, server, clientLinks, serverLinks } = network;
    await enableMptcp(
      [client, linkAddresses(client, clientLinks)],
      [server, linkAddresses(server, serverLinks)],
    );
    return {
      ...addresses(network, 0),
      mptcp: true,
      daemons: [],
      stop: () => disableMptcp(client, server),
    };
  },
};

export function mpipWay({ name, patch, checkout }: Variant): Way {
  return {
    name,
    kind: "mpip",
    start: async (network) => {
      const daemons = SIDES.map((side) => {
        const config = merged(nodeConfig(network, side), patch);
        return new LabDaemon(network[side], stringify(config), checkout);
      });
      const stop = async () => {
        await Promise.all(daemons.map((daemon) => daemon.process?.stop()));
        for (const daemon of daemons) daemon[Symbol.dispose]();
      };
      try {
        await Promise.all(daemons.map((daemon) => daemon.up()));
        await Promise.all(daemons.map((daemon) => pathsReady(daemon, network.paths)));
      } catch (error) {
        await stop();
        throw error;
      }
      const [client, server] = SIDES.map((side) => INNER[side][0]!);
      return { client: client!, server: server!, mptcp: false, daemons, stop };
    },
  };
}

/** MPTCP between the addresses that the nodes have inside the tunnel: each of its subflows takes all paths. */
export function mptcpOverMpipWay(variant: Variant): Way {
  return {
    name: `MPTCP over ${variant.name}`,
    kind: "mpip",
    start: async (network) => {
      const running = await mpipWay(variant).start(network);
      const { client, server } = network;
      const inside = (side: Side) => INNER[side].map((address) => ({ address, device: TUN }));
      await enableMptcp([client, inside("client")], [server, inside("server")]);
      const stop = async () => {
        await disableMptcp(client, server);
        await running.stop();
      };
      return { ...running, mptcp: true, stop };
    },
  };
}

/** Lays a patch over the configuration of a daemon, which takes it over while it runs. */
export function patchDaemon(daemon: LabDaemon, patch: Patch): void {
  const config = parse(readFileSync(daemon.configPath, "utf8")) as Patch;
  daemon.write(stringify(merged(config, patch)));
}

/** What both daemons show of themselves. */
export async function daemonReports(way: RunningWay): Promise<DaemonReports | undefined> {
  if (way.daemons.length === 0) return undefined;
  const [client, server] = await Promise.all(
    way.daemons.map(async (daemon) => ({
      status: await daemon.ask<StatusView>("status"),
      paths: await daemon.ask<PathView[]>("paths"),
    })),
  );
  return { client: client!, server: server! };
}

/** Keys of the patch replace those that are there; maps are merged, lists are not. */
export function merged(config: Patch, patch: Patch): Patch {
  const result = { ...config };
  for (const [key, value] of Object.entries(patch)) {
    const before = result[key];
    result[key] = isMap(before) && isMap(value) ? merged(before, value) : value;
  }
  return result;
}

function isMap(value: unknown): value is Patch {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Of the client on its n-th link and of the server where that leads. */
function addresses({ client, server, clientLinks, serverLinks }: Network, n: number) {
  return { client: client.ip(clientLinks[n]!), server: server.ip(serverLinks[n] ?? serverLinks[0]!) };
}

function nodeConfig(network: Network, side: Side): Patch {
  const other = side === "client" ? "server" : "client";
  const links = { client: network.clientLinks, server: network.serverLinks };
  const ids = { client: "02:00:00:00:00:01", server: "02:00:00:00:00:02" };
  const endpoints = links[other].map((link) => network[other].ip(link));
  return {
    name: side,
    node: ids[side],
    tun: { name: TUN, address: INNER[side].map((address) => `${address}/24`) },
    interfaces: [...links[side]],
    peers: [{ name: other, node: ids[other], endpoints, routes: [...INNER[other]] }],
  };
}

async function pathsReady(daemon: LabDaemon, atLeast: number): Promise<void> {
  await waitFor(
    async () => {
      const paths = await daemon.ask<PathView[]>("paths");
      const ready = paths.filter(({ state, rttUs }) => state === "ready" && rttUs !== undefined);
      return ready.length >= atLeast;
    },
    { what: `the paths of mpip on ${daemon.host.name}`, timeoutMs: 20_000, everyMs: 200 },
  );
}
