import { formatPrefix, networkOf, parsePrefix } from "../config/values.ts";
import type { Prefix } from "../core/dispatch/rule-spec.ts";
import type { RoutingRule } from "../io/network-tables.ts";
import { OWN_START } from "./kept-text.ts";
import { nftRemoval, nftTable } from "./nft.ts";
import { realRemoval, realTables } from "./nft-real.ts";
import { CAPTURE_MARK, type HostLine, type HostState, type RealHostState, SOCKET_MARK } from "./state.ts";

/** One thing that can be done to the host. */
export type Action =
  /** Arguments of `ip`. */
  | { readonly kind: "ip"; readonly family: 4 | 6; readonly args: readonly string[] }
  /** A file for `nft`. */
  | { readonly kind: "nft"; readonly text: string }
  /** A name below /proc/sys, with slashes. */
  | { readonly kind: "sysctl"; readonly key: string; readonly value: string }
  /** Puts a text of ours in place of what a file says, or restores that, if the text is still there. */
  | { readonly kind: "file" | "restore"; readonly path: string; readonly text: string };

/** Something of ours that the host has. Where `apply` differs under one ID, applying it again replaces what is there. */
export interface HostItem {
  readonly id: string;
  readonly apply: Action;
  /** For a sysctl it is what was there. */
  readonly undo?: Action;
  /** Whether it outlives the TUN device. */
  readonly remains: boolean;
  /** The line on which it is for nothing unless the kernel is strict about where packets come in. */
  readonly ifStrict?: HostLine;
}

/** Before the rules of hosts with a table for each of their addresses: what has the mark is ours. */
const RULE_PRIORITY_REAL = 70;
/** Before the kernel's own rule for the table main, 32766. */
const RULE_PRIORITY_MAIN = 31990;
const RULE_PRIORITY_TUN = 31991;
/** The kernel's number of the table main. */
const MAIN_TABLE = 254;
const EVERYTHING = { 4: parsePrefix("0.0.0.0/0"), 6: parsePrefix("::/0") };
/** From the number of the table of the routes for everything to that of the one for real addresses. */
const REAL_TABLE_OFFSET = 0x1_0000;
/** The C library reads here whom to ask for names. */
const RESOLVER_FILE = "/etc/resolv.conf";

/** In the order in which they are to be applied. */
export function hostItems(state: HostState): HostItem[] {
  const { tun, addresses, dns } = state;
  // With an address comes a route to its network.
  const connected = new Set(addresses.map((address) => formatPrefix(networkOf(address))));
  const routes = state.routes.filter((route) => !connected.has(formatPrefix(route)));
  const hasIpv6 = [...addresses, ...routes].some(({ family }) => family === 6);
  const forwards = state.forward || state.exit;
  const defaults = routes.filter(({ bits }) => bits === 0).map(({ family }) => family);
  return [
    ...addresses.map((address) => addressItem(tun, address)),
    nftItem(state, defaults.length > 0),
    ...(forwards ? [sysctlItem("net/ipv4/ip_forward", "1")] : []),
    ...(forwards && hasIpv6 ? [sysctlItem("net/ipv6/conf/all/forwarding", "1")] : []),
    ...(state.forward ? noRedirects(tun) : []),
    ...defaults.flatMap((family) => defaultRouteItems(tun, family)),
    ...routes.filter(({ bits }) => bits > 0).map((route) => routeItem(tun, route, MAIN_TABLE)),
    ...(dns.length > 0 ? [resolverItem(tun, dns)] : []),
    ...state.lines.map(looseItem),
    ...(state.real === undefined ? [] : realItems(tun, state.mtu, state.real)),
  ];
}

/**
 * The kernel removes the routes into a device with its last IPv4 address, and with the first address in a network, as a
 * rule, the others there. A network of its own keeps an address that is wanted, and the routes, while others go.
 */
export function keeperItem({ tun, addresses }: HostState): HostItem | undefined {
  const address = addresses.find(({ family }) => family === 4);
  return address && addressItem(tun, { ...address, bits: 32 });
}

function addressItem(tun: string, address: Prefix): HostItem {
  // There is nobody else on the device who could have the address.
  const flags = address.family === 6 ? ["nodad"] : [];
  return ipItem("address", address.family, addressWords(tun, address), flags, false);
}

function routeItem(tun: string, route: Prefix, table: number): HostItem {
  return ipItem("route", route.family, routeWords(tun, route, table), [], false);
}

function ruleItem(family: 4 | 6, rule: RoutingRule): HostItem {
  return ipItem("rule", family, ruleWords(rule), [], true);
}

/** As `ip` takes them, and as they are told apart. */
export function addressWords(tun: string, address: Prefix): string[] {
  return [formatPrefix(address), "dev", tun];
}

export function routeWords(tun: string, route: Prefix, table: number): string[] {
  return [formatPrefix(route), "dev", tun, ...(table === MAIN_TABLE ? [] : ["table", String(table)])];
}

export function ruleWords({ priority, table, mark, isInverted, suppressBits }: RoutingRule): string[] {
  return [
    ...["priority", String(priority)],
    ...(isInverted ? ["not"] : []),
    ...(mark === undefined ? [] : ["fwmark", `0x${mark.toString(16)}`]),
    ...["lookup", table === MAIN_TABLE ? "main" : String(table)],
    ...(suppressBits === undefined ? [] : ["suppress_prefixlength", String(suppressBits)]),
  ];
}

export function ipItemId(object: string, family: 4 | 6, words: readonly string[]): string {
  return `${object} ${family} ${words.join(" ")}`;
}

/**
 * A route for everything else stands in a table of its own, which the daemon's own packets do not see. What the host
 * has more specific routes for goes its way as before.
 */
function defaultRouteItems(tun: string, family: 4 | 6): HostItem[] {
  const table = tableOf(tun);
  return [
    // With a strict rp_filter the kernel looks for the way back by the packet's mark only if it is told so.
    ...(family === 4 ? [sysctlItem("net/ipv4/conf/all/src_valid_mark", "1")] : []),
    routeItem(tun, EVERYTHING[family], table),
    ruleItem(family, { priority: RULE_PRIORITY_MAIN, table: MAIN_TABLE, suppressBits: 0 }),
    ruleItem(family, { priority: RULE_PRIORITY_TUN, table, mark: SOCKET_MARK, isInverted: true }),
  ];
}

/**
 * Packets to real addresses are routed by the host's own routes first, which choose their source address, and once more
 * when they have got the mark. If the device is gone, so is the route into it, and they go on as they were.
 */
function realItems(tun: string, mtu: number, real: RealHostState): HostItem[] {
  const table = tableOf(tun) + REAL_TABLE_OFFSET;
  return [
    {
      id: `nft ${tun} real`,
      apply: { kind: "nft", text: realTables(tun, mtu, real) },
      undo: { kind: "nft", text: realRemoval(tun) },
      remains: true,
    },
    // What comes out of the device is not what the host's own routes would expect from it.
    { ...sysctlItem(`net/ipv4/conf/${tun}/rp_filter`, "2"), remains: false },
    ...real.families.flatMap((family) => [
      routeItem(tun, EVERYTHING[family], table),
      ruleItem(family, { priority: RULE_PRIORITY_REAL, table, mark: CAPTURE_MARK }),
    ]),
  ];
}

function ipItem(object: string, family: 4 | 6, what: string[], flags: string[], remains: boolean): HostItem {
  return {
    id: ipItemId(object, family, what),
    apply: { kind: "ip", family, args: [object, "add", ...what, ...flags] },
    undo: { kind: "ip", family, args: [object, "del", ...what] },
    remains,
  };
}

/**
 * Peers seem to be neighbours of each other, since they are behind one device, and the kernel would tell them so. They
 * are not, and what it tells counts against the ICMP errors that it allows itself. One of the two settings suffices for
 * redirects to be sent, so other interfaces go on as before. For IPv6 it sends none into a TUN device.
 */
function noRedirects(tun: string): HostItem[] {
  return [
    { ...sysctlItem(`net/ipv4/conf/${tun}/send_redirects`, "0"), remains: false },
    sysctlItem("net/ipv4/conf/all/send_redirects", "0"),
  ];
}

/**
 * With a strict rp_filter the kernel drops what the peers send over any other line than that of the best route to them.
 * Loose (RFC 3704) is what it is for on a host with several; the stricter of the two settings counts, and 2 is looser
 * than 1 and yet greater.
 */
function looseItem(line: HostLine): HostItem {
  const item = sysctlItem(`net/ipv4/conf/${line.device}/rp_filter`, "2");
  return { ...item, id: `${item.id} ${line.index}`, ifStrict: line };
}

function sysctlItem(key: string, value: string): HostItem {
  return { id: `sysctl ${key}`, apply: { kind: "sysctl", key, value }, remains: true };
}

/** The table is made anew each time. */
function nftItem(state: HostState, markArrivals: boolean): HostItem {
  return {
    id: `nft ${state.tun}`,
    apply: { kind: "nft", text: nftTable(state, markArrivals) },
    undo: { kind: "nft", text: nftRemoval(state.tun) },
    remains: true,
  };
}

function resolverItem(tun: string, servers: readonly string[]): HostItem {
  const lines = [
    `${OWN_START}${tun}; what stood here comes back when it ends.`,
    ...servers.map((server) => `nameserver ${server}`),
  ];
  const text = lines.map((line) => `${line}\n`).join("");
  return {
    id: "resolver",
    apply: { kind: "file", path: RESOLVER_FILE, text },
    undo: { kind: "restore", path: RESOLVER_FILE, text },
    remains: true,
  };
}

/** A routing table's number that stays the same from start to start: above those that people use. */
function tableOf(tun: string): number {
  let hash = 0;
  for (const letter of tun) hash = (hash * 31 + letter.charCodeAt(0)) & 0xffff;
  return SOCKET_MARK * 0x1_0000 + hash;
}
