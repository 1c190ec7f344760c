/** Script: what it costs to find the rule of a packet, by how many rules are looked at. */
import { compileRules } from "../../../src/core/dispatch/compile.ts";
import type { RuleSpec } from "../../../src/core/dispatch/rule-spec.ts";
import { MAPPED_WORD } from "../../../src/core/wire/address.ts";
import { PROTOCOL_TCP } from "../../../src/core/wire/ipv4.ts";
import { compare, type Variant } from "./harness.ts";

const HOST = Int32Array.of(0, 0, MAPPED_WORD, 0x0201_a8c0);
const NETWORK = Int32Array.of(0, 0, MAPPED_WORD, 0x0000_a8c0);
const PORT = 443;

/** So many rules for other ports of the same network, then one for small packets. */
function specs(others: number): RuleSpec[] {
  const destinations = [{ family: 4 as const, address: NETWORK, bits: 16 }];
  const list: RuleSpec[] = Array.from({ length: others }, (_, i) => ({
    name: `port ${1000 + i}`,
    destinations,
    ports: [{ from: 1000 + i, to: 1000 + i }],
    protocols: ["tcp"],
    route: "responsiveness",
  }));
  return [...list, { name: "small", destinations, sizeBelow: 200, route: "responsiveness" }];
}

/** Each packet is looked at, from the first rule on that may apply to its session. */
function byPacket(others: number): Variant {
  const { rules } = compileRules(specs(others));
  const matched = rules.matchSession(HOST, 0, PORT, PROTOCOL_TCP);
  return (times) => {
    let sum = 0;
    for (let i = 0; i < times; i++) {
      sum += rules.matchPacket(matched, HOST, 0, PORT, PROTOCOL_TCP, 0, i & 1023, true);
    }
    return sum;
  };
}

/** What is done once for each session. */
function bySession(others: number): Variant {
  const { rules } = compileRules(specs(others));
  return (times) => {
    let sum = 0;
    for (let i = 0; i < times; i++) sum += rules.matchSession(HOST, 0, 80 + (i & 1), PROTOCOL_TCP);
    return sum;
  };
}

compare("a packet of a session to which one rule of several may apply", {
  "1 rule": byPacket(0),
  "11 rules": byPacket(10),
  "101 rules": byPacket(100),
});
compare("a session that is opened", {
  "1 rule": bySession(0),
  "11 rules": bySession(10),
  "101 rules": bySession(100),
});
