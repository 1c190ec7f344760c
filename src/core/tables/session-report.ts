import { NONE, type NodeSlot, type SessionSlot } from "../base/ids.ts";
import { type SessionEnds, sessionEnds } from "./session-key.ts";
import { SESSION_STATE_NAMES } from "./session-state.ts";
import { SESSION_OPENED_BY_PEER, SESSION_PEER_KNOWS, type Sessions } from "./sessions.ts";

/** A session for people. */
export interface SessionReport extends SessionEnds {
  slot: SessionSlot;
  node: NodeSlot;
  /** As uint32. */
  id: number;
  state: (typeof SESSION_STATE_NAMES)[number];
  openedByPeer: boolean;
  peerKnows: boolean;
  idleMs: number;
  expiresInMs: number;
  sentPackets: number;
  sentBytes: number;
  receivedPackets: number;
  receivedBytes: number;
}

export function sessionReport(sessions: Sessions, slot: SessionSlot, nowMs: number): SessionReport {
  const flags = sessions.flags[slot]!;
  return {
    ...sessionEnds(sessions.keys, sessions.keyAt(slot)),
    slot,
    node: sessions.node(slot),
    id: sessions.id(slot) >>> 0,
    state: SESSION_STATE_NAMES[sessions.state[slot]!]!,
    openedByPeer: (flags & SESSION_OPENED_BY_PEER) !== 0,
    peerKnows: (flags & SESSION_PEER_KNOWS) !== 0,
    idleMs: nowMs - sessions.updateMs[slot]!,
    expiresInMs: sessions.expiresMs(slot) - nowMs,
    sentPackets: sessions.sentPackets[slot]!,
    sentBytes: sessions.sentBytes[slot]!,
    receivedPackets: sessions.receivedPackets[slot]!,
    receivedBytes: sessions.receivedBytes[slot]!,
  };
}

/** All open sessions, in the order of the slots. */
export function sessionReports(sessions: Sessions, nowMs: number): SessionReport[] {
  const reports: SessionReport[] = [];
  for (let slot = sessions.first(); slot !== NONE; slot = sessions.after(slot)) {
    reports.push(sessionReport(sessions, slot, nowMs));
  }
  return reports;
}
