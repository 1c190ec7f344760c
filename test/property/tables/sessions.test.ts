import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NONE, type SessionSlot } from "../../../src/core/base/ids.ts";
import { SESSION_KEY_WORDS, setSentKey } from "../../../src/core/tables/session-key.ts";
import { SEEN_RECEIVED, SEEN_SENT } from "../../../src/core/tables/session-state.ts";
import { Sessions } from "../../../src/core/tables/sessions.ts";
import { SESSION_CHOSEN_BY_HIGHER } from "../../../src/core/wire/control-block.ts";
import { PROTOCOL_TCP, PROTOCOL_UDP } from "../../../src/core/wire/ipv4.ts";
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from "../../../src/core/wire/tcp.ts";
import { check } from "../../helpers/property.ts";
import { ip4, node, SEED } from "../../unit/core/tables/fixtures.ts";

const CAPACITY = 6;
const NODE = node(1);
const TIMEOUTS = {
  tcpOpeningMs: 300,
  tcpEstablishedMs: 5000,
  tcpClosingMs: 400,
  tcpClosedMs: 200,
  tcpResetMs: 100,
  udpOneWayMs: 150,
  udpTwoWayMs: 600,
};

interface Session {
  port: number;
  protocol: number;
  id: number;
  updateMs: number;
  ways: number;
  state: "opening" | "established" | "closing" | "closed" | "reset" | "udp";
  fins: number;
  acknowledged: boolean;
  packets: number;
}

/** A list of objects; what is said of a session is worked out from all that it has shown. */
class Twin {
  sessions: Session[] = [];
  nextId = 1;
  readonly ownBit: number;

  constructor(weAreHigher: boolean) {
    this.ownBit = weAreHigher ? SESSION_CHOSEN_BY_HIGHER : 0;
  }

  find(port: number, protocol: number): Session | undefined {
    return this.sessions.find((session) => session.port === port && session.protocol === protocol);
  }

  findId(id: number): Session | undefined {
    return this.sessions.find((session) => session.id === id);
  }

  expiresMs({ state, ways, updateMs }: Session): number {
    if (state === "udp") return updateMs + (ways === 3 ? TIMEOUTS.udpTwoWayMs : TIMEOUTS.udpOneWayMs);
    const name = `tcp${state[0]!.toUpperCase()}${state.slice(1)}Ms` as keyof typeof TIMEOUTS;
    return updateMs + TIMEOUTS[name];
  }

  isOurs(id: number): boolean {
    return (id & SESSION_CHOSEN_BY_HIGHER) === this.ownBit;
  }

  /** Those of which any may be given up; undefined where there is room. */
  victims(nowMs: number): Session[] | undefined {
    if (this.sessions.length < CAPACITY) return undefined;
    const gone = this.sessions.filter((s) => s.state === "established" && this.expiresMs(s) <= nowMs);
    if (gone.length > 0) return gone;
    const others = this.sessions.filter(({ state }) => state !== "established");
    const soonestMs = Math.min(...others.map((session) => this.expiresMs(session)));
    return others.filter((session) => this.expiresMs(session) === soonestMs);
  }

  unusedId(): number {
    for (;;) {
      const id = this.nextId++ | this.ownBit;
      if (this.findId(id) === undefined) return id;
    }
  }

  add(port: number, protocol: number, id: number, nowMs: number): void {
    const state = protocol === PROTOCOL_TCP ? "opening" : "udp";
    const anew = { updateMs: nowMs, ways: 0, fins: 0, acknowledged: false, packets: 0 };
    this.sessions.push({ port, protocol, id, state, ...anew });
  }

  remove(session: Session): void {
    this.sessions = this.sessions.filter((other) => other !== session);
  }

  packet(session: Session, way: number, flags: number, nowMs: number): void {
    session.updateMs = nowMs;
    session.packets++;
    if (session.state === "udp") {
      session.ways |= way;
      return;
    }
    if (flags & TCP_RST) {
      Object.assign(session, { state: "reset", ways: 0, fins: 0, acknowledged: false });
      return;
    }
    const isFirstSyn = (flags & (TCP_SYN | TCP_ACK)) === TCP_SYN;
    if (isFirstSyn && session.state !== "opening") {
      Object.assign(session, { state: "opening", ways: way, fins: 0, acknowledged: false });
      return;
    }
    session.ways |= way;
    if (flags & TCP_FIN) session.fins |= way;
    if ((flags & (TCP_SYN | TCP_ACK)) === TCP_ACK) session.acknowledged = true;
    const confirmed = session.ways === 3 && session.acknowledged;
    if (session.state === "reset" && !confirmed) return;
    if (session.fins === 3) session.state = "closed";
    else if (session.fins !== 0) session.state = "closing";
    else session.state = confirmed ? "established" : "opening";
  }
}

const FLAGS = [TCP_SYN, TCP_SYN | TCP_ACK, TCP_ACK, TCP_ACK, TCP_ACK, TCP_ACK | TCP_FIN, TCP_RST];
const step = fc.record({
  do: fc.constantFrom("send", "send", "send", "receive", "receive", "learn", "close", "wait"),
  port: fc.integer({ min: 1, max: 8 }),
  protocol: fc.constantFrom(PROTOCOL_TCP, PROTOCOL_UDP),
  flags: fc.constantFrom(...FLAGS),
  /** Of the IDs that the peer gives. */
  id: fc.integer({ min: 1, max: 6 }),
  claimsOurs: fc.boolean(),
  laterMs: fc.oneof({ weight: 3, arbitrary: fc.nat(5) }, { weight: 1, arbitrary: fc.nat(90) }),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** The table and its twin, which take the same steps. */
class Pair {
  readonly sessions = new Sessions({ capacity: CAPACITY, nodes: 2, seed: SEED, timeouts: TIMEOUTS });
  readonly twin: Twin;
  private readonly key = new Int32Array(SESSION_KEY_WORDS);
  private nowMs = 0;

  constructor(weAreHigher: boolean) {
    this.twin = new Twin(weAreHigher);
    this.sessions.beginNode(NODE, weAreHigher, 1);
  }

  step(step: Step): void {
    const { sessions, twin } = this;
    this.nowMs += step.do === "wait" ? 4 * step.laterMs : step.laterMs;
    this.expire();
    const flags = step.protocol === PROTOCOL_TCP ? step.flags : 0;
    if (step.do === "send") {
      this.setKey(step.port, step.protocol);
      let slot = sessions.find(this.key, 0);
      if (slot === NONE) slot = this.add(step, () => sessions.open(this.key, 0, this.nowMs), undefined);
      if (slot === NONE) return;
      sessions.touch(slot, this.nowMs);
      sessions.handleSent(slot, 1, 100, flags);
      twin.packet(twin.find(step.port, step.protocol)!, SEEN_SENT, flags, this.nowMs);
    } else if (step.do === "learn" || step.do === "receive") {
      const theirs = twin.ownBit ^ SESSION_CHOSEN_BY_HIGHER;
      const id = step.id | (step.claimsOurs ? twin.ownBit : theirs);
      const slot = step.do === "learn" ? this.learn(step, id) : sessions.findId(NODE, id);
      const known = step.do === "learn" ? twin.find(step.port, step.protocol) : twin.findId(id);
      expect(slot === NONE).toBe(known === undefined);
      if (slot === NONE || known === undefined) return;
      sessions.touch(slot, this.nowMs);
      sessions.handleReceived(slot, id, 1, 100, known.protocol === PROTOCOL_TCP ? step.flags : 0);
      twin.packet(known, SEEN_RECEIVED, known.protocol === PROTOCOL_TCP ? step.flags : 0, this.nowMs);
    } else if (step.do === "close") {
      this.setKey(step.port, step.protocol);
      const slot = sessions.find(this.key, 0);
      if (slot !== NONE) sessions.close(slot);
      const known = twin.find(step.port, step.protocol);
      if (known !== undefined) twin.remove(known);
    }
  }

  /** Both hold the same, and say the same of it. */
  compare(): void {
    const { sessions, twin } = this;
    expect(sessions.slab.size).toBe(twin.sessions.length);
    for (const session of twin.sessions) {
      this.setKey(session.port, session.protocol);
      const slot = sessions.find(this.key, 0) as SessionSlot;
      expect(slot).not.toBe(NONE);
      expect(sessions.findId(NODE, session.id)).toBe(slot);
      expect(sessions.id(slot)).toBe(session.id);
      expect(sessions.expiresMs(slot)).toBe(twin.expiresMs(session));
      expect(sessions.sentPackets[slot]! + sessions.receivedPackets[slot]!).toBe(session.packets);
    }
    const earliest = Math.min(...twin.sessions.map((session) => twin.expiresMs(session)));
    expect(sessions.nextDeadlineMs()).toBeLessThanOrEqual(earliest);
  }

  private setKey(port: number, protocol: number): void {
    const flow = {
      source: ip4(10, 77, 0, 1),
      destination: ip4(10, 77, 0, 2),
      sourcePort: port,
      destinationPort: 443,
      protocol,
    };
    setSentKey(this.key, 0, flow, NODE);
  }

  /** A session that is added, for which another may have to give way. */
  private add(step: Step, take: () => SessionSlot | -1, id: number | undefined): SessionSlot | -1 {
    const { twin } = this;
    const victims = twin.victims(this.nowMs);
    const slot = take();
    if (victims !== undefined) {
      expect(slot === NONE).toBe(victims.length === 0);
      if (slot === NONE) return NONE;
      const gone = twin.sessions.filter(({ port, protocol }) => {
        this.setKey(port, protocol);
        return this.sessions.find(this.key, 0) === NONE;
      });
      expect(gone.length).toBe(1);
      expect(victims).toContain(gone[0]);
      twin.remove(gone[0]!);
    }
    twin.add(step.port, step.protocol, id ?? twin.unusedId(), this.nowMs);
    return slot;
  }

  private learn(step: Step, id: number): SessionSlot | -1 {
    const { sessions, twin } = this;
    const byId = twin.findId(id);
    const byKey = twin.find(step.port, step.protocol);
    this.setKey(step.port, step.protocol);
    const learn = () => sessions.learn(this.key, 0, id, this.nowMs);
    if (byId !== undefined && byId === byKey) return learn();
    if (twin.isOurs(id)) return byKey === undefined ? this.add(step, learn, undefined) : learn();
    if (byKey !== undefined) {
      const oursStays = twin.ownBit !== 0 && twin.isOurs(byKey.id);
      if (oursStays) return learn();
      if (byId !== undefined) twin.remove(byId);
      byKey.id = id;
      return learn();
    }
    if (byId !== undefined) {
      twin.remove(byId);
      twin.add(step.port, step.protocol, id, this.nowMs);
      return learn();
    }
    return this.add(step, learn, id);
  }

  private expire(): void {
    const { sessions, twin } = this;
    const due = twin.sessions.filter((session) => twin.expiresMs(session) <= this.nowMs);
    let expired = 0;
    while (sessions.pollExpired(this.nowMs) !== NONE) expired++;
    expect(expired).toBe(due.length);
    for (const session of due) twin.remove(session);
  }
}

describe("the session table", () => {
  it("does what a list of sessions does, whoever opens them and however they end", () => {
    check(
      fc.property(fc.boolean(), fc.array(step, { maxLength: 150, size: "max" }), (weAreHigher, steps) => {
        const pair = new Pair(weAreHigher);
        for (const step of steps) {
          pair.step(step);
          pair.compare();
        }
      }),
      60,
    );
  });
});
