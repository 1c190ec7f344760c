import type { Config } from "../config/parse.ts";
import type { PathView } from "../control/views.ts";
import { NONE } from "../core/base/ids.ts";
import type { PeerSpec, Router } from "../core/router/router.ts";
import { refusalText } from "../core/wire/print.ts";
import { familyOf, formatAddress } from "../io/address.ts";
import { idleLines } from "./idle-lines.ts";
import type { HostAddress } from "./interfaces.ts";

/** What there is no path over, or to, and why. */
export function missingPaths(
  { interfaces, peers }: Config,
  specs: readonly PeerSpec[],
  lines: readonly HostAddress[],
  router: Router,
  paths: readonly PathView[],
  isUnresolved: (host: string) => boolean,
): PathView[] {
  const selectors = (interfaces ?? []).map(({ name }) => name);
  const idle = idleLines(lines, selectors).map(({ name, why }) => missing({ name, device: name, why }));
  if (lines.length === 0 && idle.length === 0) {
    idle.push(missing({ why: "no interface has a default route; name some under interfaces" }));
  }
  const unreached = peers.flatMap(({ name: peer, endpoints }) => {
    const spec = specs.find(({ name }) => name === peer);
    const own = paths.filter((path) => path.peer === peer);
    if (endpoints.length === 0) {
      return own.length > 0
        ? []
        : [missing({ peer, why: "it has not called yet, and has no endpoints here" })];
    }
    const nameless = endpoints
      .filter(({ host }) => isUnresolved(host))
      .map(({ host }) => missing({ peer, name: host, why: `${host} cannot be resolved` }));
    const unanswered = (spec?.endpoints ?? []).flatMap(({ address, port }) => {
      const remote = formatAddress(address);
      if (own.some((path) => path.remote === remote && path.port === port)) return [];
      const why = whyUnreached(router, peer, address, port, lines);
      return why === undefined ? [] : [missing({ peer, name: remote, remote, port, why })];
    });
    return [...nameless, ...unanswered];
  });
  return [...idle, ...unreached];
}

function whyUnreached(
  router: Router,
  peer: string,
  address: Int32Array,
  port: number,
  lines: readonly HostAddress[],
): string | undefined {
  const family = familyOf(address);
  if (!lines.some((line) => line.family === family)) return `no line in use has an IPv${family} address`;
  const refusal = router.refusal(peer);
  if (refusal !== 0) return `refused: ${refusalText(refusal)}`;
  const slot = router.availability.find(address, 0, port);
  if (slot === NONE) return undefined;
  return `no answer to ${router.availability.queries[slot]} queries`;
}

function missing(what: Partial<PathView> & { why: string }): PathView {
  return { ...NO_PATH, ...what };
}

const NO_PATH: PathView = {
  peer: "",
  id: 0,
  peerId: 0,
  name: "",
  device: "",
  local: "",
  remote: "",
  port: 0,
  state: "none",
  use: "no",
  why: undefined,
  weight: 0,
  share: 0,
  delayUs: undefined,
  queuingUs: undefined,
  queuingMaxUs: undefined,
  queueNowUs: 0,
  rttUs: undefined,
  deliveredBytesPerS: 0,
  capacityBytesPerS: undefined,
  mtuBytes: 0,
  lossQueueUs: undefined,
  loss: undefined,
  sentPackets: 0,
  sentBytes: 0,
  receivedPackets: 0,
  receivedBytes: 0,
  receivedLost: 0,
  duplicates: 0,
  heardMsAgo: undefined,
};
