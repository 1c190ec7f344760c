import type { PathSlot } from "../core/base/ids.ts";
import { PATH_DOWN, PATH_PROBING, PATH_SUSPECT } from "../core/router/path-states.ts";
import type { Router } from "../core/router/router.ts";
import { POLICY_BACKUP, POLICY_CLOSED, POLICY_METERED } from "../core/wire/control-body.ts";

const BITS_PER_MBIT = 1e6;
/** A path that was heard less than this long ago is suspected for another reason than silence. */
const HEARD_MS = 300;

/** Why no data goes over a path, or less than could; undefined where nothing keeps it from that. */
export function pathWhy(router: Router, path: PathSlot, nowMs: number): string | undefined {
  const { paths, states, policies } = router;
  const silentMs = nowMs - paths.heardMs[path]!;
  switch (states.of(path)) {
    case PATH_PROBING:
      return `no answer to probes for ${seconds(nowMs - states.since(path))}`;
    case PATH_SUSPECT:
      return silentMs < HEARD_MS ? "what was sent does not arrive" : `silent for ${seconds(silentMs)}`;
    case PATH_DOWN:
      return `silent for ${seconds(silentMs)}`;
  }
  const bits = policies.bitsOf(path);
  const own = policies.ownBits(path);
  const reason = policies.ownReason(path);
  const whose = (bit: number) => (own & bit ? "" : ", says the peer");
  if (bits & POLICY_CLOSED) return own & POLICY_CLOSED ? (reason ?? "off") : "off, says the peer";
  if (!paths.isEligible(path)) {
    if (bits & POLICY_BACKUP) return reason ?? `a backup, and others work${whose(POLICY_BACKUP)}`;
    if (bits & POLICY_METERED) return `metered, and the others keep up${whose(POLICY_METERED)}`;
    return "others are better";
  }
  if (paths.weight[path] === 0 && hasWeights(router, path)) return "others lead over the same lines";
  const rate = paths.limits.rateOf(path);
  if (!Number.isFinite(rate)) return undefined;
  return `held to ${((rate * 8) / BITS_PER_MBIT).toPrecision(3)} Mbit/s`;
}

/** Whether something has been shared out among the node's paths. */
function hasWeights({ paths }: Router, path: PathSlot): boolean {
  const node = paths.nodeOf(path);
  for (let place = 0; place < paths.count(node); place++)
    if (paths.weight[paths.at(node, place)]! > 0) return true;
  return false;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}
