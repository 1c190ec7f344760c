import {
  ANY,
  FOR_ALL,
  FOR_NONE,
  FOR_TCP,
  NO_PORT,
  type RuleAction,
  type RuleRow,
  Rules,
  SIZE_END,
} from "../tables/rules.ts";
import { PROTOCOL_TCP } from "../wire/ipv4.ts";
import type { ModeSpec } from "./mode-spec.ts";
import { type PortRange, PROTOCOL_NUMBERS, type Prefix, type RuleSpec } from "./rule-spec.ts";

/** Rows that all rules together may have: a packet is compared with one after the other. */
export const RULE_ROWS_MAX = 1024;

/** Index of the mode of packets without a rule: all paths. */
export const MODE_WITHOUT_RULE = 0;

export interface CompiledRules {
  readonly rules: Rules;
  /** What the rules' `mode` numbers mean. */
  readonly modes: readonly ModeSpec[];
}

const ALL_PATHS: ModeSpec = { mode: "all-paths" };
const LOWEST_DELAY: ModeSpec = { mode: "single-path" };
const ANY_PREFIX: Prefix = { family: 6, address: new Int32Array(4), bits: 0 };
const ANY_PORT: PortRange = { from: NO_PORT, to: 0xffff };
const WHOSE = { off: FOR_NONE, on: FOR_ALL, auto: FOR_TCP };
/** An IPv4 address stands behind so many bits that all of them share. */
const MAPPED_BITS = 96;

/** Compiles rules. What their schema should have refused makes it throw a RangeError that names the rule. */
export function compileRules(specs: readonly RuleSpec[]): CompiledRules {
  const modes: ModeSpec[] = [ALL_PATHS];
  const places = new Map([[JSON.stringify(ALL_PATHS), 0]]);
  const actions: RuleAction[] = [];
  const rows: RuleRow[] = [];
  for (const [rule, spec] of specs.entries()) {
    const mode = modeOf(spec);
    const text = JSON.stringify(mode);
    let place = places.get(text);
    if (place === undefined) {
      place = modes.push(mode) - 1;
      places.set(text, place);
    }
    actions.push({
      name: spec.name,
      mode: place,
      reorder: WHOSE[spec.reorder ?? "auto"],
      repair: WHOSE[spec.repair ?? "auto"],
    });
    for (const row of rowsOf(spec, rule)) {
      if (rows.push(row) > RULE_ROWS_MAX) {
        throw new RangeError(
          `rule "${spec.name}": up to here there are more than ${RULE_ROWS_MAX} combinations of what the rules list`,
        );
      }
    }
  }
  return { rules: new Rules(actions, rows), modes };
}

function modeOf({ route }: RuleSpec): ModeSpec {
  if (route === "throughput") return ALL_PATHS;
  if (route === "responsiveness") return LOWEST_DELAY;
  return route;
}

function* rowsOf(spec: RuleSpec, rule: number): Generator<RuleRow> {
  const sizeFrom = spec.sizeFrom ?? 0;
  const sizeBelow = spec.sizeBelow ?? SIZE_END;
  const withoutData = spec.withoutData ?? false;
  if (sizeFrom >= sizeBelow) throw new RangeError(`rule "${spec.name}": no packet has such a size`);
  const protocols = protocolsOf(spec);
  for (const { family, address, bits } of spec.destinations ?? [ANY_PREFIX]) {
    for (const { from, to } of spec.ports ?? [ANY_PORT]) {
      for (const protocol of protocols) {
        for (const dscp of spec.dscps ?? [ANY]) {
          yield {
            rule,
            family: spec.destinations === undefined ? ANY : family,
            address,
            addressBits: family === 4 ? MAPPED_BITS + bits : bits,
            portFrom: from,
            portTo: to,
            protocol,
            sizeFrom,
            sizeBelow,
            dscp,
            withoutData,
          };
        }
      }
    }
  }
}

function protocolsOf(spec: RuleSpec): number[] {
  const numbers = (spec.protocols ?? []).map((protocol) => {
    const number = typeof protocol === "number" ? protocol : PROTOCOL_NUMBERS[protocol];
    if (number === undefined) throw new RangeError(`rule "${spec.name}": unknown protocol "${protocol}"`);
    return number;
  });
  if (spec.withoutData) {
    if (numbers.length > 0 && !numbers.includes(PROTOCOL_TCP)) {
      throw new RangeError(`rule "${spec.name}": only TCP has packets without data`);
    }
    return [PROTOCOL_TCP];
  }
  return spec.protocols === undefined ? [ANY] : [...new Set(numbers)];
}
