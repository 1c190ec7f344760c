import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileRules } from "../../../src/core/dispatch/compile.ts";
import type { Prefix, RuleSpec } from "../../../src/core/dispatch/rule-spec.ts";
import { NO_RULE, NOT_MATCHED, RULE_BY_PACKET } from "../../../src/core/tables/rules.ts";
import { PROTOCOL_TCP } from "../../../src/core/wire/ipv4.ts";
import { check } from "../../helpers/property.ts";
import { ip4, ip6 } from "../../unit/core/tables/fixtures.ts";

interface Packet {
  family: 4 | 6;
  to: Int32Array;
  port: number;
  protocol: number;
  dscp: number;
  bytes: number;
  hasData: boolean;
}

/** The bits of an address, as text. */
function bits(words: Int32Array, family: 4 | 6): string {
  const bytes = new Uint8Array(words.slice().buffer).subarray(family === 4 ? 12 : 0);
  return [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
}

const within = ({ family, address, bits: length }: Prefix, packet: Packet) =>
  family === packet.family &&
  bits(packet.to, family).slice(0, length) === bits(address, family).slice(0, length);

const NUMBERS: Record<string, number> = { tcp: 6, udp: 17 };

/** One rule, as its words say. */
function matches(rule: RuleSpec, packet: Packet): boolean {
  const { destinations, ports, protocols, dscps } = rule;
  if (destinations !== undefined && !destinations.some((prefix) => within(prefix, packet))) return false;
  if (ports !== undefined && !ports.some(({ from, to }) => packet.port >= from && packet.port <= to))
    return false;
  const numbers = protocols?.map((name) => (typeof name === "number" ? name : NUMBERS[name]));
  if (numbers !== undefined && !numbers.includes(packet.protocol)) return false;
  if (dscps !== undefined && !dscps.includes(packet.dscp)) return false;
  if (rule.sizeFrom !== undefined && packet.bytes < rule.sizeFrom) return false;
  if (rule.sizeBelow !== undefined && packet.bytes >= rule.sizeBelow) return false;
  return !rule.withoutData || (packet.protocol === PROTOCOL_TCP && !packet.hasData);
}

// Few different values of everything, so that rules and packets meet.
const byte = fc.constantFrom(0, 1, 10, 128, 255);
const group = fc.constantFrom(0, 1, 0x2001, 0xffff);
const address4 = fc.tuple(byte, byte, byte, byte).map((bytes) => ip4(...bytes));
// The first group keeps it from being a mapped IPv4 address.
const address6 = fc.array(group, { maxLength: 7 }).map((groups) => ip6(0x2001, ...groups));
const prefix = fc.oneof(
  fc.record({ family: fc.constant(4 as const), address: address4, bits: fc.nat(32) }),
  fc.record({ family: fc.constant(6 as const), address: address6, bits: fc.nat(128) }),
);
const port = fc.constantFrom(0, 22, 80, 5221, 65_535);
const range = fc.tuple(port, port).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) }));
const some = <T>(values: fc.Arbitrary<T>) => fc.array(values, { minLength: 1, maxLength: 2 });
const rule: fc.Arbitrary<RuleSpec> = fc.record(
  {
    name: fc.constant("rule"),
    route: fc.constantFrom("throughput" as const, "responsiveness" as const),
    destinations: some(prefix),
    ports: some(range),
    protocols: some(fc.constantFrom("tcp", "udp", 47)).map((list) => [...list, "tcp"]),
    dscps: some(fc.constantFrom(0, 46)),
    sizeFrom: fc.constantFrom(0, 100, 200),
    sizeBelow: fc.constantFrom(201, 500, 1500),
    withoutData: fc.boolean(),
  },
  { requiredKeys: ["name", "route"] },
);
const packet: fc.Arbitrary<Packet> = fc
  .record({
    destination: fc.oneof(
      fc.record({ family: fc.constant(4 as const), to: address4 }),
      fc.record({ family: fc.constant(6 as const), to: address6 }),
    ),
    port,
    protocol: fc.constantFrom(6, 17, 47, 1),
    dscp: fc.constantFrom(0, 46, 34),
    bytes: fc.constantFrom(0, 99, 100, 200, 201, 499, 500, 1500, 65_535),
    hasData: fc.boolean(),
  })
  .map(({ destination, ...rest }) => ({ ...destination, ...rest }));

describe("compiled rules", () => {
  it("match what the first rule is whose words all hold", () => {
    check(
      fc.property(
        fc.array(rule, { maxLength: 6 }),
        fc.array(packet, { maxLength: 20, size: "max" }),
        (specs, packets) => {
          const { rules } = compileRules(specs);
          for (const packet of packets) {
            const { to, port, protocol, dscp, bytes, hasData } = packet;
            const matched = rules.matchSession(to, 0, port, protocol);
            const found = rules.matchPacket(matched, to, 0, port, protocol, dscp, bytes, hasData);
            expect(found).toBe(specs.findIndex((spec) => matches(spec, packet)));
          }
        },
      ),
    );
  });

  it("say of a session what holds for all its packets, whatever they are like", () => {
    check(
      fc.property(fc.array(rule, { maxLength: 6 }), packet, fc.array(packet), (specs, first, others) => {
        const { rules } = compileRules(specs);
        const { family, to, port, protocol } = first;
        const matched = rules.matchSession(to, 0, port, protocol);
        expect(matched).not.toBe(NOT_MATCHED);
        if (matched <= RULE_BY_PACKET) return;
        for (const other of others) {
          const packet = { ...other, family, to, port, protocol };
          const found = specs.findIndex((spec) => matches(spec, packet));
          expect(found).toBe(matched);
          expect(found === -1).toBe(matched === NO_RULE);
        }
      }),
    );
  });
});
