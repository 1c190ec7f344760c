import { formatPrefix } from "../config/values.ts";
import { familyOf, formatAddress } from "../io/address.ts";
import { chain, nftName } from "./nft.ts";
import { CAPTURE_TEXT, MARK_TEXT, type RealHostState } from "./state.ts";

/** How long the kernel remembers that it has let a destination be asked for; then its next packet does so again. */
const ASKED_TIMEOUT = "10m";
/** Destinations that it remembers; while there are so many, new ones are not asked. */
const ASKED_MAX = 65_536;

/** By family: the words of nft, what a header takes off the MTU, and where copies seem to go to. */
const FAMILIES = {
  4: { name: "ip", type: "ipv4_addr", tcpHeaders: 40, copiesTo: "192.0.0.8" },
  6: { name: "ip6", type: "ipv6_addr", tcpHeaders: 60, copiesTo: "fe80::6d70" },
} as const;

/** What takes the tables away, whether they are there or not. */
export function realRemoval(tun: string): string {
  const tables = [FAMILIES[4], FAMILIES[6]].map(({ name }) => `table ${name} ${nftName(tun)}`);
  return tables.map((table) => `${table}\ndelete ${table}\n`).join("");
}

/**
 * The tables that hand over what goes to the real addresses of nodes, and leave everything else to the kernel's own
 * routes after one look at a set. A packet of a connection that began in the tunnel, or one between two addresses that
 * a node has shown to know, gets the mark of captured packets, which leads it into the TUN device. Of the first packet
 * to any other destination the device gets a copy, so that the destination is asked.
 */
export function realTables(tun: string, mtu: number, state: RealHostState): string {
  return realRemoval(tun) + state.families.map((family) => realTable(tun, mtu, state, family)).join("");
}

function realTable(tun: string, mtu: number, state: RealHostState, family: 4 | 6): string {
  const { name, type, tcpHeaders, copiesTo } = FAMILIES[family];
  const pairs = state.pairs.filter(({ source }) => familyOf(source) === family);
  const carried = state.carried.filter((words) => familyOf(words) === family);
  const wanted = state.destinations?.filter((prefix) => prefix.family === family);
  const pairText = ({ source, destination }: (typeof pairs)[number]) =>
    `${formatAddress(source)} . ${formatAddress(destination)}`;
  const isHidden = ({ source, seenAs }: (typeof pairs)[number]) =>
    formatAddress(source) !== formatAddress(seenAs);
  const hidden = pairs.filter(isHidden);
  const open = pairs.filter((pair) => !isHidden(pair));
  const set = (label: string, kind: string, elements: readonly string[], flags = "") => [
    `  ${label} {`,
    `    type ${kind}${flags}`,
    ...(elements.length > 0 ? [`    elements = { ${[...new Set(elements)].join(", ")} }`] : []),
    "  }",
  ];
  const isWanted = wanted === undefined ? "" : `${name} daddr @wanted `;
  const lines = [
    `table ${name} ${nftName(tun)} {`,
    ...set("set open", `${type} . ${type}`, open.map(pairText)),
    ...set("set hidden", `${type} . ${type}`, hidden.map(pairText)),
    ...set(
      "map seen",
      `${type} . ${type} : ${type}`,
      hidden.map((pair) => `${pairText(pair)} : ${formatAddress(pair.seenAs)}`),
    ),
    ...set(
      "set carried",
      type,
      carried.map((words) => formatAddress(words)),
    ),
    ...(wanted === undefined
      ? []
      : set("set wanted", type, wanted.map(formatPrefix), "; flags interval; auto-merge")),
    ...set("set asked", type, [], `; flags dynamic,timeout; timeout ${ASKED_TIMEOUT}; size ${ASKED_MAX}`),
    ...chain("prerouting", "filter", "mangle", [
      `iifname "${tun}" ${name} saddr @carried ct mark set ${CAPTURE_TEXT}`,
    ]),
    "  chain capture {",
    `    meta mark set ${CAPTURE_TEXT}`,
    `    tcp flags & (syn | rst) == syn tcp option maxseg size set ${mtu - tcpHeaders}`,
    "  }",
    ...chain("output", "route", "mangle", [
      `meta mark ${MARK_TEXT} accept`,
      `oifname { "lo", "${tun}" } accept`,
      `ct state new ${name} saddr . ${name} daddr @hidden ct mark set ${CAPTURE_TEXT}`,
      `ct mark ${CAPTURE_TEXT} ${name} daddr @carried goto capture`,
      // Errors that answer what came outside of the tunnel, like our own datagrams.
      "ct state related accept",
      `${name} saddr . ${name} daddr @open goto capture`,
      // Who only answers need not know whether the other side is a node.
      `ct direction original fib daddr type unicast ${isWanted}${name} daddr != @asked add @asked { ${name} daddr } dup to ${copiesTo} device "${tun}"`,
    ]),
    ...chain("postrouting", "nat", "srcnat", [
      `oifname "${tun}" snat to ${name} saddr . ${name} daddr map @seen`,
    ]),
    // Who is in no configuration is not to reach more than this host.
    ...chain("forward", "filter", "mangle", [`iifname "${tun}" ${name} saddr @carried drop`]),
    "}\n",
  ];
  return lines.join("\n");
}
