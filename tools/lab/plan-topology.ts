import type { Description, HostDescription, LinkDescription, NatDescription } from "./description.ts";
import { type Family, formatSubnet, nthAddress, parseAddress, type Subnet } from "./ip-address.ts";
import { type LineParams, lineKeys, mergeLine } from "./line.ts";
import { planRoutes } from "./routes.ts";
import { linkSubnet } from "./subnets.ts";
import type { HostPlan, InterfaceAddress, InterfacePlan, LinkPlan, Topology } from "./topology.ts";

const defaultMtu = 1500;
const defaultSeed = 1;
const families: readonly Family[] = [4, 6];

/** Needs a description without problems (`checkedDescription`). */
export function planTopology(description: Description): Topology {
  const planned = Object.entries(description.links).map(([name, link], position) => ({
    plan: planLink(name, link, position),
    addresses: planAddresses(link, position),
  }));
  const links = planned.map(({ plan }) => plan);
  const hosts = Object.entries(description.hosts).map(([name, host]) =>
    planHost(
      name,
      host ?? {},
      planned.flatMap(({ plan, addresses }): InterfacePlan[] => {
        if (plan.a === name) return [{ link: plan.name, end: "a", addresses: addresses[0] }];
        if (plan.b === name) return [{ link: plan.name, end: "b", addresses: addresses[1] }];
        return [];
      }),
    ),
  );
  for (const host of hosts) {
    host.routes = planRoutes(host, { hosts, links }, description.hosts[host.name]?.defaultVia);
  }
  return { seed: description.seed ?? defaultSeed, hosts, links };
}

function planLink(name: string, link: LinkDescription, position: number): LinkPlan {
  const both: LineParams = Object.fromEntries(
    Object.entries(link).filter(([key]) => lineKeys.includes(key as keyof LineParams)),
  );
  return {
    name,
    a: link.between[0],
    b: link.between[1],
    subnets: families.flatMap((family) => {
      const planned = linkSubnet(link, position, family);
      return planned === undefined ? [] : [{ family, subnet: formatSubnet(planned.subnet) }];
    }),
    mtu: link.mtu ?? defaultMtu,
    emulated: Object.keys(both).length > 0 || link.ab !== undefined || link.ba !== undefined,
    line: { ab: mergeLine(both, link.ab ?? {}), ba: mergeLine(both, link.ba ?? {}) },
  };
}

/** The addresses of both ends: the given ones, else .1 for the first host and .2 for the second. */
function planAddresses(link: LinkDescription, position: number): [InterfaceAddress[], InterfaceAddress[]] {
  const planned: [InterfaceAddress[], InterfaceAddress[]] = [[], []];
  for (const family of families) {
    const subnet = linkSubnet(link, position, family)?.subnet;
    if (subnet === undefined) continue;
    const given = link.between.map((host) =>
      (link.addresses?.[host] ?? []).filter((address) => parseAddress(address)!.family === family),
    );
    for (const end of [0, 1] as const) {
      const texts = given[end]!.length > 0 ? given[end]! : [freeAddress(subnet, end + 1, given[1 - end]!)];
      planned[end].push(...texts.map((address) => ({ family, address, subnet: formatSubnet(subnet) })));
    }
  }
  return planned;
}

/** The n-th address or, where the other end was given that one, the third. */
function freeAddress(subnet: Subnet, n: number, taken: readonly string[]): string {
  const values = new Set(taken.map((text) => parseAddress(text)!.value));
  const isTaken = (candidate: number) => values.has(subnet.base + BigInt(candidate));
  let free = n;
  for (let next = 3; isTaken(free); next++) free = next;
  return nthAddress(subnet, free);
}

function planHost(name: string, host: HostDescription, interfaces: InterfacePlan[]): HostPlan {
  const forwards = host.router === true || host.nat !== undefined;
  const given = Object.entries(host.sysctls ?? {}).map(([key, value]) => [key, String(value)]);
  return {
    name,
    forwards,
    policyRouting: host.policyRouting ?? false,
    ...(host.nat === undefined ? {} : { nat: host.nat }),
    rebinds: 0,
    firewall: host.firewall ?? [],
    sysctls: { ...baseSysctls(forwards), ...natSysctls(host.nat), ...Object.fromEntries(given) },
    interfaces,
    routes: [],
  };
}

/** A namespace takes some settings from the machine; a lab must be the same everywhere. */
function baseSysctls(forwards: boolean): Record<string, string> {
  const forwarding = forwards ? "1" : "0";
  return {
    // Forwarding comes first: writing it resets other settings.
    "net.ipv4.ip_forward": forwarding,
    "net.ipv6.conf.all.forwarding": forwarding,
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    // An interface whose first address is removed keeps the others, and so its routes.
    "net.ipv4.conf.default.promote_secondaries": "1",
    "net.ipv6.conf.all.disable_ipv6": "0",
    "net.ipv6.conf.default.disable_ipv6": "0",
    "net.ipv6.conf.default.accept_ra": "0",
    // Addresses are usable at once.
    "net.ipv6.conf.default.accept_dad": "0",
    // One transfer must not start with what the one before learned.
    "net.ipv4.tcp_no_metrics_save": "1",
  };
}

function natSysctls(nat: NatDescription | undefined): Record<string, string> {
  if (nat?.udpTimeoutS === undefined) return {};
  return {
    "net.netfilter.nf_conntrack_udp_timeout": String(nat.udpTimeoutS),
    "net.netfilter.nf_conntrack_udp_timeout_stream": String(nat.udpTimeoutS),
  };
}
