import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, expect, it } from "vitest";
import { parseConfig } from "../../../src/config/parse.ts";
import { POLICY_BACKUP, POLICY_METERED } from "../../../src/core/wire/control-body.ts";
import { LinePolicies } from "../../../src/daemon/line-policies.ts";
import { parseAddress } from "../../../src/io/address.ts";

let directory: string;
let policies: LinePolicies;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "mpip-policies-"));
  policies = new LinePolicies(directory, pino({ level: "silent" }));
});

afterEach(() => rmSync(directory, { recursive: true }));

const at = (device: string, text: string) => ({ device, address: parseAddress(text) });
const USED = [
  at("eth0", "192.0.2.1"),
  at("eth0", "192.0.2.9"),
  at("eth0", "2001:db8::1"),
  at("wwan0", "198.51.100.1"),
];

function configure(...interfaces: string[]): void {
  const text = `tun: { address: 10.77.0.1/24 }\ninterfaces: [${interfaces.join(", ")}]\n`;
  policies.setConfig(parseConfig(text, "f.yaml"));
}

/** Of a device, in whatever order its addresses come. */
function bitsOf(device: string): number {
  const [bits, ...others] = [USED, USED.toReversed()].map((used) => policies.of(device, used).bits);
  expect(others).toEqual([bits]);
  return bits!;
}

const byName = "{ name: eth0, policy: metered }";
const byAddress = "{ name: 192.0.2.9, policy: backup, rateMbit: 8 }";

it("an entry with an address of a device holds for the device, before one with its name", () => {
  configure(byName, byAddress, "wwan0");
  expect(bitsOf("eth0")).toBe(POLICY_BACKUP);
  expect(policies.of("eth0", USED).sendBytesPerS).toBe(1e6);
  expect(bitsOf("wwan0")).toBe(0);
  configure(byName, "{ name: 192.0.2.77, policy: backup }");
  expect(bitsOf("eth0")).toBe(POLICY_METERED);
});

it("of several entries with addresses the first one holds, and of several with names", () => {
  configure(byAddress, '{ name: "2001:db8::1", policy: metered }');
  expect(bitsOf("eth0")).toBe(POLICY_BACKUP);
  configure('{ name: "2001:db8::1", policy: metered }', byAddress);
  expect(bitsOf("eth0")).toBe(POLICY_METERED);
  configure('"eth*"', byName);
  expect(bitsOf("eth0")).toBe(0);
});

it("a quota of an entry with an address is one of the device", () => {
  configure("eth0", "{ name: 192.0.2.9, quota: { bytes: 1 GB } }");
  policies.count(USED);
  expect(policies.quotaViews()).toMatchObject([{ device: "eth0", bytes: 1e9 }]);
});
