import type { FirewallRule, NatDescription } from "./description.ts";
import { contains, type Family, parseAddress, parseSubnet } from "./ip-address.ts";
import type { Direction, End, LineState } from "./line.ts";

/** A description with every address, route and rule decided; plain data, kept as JSON while the lab runs. */
export interface Topology {
  seed: number;
  hosts: HostPlan[];
  links: LinkPlan[];
}

export interface HostPlan {
  name: string;
  forwards: boolean;
  policyRouting: boolean;
  nat?: NatDescription;
  /** How often the NAT has been told to use other ports. */
  rebinds: number;
  firewall: FirewallRule[];
  sysctls: Record<string, string>;
  interfaces: InterfacePlan[];
  routes: RoutePlan[];
}

/** A host's end of a link; the interface is named after the link. */
export interface InterfacePlan {
  link: string;
  end: End;
  addresses: InterfaceAddress[];
}

export interface InterfaceAddress {
  family: Family;
  address: string;
  subnet: string;
}

export interface RoutePlan {
  family: Family;
  /** A subnet; 0.0.0.0/0 or ::/0 for a default route. */
  to: string;
  via: string;
  link: string;
  metric: number;
}

export interface LinkPlan {
  name: string;
  a: string;
  b: string;
  subnets: { family: Family; subnet: string }[];
  mtu: number;
  /** Leads through the emulator; else it is a bare veth pair. */
  emulated: boolean;
  line: Record<Direction, LineState>;
}

export function hostPlan(topology: Pick<Topology, "hosts">, name: string): HostPlan {
  const host = topology.hosts.find((candidate) => candidate.name === name);
  if (host === undefined) throw new Error(`no host ${name}; hosts: ${names(topology.hosts)}`);
  return host;
}

export function linkPlan(topology: Pick<Topology, "links">, name: string): LinkPlan {
  const link = topology.links.find((candidate) => candidate.name === name);
  if (link === undefined) throw new Error(`no link ${name}; links: ${names(topology.links)}`);
  return link;
}

export function interfacePlan(host: HostPlan, link: string): InterfacePlan {
  const plan = host.interfaces.find((candidate) => candidate.link === link);
  if (plan !== undefined) return plan;
  const links = host.interfaces.map((candidate) => candidate.link).join(", ");
  throw new Error(`host ${host.name} has no link ${link}; its links: ${links}`);
}

export function interfaceAddress(plan: InterfacePlan, family: Family): string | undefined {
  return plan.addresses.find((candidate) => candidate.family === family)?.address;
}

/** The links on which a host comes first: they lead away from the hosts that it serves. */
export function outsideLinks(host: HostPlan): string[] {
  return host.interfaces.filter(({ end }) => end === "a").map(({ link }) => link);
}

/** Gives an interface another address, and every route over the old one the new next hop; returns the old address. */
export function moveAddress(topology: Topology, hostName: string, link: string, address: string): string {
  const parsed = parseAddress(address);
  if (parsed === undefined) throw new Error(`${address} is not an IP address`);
  const plan = interfacePlan(hostPlan(topology, hostName), link);
  const entry = plan.addresses.find((candidate) => candidate.family === parsed.family);
  if (entry === undefined || !contains(parseSubnet(entry.subnet)!, parsed)) {
    const allowed = plan.addresses.map(({ subnet }) => subnet).join(", ");
    throw new Error(`${address} is not on the link ${link}, which is ${allowed}`);
  }
  const onLink = topology.hosts.flatMap(({ interfaces }) =>
    interfaces.filter((other) => other.link === link),
  );
  if (onLink.some((other) => other.addresses.some((taken) => taken.address === address))) {
    throw new Error(`${address} is taken already on the link ${link}`);
  }
  const old = entry.address;
  entry.address = address;
  for (const route of topology.hosts.flatMap((host) => host.routes)) {
    if (route.link === link && route.via === old) route.via = address;
  }
  return old;
}

function names(entries: readonly { name: string }[]): string {
  return entries.map(({ name }) => name).join(", ");
}
