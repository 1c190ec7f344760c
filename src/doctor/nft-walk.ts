/**
 * What nft rules do with a packet, worked out from `nft -j list ruleset`. Not every expression is understood: whether a
 * rule with one that is not matches is not known, and the answer says so where it comes down to that.
 */

/** A packet and its way; what is not given may be anything. */
export interface Walker {
  readonly hook: "input" | "output" | "forward";
  readonly family: 4 | 6;
  readonly protocol: "udp" | "tcp";
  readonly state: "new" | "established";
  readonly iifname?: string;
  readonly oifname?: string;
  readonly sport?: number;
  readonly dport?: number;
  readonly mark?: number;
}

export interface Fate {
  readonly verdict: "accept" | "drop" | "unknown";
  /** What drops it, or may drop it. */
  readonly by?: string;
}

interface Chain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook?: string;
  readonly type?: string;
  readonly policy?: string;
}

type Expression = Readonly<Record<string, unknown>>;

interface Rule {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly handle: number;
  readonly expr: readonly Expression[];
}

/** Yes, no, or not known. */
type Match = boolean | undefined;

const DEPTH_MAX = 16;

/** What a packet comes through on its way in, out, or through. */
const HOOKS = {
  input: ["prerouting", "input"],
  output: ["output", "postrouting"],
  forward: ["prerouting", "forward", "postrouting"],
};

export class Ruleset {
  private readonly chains: readonly Chain[];
  private readonly rules: readonly Rule[];

  constructor(json: string) {
    const { nftables } = JSON.parse(json) as { nftables: { chain?: Chain; rule?: Rule }[] };
    this.chains = nftables.flatMap(({ chain }) => chain ?? []);
    this.rules = nftables.flatMap(({ rule }) => rule ?? []);
  }

  /** What becomes of a packet: all chains on its way have a say. */
  fate(packet: Walker): Fate {
    const families = ["inet", packet.family === 4 ? "ip" : "ip6"];
    let found: Fate = { verdict: "accept" };
    for (const chain of this.chains) {
      if (!HOOKS[packet.hook].includes(chain.hook ?? "") || !families.includes(chain.family)) continue;
      if (chain.type !== "filter") continue;
      const fate = this.walkBase(chain, packet);
      if (fate.verdict === "drop") return fate;
      if (fate.verdict === "unknown") found = fate;
    }
    return found;
  }

  private walkBase(chain: Chain, packet: Walker): Fate {
    const walk = new Walk();
    const end = this.walk(chain, packet, walk, 0);
    const drops = end === undefined ? chain.policy === "drop" : end.verdict === "drop";
    const by = end?.by ?? `the policy of chain ${chain.name} in table ${chain.family} ${chain.table}`;
    if (drops) return { verdict: walk.mayAccept ? "unknown" : "drop", by };
    return walk.mayDrop === undefined ? { verdict: "accept" } : { verdict: "unknown", by: walk.mayDrop };
  }

  /** The end of the packet; undefined where it goes back to where it came from. */
  private walk(chain: Chain, packet: Walker, walk: Walk, depth: number): Fate | undefined {
    if (depth > DEPTH_MAX) return undefined;
    const own = this.rules.filter(
      (rule) => rule.chain === chain.name && rule.table === chain.table && rule.family === chain.family,
    );
    for (const rule of own) {
      const by = `rule ${rule.handle} of chain ${chain.name} in table ${chain.family} ${chain.table}`;
      let matches: Match = true;
      for (const expression of rule.expr) {
        const [kind = "", value] = Object.entries(expression)[0] ?? [];
        matches = and(matches, matchOf(kind, value, packet));
        if (matches === false) break;
        const verdict = verdictOf(kind, value, packet);
        if (verdict === undefined) continue;
        if (verdict === "return" && matches === true) return undefined;
        if (verdict === "accept" || verdict === "drop") {
          if (matches === true) return { verdict, by };
          walk.note(verdict, by);
        } else if (typeof verdict === "object") {
          const target = this.chains.find(
            ({ name, table, family }) =>
              name === verdict.target && table === chain.table && family === chain.family,
          );
          if (target === undefined) continue;
          const end = this.walk(target, packet, walk, depth + 1);
          if (end !== undefined) {
            if (matches === true) return end;
            walk.note(end.verdict, by);
          } else if (matches === true && verdict.isGoto) {
            return undefined;
          }
        }
      }
    }
    return undefined;
  }
}

/** What may have happened on the way, where it was not known whether a rule matches. */
class Walk {
  mayAccept = false;
  mayDrop: string | undefined;

  note(verdict: Fate["verdict"], by: string): void {
    if (verdict === "accept") this.mayAccept = true;
    else this.mayDrop ??= by;
  }
}

type Verdict = "accept" | "drop" | "return" | { readonly target: string; readonly isGoto: boolean };

function verdictOf(kind: string, value: unknown, packet: Walker): Verdict | undefined {
  switch (kind) {
    case "accept":
    case "drop":
    case "return":
      return kind;
    case "reject":
      return "drop";
    case "jump":
    case "goto":
      return { target: (value as { target: string }).target, isGoto: kind === "goto" };
    case "vmap": {
      const { key, data } = value as { key: Expression; data: { set?: [unknown, Expression][] } };
      const known = fieldOf(key, packet);
      const hit = data.set?.find(([candidate]) => known !== undefined && isIn(known, candidate) === true);
      const [inner = "", target] = Object.entries(hit?.[1] ?? {})[0] ?? [];
      return verdictOf(inner, target, packet);
    }
    default:
      return undefined;
  }
}

/** Whether the packet goes on to what stands behind an expression. */
function matchOf(kind: string, value: unknown, packet: Walker): Match {
  if (kind === "match") {
    const { op, left, right } = value as { op: string; left: Expression; right: unknown };
    const known = fieldOf(left, packet);
    if (known === undefined) return isOtherProtocol(left, packet) ? false : undefined;
    if (op === "==" || op === "in") return isIn(known, right);
    if (op === "!=") {
      const same = isIn(known, right);
      return same === undefined ? undefined : !same;
    }
    return undefined;
  }
  // A limit that is not exceeded lets through, and one that says "over" does not.
  if (kind === "limit") return (value as { inv?: boolean }).inv !== true;
  // An extension of iptables.
  if (kind === "xt") return undefined;
  return true;
}

function fieldOf(left: Expression, packet: Walker): string | number | undefined {
  const { meta, payload, ct } = left as {
    meta?: { key: string };
    payload?: { protocol: string; field: string };
    ct?: { key: string };
  };
  if (ct?.key === "state") return packet.state;
  switch (meta?.key) {
    case "iif":
    case "iifname":
      return packet.iifname ?? (packet.hook === "output" ? "" : undefined);
    case "oif":
    case "oifname":
      return packet.oifname ?? (packet.hook === "input" ? "" : undefined);
    case "l4proto":
      return packet.protocol;
    case "nfproto":
      return packet.family === 4 ? "ipv4" : "ipv6";
    case "protocol":
      return packet.family === 4 ? "ip" : "ip6";
    case "mark":
      return packet.mark;
  }
  if (payload === undefined) return undefined;
  const { protocol, field } = payload;
  if (protocol === packet.protocol || protocol === "th") {
    if (field === "dport") return packet.dport;
    if (field === "sport") return packet.sport;
  }
  if ((protocol === "ip" && field === "protocol") || (protocol === "ip6" && field === "nexthdr"))
    return packet.protocol;
  return undefined;
}

/** A rule about fields of another protocol does not match, whatever they are. */
function isOtherProtocol(left: Expression, packet: Walker): boolean {
  const { payload } = left as { payload?: { protocol: string } };
  const others: Record<string, boolean> = {
    tcp: packet.protocol !== "tcp",
    udp: packet.protocol !== "udp",
    icmp: true,
    icmpv6: true,
    sctp: true,
    esp: true,
    ip: packet.family !== 4,
    ip6: packet.family !== 6,
  };
  return payload !== undefined && others[payload.protocol] === true;
}

function isIn(known: string | number, right: unknown): Match {
  if (typeof right === "number") return typeof known === "number" ? known === right : undefined;
  if (typeof right === "string") {
    // A set by its name, whose elements are not looked up.
    if (right.startsWith("@")) return undefined;
    if (right.endsWith("*")) return String(known).startsWith(right.slice(0, -1));
    return String(known) === right;
  }
  if (Array.isArray(right)) return any(right.map((one) => isIn(known, one)));
  const { set, range } = (right ?? {}) as { set?: unknown[]; range?: [unknown, unknown] };
  if (set !== undefined) return any(set.map((one) => isIn(known, one)));
  if (range !== undefined && typeof known === "number") {
    const [from, to] = range.map(Number);
    return known >= from! && known <= to!;
  }
  return undefined;
}

function any(matches: readonly Match[]): Match {
  if (matches.includes(true)) return true;
  return matches.includes(undefined) ? undefined : false;
}

function and(one: Match, other: Match): Match {
  if (one === false || other === false) return false;
  return one === undefined || other === undefined ? undefined : true;
}
