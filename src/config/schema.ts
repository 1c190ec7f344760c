import { z } from "zod";
import { ALGORITHM1_DEFAULTS } from "../core/dispatch/algorithm1.ts";
import { SCHEDULERS, WIRES } from "../core/router/router.ts";
import { interfaceSchema } from "./interface.ts";
import { ruleSchema } from "./rule.ts";
import { leaf, listOf, oneOrMore } from "./schema-parts.ts";
import {
  parseChoice,
  parseDestinations,
  parseDeviceName,
  parseEndpoint,
  parseFlag,
  parseName,
  parseNodeId,
  parsePort,
  parsePrefix,
  parseServer,
  parseTunAddress,
  parseWhole,
} from "./values.ts";

export const DEFAULT_PORT = 7000;
export const DEFAULT_TUN_NAME = "mpip0";
/** Every IPv4 host takes packets of this size (RFC 791), and no device has larger ones. */
const MTU_MIN_BYTES = 576;
const MTU_MAX_BYTES = 65535;
const WEIGHT_MAX = 1_000_000;
const INTERVAL_MIN_MS = 10;
const INTERVAL_MAX_MS = 60_000;

const tunSchema = z.strictObject({
  name: leaf(parseDeviceName).default(DEFAULT_TUN_NAME),
  address: oneOrMore(parseTunAddress).default([]),
  mtu: leaf((value) =>
    value === "auto" ? value : parseWhole(value, MTU_MIN_BYTES, MTU_MAX_BYTES, "MTU"),
  ).default("auto"),
});

const peerSchema = z.strictObject({
  name: leaf(parseName),
  node: leaf(parseNodeId).optional(),
  endpoints: oneOrMore(parseEndpoint).default([]),
  routes: oneOrMore(parsePrefix),
});

const offloadsSchema = z.strictObject({
  checksum: leaf(parseFlag).default(true),
  tso: leaf(parseFlag).default(true),
  uso: leaf(parseFlag).default(true),
  gso: leaf(parseFlag).default(true),
  gro: leaf(parseFlag).default(true),
  ring: leaf(parseFlag).default(true),
});

const weight = leaf((value) => parseWhole(value, 1, WEIGHT_MAX, "weight"));

const algorithm1Schema = z.strictObject({
  step: weight.default(ALGORITHM1_DEFAULTS.step),
  intervalMs: leaf((value) => parseWhole(value, INTERVAL_MIN_MS, INTERVAL_MAX_MS, "interval in ms")).default(
    ALGORITHM1_DEFAULTS.intervalMs,
  ),
  weightMin: weight.default(ALGORITHM1_DEFAULTS.weightMin),
  weightMax: weight.default(ALGORITHM1_DEFAULTS.weightMax),
  startTotal: weight.default(ALGORITHM1_DEFAULTS.startTotal),
});

/** The whole file. docs/configuration.md says what each key means. */
export const configSchema = z.strictObject({
  name: leaf(parseName).optional(),
  node: leaf(parseNodeId).optional(),
  port: leaf(parsePort).default(DEFAULT_PORT),
  tun: tunSchema.prefault({}),
  interfaces: listOf(interfaceSchema).optional(),
  peers: z.array(peerSchema).default([]),
  rules: z.array(ruleSchema).default([]),
  scheduler: leaf((value) => parseChoice(value, SCHEDULERS)).default("arrival"),
  algorithm1: algorithm1Schema.prefault({}),
  wire: leaf((value) => parseChoice(value, WIRES)).default("numbered"),
  realAddresses: leaf(parseDestinations).default(false),
  forward: leaf(parseFlag).default(false),
  exit: leaf(parseFlag).default(false),
  dns: oneOrMore(parseServer).default([]),
  log: leaf((value) => parseChoice(value, ["debug", "info", "warn", "error"] as const)).default("info"),
  offloads: offloadsSchema.prefault({}),
});

export type Config = z.output<typeof configSchema>;
export type PeerConfig = Config["peers"][number];
