import { describe, expect, it } from "vitest";
import { Ruleset, type Walker } from "../../../src/doctor/nft-walk.ts";

/** As `nft -j list ruleset` prints it, of a table "t" with one chain at the hook input and others to jump to. */
function ruleset(policy: string, rules: unknown[][], others: Record<string, unknown[][]> = {}): Ruleset {
  const chain = (name: string, more: object) => ({ chain: { family: "inet", table: "t", name, ...more } });
  const rule = (name: string) => (expr: unknown[], i: number) => ({
    rule: { family: "inet", table: "t", chain: name, handle: i + 1, expr },
  });
  return new Ruleset(
    JSON.stringify({
      nftables: [
        { metainfo: { version: "1.0.6" } },
        chain("in", { type: "filter", hook: "input", prio: 0, policy }),
        ...rules.map(rule("in")),
        ...Object.entries(others).flatMap(([name, own]) => [chain(name, {}), ...own.map(rule(name))]),
      ],
    }),
  );
}

const match = (left: unknown, right: unknown, op = "==") => ({ match: { op, left, right } });
const meta = (key: string) => ({ meta: { key } });
const udpPort = { payload: { protocol: "udp", field: "dport" } };
const accept = { accept: null };
const drop = { drop: null };

const packet: Walker = {
  hook: "input",
  family: 4,
  protocol: "udp",
  state: "new",
  iifname: "eth0",
  dport: 7000,
};

describe("what becomes of a packet", () => {
  const verdict = (rules: Ruleset, changes: Partial<Walker> = {}) =>
    rules.fate({ ...packet, ...changes }).verdict;

  it("is what the policy says where no rule matches", () => {
    const rules = [
      [match(udpPort, 53), accept],
      [match(meta("iifname"), "lo"), accept],
    ];
    expect(verdict(ruleset("accept", rules))).toBe("accept");
    expect(ruleset("drop", rules).fate(packet)).toEqual({
      verdict: "drop",
      by: "the policy of chain in in table inet t",
    });
  });

  it.each([
    ["a port", match(udpPort, 7000)],
    ["one of several ports", match(udpPort, { set: [500, 7000] })],
    ["a range of ports in a set", match(udpPort, { set: [{ range: [6900, 7100] }] })],
    ["a range of ports", match(udpPort, { range: [7000, 7010] })],
    ["another port excluded", match(udpPort, 53, "!=")],
    ["a port of any transport", match({ payload: { protocol: "th", field: "dport" } }, 7000)],
    ["an interface", match(meta("iifname"), "eth0")],
    ["a pattern of interfaces", match(meta("iifname"), "eth*")],
    ["one of several interfaces", match(meta("iif"), { set: ["lo", "eth0"] })],
    ["the transport", match(meta("l4proto"), "udp")],
    ["the transport in the IPv4 header", match({ payload: { protocol: "ip", field: "protocol" } }, "udp")],
    ["the family", match(meta("nfproto"), "ipv4")],
    ["the connection's state", match({ ct: { key: "state" } }, ["new", "untracked"], "in")],
    ["a limit", { limit: { rate: 10, per: "second" } }],
    ["a counter", { counter: { packets: 0, bytes: 0 } }],
  ])("is known where a rule is about %s", (_, expression) => {
    expect(verdict(ruleset("drop", [[expression, accept]]))).toBe("accept");
    expect(verdict(ruleset("accept", [[expression, drop]]))).toBe("drop");
  });

  it.each([
    ["another transport", match({ payload: { protocol: "tcp", field: "dport" } }, 7000)],
    ["another family", match({ payload: { protocol: "ip6", field: "saddr" } }, "::1")],
    ["an interface out", match(meta("oifname"), "eth0")],
    ["a limit that is passed", { limit: { rate: 10, per: "second", inv: true } }],
    ["another state", match({ ct: { key: "state" } }, "established")],
  ])("is not touched by a rule about %s", (_, expression) => {
    expect(verdict(ruleset("accept", [[expression, drop]]))).toBe("accept");
  });

  it.each([
    ["addresses", match({ payload: { protocol: "ip", field: "saddr" } }, "10.0.0.1")],
    ["a named set", match(udpPort, "@ports")],
    ["an extension of iptables", { xt: { type: "match", name: "u32" } }],
    ["bits of the mark", match({ "&": [meta("mark"), 255] }, 112)],
  ])("is not known where it depends on %s, and only then", (_, expression) => {
    const by = "rule 1 of chain in in table inet t";
    expect(ruleset("accept", [[expression, drop]]).fate(packet)).toEqual({ verdict: "unknown", by });
    expect(verdict(ruleset("drop", [[expression, accept]]))).toBe("unknown");
    expect(verdict(ruleset("accept", [[expression, accept]]))).toBe("accept");
    expect(verdict(ruleset("drop", [[expression, drop]]))).toBe("drop");
    expect(
      verdict(
        ruleset("accept", [
          [match(udpPort, 7000), accept],
          [expression, drop],
        ]),
      ),
    ).toBe("accept");
  });

  it("follows jumps, returns and verdict maps", () => {
    const jump = (target: string) => [match(meta("l4proto"), "udp"), { jump: { target } }];
    const go = [{ goto: { target: "own" } }];
    const own = { own: [[match(udpPort, 7000), { return: null }], [drop]] };
    expect(verdict(ruleset("accept", [jump("own")], own))).toBe("accept");
    expect(verdict(ruleset("accept", [jump("own")], own), { dport: 7001 })).toBe("drop");
    expect(verdict(ruleset("accept", [jump("own"), [drop]], own))).toBe("drop");
    expect(verdict(ruleset("accept", [go, [drop]], own))).toBe("accept");
    const key = { ct: { key: "state" } };
    const data = {
      set: [
        ["established", accept],
        ["new", { jump: { target: "own" } }],
      ],
    };
    const map = ruleset("drop", [[{ vmap: { key, data } }]], { own: [[accept]] });
    expect([verdict(map), verdict(map, { state: "established" })]).toEqual(["accept", "accept"]);
    expect(verdict(ruleset("drop", [jump("loop")], { loop: [[{ jump: { target: "loop" } }]] }))).toBe("drop");
  });

  it("is decided by all chains on its way, and by no others", () => {
    const base = (hook: string, type = "filter", family = "inet") => ({
      chain: { family, table: hook, name: "c", type, hook, policy: "drop" },
    });
    const fate = (...chains: object[]) => new Ruleset(JSON.stringify({ nftables: chains })).fate(packet);
    expect(fate(base("prerouting")).verdict).toBe("drop");
    for (const other of [
      base("output"),
      base("input", "nat"),
      base("input", "filter", "ip6"),
      base("forward"),
    ])
      expect(fate(other).verdict).toBe("accept");
  });
});
