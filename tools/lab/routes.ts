import type { Family } from "./ip-address.ts";
import {
  type HostPlan,
  hostPlan,
  interfaceAddress,
  interfacePlan,
  type LinkPlan,
  type RoutePlan,
  type Topology,
} from "./topology.ts";

type Network = Pick<Topology, "hosts" | "links">;

const families: readonly Family[] = [4, 6];
const metricStep = 100;

/**
 * The routes of one host. A link leads outside from its first host to its second: default routes go that way, over
 * every link to a host that forwards (or the links of `defaultVia`), and routes to what lies inside come back.
 */
export function planRoutes(host: HostPlan, network: Network, defaultVia: string[] | undefined): RoutePlan[] {
  const defaults = defaultVia ?? linksToGateways(host, network);
  return families.flatMap((family) => [
    ...defaultRoutes(host, network, family, defaults),
    ...insideRoutes(host, network, family),
  ]);
}

function linksToGateways(host: HostPlan, network: Network): string[] {
  return network.links
    .filter((link) => link.a === host.name && hostPlan(network, link.b).forwards)
    .map((link) => link.name);
}

function defaultRoutes(host: HostPlan, network: Network, family: Family, links: string[]): RoutePlan[] {
  const to = family === 4 ? "0.0.0.0/0" : "::/0";
  return links.flatMap((name, i) => {
    const link = network.links.find((candidate) => candidate.name === name)!;
    const via = addressAt(link.a === host.name ? link.b : link.a, link, network, family);
    return via === undefined ? [] : [{ family, to, via, link: name, metric: (i + 1) * metricStep }];
  });
}

function insideRoutes(host: HostPlan, network: Network, family: Family): RoutePlan[] {
  const routes: RoutePlan[] = [];
  const known = new Set(
    network.links
      .filter((link) => link.a === host.name || link.b === host.name)
      .flatMap((link) => link.subnets.map(({ subnet }) => subnet)),
  );
  for (const link of network.links.filter((candidate) => candidate.b === host.name)) {
    const via = addressAt(link.a, link, network, family);
    if (via === undefined) continue;
    for (const to of subnetsInside(link.a, network, family, new Set([host.name]))) {
      if (known.has(to)) continue;
      known.add(to);
      routes.push({ family, to, via, link: link.name, metric: metricStep });
    }
  }
  return routes;
}

/** What can be reached through a host from outside; nothing that its IPv4 NAT hides. */
function subnetsInside(hostName: string, network: Network, family: Family, seen: Set<string>): string[] {
  const host = hostPlan(network, hostName);
  if (!host.forwards || (host.nat !== undefined && family === 4) || seen.has(hostName)) return [];
  seen.add(hostName);
  return network.links
    .filter((link) => link.b === hostName)
    .flatMap((link) => [
      ...link.subnets.filter((candidate) => candidate.family === family).map(({ subnet }) => subnet),
      ...subnetsInside(link.a, network, family, seen),
    ]);
}

function addressAt(hostName: string, link: LinkPlan, network: Network, family: Family): string | undefined {
  return interfaceAddress(interfacePlan(hostPlan(network, hostName), link.name), family);
}
