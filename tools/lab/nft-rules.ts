import type { HostPlan, Topology } from "./topology.ts";
import { hostPlan, interfaceAddress, interfacePlan, outsideLinks } from "./topology.ts";

const labTable = "lab";

/** Below the ephemeral ports and above those that programs choose, so that a mapping never keeps its port by chance. */
const randomPorts = { first: 61_000, last: 65_535 };
const reboundPortsPerBlock = 500;
const reboundBlocks = 9;

/** The nft rules of a host's NAT and firewall, which replace the ones before; undefined for a host without. */
export function nftRules(host: HostPlan, topology: Topology): string | undefined {
  if (host.nat === undefined && host.firewall.length === 0) return undefined;
  const chains = [
    ...(host.nat === undefined ? [] : [prerouting(host, topology), postrouting(host)]),
    chain("input", "type filter hook input priority filter", inputRules(host)),
    chain("forwarding", "type filter hook forward priority filter", forwardRules(host)),
    chain("output", "type filter hook output priority filter", outputRules(host)),
  ];
  return [
    `table inet ${labTable}`,
    `delete table inet ${labTable}`,
    `table inet ${labTable} {`,
    ...chains.flat().map((line) => `  ${line}`),
    "}",
    "",
  ].join("\n");
}

/** Rules that drop what arrives at an interface before anything in its namespace sees it. */
export function ingressDropRules(interfaceName: string): string {
  return [
    `table netdev ${ingressDropTable(interfaceName)} {`,
    "  chain ingress {",
    `    type filter hook ingress device "${interfaceName}" priority -500; policy drop;`,
    "  }",
    "}",
    "",
  ].join("\n");
}

/** Text that removes the rules of `ingressDropRules`, whether they are there or not. */
export function ingressAcceptRules(interfaceName: string): string {
  const table = ingressDropTable(interfaceName);
  return `table netdev ${table}\ndelete table netdev ${table}\n`;
}

function ingressDropTable(interfaceName: string): string {
  return `cut-${interfaceName}`;
}

/**
 * Linux gives one internal socket the same external port for every destination, unless asked for random ports, which
 * are drawn per connection: hence `symmetric`. `random` is a port range that no internal socket is in.
 */
function postrouting(host: HostPlan): string[] {
  const outside = `oifname ${interfaceSet(outsideLinks(host))} meta nfproto ipv4`;
  const range =
    host.rebinds > 0 ? portBlock(host.rebinds) : host.nat!.kind === "random" ? randomPorts : undefined;
  const to = range === undefined ? "" : ` to :${range.first}-${range.last}`;
  const perConnection = host.nat!.kind === "symmetric" ? " fully-random" : "";
  const inside = insideLinks(host);
  const hairpinned = `iifname ${interfaceSet(inside)} oifname ${interfaceSet(inside)} ct status dnat masquerade`;
  return chain("postrouting", "type nat hook postrouting priority srcnat", [
    `${outside} meta l4proto { tcp, udp } masquerade${to}${perConnection}`,
    `${outside} masquerade`,
    ...(host.nat!.hairpin === true && inside.length > 0 ? [hairpinned] : []),
  ]);
}

function portBlock(rebinds: number): { first: number; last: number } {
  const first = randomPorts.first + ((rebinds - 1) % reboundBlocks) * reboundPortsPerBlock;
  return { first, last: first + reboundPortsPerBlock - 1 };
}

function prerouting(host: HostPlan, topology: Topology): string[] {
  const arrival =
    host.nat!.hairpin === true ? "fib daddr type local" : `iifname ${interfaceSet(outsideLinks(host))}`;
  const forwards = (host.nat!.forwards ?? []).filter(({ to }) => to !== host.name);
  return chain(
    "prerouting",
    "type nat hook prerouting priority dstnat",
    forwards.map(({ protocol, port, to, toPort }) => {
      const link = topology.links.find((candidate) => candidate.a === to && candidate.b === host.name)!;
      const address = interfaceAddress(interfacePlan(hostPlan(topology, to), link.name), 4);
      return `${arrival} meta nfproto ipv4 ${protocol} dport ${port} dnat ip to ${address}:${toPort ?? port}`;
    }),
  );
}

function inputRules(host: HostPlan): string[] {
  const guarded = guardedArrival(host);
  if (guarded === undefined) return udpRules(host, "iifname");
  const isClosed = host.firewall.includes("block-inbound");
  const toSelf = (host.nat?.forwards ?? []).filter(({ to }) => to === host.name);
  return [
    'iifname "lo" accept',
    ...udpRules(host, "iifname"),
    "ct state established,related accept",
    // Without neighbour discovery no IPv6 address answers.
    "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
    ...(isClosed ? [] : [`${guarded}meta l4proto { icmp, ipv6-icmp } accept`]),
    ...toSelf.map(({ protocol, port }) => `${guarded}${protocol} dport ${port} accept`),
    // A stray packet must vanish here: if it got an entry, it would take the port of the mapping it was meant for.
    `${guarded}drop`,
  ];
}

function forwardRules(host: HostPlan): string[] {
  const guarded = guardedArrival(host);
  return [
    ...(host.firewall.includes("block-udp") ? ["meta l4proto udp drop"] : []),
    // An invalid packet would pass untranslated.
    ...(host.nat === undefined ? [] : ["meta nfproto ipv4 ct state invalid drop"]),
    ...(guarded === undefined
      ? []
      : ["ct state established,related accept", "ct status dnat accept", `${guarded}drop`]),
  ];
}

function outputRules(host: HostPlan): string[] {
  return udpRules(host, "oifname");
}

function udpRules(host: HostPlan, side: "iifname" | "oifname"): string[] {
  return host.firewall.includes("block-udp") ? [`${side} != "lo" meta l4proto udp drop`] : [];
}

/** Match of the packets that a stateful firewall examines: from outside or, at a host that serves no others, all. */
function guardedArrival(host: HostPlan): string | undefined {
  if (host.nat === undefined && !host.firewall.includes("block-inbound")) return undefined;
  return host.forwards ? `iifname ${interfaceSet(outsideLinks(host))} ` : "";
}

function insideLinks(host: HostPlan): string[] {
  return host.interfaces.filter(({ end }) => end === "b").map(({ link }) => link);
}

function interfaceSet(links: string[]): string {
  return `{ ${links.map((link) => `"${link}"`).join(", ")} }`;
}

function chain(name: string, hook: string, rules: string[]): string[] {
  return [`chain ${name} {`, `  ${hook}; policy accept;`, ...rules.map((rule) => `  ${rule}`), "}"];
}
