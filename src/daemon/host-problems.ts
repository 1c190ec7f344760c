import type { Config } from "../config/parse.ts";
import type { Problem } from "../config/relations.ts";
import { formatPrefix } from "../config/values.ts";
import type { Action } from "../host/plan.ts";
import type { Failure } from "../host/run.ts";

/** What the host refuses, at the place in the configuration that asks for it. */
export function hostProblems({ tun, peers, forward }: Config, failures: readonly Failure[]): Problem[] {
  const forwarding = [forward ? "forward" : "exit"];
  const routes = new Map<string, Problem["path"]>(
    peers.flatMap((peer, i) =>
      peer.routes.map((prefix, k) => [`route ${formatPrefix(prefix)}`, ["peers", i, "routes", k]] as const),
    ),
  );
  const places = new Map<string, Problem["path"]>([
    ["file", ["dns"]],
    ["sysctl net/ipv4/ip_forward", forwarding],
    ["sysctl net/ipv6/conf/all/forwarding", forwarding],
    ["sysctl net/ipv4/conf/all/send_redirects", ["forward"]],
    [`sysctl net/ipv4/conf/${tun.name}/send_redirects`, ["forward"]],
    [`sysctl net/ipv4/conf/${tun.name}/rp_filter`, ["realAddresses"]],
    ["sysctl net/ipv4/conf/all/src_valid_mark", routes.get("route 0.0.0.0/0") ?? []],
    ...tun.address.map((prefix, i) => [`address ${formatPrefix(prefix)}`, ["tun", "address", i]] as const),
    ...routes,
  ]);
  return failures.map(({ action, reason }) => ({ path: places.get(asked(action)) ?? [], message: reason }));
}

function asked(action: Action): string {
  if (action.kind === "sysctl") return `sysctl ${action.key}`;
  if (action.kind !== "ip") return action.kind;
  const [object, , prefix] = action.args;
  return `${object} ${prefix}`;
}
