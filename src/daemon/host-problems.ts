import type { Config } from "../config/parse.ts";
import type { Problem } from "../config/relations.ts";
import { formatPrefix } from "../config/values.ts";
import type { Action } from "../host/plan.ts";
import type { Failure } from "../host/run.ts";

/** What the host refuses, at the place in the configuration that asks for it. */
export function hostProblems({ tun, peers }: Config, failures: readonly Failure[]): Problem[] {
  const places = new Map<string, Problem["path"]>([
    ["file", ["dns"]],
    ...tun.address.map((prefix, i) => [`address ${formatPrefix(prefix)}`, ["tun", "address", i]] as const),
    ...peers.flatMap(({ routes }, i) =>
      routes.map((prefix, k) => [`route ${formatPrefix(prefix)}`, ["peers", i, "routes", k]] as const),
    ),
  ]);
  return failures.map(({ action, reason }) => ({ path: places.get(asked(action)) ?? [], message: reason }));
}

function asked(action: Action): string {
  if (action.kind !== "ip") return action.kind;
  const [object, , prefix] = action.args;
  return `${object} ${prefix}`;
}
