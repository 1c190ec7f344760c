import { type HostState, MARK_TEXT } from "./state.ts";

const TCP_IPV4_BYTES = 40;
const TCP_IPV6_BYTES = 60;

/** What of ours is called in nft, which takes some names of devices for words of its own, and others for numbers. */
export function nftName(tun: string): string {
  return tun.startsWith("mpip") ? tun : `mpip-${tun}`;
}

/** What takes the table away, whether it is there or not. */
export function nftRemoval(tun: string): string {
  const table = `table inet ${nftName(tun)}`;
  return `${table}\ndelete ${table}\n`;
}

/** What makes the table anew, in one transaction. */
export function nftTable(state: HostState, markArrivals: boolean): string {
  const { tun, mtu, forward, exit, port } = state;
  const clamp = (direction: string) => [
    `${direction} "${tun}" meta nfproto ipv4 ${CLAMP} ${mtu - TCP_IPV4_BYTES}`,
    `${direction} "${tun}" meta nfproto ipv6 ${CLAMP} ${mtu - TCP_IPV6_BYTES}`,
  ];
  const forwarded = [
    ...(forward ? [] : [`iifname "${tun}" oifname "${tun}" drop`]),
    ...clamp("iifname"),
    ...clamp("oifname"),
  ];
  const arriving = [`iifname != "${tun}" udp dport ${port} meta mark set ${MARK_TEXT}`];
  const leaving = [`iifname "${tun}" oifname != "${tun}" masquerade`];
  const lines = [
    `table inet ${nftName(tun)} {`,
    ...chain("forward", "filter", "mangle", forwarded),
    ...(markArrivals ? chain("prerouting", "filter", "mangle", arriving) : []),
    ...(exit ? chain("postrouting", "nat", "srcnat", leaving) : []),
    "}\n",
  ];
  return nftRemoval(tun) + lines.join("\n");
}

/** The kernel lowers a maximum segment size by this, and does not raise it. */
const CLAMP = "tcp flags & (syn | rst) == syn tcp option maxseg size set";

/** A base chain, as lines of a table. */
export function chain(hook: string, type: string, priority: string, rules: string[]): string[] {
  const head = `type ${type} hook ${hook} priority ${priority}; policy accept;`;
  return [`  chain ${hook} {`, ...[head, ...rules].map((line) => `    ${line}`), "  }"];
}
