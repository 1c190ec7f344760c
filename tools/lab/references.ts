import { listed, type Problem } from "./checks.ts";
import type { HostDescription, LinkDescription } from "./description.ts";
import { contains, type Family, formatSubnet, overlaps, parseAddress } from "./ip-address.ts";
import { type LinkSubnet, linkSubnet } from "./subnets.ts";

/** The sound entries of a description, and the names of all its entries in their order. */
export interface Entries {
  hosts: ReadonlyMap<string, HostDescription | null>;
  links: ReadonlyMap<string, LinkDescription>;
  hostNames: readonly string[];
  linkNames: readonly string[];
}

const mostLinks = 250;
const families: readonly Family[] = [4, 6];

/** Problems between entries: names that lead nowhere, addresses and subnets that clash. */
export function referenceProblems(entries: Entries): Problem[] {
  const problems: Problem[] = [];
  if (entries.linkNames.length > mostLinks) {
    problems.push({
      path: ["links"],
      message: `at most ${mostLinks} links, not ${entries.linkNames.length}`,
    });
    return problems;
  }
  for (const [name, link] of entries.links) problems.push(...linkProblems(name, link, entries));
  for (const [name, host] of entries.hosts) problems.push(...hostProblems(name, host ?? {}, entries));
  for (const family of families) problems.push(...subnetClashes(entries, family));
  problems.push(...addressClashes(entries));
  return problems;
}

function linkProblems(name: string, link: LinkDescription, { hostNames, linkNames }: Entries): Problem[] {
  const problems: Problem[] = [];
  const at = (...keys: (string | number)[]) => ["links", name, ...keys];
  for (const [i, host] of link.between.entries()) {
    if (!hostNames.includes(host)) {
      problems.push({ path: at("between", i), message: `no host ${host}; hosts: ${listed(hostNames)}` });
    }
  }
  if (link.between[0] === link.between[1]) {
    problems.push({ path: at("between"), message: "must be two different hosts" });
  }
  for (const [host, addresses] of Object.entries(link.addresses ?? {})) {
    if (!link.between.includes(host)) {
      problems.push({ path: at("addresses", host), message: `must be ${link.between.join(" or ")}` });
    }
    for (const [i, text] of addresses.entries()) {
      const address = parseAddress(text)!;
      const subnet = linkSubnet(link, linkNames.indexOf(name), address.family)?.subnet;
      if (subnet === undefined || !contains(subnet, address)) {
        const allowed =
          subnet === undefined ? `has no IPv${address.family} subnet` : `is ${formatSubnet(subnet)}`;
        problems.push({
          path: at("addresses", host, i),
          message: `${text} is not on the link, which ${allowed}`,
        });
      }
    }
  }
  return problems;
}

function hostProblems(
  name: string,
  host: HostDescription,
  { links, linkNames, hostNames }: Entries,
): Problem[] {
  const problems: Problem[] = [];
  const at = (...keys: (string | number)[]) => ["hosts", name, ...keys];
  for (const [i, link] of (host.defaultVia ?? []).entries()) {
    if (!linkNames.includes(link)) {
      problems.push({ path: at("defaultVia", i), message: `no link ${link}; links: ${listed(linkNames)}` });
    } else if (links.get(link)?.between.includes(name) === false) {
      problems.push({ path: at("defaultVia", i), message: `the link ${link} does not lead to ${name}` });
    }
  }
  // A faulty link may be the one that is missed here.
  if (links.size < linkNames.length) return problems;
  const betweens = [...links.values()].map((link) => link.between);
  const guard =
    host.nat !== undefined ? "nat" : host.router === true && host.firewall?.length ? "firewall" : undefined;
  if (guard !== undefined && !betweens.some(([inside]) => inside === name)) {
    problems.push({
      path: at(guard),
      message: `needs a link that leads outside: one with ${name} first in between`,
    });
  }
  for (const [i, { to }] of (host.nat?.forwards ?? []).entries()) {
    if (!hostNames.includes(to)) {
      problems.push({
        path: at("nat", "forwards", i, "to"),
        message: `no host ${to}; hosts: ${listed(hostNames)}`,
      });
    } else if (to !== name && !betweens.some(([inside, outside]) => inside === to && outside === name)) {
      const message = `${to} is not next to ${name} on the inside: no link is between: [${to}, ${name}]`;
      problems.push({ path: at("nat", "forwards", i, "to"), message });
    }
  }
  return problems;
}

/**
 * Two homes may well use the same subnet behind their NATs, so given subnets clash only where they meet at a host;
 * one that the lab made up must be free everywhere.
 */
function subnetClashes({ links, linkNames }: Entries, family: Family): Problem[] {
  const problems: Problem[] = [];
  const earlier: { name: string; between: readonly string[]; taken: LinkSubnet }[] = [];
  for (const [name, link] of links) {
    const taken = linkSubnet(link, linkNames.indexOf(name), family);
    if (taken === undefined) continue;
    const { between } = link;
    for (const other of earlier) {
      const meeting = between.find((host) => other.between.includes(host));
      const given = taken.given && other.taken.given;
      if (!overlaps(taken.subnet, other.taken.subnet) || (given && meeting === undefined)) continue;
      const where = meeting === undefined ? "" : ` at ${meeting}`;
      problems.push({
        path: ["links", name, ...(taken.given ? [`subnet${family}`] : [])],
        message: `${formatSubnet(taken.subnet)} clashes with ${formatSubnet(other.taken.subnet)} of ${other.name}${where}`,
      });
    }
    earlier.push({ name, between, taken });
  }
  return problems;
}

/** Given addresses on one link; a host's own addresses cannot clash over several links unless their subnets do. */
function addressClashes({ links }: Entries): Problem[] {
  const problems: Problem[] = [];
  for (const [name, link] of links) {
    const owners = new Map<bigint, string>();
    for (const [host, addresses] of Object.entries(link.addresses ?? {})) {
      for (const [i, text] of addresses.entries()) {
        const { value } = parseAddress(text)!;
        const owner = owners.get(value);
        if (owner !== undefined) {
          const message = `${text} is already the address of ${owner}`;
          problems.push({ path: ["links", name, "addresses", host, i], message });
        }
        owners.set(value, host);
      }
    }
  }
  return problems;
}
