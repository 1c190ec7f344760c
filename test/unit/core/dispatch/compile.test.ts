import { describe, expect, it } from "vitest";
import { compileRules, RULE_ROWS_MAX } from "../../../../src/core/dispatch/compile.ts";
import type { RuleSpec } from "../../../../src/core/dispatch/rule-spec.ts";
import { FOR_ALL, FOR_NONE, FOR_TCP, NO_RULE, RULE_BY_PACKET } from "../../../../src/core/tables/rules.ts";
import { PROTOCOL_TCP, PROTOCOL_UDP } from "../../../../src/core/wire/ipv4.ts";
import { ip4, ip6 } from "../tables/fixtures.ts";

const HOST = ip4(192, 168, 1, 2);
const ELSEWHERE = ip4(198, 51, 100, 7);
const V6 = ip6(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

interface Packet {
  to?: Int32Array;
  port?: number;
  protocol?: number;
  dscp?: number;
  bytes?: number;
  hasData?: boolean;
}

/** The name of the rule for a packet; undefined where there is none. */
function ruleOf(specs: readonly RuleSpec[], packet: Packet): string | undefined {
  const { to = HOST, port = 0, protocol = PROTOCOL_TCP, dscp = 0, bytes = 1000, hasData = true } = packet;
  const { rules } = compileRules(specs);
  const matched = rules.matchSession(to, 0, port, protocol);
  const rule = rules.matchPacket(matched, to, 0, port, protocol, dscp, bytes, hasData);
  return rule === NO_RULE ? undefined : rules.names[rule];
}

/** Table 6 of the paper. */
const TABLE6: readonly RuleSpec[] = [
  {
    name: "ssh",
    ports: [{ from: 22, to: 22 }],
    protocols: ["tcp"],
    sizeFrom: 0,
    sizeBelow: 200,
    route: "responsiveness",
  },
  {
    name: "video",
    destinations: [{ family: 4, address: HOST, bits: 32 }],
    ports: [{ from: 5222, to: 5222 }],
    protocols: ["udp"],
    sizeFrom: 200,
    route: "throughput",
  },
  {
    name: "audio",
    destinations: [{ family: 4, address: HOST, bits: 32 }],
    ports: [{ from: 5221, to: 5221 }],
    protocols: ["udp"],
    sizeFrom: 0,
    sizeBelow: 500,
    route: "responsiveness",
  },
];

describe("the paper's example rules", () => {
  it("send small ssh packets by the path with the lowest delay, to any host", () => {
    expect(ruleOf(TABLE6, { port: 22, bytes: 100 })).toBe("ssh");
    expect(ruleOf(TABLE6, { port: 22, bytes: 199, to: ELSEWHERE })).toBe("ssh");
    expect(ruleOf(TABLE6, { port: 22, bytes: 0, to: V6 })).toBe("ssh");
    expect(ruleOf(TABLE6, { port: 22, bytes: 200 })).toBeUndefined();
    expect(ruleOf(TABLE6, { port: 22, bytes: 100, protocol: PROTOCOL_UDP })).toBeUndefined();
    expect(ruleOf(TABLE6, { port: 23, bytes: 100 })).toBeUndefined();
  });

  it("send large UDP packets to the host by all paths", () => {
    expect(ruleOf(TABLE6, { port: 5222, protocol: PROTOCOL_UDP, bytes: 1400 })).toBe("video");
    expect(ruleOf(TABLE6, { port: 5222, protocol: PROTOCOL_UDP, bytes: 65_535 })).toBe("video");
    expect(ruleOf(TABLE6, { port: 5222, protocol: PROTOCOL_UDP, bytes: 199 })).toBeUndefined();
    expect(ruleOf(TABLE6, { port: 5222, protocol: PROTOCOL_UDP, to: ELSEWHERE })).toBeUndefined();
    expect(ruleOf(TABLE6, { port: 5222, protocol: PROTOCOL_TCP })).toBeUndefined();
  });

  it("send small UDP packets on the other port by the path with the lowest delay", () => {
    expect(ruleOf(TABLE6, { port: 5221, protocol: PROTOCOL_UDP, bytes: 200 })).toBe("audio");
    expect(ruleOf(TABLE6, { port: 5221, protocol: PROTOCOL_UDP, bytes: 500 })).toBeUndefined();
  });

  it("mean all-paths for throughput and the lowest delay for responsiveness", () => {
    const { rules, modes } = compileRules(TABLE6);
    expect(modes).toEqual([{ mode: "all-paths" }, { mode: "single-path" }]);
    expect([...rules.mode]).toEqual([1, 0, 1]);
  });

  it("leave a session without a rule alone, and look at the packets of one whose size decides", () => {
    const { rules } = compileRules(TABLE6);
    expect(rules.matchSession(HOST, 0, 80, PROTOCOL_TCP)).toBe(NO_RULE);
    expect(rules.matchSession(HOST, 0, 22, PROTOCOL_TCP)).toBe(RULE_BY_PACKET);
    expect(rules.matchSession(HOST, 0, 5221, PROTOCOL_UDP)).toBe(RULE_BY_PACKET - 2);
  });
});

describe("compiled rules", () => {
  const rule = (spec: Partial<RuleSpec>): RuleSpec[] => [{ name: "it", route: "throughput", ...spec }];
  const matches = (spec: Partial<RuleSpec>, packet: Packet) => ruleOf(rule(spec), packet) === "it";

  it("match everything where they name nothing", () => {
    for (const to of [HOST, V6]) expect(matches({}, { to })).toBe(true);
    expect(compileRules(rule({})).rules.matchSession(HOST, 0, 0, 1)).toBe(0);
  });

  it("let the first that matches decide", () => {
    const specs: RuleSpec[] = [
      { name: "small", sizeBelow: 100, route: "responsiveness" },
      { name: "tcp", protocols: ["tcp"], route: "throughput" },
      { name: "rest", route: "responsiveness" },
    ];
    expect(ruleOf(specs, { bytes: 99, protocol: PROTOCOL_UDP })).toBe("small");
    expect(ruleOf(specs, { bytes: 100 })).toBe("tcp");
    expect(ruleOf(specs, { bytes: 100, protocol: PROTOCOL_UDP })).toBe("rest");
    // What stands behind a rule that takes all packets of a session has no part in it.
    const { rules } = compileRules([...specs].reverse());
    expect(rules.matchSession(HOST, 0, 0, PROTOCOL_TCP)).toBe(0);
  });

  it.each([
    [0, "203.0.113.9", true],
    [8, "10.200.1.1", true],
    [9, "10.128.0.0", false],
    [9, "10.127.255.255", true],
    [24, "10.1.2.255", true],
    [24, "10.1.3.0", false],
    [31, "10.1.2.5", true],
    [32, "10.1.2.5", false],
    [32, "10.1.2.4", true],
  ])("match a prefix of IPv4 to %i bits: %s %s", (bits, address, expected) => {
    const [a, b, c, d] = address.split(".").map(Number) as [number, number, number, number];
    const destinations = [{ family: 4 as const, address: ip4(10, 1, 2, 4), bits }];
    expect(matches({ destinations }, { to: ip4(a, b, c, d) })).toBe(expected);
  });

  it.each([
    [0, V6, true],
    [32, ip6(0x2001, 0xdb8, 9, 9, 9, 9, 9, 9), true],
    [33, ip6(0x2001, 0xdb8, 0x8000), false],
    [64, ip6(0x2001, 0xdb8, 0, 0, 0xffff), true],
    [128, V6, true],
    [128, ip6(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2), false],
  ])("match a prefix of IPv6 to %i bits", (bits, to, expected) => {
    const destinations = [{ family: 6 as const, address: V6, bits }];
    expect(matches({ destinations }, { to })).toBe(expected);
  });

  it("tell the families apart, also where a prefix is empty", () => {
    const any4 = [{ family: 4 as const, address: ip4(0, 0, 0, 0), bits: 0 }];
    const any6 = [{ family: 6 as const, address: new Int32Array(4), bits: 0 }];
    expect([
      matches({ destinations: any4 }, { to: HOST }),
      matches({ destinations: any4 }, { to: V6 }),
    ]).toEqual([true, false]);
    expect([
      matches({ destinations: any6 }, { to: HOST }),
      matches({ destinations: any6 }, { to: V6 }),
    ]).toEqual([false, true]);
  });

  it("match ranges of ports, ends included, and any of several", () => {
    const ports = [
      { from: 80, to: 80 },
      { from: 8000, to: 8100 },
      { from: 65_535, to: 65_535 },
    ];
    const port = [79, 80, 81, 7999, 8000, 8100, 8101, 65_535, 0].filter((port) =>
      matches({ ports }, { port }),
    );
    expect(port).toEqual([80, 8000, 8100, 65_535]);
  });

  it("match protocols by name and number", () => {
    const protocols = ["udp", 47, "ipv6-icmp"];
    const found = [1, 6, 17, 47, 58].filter((protocol) => matches({ protocols }, { protocol }));
    expect(found).toEqual([17, 47, 58]);
  });

  it("match DSCPs packet by packet", () => {
    const dscps = [46, 0];
    expect([46, 0, 34].map((dscp) => matches({ dscps }, { dscp }))).toEqual([true, true, false]);
    expect(compileRules(rule({ dscps })).rules.matchSession(HOST, 0, 0, 6)).toBe(RULE_BY_PACKET);
  });

  it("match TCP packets without data only", () => {
    const withoutData = true;
    expect(matches({ withoutData }, { hasData: false })).toBe(true);
    expect(matches({ withoutData }, { hasData: true })).toBe(false);
    expect(matches({ withoutData }, { hasData: false, protocol: PROTOCOL_UDP })).toBe(false);
    expect(matches({ withoutData, protocols: ["tcp", "udp"] }, { hasData: false })).toBe(true);
  });

  it("carry the mode, once for all rules that want the same, and what is said of reordering and repair", () => {
    const { rules, modes } = compileRules([
      { name: "a", route: { mode: "protected-path", copies: 2 }, reorder: "off" },
      { name: "b", route: { mode: "single-path", path: "lte" }, reorder: "on", repair: "off" },
      { name: "c", route: { mode: "protected-path", copies: 2 } },
      { name: "d", route: "throughput", reorder: "auto", repair: "on" },
    ]);
    expect(modes).toEqual([
      { mode: "all-paths" },
      { mode: "protected-path", copies: 2 },
      { mode: "single-path", path: "lte" },
    ]);
    expect([...rules.mode]).toEqual([1, 2, 1, 0]);
    expect([...rules.reorder]).toEqual([FOR_NONE, FOR_ALL, FOR_TCP, FOR_TCP]);
    expect([...rules.repair]).toEqual([FOR_TCP, FOR_NONE, FOR_TCP, FOR_ALL]);
  });

  it("say what goes for a session whose packets differ by the first rule that matches all of them", () => {
    const { rules } = compileRules([
      { name: "small", sizeBelow: 300, route: "responsiveness" },
      { name: "other", ports: [{ from: 80, to: 80 }], route: "throughput", reorder: "off" },
      { name: "it", protocols: ["udp"], route: "throughput", reorder: "on" },
    ]);
    const wholeOf = (port: number, protocol: number) => {
      const matched = rules.matchSession(HOST, 0, port, protocol);
      expect(matched).toBe(RULE_BY_PACKET);
      return rules.matchWhole(matched, HOST, 0, port, protocol);
    };
    expect(wholeOf(53, PROTOCOL_UDP)).toBe(2);
    expect(wholeOf(80, PROTOCOL_UDP)).toBe(1);
    expect(wholeOf(22, PROTOCOL_TCP)).toBe(NO_RULE);
  });

  it("count what went by them", () => {
    const { rules } = compileRules([...rule({}), ...rule({ name: "other" })]);
    rules.count(0, 3, 4500);
    rules.count(0, 1, 100);
    expect(rules.snapshot()).toEqual([
      { name: "it", packets: 4, bytes: 4600 },
      { name: "other", packets: 0, bytes: 0 },
    ]);
  });

  it("are none at all where there are no rules", () => {
    const { rules, modes } = compileRules([]);
    expect(modes).toEqual([{ mode: "all-paths" }]);
    expect(rules.matchSession(HOST, 0, 22, 6)).toBe(NO_RULE);
    expect(rules.matchPacket(NO_RULE, HOST, 0, 22, 6, 0, 100, true)).toBe(NO_RULE);
  });

  it("refuse what no packet can match, and too many combinations, by the rule's name", () => {
    expect(() => compileRules(rule({ sizeFrom: 5, sizeBelow: 5 }))).toThrow(
      'rule "it": no packet has such a size',
    );
    expect(() => compileRules(rule({ protocols: ["tpc"] }))).toThrow('rule "it": unknown protocol "tpc"');
    expect(() => compileRules(rule({ protocols: ["udp"], withoutData: true }))).toThrow(/only TCP/);
    const ports = Array.from({ length: 33 }, (_, i) => ({ from: i, to: i }));
    const dscps = Array.from({ length: 32 }, (_, i) => i);
    expect(() => compileRules(rule({ ports, dscps }))).toThrow(`more than ${RULE_ROWS_MAX} combinations`);
    expect(compileRules(rule({ ports: ports.slice(1), dscps })).rules.length).toBe(RULE_ROWS_MAX);
  });
});
