import { ALGORITHM1_DEFAULTS } from "../core/dispatch/algorithm1.ts";
import { IPV6_MIN_MTU_BYTES } from "../core/wire/ipv6.ts";
import { formatAddress } from "../io/address.ts";
import { type RuleProblem, ruleProblems } from "./rule.ts";
import { MISSING } from "./schema-parts.ts";
import {
  formatNodeId,
  formatPrefix,
  networkOf,
  parseInterfaceAddress,
  parseNodeId,
  parsePrefix,
  parseTunAddress,
  Wrong,
} from "./values.ts";

export interface Problem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/**
 * What does not go together, in a file that need not be sound otherwise, so that it is reported together with all the
 * rest.
 */
export function relationProblems(file: unknown): Problem[] {
  const { node, tun, interfaces, rules, scheduler, algorithm1, wire, realAddresses = false } = mapping(file);
  const peers = list(mapping(file).peers).map((peer) => (isMapping(peer) ? peer : undefined));
  return [
    ...(isMapping(file) &&
    isMapping(tun ?? {}) &&
    mapping(tun).address === undefined &&
    realAddresses === false
      ? [{ path: ["tun", "address"], message: MISSING }]
      : []),
    ...mtuProblems(mapping(tun), peers, realAddresses),
    ...tunAddressProblems(mapping(tun).address),
    ...algorithm1Problems(scheduler, algorithm1),
    ...peerProblems(peers),
    ...nodeProblems(node, peers),
    ...routeProblems(mapping(tun).address, peers),
    ...list(interfaces).flatMap((entry, i) => {
      const { every, resetDay } = mapping(mapping(entry).quota);
      if (every !== "day" || resetDay === undefined) return [];
      const path = ["interfaces", ...(Array.isArray(interfaces) ? [i] : []), "quota", "resetDay"];
      return [{ path, message: "a quota of every day has no day of the month; take one of the two out" }];
    }),
    ...ruleNameProblems(list(rules)),
    ...list(rules).flatMap((rule, i) =>
      isMapping(rule)
        ? [...ruleProblems(rule), ...wireProblems(wire, rule)].map(({ key, message }) => ({
            path: ["rules", i, ...(key === undefined ? [] : [key])],
            message,
          }))
        : [],
    ),
  ];
}

function mtuProblems({ address, mtu }: Mapping, peers: Peers, realAddresses: unknown): Problem[] {
  if (typeof mtu !== "number" || mtu >= IPV6_MIN_MTU_BYTES) return [];
  const prefixes = [
    ...list(address).map((value) => parsed(parseInterfaceAddress, value)),
    ...peers.flatMap((peer) => list(peer?.routes)).map((value) => parsed(parsePrefix, value)),
  ];
  const ipv6 = prefixes.find((prefix) => prefix?.family === 6);
  if (ipv6 === undefined && realAddresses === false) return [];
  const why = ipv6 === undefined ? "realAddresses may carry" : `${formatPrefix(ipv6)} needs`;
  const advice = `write at least ${IPV6_MIN_MTU_BYTES}, or auto`;
  return [{ path: ["tun", "mtu"], message: `${mtu} is too small for IPv6, which ${why}; ${advice}` }];
}

function tunAddressProblems(tunAddress: unknown): Problem[] {
  const texts = list(tunAddress).map((value) => {
    const prefix = parsed(parseTunAddress, value);
    return prefix === undefined ? undefined : formatAddress(prefix.address);
  });
  return texts.flatMap((text, i) =>
    text !== undefined && texts.indexOf(text) < i
      ? [{ path: ["tun", "address", i], message: `${text} stands twice; take one of them out` }]
      : [],
  );
}

/** Also one that is called as another is that has no name of its own. */
function ruleNameProblems(rules: readonly unknown[]): Problem[] {
  const given = rules.map((rule) => mapping(rule).name);
  return given.flatMap((name, i) => {
    if (typeof name !== "string") return [];
    const other = given.findIndex((one, k) =>
      one === undefined ? name === `rule-${k + 1}` : k < i && one === name,
    );
    if (other < 0) return [];
    return [
      { path: ["rules", i, "name"], message: `rules[${other}] is called ${name}, too; use another name` },
    ];
  });
}

function algorithm1Problems(scheduler: unknown, algorithm1: unknown): Problem[] {
  if (algorithm1 === undefined) return [];
  if (scheduler !== "paper") {
    const message = "is about the paper's scheduler; add scheduler: paper or take it out";
    return [{ path: ["algorithm1"], message }];
  }
  const { weightMin, weightMax } = { ...ALGORITHM1_DEFAULTS, ...mapping(algorithm1) };
  if (typeof weightMin !== "number" || typeof weightMax !== "number" || weightMin <= weightMax) return [];
  const message = `no weight is from ${weightMin} to ${weightMax}; swap weightMin and weightMax or change one`;
  return [{ path: ["algorithm1"], message }];
}

function wireProblems(wire: unknown, { lossBelow, repair }: Mapping): RuleProblem[] {
  if (wire !== "paper") return [];
  const message = "needs the numbers that wire: paper leaves out; take one of the two out";
  return [
    ...(lossBelow === undefined ? [] : [{ key: "lossBelow", message }]),
    ...(repair === "on" ? [{ key: "repair", message }] : []),
  ];
}

function peerProblems(peers: Peers): Problem[] {
  const names = peers.map((peer) => peer?.name);
  return peers.flatMap((peer, i) => {
    if (peer === undefined) return [];
    const { name, node, endpoints } = peer;
    const problems: Problem[] = [];
    if (name !== undefined && names.indexOf(name) < i) {
      problems.push({
        path: ["peers", i, "name"],
        message: `another peer is called ${name}; use another name`,
      });
    }
    if (node === undefined && list(endpoints).length === 0) {
      const message = "nothing says how to know or to reach it; add endpoints, or the node ID if it calls us";
      problems.push({ path: ["peers", i], message });
    }
    return problems;
  });
}

function nodeProblems(own: unknown, peers: Peers): Problem[] {
  const seen = new Map<string, string>();
  const ownId = parsed(parseNodeId, own);
  if (ownId !== undefined) seen.set(formatNodeId(ownId), "this node");
  return peers.flatMap((peer, i) => {
    const { name, node } = peer ?? {};
    const id = parsed(parseNodeId, node);
    if (id === undefined) return [];
    const text = formatNodeId(id);
    const other = seen.get(text);
    seen.set(text, other ?? `peer ${name}`);
    const message = `${other} has this node ID too; each node has its own`;
    return other === undefined ? [] : [{ path: ["peers", i, "node"], message }];
  });
}

function routeProblems(tunAddress: unknown, peers: Peers): Problem[] {
  const own = list(tunAddress).flatMap((value) => parsed(parseInterfaceAddress, value) ?? []);
  const taken = new Map(
    own.map(({ family, address }) => [
      formatPrefix({ family, address, bits: family === 4 ? 32 : 128 }),
      "is our own address on the TUN device; name what is behind the peer",
    ]),
  );
  return peers.flatMap((peer, i) => {
    const { name, routes } = peer ?? {};
    return list(routes).flatMap((value, k) => {
      const prefix = parsed(parsePrefix, value);
      if (prefix === undefined) return [];
      const text = formatPrefix(networkOf(prefix));
      const message = taken.get(text);
      taken.set(text, message ?? `is behind the peer ${name} already; take it out of one of the two`);
      const path = ["peers", i, "routes", ...(Array.isArray(routes) ? [k] : [])];
      return message === undefined ? [] : [{ path, message: `${text} ${message}` }];
    });
  });
}

type Mapping = Readonly<Record<string, unknown>>;
/** Undefined where the file has something else. */
type Peers = readonly (Mapping | undefined)[];

function isMapping(value: unknown): value is Mapping {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function mapping(value: unknown): Mapping {
  return isMapping(value) ? value : {};
}

function list(value: unknown): unknown[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
}

/** What is wrong with the value itself is reported elsewhere. */
function parsed<T>(parse: (value: unknown) => T, value: unknown): T | undefined {
  try {
    return parse(value);
  } catch (error) {
    if (error instanceof Wrong) return undefined;
    throw error;
  }
}
