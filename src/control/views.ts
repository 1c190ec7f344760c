import type { SessionSlot } from "../core/base/ids.ts";
import { NONE } from "../core/base/ids.ts";
import type { ReorderCounters } from "../core/reorder/buffer.ts";
import { PATH_STATE_NAMES } from "../core/router/path-states.ts";
import type { RepairCounters } from "../core/router/repair.ts";
import type { Router } from "../core/router/router.ts";
import type { AddressReport } from "../core/tables/node-addresses.ts";
import { type PathReport, pathReports } from "../core/tables/path-report.ts";
import { type SessionReport, sessionReport } from "../core/tables/session-report.ts";
import { refusalText } from "../core/wire/print.ts";
import { pathWhy } from "./path-why.ts";

/** What the daemon shows of its tables: plain values, with the names that people gave. Times are the daemon's. */

export interface PathView extends Omit<PathReport, "slot" | "node" | "state" | "loss"> {
  peer: string;
  /** From 0 to 1, of what is sent; undefined where that has no numbers. */
  loss: number | undefined;
  /** "none" where there is no path, and `why` says what there could be one over or to. */
  state: (typeof PATH_STATE_NAMES)[number] | "none";
  /** Why it is not used, or not as much as it could be. */
  why: string | undefined;
  /** Of the peer's packets, from 0 to 1; 0 while the path is not used. */
  share: number;
  heardMsAgo: number | undefined;
  /** How long a packet would wait that is sent now, as the scheduler thinks. */
  queueNowUs: number;
}

export interface SessionView extends Omit<SessionReport, "slot" | "node"> {
  peer: string;
  /** The TCP sequence number that is expected of the peer next, where it is put in order. */
  nextSequence: number | undefined;
  /** The rule that all of its packets follow, if one does. */
  rule: string | undefined;
}

export interface SessionsView {
  /** Of the sessions that were asked for, those that are listed included. */
  total: number;
  sessions: SessionView[];
}

export interface PeerView {
  name: string;
  /** Undefined while it has not been heard. */
  node: string | undefined;
  configured: boolean;
  state: "up" | "down";
  paths: number;
  pathsReady: number;
  sessions: number;
  routes: string[];
  addresses: Omit<AddressReport, "seenMs">[];
  heardMsAgo: number | undefined;
  /** Attempts of other nodes with the same ID, or of itself with ours, which were refused. */
  clashes: number;
  /** Why it refuses us, if it does. */
  refusal: string | undefined;
}

export interface StatusView {
  version: string;
  name: string;
  node: string;
  pid: number;
  uptimeMs: number;
  config: { path: string; error: string | undefined };
  tun: { name: string; addresses: string[]; mtu: number; offloads: string[] };
  sockets: { device: string; address: string; port: number; offloads: string[] }[];
  peers: { total: number; up: number };
  paths: { total: number; ready: number };
  sessions: number;
  /**
   * Calls and messages at the TUN device and the sockets, and messages that the kernel did not take; a message may hold
   * several packets.
   */
  traffic: Record<"tunReceived" | "netReceived", { calls: number; messages: number }> &
    Record<"tunSent" | "netSent", { calls: number; messages: number; refused: number }>;
  drops: { reason: string; packets: number; bytes: number }[];
  reordering: ReorderCounters;
  /** Also how often a sender was told to send less. */
  repair: RepairCounters & { signalled: number };
  rules: RuleView[];
  quotas: QuotaView[];
}

export interface QuotaView {
  device: string;
  usedBytes: number;
  bytes: number;
  /** When the next period begins, as an ISO date. */
  until: string;
  /** What the line becomes when it is used up. */
  usedUp: "backup" | "off";
}

export interface RuleView {
  name: string;
  packets: number;
  bytes: number;
}

export function pathViews(router: Router, nowMs: number): PathView[] {
  const { paths, nodes } = router;
  const reports = pathReports(paths);
  const totals = new Map<number, number>();
  for (const { slot, node, weight } of reports) {
    if (paths.isEligible(slot)) totals.set(node, (totals.get(node) ?? 0) + weight);
  }
  return reports.map(({ slot, node, state, ...report }) => {
    const total = totals.get(node) ?? 0;
    const heardMs = paths.heardMs[slot]!;
    return {
      peer: nodes.names[node] ?? "",
      ...report,
      loss: router.isNumbered ? report.loss : undefined,
      state: PATH_STATE_NAMES[state]!,
      why: pathWhy(router, slot, nowMs),
      share: paths.isEligible(slot) && total > 0 ? report.weight / total : 0,
      heardMsAgo: Number.isFinite(heardMs) ? nowMs - heardMs : undefined,
      queueNowUs: paths.queues.waitUs(slot, nowMs * 1000),
    };
  });
}

/** Up to `limit` sessions, of one peer or of all. */
export function sessionsView(
  router: Router,
  nowMs: number,
  limit: number,
  peer: string | undefined,
): SessionsView {
  const { sessions, nodes, rules } = router;
  const shown: SessionView[] = [];
  let total = 0;
  for (let slot = sessions.first(); slot !== NONE; slot = sessions.after(slot as SessionSlot)) {
    const name = nodes.names[sessions.node(slot)] ?? "";
    if (peer !== undefined && name !== peer) continue;
    total++;
    if (shown.length === limit) continue;
    const { slot: _slot, node: _node, ...report } = sessionReport(sessions, slot, nowMs);
    const nextSequence = router.nextSequence(slot as SessionSlot);
    shown.push({ peer: name, ...report, nextSequence, rule: rules.names[sessions.rule[slot]!] });
  }
  return { total, sessions: shown };
}

export function peerViews(
  router: Router,
  peers: readonly { readonly name: string; readonly routes: readonly string[] }[],
  nowMs: number,
): PeerView[] {
  const { nodes, sessions } = router;
  const paths = pathViews(router, nowMs);
  const counts = new Map<number, number>();
  for (let slot = sessions.first(); slot !== NONE; slot = sessions.after(slot as SessionSlot)) {
    const node = sessions.node(slot);
    counts.set(node, (counts.get(node) ?? 0) + 1);
  }
  const known = nodes.snapshot().map((node): PeerView => {
    const own = paths.filter(({ peer }) => peer === node.name);
    const pathsReady = own.filter(({ state }) => state === "ready").length;
    return {
      name: node.name,
      node: node.id.match(/../g)!.join(":"),
      configured: node.configured,
      state: pathsReady > 0 ? "up" : "down",
      paths: own.length,
      pathsReady,
      sessions: counts.get(node.slot) ?? 0,
      routes: [...(peers.find(({ name }) => name === node.name)?.routes ?? [])],
      addresses: node.addresses.map(({ address, port, sources }) => ({ address, port, sources })),
      heardMsAgo: Number.isFinite(node.heardMs) ? nowMs - node.heardMs : undefined,
      clashes: node.clashes + router.ownIdClashes(node.name),
      refusal: refusalOf(router, node.name),
    };
  });
  const unheard = peers
    .filter(({ name }) => !known.some((node) => node.name === name))
    .map(({ name, routes }): PeerView => {
      const clashes = router.ownIdClashes(name);
      return { ...UNHEARD, name, routes: [...routes], clashes, refusal: refusalOf(router, name) };
    });
  return [...known, ...unheard];
}

function refusalOf(router: Router, name: string): string | undefined {
  const code = router.refusal(name);
  return code === 0 ? undefined : refusalText(code);
}

const UNHEARD: PeerView = {
  name: "",
  node: undefined,
  configured: true,
  state: "down",
  paths: 0,
  pathsReady: 0,
  sessions: 0,
  routes: [],
  addresses: [],
  heardMsAgo: undefined,
  clashes: 0,
  refusal: undefined,
};

export function ruleViews(router: Router): RuleView[] {
  const { names, hitPackets, hitBytes } = router.rules;
  return names.map((name, i) => ({ name, packets: hitPackets[i]!, bytes: hitBytes[i]! }));
}
