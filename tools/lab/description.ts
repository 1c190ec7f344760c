import {
  type Check,
  flag,
  integer,
  isMapping,
  list,
  listed,
  namedEntries,
  number,
  object,
  orEmpty,
  type Path,
  type Problem,
  satisfying,
  word,
} from "./checks.ts";
import { parseAddress, parseSubnet } from "./ip-address.ts";
import { type LineParams, type LineState, lineKeyRanges, lineKeys } from "./line.ts";
import { referenceProblems } from "./references.ts";

/** What a lab is made of, as people write it; README.md explains every key. */
export interface Description {
  hosts: Record<string, HostDescription | null>;
  links: Record<string, LinkDescription>;
  /** Seed of the links' random loss and jitter. */
  seed?: number;
}

export interface HostDescription {
  /** Forwards packets between its links. */
  router?: boolean;
  /** Forwards packets, and hides the hosts inside (IPv4 only) behind its addresses outside. */
  nat?: NatDescription;
  firewall?: FirewallRule[];
  /** Links over which default routes lead, best first, instead of every link to a forwarding host outside. */
  defaultVia?: string[];
  /** One routing table per link, chosen by source address. */
  policyRouting?: boolean;
  sysctls?: Record<string, string | number>;
}

const natKinds = ["masquerade", "random", "symmetric"] as const;
export type NatKind = (typeof natKinds)[number];

export interface NatDescription {
  kind: NatKind;
  udpTimeoutS?: number;
  hairpin?: boolean;
  forwards?: PortForward[];
}

export interface PortForward {
  protocol: "tcp" | "udp";
  port: number;
  /** A host inside, next to the NAT, or the NAT itself. */
  to: string;
  toPort?: number;
}

const firewallRules = ["block-udp", "block-inbound"] as const;
export type FirewallRule = (typeof firewallRules)[number];

export interface LinkDescription extends LineParams {
  /** The first host is on the inside, the second leads outside. */
  between: [string, string];
  ab?: LineParams;
  ba?: LineParams;
  subnet4?: string;
  subnet6?: string;
  addresses?: Record<string, string[]>;
  mtu?: number;
}

/** An error in a description: one line per problem. */
export class DescriptionError extends Error {
  override readonly name = "DescriptionError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

const reservedInterfaces = ["lo", "all", "default"];

const lineChecks = Object.fromEntries(
  lineKeys.map((key) => [key, number(lineKeyRanges[key].min, lineKeyRanges[key].max)]),
);

const lineCheck = lineOf(object(lineChecks));

const hostCheck = object({
  router: flag(),
  nat: object(
    {
      kind: word(natKinds),
      udpTimeoutS: integer(1, 86_400),
      hairpin: flag(),
      forwards: list(
        object(
          {
            protocol: word(["tcp", "udp"]),
            port: integer(1, 65_535),
            to: text("must be the name of a host"),
            toPort: integer(1, 65_535),
          },
          ["protocol", "port", "to"],
        ),
      ),
    },
    ["kind"],
  ),
  firewall: list(word(firewallRules)),
  defaultVia: list(text("must be the name of a link")),
  policyRouting: flag(),
  // Only net.* belongs to a namespace: any other key would change the machine.
  sysctls: namedEntries(
    /^net\.[A-Za-z0-9_./-]+$/,
    "a key that starts with net.",
    satisfying(
      (value) => typeof value === "string" || typeof value === "number",
      "must be a text or a number",
    ),
  ),
});

const linkCheck = lineOf(
  object(
    {
      between: list(text("must be the name of a host"), 2),
      ...lineChecks,
      ab: lineCheck,
      ba: lineCheck,
      subnet4: subnet(4, 30, "must be an IPv4 subnet like 192.168.1.0/24, or none"),
      subnet6: subnet(6, 126, "must be an IPv6 subnet like fd00:1::/64, or none"),
      addresses: namedEntries(
        /./,
        "the name of a host",
        list(satisfying(isAddress, "must be an IP address without a prefix length")),
      ),
      mtu: integer(576, 65_535),
    },
    ["between"],
  ),
);

const descriptionCheck = object(
  {
    hosts: namedEntries(
      /^[a-z][a-z0-9-]{0,30}$/,
      "at most 31 of a-z, 0-9 and -, starting with a letter",
      orEmpty(hostCheck),
    ),
    links: namedEntries(
      new RegExp(`^(?!(${reservedInterfaces.join("|")})$)[a-z][a-z0-9-]{0,14}$`),
      `at most 15 of a-z, 0-9 and -, starting with a letter, and none of ${listed(reservedInterfaces)}`,
      linkCheck,
    ),
    seed: integer(0, 0xffffffff),
  },
  ["hosts", "links"],
);

/** Every problem of the description, in its own keys and between them. */
export function descriptionProblems(value: unknown): Problem[] {
  const problems: Problem[] = [];
  descriptionCheck(value, [], problems);
  if (isMapping(value) && isMapping(value.hosts) && isMapping(value.links)) {
    problems.push(
      ...referenceProblems({
        hosts: soundEntries<HostDescription | null>("hosts", value.hosts, problems),
        links: soundEntries<LinkDescription>("links", value.links, problems),
        hostNames: Object.keys(value.hosts),
        linkNames: Object.keys(value.links),
      }),
    );
  }
  return problems;
}

/** The description, or a DescriptionError with every problem. */
export function checkedDescription(value: unknown): Description {
  const problems = descriptionProblems(value);
  if (problems.length > 0) throw new DescriptionError(problems.map((problem) => problemText(problem)));
  return value as Description;
}

/** Line parameters given while a lab runs; `source` names them in the error. */
export function checkedLine(line: LineState, source: string): LineState {
  const { silent, ...params } = line;
  const problems: Problem[] = [];
  lineCheck(params, [], problems);
  if (problems.length > 0)
    throw new DescriptionError(problems.map((problem) => `${source}: ${problemText(problem)}`));
  return line;
}

export function problemText({ path, message }: Problem): string {
  return path.length === 0 ? message : `${pathText(path)}: ${message}`;
}

/** `links.l0.between[1]` */
function pathText(path: Path): string {
  return path
    .map((part, i) => (typeof part === "number" ? `[${part}]` : i === 0 ? part : `.${part}`))
    .join("");
}

/** References are checked between the entries that are sound in themselves, so that one run shows everything. */
function soundEntries<T>(section: string, entries: Record<string, unknown>, problems: readonly Problem[]) {
  const faulty = new Set(problems.filter(({ path }) => path[0] === section).map(({ path }) => path[1]));
  return new Map(Object.entries(entries).filter(([name]) => !faulty.has(name)) as [string, T][]);
}

/** A mapping with line keys, some of which depend on each other. */
function lineOf(check: Check): Check {
  return (value, path, problems) => {
    check(value, path, problems);
    if (!isMapping(value)) return;
    if (value.queueKb !== undefined && value.queueMs !== undefined) {
      problems.push({ path: [...path, "queueMs"], message: "say either queueKb or queueMs, not both" });
    }
    if (value.reorderPercent !== undefined && value.reorderMs === undefined) {
      problems.push({
        path: [...path, "reorderPercent"],
        message: "needs reorderMs, by how much a frame is late",
      });
    }
  };
}

function text(rule: string): Check {
  return satisfying((value) => typeof value === "string" && value !== "", rule);
}

function subnet(family: 4 | 6, longestPrefix: number, rule: string): Check {
  return satisfying((value) => {
    if (value === "none") return true;
    const parsed = typeof value === "string" ? parseSubnet(value) : undefined;
    return parsed !== undefined && parsed.family === family && parsed.prefix <= longestPrefix;
  }, rule);
}

function isAddress(value: unknown): boolean {
  return typeof value === "string" && parseAddress(value) !== undefined;
}
