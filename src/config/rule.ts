import { z } from "zod";
import type { ModeSpec } from "../core/dispatch/mode-spec.ts";
import { PROTOCOL_NUMBERS, type RuleSpec } from "../core/dispatch/rule-spec.ts";
import { leaf, oneOrMore } from "./schema-parts.ts";
import {
  parseChoice,
  parseDscp,
  parseFlag,
  parseInterfacePattern,
  parseLimit,
  parseName,
  parseNumber,
  parsePortRange,
  parsePrefix,
  parseProtocol,
  parseWhole,
} from "./values.ts";

const PACKET_MAX_BYTES = 65535;
const DELAY_MAX_MS = 60_000;
const COPIES_MAX = 8;

const PRIORITIES = ["throughput", "responsiveness"] as const;
const WHOSE = ["off", "on", "auto"] as const;
const MODES = ["all-paths", "selected-paths", "single-path", "protected-path"] as const;

/** Keys that say what goes for whole sessions, and keys by which the packets of a session may differ. */
const SESSION_KEYS = ["reorder", "repair"] as const;
const PACKET_KEYS = ["sizeFrom", "sizeBelow", "dscp", "withoutData"] as const;

/** Which mode a parameter belongs to. */
const MODE_OF_KEY: Readonly<Record<string, (typeof MODES)[number]>> = {
  interfaces: "selected-paths",
  delayBelowMs: "selected-paths",
  lossBelow: "selected-paths",
  strict: "selected-paths",
  path: "single-path",
  marginMs: "single-path",
  dwellMs: "single-path",
  copies: "protected-path",
};

const ruleKeys = z.strictObject({
  name: leaf(parseName).optional(),
  destination: oneOrMore(parsePrefix).optional(),
  port: oneOrMore(parsePortRange).optional(),
  protocol: oneOrMore(parseProtocol).optional(),
  sizeFrom: leaf((value) => parseWhole(value, 0, PACKET_MAX_BYTES, "size in bytes")).optional(),
  sizeBelow: leaf((value) => parseWhole(value, 1, PACKET_MAX_BYTES + 1, "size in bytes")).optional(),
  dscp: oneOrMore(parseDscp).optional(),
  withoutData: leaf(parseFlag).optional(),
  priority: leaf((value) => parseChoice(value, PRIORITIES)).optional(),
  mode: leaf((value) => parseChoice(value, MODES)).optional(),
  interfaces: oneOrMore(parseInterfacePattern).optional(),
  delayBelowMs: leaf((value) => parseLimit(value, DELAY_MAX_MS)).optional(),
  lossBelow: leaf((value) => parseLimit(value, 1)).optional(),
  strict: leaf(parseFlag).optional(),
  path: leaf(parseName).optional(),
  marginMs: leaf((value) => parseNumber(value, 0, DELAY_MAX_MS)).optional(),
  dwellMs: leaf((value) => parseNumber(value, 0, DELAY_MAX_MS)).optional(),
  copies: leaf((value) => parseWhole(value, 2, COPIES_MAX, "number of copies")).optional(),
  reorder: leaf((value) => parseChoice(value, WHOSE)).optional(),
  repair: leaf((value) => parseChoice(value, WHOSE)).optional(),
});

type RuleKeys = z.output<typeof ruleKeys>;

/** A rule of the file, as the core takes it; without a name yet where the file gives none. */
export const ruleSchema = ruleKeys.transform(ruleOf);

export interface RuleProblem {
  readonly key: string | undefined;
  readonly message: string;
}

/** What does not go together in a rule, whatever its values are. */
export function ruleProblems(rule: Readonly<Record<string, unknown>>): RuleProblem[] {
  const problems: RuleProblem[] = [];
  const { priority, mode, sizeFrom, sizeBelow, withoutData, protocol } = rule;
  if (priority === undefined && mode === undefined) {
    problems.push({ key: undefined, message: "does not say what to do; add priority or mode" });
  }
  if (priority !== undefined && mode !== undefined) {
    problems.push({ key: "mode", message: "a rule has a priority or a mode; take one of them out" });
  }
  for (const [key, owner] of Object.entries(MODE_OF_KEY)) {
    if (rule[key] === undefined || mode === owner) continue;
    problems.push({ key, message: `belongs to the mode ${owner}; add mode: ${owner} or take it out` });
  }
  for (const key of SESSION_KEYS) {
    const packetKey = PACKET_KEYS.find((one) => rule[one] !== undefined);
    if (rule[key] === undefined || packetKey === undefined) continue;
    problems.push({
      key,
      message: `goes for whole sessions; take ${packetKey} out or put ${key} in a rule of its own`,
    });
  }
  if (typeof sizeFrom === "number" && typeof sizeBelow === "number" && sizeFrom >= sizeBelow) {
    problems.push({
      key: "sizeBelow",
      message: `no size is from ${sizeFrom} on and below ${sizeBelow}; swap them`,
    });
  }
  if (rule.port !== undefined && protocol !== undefined && ![protocol].flat().some(hasPorts)) {
    problems.push({
      key: "port",
      message: "is about TCP and UDP; add one of them to protocol or take it out",
    });
  }
  if (rule.repair === "on" && mode === "protected-path") {
    const message =
      "is not for copies: protected-path sends each packet several times anyway; take one of the two out";
    problems.push({ key: "repair", message });
  }
  if (withoutData === true && protocol !== undefined && ![protocol].flat().some(isTcp)) {
    problems.push({ key: "withoutData", message: "is about TCP; add tcp to protocol or take it out" });
  }
  return problems;
}

function isTcp(protocol: unknown): boolean {
  return isProtocol(protocol, "tcp");
}

function hasPorts(protocol: unknown): boolean {
  return isTcp(protocol) || isProtocol(protocol, "udp");
}

/** By its name or its number, as they stand in the file. */
function isProtocol(protocol: unknown, name: keyof typeof PROTOCOL_NUMBERS): boolean {
  return (
    protocol === PROTOCOL_NUMBERS[name] || (typeof protocol === "string" && protocol.toLowerCase() === name)
  );
}

function ruleOf(keys: RuleKeys): Omit<RuleSpec, "name"> & { name: string | undefined } {
  const { name, destination, port, protocol, sizeFrom, sizeBelow, dscp, withoutData, reorder, repair } = keys;
  return {
    name,
    ...given({
      destinations: destination,
      ports: port,
      protocols: protocol,
      sizeFrom,
      sizeBelow,
      dscps: dscp,
      withoutData,
      reorder,
      repair,
    }),
    route: routeOf(keys),
  };
}

function routeOf(keys: RuleKeys): RuleSpec["route"] {
  const { interfaces, delayBelowMs, lossBelow, strict, path, marginMs, dwellMs } = keys;
  const modes: Record<(typeof MODES)[number], () => ModeSpec> = {
    "all-paths": () => ({ mode: "all-paths" }),
    "selected-paths": () => ({
      mode: "selected-paths",
      ...given({ interfaces, delayBelowMs, lossBelow, strict }),
    }),
    "single-path": () => ({ mode: "single-path", ...given({ path, marginMs, dwellMs }) }),
    "protected-path": () => ({ mode: "protected-path", copies: keys.copies ?? 2 }),
  };
  return keys.mode === undefined ? (keys.priority ?? "throughput") : modes[keys.mode]();
}

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the keys that have no value. */
function given<T extends object>(keys: T): Given<T> {
  return Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== undefined)) as Given<T>;
}
