import type { Config } from "../config/parse.ts";
import { formatNodeId, formatPrefix } from "../config/values.ts";
import { pathViews, peerViews, type QuotaView, ruleViews, type StatusView } from "../control/views.ts";
import { formatAddress } from "../io/address.ts";
import type { ReceiveCounters } from "../io/port.ts";
import type { Node } from "./node.ts";

interface StatusSources {
  readonly version: string;
  readonly uptimeMs: number;
  readonly config: Config;
  readonly configPath: string;
  readonly configError: string | undefined;
  readonly node: Node;
  readonly quotas: readonly QuotaView[];
  readonly nowMs: number;
}

/** What `mpip status` shows. */
export function statusView(sources: StatusSources): StatusView {
  const { version, uptimeMs, config, nowMs } = sources;
  const { name, id, mtu, router, sockets, tun, udp } = sources.node;
  const peers = peerViews(router, peersOf(config), nowMs);
  const paths = pathViews(router, nowMs);
  const { locals, all } = sockets;
  return {
    version,
    name,
    node: formatNodeId(id),
    pid: process.pid,
    uptimeMs: Math.round(uptimeMs),
    config: { path: sources.configPath, error: sources.configError },
    tun: {
      name: tun.name,
      addresses: config.tun.address.map(formatPrefix),
      mtu,
      offloads: namesOf(tun.offloads),
    },
    sockets: locals.map(({ device, address, port }, i) => ({
      device,
      address: formatAddress(address),
      port,
      offloads: namesOf(all[i]!.offloads),
    })),
    peers: { total: peers.length, up: peers.filter(({ state }) => state === "up").length },
    paths: { total: paths.length, ready: paths.filter(({ state }) => state === "ready").length },
    sessions: router.sessions.slab.size,
    traffic: {
      tunReceived: counted(tun.received),
      tunSent: { ...counted(tun.sent), refused: tun.sent.refused },
      netReceived: counted(...all.map(({ counters }) => counters)),
      netSent: { ...counted(udp.counters), refused: udp.counters.refused },
    },
    drops: router.drops.snapshot(),
    reordering: { ...router.reordering },
    repair: { ...router.repair },
    rules: ruleViews(router),
    quotas: [...sources.quotas],
  };
}

/** The peers of the configuration, as the views want them. */
export function peersOf({ peers }: Config): { name: string; routes: string[] }[] {
  return peers.map(({ name, routes }) => ({ name, routes: routes.map(formatPrefix) }));
}

function counted(...counters: readonly ReceiveCounters[]): { calls: number; messages: number } {
  const sum = (key: "calls" | "messages") => counters.reduce((total, counter) => total + counter[key], 0);
  return { calls: sum("calls"), messages: sum("messages") };
}

function namesOf(offloads: Readonly<object>): string[] {
  return Object.entries(offloads).flatMap(([name, on]) => (on ? [name] : []));
}
