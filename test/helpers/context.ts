import { Context, ROUTER_LIMITS, RouterLayout } from "../../src/core/router/context.ts";

const LIMITS = { sessions: 4, nodes: 2, paths: 4, heldPackets: 4, heldPerSession: 4 };

export const LONE_LAYOUT = new RouterLayout({ ...ROUTER_LIMITS, ...LIMITS });

/** What the parts of a router share, for tests of one part; what it sends goes nowhere. */
export function loneContext(arena = new Uint8Array(LONE_LAYOUT.end)): Context {
  return new Context(
    arena,
    {
      node: { idHigh: 0, idLow: 1, instanceHigh: 0, instanceLow: 1, name: "a" },
      seed: [1, 2],
      random: () => 0,
      offloads: { checksum: true, tso: false, uso: false },
      limits: LIMITS,
    },
    { send: () => {}, write: () => {}, resize: () => {} },
  );
}
