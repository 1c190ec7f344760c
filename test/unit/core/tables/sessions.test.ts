import { describe, expect, it } from "vitest";
import { NONE, type SessionSlot } from "../../../../src/core/base/ids.ts";
import { NOT_MATCHED } from "../../../../src/core/tables/rules.ts";
import { SESSION_KEY_WORDS, setReceivedKey, setSentKey } from "../../../../src/core/tables/session-key.ts";
import { sessionReport, sessionReports } from "../../../../src/core/tables/session-report.ts";
import {
  SESSION_OPENED_BY_PEER,
  SESSION_PEER_KNOWS,
  Sessions,
  type SessionsOptions,
} from "../../../../src/core/tables/sessions.ts";
import { SESSION_CHOSEN_BY_HIGHER } from "../../../../src/core/wire/control-block.ts";
import { PROTOCOL_TCP, PROTOCOL_UDP } from "../../../../src/core/wire/ipv4.ts";
import { TCP_FLAG } from "../../../helpers/packets.ts";
import { ip4, node, SEED } from "./fixtures.ts";

const PEER = node(2);
const OTHER = node(3);
const { syn, ack, fin } = TCP_FLAG;

function table({
  weAreHigher = false,
  ...options
}: Partial<SessionsOptions> & { weAreHigher?: boolean } = {}) {
  const sessions = new Sessions({ capacity: 8, nodes: 4, seed: SEED, ...options });
  sessions.beginNode(PEER, weAreHigher, 100);
  sessions.beginNode(OTHER, weAreHigher, 100);
  return sessions;
}

/** The key of a session from us, by the host's own port. */
function keyOf(port: number, { protocol = PROTOCOL_TCP, to = PEER } = {}) {
  const key = new Int32Array(SESSION_KEY_WORDS);
  const flow = {
    source: ip4(10, 77, 0, 1),
    destination: ip4(10, 77, 0, 2),
    sourcePort: port,
    destinationPort: 443,
    protocol,
  };
  setSentKey(key, 0, flow, to);
  return key;
}

function open(
  sessions: Sessions,
  port: number,
  options: Parameters<typeof keyOf>[1] & { nowMs?: number } = {},
) {
  const slot = sessions.open(keyOf(port, options), 0, options.nowMs ?? 0);
  if (slot === NONE) throw new Error("the table is full");
  return slot;
}

function establish(sessions: Sessions, slot: SessionSlot, nowMs: number) {
  sessions.touch(slot, nowMs);
  sessions.handleSent(slot, 1, 60, syn);
  sessions.handleReceived(slot, sessions.id(slot), 1, 60, syn | ack);
  sessions.handleSent(slot, 1, 52, ack);
}

describe("the key of a session", () => {
  it("is the same for a packet and for the answer to it", () => {
    const [a, b] = [ip4(10, 77, 0, 1), ip4(10, 77, 0, 2)];
    const key = new Int32Array(2 * SESSION_KEY_WORDS);
    const sent = { source: a, destination: b, sourcePort: 65535, destinationPort: 1, protocol: 17 };
    const received = { source: b, destination: a, sourcePort: 1, destinationPort: 65535, protocol: 17 };
    setSentKey(key, 0, sent, PEER);
    setReceivedKey(key, SESSION_KEY_WORDS, received, PEER);
    expect([...key.subarray(0, SESSION_KEY_WORDS)]).toEqual([...key.subarray(SESSION_KEY_WORDS)]);
  });
});

describe("the session table", () => {
  it("finds a session by key and by ID, each with the node", () => {
    const sessions = table();
    const slot = open(sessions, 1000);
    expect(sessions.find(keyOf(1000), 0)).toBe(slot);
    expect(sessions.findId(PEER, sessions.id(slot))).toBe(slot);
    expect(sessions.find(keyOf(1001), 0)).toBe(NONE);
    expect(sessions.find(keyOf(1000, { to: OTHER }), 0)).toBe(NONE);
    expect(sessions.find(keyOf(1000, { protocol: PROTOCOL_UDP }), 0)).toBe(NONE);
    expect(sessions.findId(OTHER, sessions.id(slot))).toBe(NONE);
    expect([sessions.node(slot), sessions.protocol(slot)]).toEqual([PEER, PROTOCOL_TCP]);
  });

  it("begins every session anew, whatever its slot was before", () => {
    const sessions = table();
    const first = open(sessions, 1);
    establish(sessions, first, 5);
    sessions.setTemplate(first, new Uint8Array(40), 0, 40);
    sessions.rule[first] = 3;
    const generation = sessions.slab.generation[first];
    sessions.close(first);
    const second = open(sessions, 2, { nowMs: 9 });
    expect(second).toBe(first);
    expect(sessions.slab.generation[second]).not.toBe(generation);
    expect(sessions.find(keyOf(1), 0)).toBe(NONE);
    expect(sessions.flags[second]).toBe(0);
    expect([sessions.rule[second], sessions.templateBytes[second]]).toEqual([NOT_MATCHED, 0]);
    expect(sessionReport(sessions, second, 10)).toEqual({
      slot: second,
      node: PEER,
      id: 101,
      protocol: PROTOCOL_TCP,
      source: "10.77.0.1",
      sourcePort: 2,
      destination: "10.77.0.2",
      destinationPort: 443,
      state: "opening",
      openedByPeer: false,
      peerKnows: false,
      idleMs: 1,
      expiresInMs: 119_999,
      sentPackets: 0,
      sentBytes: 0,
      receivedPackets: 0,
      receivedBytes: 0,
    });
  });

  it("counts what was sent and received", () => {
    const sessions = table();
    const slot = open(sessions, 1, { protocol: PROTOCOL_UDP });
    sessions.touch(slot, 10);
    sessions.handleSent(slot, 3, 4000, 0);
    sessions.touch(slot, 20);
    sessions.handleReceived(slot, 0, 2, 1000, 0);
    const report = sessionReports(sessions, 20)[0]!;
    expect(report).toMatchObject({
      sentPackets: 3,
      sentBytes: 4000,
      receivedPackets: 2,
      receivedBytes: 1000,
    });
    expect(report.state).toBe("two-way");
  });

  it("keeps templates in memory that it is given", () => {
    const bytes = new Uint8Array(1000).fill(0xa5);
    const sessions = table({ templates: { bytes, at: 100 } });
    open(sessions, 1);
    const slot = open(sessions, 2);
    sessions.setTemplate(
      slot,
      Uint8Array.from({ length: 30 }, (_, i) => i),
      5,
      20,
    );
    expect(sessions.templateAt(slot)).toBe(140);
    expect([...bytes.subarray(139, 161)]).toEqual([
      0xa5,
      ...Array.from({ length: 20 }, (_, i) => i + 5),
      0xa5,
    ]);
    expect(sessions.templateBytes[slot]).toBe(20);
  });

  it("forgets what a node's new instance cannot know, and what new rules change", () => {
    const sessions = table();
    const [mine, others] = [open(sessions, 1), open(sessions, 2, { to: OTHER })];
    for (const slot of [mine, others]) {
      sessions.flags[slot] = SESSION_PEER_KNOWS;
      sessions.rule[slot] = 1;
    }
    sessions.forgetPeerKnowledge(PEER);
    expect([sessions.flags[mine], sessions.flags[others]]).toEqual([0, SESSION_PEER_KNOWS]);
    sessions.forgetRules();
    expect([...sessions.rule.subarray(0, 2)]).toEqual([NOT_MATCHED, NOT_MATCHED]);
  });

  it("closes all sessions of a node", () => {
    const sessions = table();
    for (const port of [1, 2, 3]) open(sessions, port);
    const kept = open(sessions, 4, { to: OTHER });
    expect(sessions.closeNode(PEER)).toBe(3);
    expect([sessions.slab.size, sessions.first(), sessions.after(kept)]).toEqual([1, kept, NONE]);
    sessions.close(0 as SessionSlot);
    expect(sessions.slab.size).toBe(1);
  });
});

describe("session IDs", () => {
  it("count from the number given on and say which side chose them", () => {
    const ids = (weAreHigher: boolean) => {
      const sessions = table({ weAreHigher });
      return [1, 2, 3].map((port) => sessions.id(open(sessions, port)));
    };
    expect(ids(false)).toEqual([100, 101, 102]);
    expect(ids(true)).toEqual([100, 101, 102].map((id) => id | SESSION_CHOSEN_BY_HIGHER));
  });

  it("are never 0, and begin again at 1", () => {
    for (const weAreHigher of [false, true]) {
      const sessions = table({ weAreHigher });
      sessions.beginNode(PEER, weAreHigher, 0x7fff_ffff);
      const ids = [1, 2].map((port) => sessions.id(open(sessions, port)) & ~SESSION_CHOSEN_BY_HIGHER);
      expect(ids).toEqual([0x7fff_ffff, 1]);
      sessions.beginNode(OTHER, weAreHigher, 0);
      expect(sessions.id(open(sessions, 1, { to: OTHER })) & ~SESSION_CHOSEN_BY_HIGHER).toBe(1);
    }
  });

  it("are never those of live sessions", () => {
    const sessions = table();
    open(sessions, 1);
    open(sessions, 2);
    sessions.beginNode(PEER, false, 100);
    expect(sessions.id(open(sessions, 3))).toBe(102);
  });
});

describe("a packet in its full form", () => {
  const THEIRS = 5 | SESSION_CHOSEN_BY_HIGHER;

  it("opens a session under the peer's ID", () => {
    const sessions = table();
    const slot = sessions.learn(keyOf(1), 0, THEIRS, 0) as SessionSlot;
    expect(sessions.id(slot)).toBe(THEIRS);
    expect(sessions.flags[slot]).toBe(SESSION_OPENED_BY_PEER);
    expect(sessions.find(keyOf(1), 0)).toBe(slot);
    sessions.touch(slot, 0);
    sessions.handleReceived(slot, THEIRS, 1, 60, syn);
    expect(sessions.flags[slot]! & SESSION_PEER_KNOWS).not.toBe(0);
  });

  it("finds the session that is there", () => {
    const sessions = table();
    const slot = sessions.learn(keyOf(1), 0, THEIRS, 0) as SessionSlot;
    sessions.touch(slot, 0);
    sessions.handleReceived(slot, THEIRS, 1, 60, syn);
    const generation = sessions.slab.generation[slot];
    expect(sessions.learn(keyOf(1), 0, THEIRS, 1)).toBe(slot);
    expect([sessions.slab.generation[slot], sessions.slab.size]).toEqual([generation, 1]);
    expect(sessions.flags[slot]! & SESSION_PEER_KNOWS).not.toBe(0);
  });

  it("shows that the peer knows a session by our ID only", () => {
    const sessions = table();
    const slot = open(sessions, 1);
    sessions.touch(slot, 0);
    sessions.handleReceived(slot, 999, 1, 60, ack);
    expect(sessions.flags[slot]).toBe(0);
    sessions.touch(slot, 0);
    sessions.handleReceived(slot, 100, 1, 60, ack);
    expect(sessions.flags[slot]).toBe(SESSION_PEER_KNOWS);
  });

  it("lets the higher node's ID stay where both sides have opened the session at once", () => {
    const lower = table({ weAreHigher: false });
    const higher = table({ weAreHigher: true });
    const atLower = open(lower, 1);
    const atHigher = open(higher, 1);
    const [lowerId, higherId] = [lower.id(atLower), higher.id(atHigher)];
    expect(lower.learn(keyOf(1), 0, higherId, 1)).toBe(atLower);
    expect(higher.learn(keyOf(1), 0, lowerId, 1)).toBe(atHigher);
    expect([lower.id(atLower), higher.id(atHigher)]).toEqual([higherId, higherId]);
    expect(lower.findId(PEER, lowerId)).toBe(NONE);
    // And stays when what was on the way comes late.
    expect(lower.learn(keyOf(1), 0, lowerId, 2)).toBe(atLower);
    expect(lower.id(atLower)).toBe(higherId);
  });

  it("takes over the ID that the peer has given a session anew", () => {
    const sessions = table();
    const slot = sessions.learn(keyOf(1), 0, THEIRS, 0) as SessionSlot;
    sessions.touch(slot, 0);
    sessions.handleReceived(slot, THEIRS, 1, 60, 0);
    expect(sessions.learn(keyOf(1), 0, THEIRS + 1, 1)).toBe(slot);
    expect(sessions.id(slot)).toBe(THEIRS + 1);
    expect(sessions.flags[slot]! & SESSION_PEER_KNOWS).toBe(0);
    expect(sessions.findId(PEER, THEIRS)).toBe(NONE);
  });

  it("ends the session whose ID the peer has given to another", () => {
    const sessions = table();
    const ended = sessions.learn(keyOf(1), 0, THEIRS, 0) as SessionSlot;
    const generation = sessions.slab.generation[ended];
    const slot = sessions.learn(keyOf(2), 0, THEIRS, 1) as SessionSlot;
    expect(sessions.find(keyOf(1), 0)).toBe(NONE);
    expect([sessions.find(keyOf(2), 0), sessions.findId(PEER, THEIRS)]).toEqual([slot, slot]);
    expect(sessions.slab.generation[slot]).not.toBe(generation);
    expect(sessions.slab.size).toBe(1);
  });

  it("never gives one of our IDs to another session of ours, nor 0 to any", () => {
    const sessions = table();
    const ours = open(sessions, 1);
    const other = sessions.learn(keyOf(2), 0, sessions.id(ours), 1) as SessionSlot;
    expect(other).not.toBe(ours);
    expect([sessions.id(ours), sessions.id(other)]).toEqual([100, 101]);
    const none = sessions.learn(keyOf(3), 0, 0, 1) as SessionSlot;
    expect(sessions.id(none)).toBe(102);
  });

  it("is refused when the table is full of established sessions", () => {
    const sessions = table({ capacity: 1 });
    establish(sessions, open(sessions, 1), 0);
    expect(sessions.learn(keyOf(2), 0, THEIRS, 1)).toBe(NONE);
    expect(sessions.refused).toBe(1);
  });
});

describe("the expiry of sessions", () => {
  const expired = (sessions: Sessions, nowMs: number) => {
    const slots: number[] = [];
    for (let slot = sessions.pollExpired(nowMs); slot !== NONE; slot = sessions.pollExpired(nowMs)) {
      slots.push(slot);
    }
    return slots;
  };

  it("comes with the timeout after the last packet in either direction", () => {
    const sessions = table();
    const slot = open(sessions, 1, { protocol: PROTOCOL_UDP });
    expect(sessions.nextDeadlineMs()).toBe(30_000);
    sessions.touch(slot, 20_000);
    sessions.handleSent(slot, 1, 100, 0);
    expect(expired(sessions, 49_999)).toEqual([]);
    sessions.touch(slot, 49_999);
    sessions.handleReceived(slot, 0, 1, 100, 0);
    expect(expired(sessions, 169_998)).toEqual([]);
    expect(expired(sessions, 169_999)).toEqual([slot]);
    expect([sessions.find(keyOf(1, { protocol: PROTOCOL_UDP }), 0), sessions.slab.size]).toEqual([NONE, 0]);
    expect(sessions.nextDeadlineMs()).toBe(Number.POSITIVE_INFINITY);
  });

  it("comes sooner when a TCP session has been closed, and days later while it is established", () => {
    const sessions = table();
    const slot = open(sessions, 1);
    establish(sessions, slot, 1000);
    expect(sessions.nextDeadlineMs()).toBe(432_001_000);
    expect(expired(sessions, 400_000_000)).toEqual([]);
    sessions.touch(slot, 400_000_000);
    sessions.handleSent(slot, 1, 52, fin | ack);
    sessions.handleReceived(slot, 0, 1, 52, fin | ack);
    expect(sessions.nextDeadlineMs()).toBe(400_120_000);
    expect(expired(sessions, 400_120_000)).toEqual([slot]);
  });

  it("leaves the columns of the session as they were", () => {
    const sessions = table();
    const slot = open(sessions, 1, { to: OTHER });
    sessions.touch(slot, 0);
    sessions.handleSent(slot, 1, 777, syn);
    expect(expired(sessions, 1e6)).toEqual([slot]);
    expect([sessions.node(slot), sessions.sentBytes[slot]]).toEqual([OTHER, 777]);
  });

  it("follows timeouts that are configured", () => {
    const sessions = table({ timeouts: { tcpEstablishedMs: 5000 } });
    const slot = open(sessions, 1);
    establish(sessions, slot, 0);
    expect([expired(sessions, 4999), expired(sessions, 5000)]).toEqual([[], [slot]]);
  });

  it("is looked for in bounded steps, however many sessions have gone on", () => {
    const sessions = table({ capacity: 1000 });
    const slots = Array.from({ length: 1000 }, (_, i) => open(sessions, i, { protocol: PROTOCOL_UDP }));
    for (const slot of slots) {
      sessions.touch(slot, 29_000);
      sessions.handleSent(slot, 1, 100, 0);
    }
    let calls = 0;
    while (sessions.nextDeadlineMs() <= 30_000) {
      expect(sessions.pollExpired(30_000)).toBe(NONE);
      calls++;
    }
    expect(calls).toBeGreaterThan(10);
    expect(sessions.slab.size).toBe(1000);
    expect(expired(sessions, 59_000).length).toBe(1000);
  });
});

describe("a full session table", () => {
  it("gives up what expires next, and no established TCP session", () => {
    const sessions = table({ capacity: 4 });
    const established = open(sessions, 1);
    establish(sessions, established, 0);
    open(sessions, 2, { nowMs: 1000 });
    const busy = open(sessions, 3, { protocol: PROTOCOL_UDP, nowMs: 0 });
    const idle = open(sessions, 4, { protocol: PROTOCOL_UDP, nowMs: 500 });
    sessions.touch(busy, 2000);
    sessions.handleSent(busy, 1, 100, 0);
    expect(open(sessions, 5, { nowMs: 2000 })).toBe(idle);
    expect([sessions.evicted, sessions.refused]).toEqual([1, 0]);
    expect(sessions.find(keyOf(4, { protocol: PROTOCOL_UDP }), 0)).toBe(NONE);
    expect(open(sessions, 6, { nowMs: 2000 })).toBe(busy);
    // Then the two that are opening, the older one first.
    expect(sessions.open(keyOf(7), 0, 2000)).not.toBe(NONE);
    expect(sessions.find(keyOf(2), 0)).toBe(NONE);
    expect(sessions.find(keyOf(1), 0)).toBe(established);
  });

  it("refuses a session when all others are established", () => {
    const sessions = table({ capacity: 2 });
    for (const port of [1, 2]) establish(sessions, open(sessions, port), 0);
    expect(sessions.open(keyOf(3), 0, 1000)).toBe(NONE);
    expect([sessions.evicted, sessions.refused, sessions.slab.size]).toEqual([0, 1, 2]);
    // One that has expired is no obstacle.
    expect(sessions.open(keyOf(3), 0, 432_000_000)).not.toBe(NONE);
    expect([sessions.evicted, sessions.slab.size]).toEqual([0, 2]);
  });

  it("finds one to give up in bounded steps, however many have gone on", () => {
    const sessions = table({ capacity: 1000 });
    const slots = Array.from({ length: 1000 }, (_, i) => open(sessions, i, { protocol: PROTOCOL_UDP }));
    for (const slot of slots) {
      sessions.touch(slot, 1000 + slot);
      sessions.handleSent(slot, 1, 100, 0);
    }
    expect(open(sessions, 5000, { nowMs: 3000 })).toBeLessThan(64);
    expect(sessions.slab.size).toBe(1000);
  });
});
