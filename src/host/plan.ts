import { formatPrefix, networkOf, parsePrefix } from "../config/values.ts";
import type { Prefix } from "../core/dispatch/rule-spec.ts";

/** One thing that can be done to the host. */
export type Action =
  /** Arguments of `ip`. */
  | { readonly kind: "ip"; readonly family: 4 | 6; readonly args: readonly string[] }
  /** A file for `nft`. */
  | { readonly kind: "nft"; readonly text: string }
  /** A name below /proc/sys, with slashes. */
  | { readonly kind: "sysctl"; readonly key: string; readonly value: string };

/** Something of ours that the host has. Where `apply` differs under one ID, applying it again replaces what is there. */
export interface HostItem {
  readonly id: string;
  readonly apply: Action;
  /** For a sysctl it is the value that was there. */
  readonly undo?: Action;
  /** Whether it outlives the TUN device. */
  readonly remains: boolean;
}

/** What the host is to have. */
export interface HostState {
  /** Name of the TUN device, and so of everything of ours. */
  readonly tun: string;
  readonly mtu: number;
  readonly addresses: readonly Prefix[];
  /** What is behind the peers. */
  readonly routes: readonly Prefix[];
  /** Whether the host forwards between peers, and between them and the networks around it. */
  readonly forward: boolean;
  /** Where the daemon's own packets come in. */
  readonly port: number;
}

/** The mark of the daemon's own packets, which keeps them out of its own routes: "mp". */
export const SOCKET_MARK = 0x6d70;

/** Before the kernel's own rule for the table main, 32766. */
const RULE_PRIORITY_MAIN = 31990;
const RULE_PRIORITY_TUN = 31991;
const TCP_IPV4_BYTES = 40;
const TCP_IPV6_BYTES = 60;

/** In the order in which they are to be applied. */
export function hostItems(state: HostState): HostItem[] {
  const { tun, addresses, forward } = state;
  // With an address comes a route to its network.
  const connected = new Set(addresses.map((address) => formatPrefix(networkOf(address))));
  const routes = state.routes.filter((route) => !connected.has(formatPrefix(route)));
  const hasIpv6 = [...addresses, ...routes].some(({ family }) => family === 6);
  const defaults = routes.filter(({ bits }) => bits === 0).map(({ family }) => family);
  return [
    ...addresses.map((address) => addressItem(tun, address)),
    nftItem(state, defaults.length > 0),
    ...(forward ? [sysctlItem("net/ipv4/ip_forward", "1")] : []),
    ...(forward && hasIpv6 ? [sysctlItem("net/ipv6/conf/all/forwarding", "1")] : []),
    ...defaults.flatMap((family) => defaultRouteItems(tun, family)),
    ...routes.filter(({ bits }) => bits > 0).map((route) => routeItem(tun, route, "main")),
  ];
}

function addressItem(tun: string, address: Prefix): HostItem {
  const text = formatPrefix(address);
  // There is nobody else on the device who could have the address.
  const flags = address.family === 6 ? ["nodad"] : [];
  return ipItem("address", address.family, [text, "dev", tun], flags, false);
}

function routeItem(tun: string, route: Prefix, table: string): HostItem {
  const where = table === "main" ? [] : ["table", table];
  return ipItem("route", route.family, [formatPrefix(route), "dev", tun, ...where], [], false);
}

/**
 * A route for everything else stands in a table of its own, which the daemon's own packets do not see. What the host
 * has more specific routes for goes its way as before.
 */
function defaultRouteItems(tun: string, family: 4 | 6): HostItem[] {
  const table = String(tableOf(tun));
  const everything = parsePrefix(family === 4 ? "0.0.0.0/0" : "::/0");
  const rule = (priority: number, ...args: string[]) =>
    ipItem("rule", family, ["priority", String(priority), ...args], [], true);
  return [
    // With a strict rp_filter the kernel looks for the way back by the packet's mark only if it is told so.
    ...(family === 4 ? [sysctlItem("net/ipv4/conf/all/src_valid_mark", "1")] : []),
    routeItem(tun, everything, table),
    rule(RULE_PRIORITY_MAIN, "lookup", "main", "suppress_prefixlength", "0"),
    rule(RULE_PRIORITY_TUN, "not", "fwmark", `0x${SOCKET_MARK.toString(16)}`, "lookup", table),
  ];
}

function ipItem(object: string, family: 4 | 6, what: string[], flags: string[], remains: boolean): HostItem {
  return {
    id: `${object} ${family} ${what.join(" ")}`,
    apply: { kind: "ip", family, args: [object, "add", ...what, ...flags] },
    undo: { kind: "ip", family, args: [object, "del", ...what] },
    remains,
  };
}

function sysctlItem(key: string, value: string): HostItem {
  return { id: `sysctl ${key}`, apply: { kind: "sysctl", key, value }, remains: true };
}

/** The table is made anew each time, in one transaction. */
function nftItem(state: HostState, markArrivals: boolean): HostItem {
  const { tun, mtu, forward, port } = state;
  const clamp = (direction: string) => [
    `${direction} "${tun}" meta nfproto ipv4 ${CLAMP} ${mtu - TCP_IPV4_BYTES}`,
    `${direction} "${tun}" meta nfproto ipv6 ${CLAMP} ${mtu - TCP_IPV6_BYTES}`,
  ];
  const forwarded = [
    ...(forward ? [] : [`iifname "${tun}" oifname "${tun}" drop`]),
    ...clamp("iifname"),
    ...clamp("oifname"),
  ];
  const arriving = [`iifname != "${tun}" udp dport ${port} meta mark set 0x${SOCKET_MARK.toString(16)}`];
  const remove = `table inet ${tun}\ndelete table inet ${tun}\n`;
  const text = [
    `table inet ${tun} {`,
    ...chain("forward", forwarded),
    ...(markArrivals ? chain("prerouting", arriving) : []),
    "}\n",
  ].join("\n");
  return {
    id: `nft ${tun}`,
    apply: { kind: "nft", text: remove + text },
    undo: { kind: "nft", text: remove },
    remains: true,
  };
}

/** The kernel lowers a maximum segment size by this, and does not raise it. */
const CLAMP = "tcp flags & (syn | rst) == syn tcp option maxseg size set";

function chain(hook: string, rules: string[]): string[] {
  const head = `type filter hook ${hook} priority mangle; policy accept;`;
  return [`  chain ${hook} {`, ...[head, ...rules].map((line) => `    ${line}`), "  }"];
}

/** A routing table's number that stays the same from start to start: above those that people use. */
function tableOf(tun: string): number {
  let hash = 0;
  for (const letter of tun) hash = (hash * 31 + letter.charCodeAt(0)) & 0xffff;
  return SOCKET_MARK * 0x1_0000 + hash;
}
