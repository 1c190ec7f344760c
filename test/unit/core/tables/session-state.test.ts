import { describe, expect, it } from "vitest";
import {
  firstState,
  isTelling,
  SEEN_RECEIVED,
  SEEN_SENT,
  SESSION_STATE_NAMES,
  SESSION_TIMEOUTS,
  seenAfter,
  sessionTimeoutMs,
  stateAfter,
} from "../../../../src/core/tables/session-state.ts";
import { PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP } from "../../../../src/core/wire/ipv4.ts";
import { PROTOCOL_ICMPV6 } from "../../../../src/core/wire/ipv6.ts";
import { TCP_FLAG } from "../../../helpers/packets.ts";

const { syn, ack, fin, rst, psh } = TCP_FLAG;

type Packet = readonly [way: ">" | "<", flags?: number];

/** The state after each of the packets that the host sends (>) and receives (<). */
function states(protocol: number, packets: readonly Packet[]): string[] {
  let state = firstState(protocol);
  let seen = 0;
  return packets.map(([way, flags = 0]) => {
    const direction = way === ">" ? SEEN_SENT : SEEN_RECEIVED;
    if (isTelling(state, direction, seen, flags)) {
      seen = seenAfter(seen, state, direction, flags);
      state = stateAfter(seen, state, flags);
    }
    return SESSION_STATE_NAMES[state]!;
  });
}

const tcp = (...packets: Packet[]) => states(PROTOCOL_TCP, packets);

describe("the state of a TCP session", () => {
  const OPENED: Packet[] = [
    [">", syn],
    ["<", syn | ack],
    [">", ack],
  ];

  it("is established by the third packet of the handshake, from either side", () => {
    expect(tcp(...OPENED)).toEqual(["opening", "opening", "established"]);
    expect(tcp(["<", syn], [">", syn | ack], ["<", ack])).toEqual(["opening", "opening", "established"]);
  });

  it("is established by a simultaneous open", () => {
    expect(tcp([">", syn], ["<", syn], [">", syn | ack], ["<", ack]).at(-1)).toBe("established");
  });

  it("is established when we come in late, as soon as both sides have spoken", () => {
    expect(tcp([">", ack | psh], [">", ack], ["<", ack])).toEqual(["opening", "opening", "established"]);
  });

  it("stays opening while nobody answers", () => {
    expect(tcp([">", syn], [">", syn], [">", syn])).toEqual(["opening", "opening", "opening"]);
  });

  it("is closing after one FIN, closed after both, and stays so for the last acknowledgements", () => {
    const packets: Packet[] = [
      [">", fin | ack],
      ["<", ack],
      ["<", ack | psh],
      ["<", fin | ack],
      [">", ack],
    ];
    expect(tcp(...OPENED, ...packets).slice(3)).toEqual([
      "closing",
      "closing",
      "closing",
      "closed",
      "closed",
    ]);
  });

  it("is reset by a RST, and opens again with a SYN on the same ports", () => {
    expect(tcp(...OPENED, ["<", rst], ["<", rst | ack], ["<", ack]).slice(3)).toEqual([
      "reset",
      "reset",
      "reset",
    ]);
    expect(tcp(...OPENED, ["<", rst], ...OPENED).slice(3)).toEqual([
      "reset",
      "opening",
      "opening",
      "established",
    ]);
  });

  it("survives a RST that neither side believes", () => {
    expect(tcp(...OPENED, ["<", rst], [">", ack], ["<", ack]).slice(3)).toEqual([
      "reset",
      "reset",
      "established",
    ]);
  });

  it("opens again after it has been closed, and when a SYN shows that one side has forgotten it", () => {
    const closed: Packet[] = [
      [">", fin | ack],
      ["<", fin | ack],
    ];
    expect(tcp(...OPENED, ...closed, ...OPENED).slice(4)).toEqual([
      "closed",
      "opening",
      "opening",
      "established",
    ]);
    expect(tcp(...OPENED, ...OPENED).slice(3)).toEqual(["opening", "opening", "established"]);
  });
});

describe("the state of other sessions", () => {
  it("is two-way once both sides have spoken", () => {
    for (const protocol of [PROTOCOL_UDP, PROTOCOL_ICMP, 47]) {
      expect(states(protocol, [[">"], [">"], ["<"], [">"]])).toEqual([
        "one-way",
        "one-way",
        "two-way",
        "two-way",
      ]);
      expect(states(protocol, [["<"], [">"]])).toEqual(["one-way", "two-way"]);
    }
  });
});

describe("the timeout of a session", () => {
  it("is that of its protocol and state", () => {
    const byState = (protocol: number, ...names: (typeof SESSION_STATE_NAMES)[number][]) =>
      names.map(
        (name) => sessionTimeoutMs(SESSION_TIMEOUTS, protocol, SESSION_STATE_NAMES.indexOf(name)) / 1000,
      );
    expect(byState(PROTOCOL_TCP, "opening", "established", "closing", "closed", "reset")).toEqual([
      120, 432_000, 120, 120, 10,
    ]);
    expect(byState(PROTOCOL_UDP, "one-way", "two-way")).toEqual([30, 120]);
    expect(byState(PROTOCOL_ICMP, "one-way", "two-way")).toEqual([30, 30]);
    expect(byState(PROTOCOL_ICMPV6, "one-way", "two-way")).toEqual([30, 30]);
    expect(byState(47, "one-way", "two-way")).toEqual([600, 600]);
  });
});
