import { PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP } from "../wire/ipv4.ts";
import { PROTOCOL_ICMPV6 } from "../wire/ipv6.ts";
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from "../wire/tcp.ts";

/**
 * What a session's packets have shown of it, as far as its expiry depends on that. Not a TCP implementation: sequence
 * numbers are not looked at, so a session that began before we did is followed as well, and a state that a stray
 * packet caused is left again when good ones go on in both directions.
 */
export const SESSION_ONE_WAY = 0;
export const SESSION_TWO_WAY = 1;
/** A SYN, or anything that has not been acknowledged by the other side yet. */
export const TCP_OPENING = 2;
export const TCP_ESTABLISHED = 3;
/** One side has sent its FIN. */
export const TCP_CLOSING = 4;
/** Both have. */
export const TCP_CLOSED = 5;
export const TCP_RESET = 6;

export const SESSION_STATE_NAMES = [
  "one-way",
  "two-way",
  "opening",
  "established",
  "closing",
  "closed",
  "reset",
] as const;

/** What has been seen: bits of one number for each session. */
export const SEEN_SENT = 0x01;
export const SEEN_RECEIVED = 0x02;
export const SEEN_FIN_SENT = 0x04;
export const SEEN_FIN_RECEIVED = 0x08;
export const SEEN_ACK = 0x10;

const SEEN_BOTH_WAYS = SEEN_SENT | SEEN_RECEIVED;
const SEEN_BOTH_FINS = SEEN_FIN_SENT | SEEN_FIN_RECEIVED;
const SEEN_CONFIRMED = SEEN_BOTH_WAYS | SEEN_ACK;

/** How long a session lives without a packet, by protocol and state. */
export interface SessionTimeouts {
  readonly tcpOpeningMs: number;
  readonly tcpEstablishedMs: number;
  readonly tcpClosingMs: number;
  readonly tcpClosedMs: number;
  readonly tcpResetMs: number;
  readonly udpOneWayMs: number;
  readonly udpTwoWayMs: number;
  readonly icmpMs: number;
  readonly otherMs: number;
}

/** As in the kernel's conntrack (nf_conntrack_*_timeout_*). */
export const SESSION_TIMEOUTS: SessionTimeouts = {
  tcpOpeningMs: 120_000,
  tcpEstablishedMs: 432_000_000,
  tcpClosingMs: 120_000,
  tcpClosedMs: 120_000,
  tcpResetMs: 10_000,
  udpOneWayMs: 30_000,
  udpTwoWayMs: 120_000,
  icmpMs: 30_000,
  otherMs: 600_000,
};

export function sessionTimeoutMs(timeouts: SessionTimeouts, protocol: number, state: number): number {
  switch (state) {
    case TCP_OPENING:
      return timeouts.tcpOpeningMs;
    case TCP_ESTABLISHED:
      return timeouts.tcpEstablishedMs;
    case TCP_CLOSING:
      return timeouts.tcpClosingMs;
    case TCP_CLOSED:
      return timeouts.tcpClosedMs;
    case TCP_RESET:
      return timeouts.tcpResetMs;
  }
  if (protocol === PROTOCOL_UDP)
    return state === SESSION_TWO_WAY ? timeouts.udpTwoWayMs : timeouts.udpOneWayMs;
  return protocol === PROTOCOL_ICMP || protocol === PROTOCOL_ICMPV6 ? timeouts.icmpMs : timeouts.otherMs;
}

export function firstState(protocol: number): number {
  return protocol === PROTOCOL_TCP ? TCP_OPENING : SESSION_ONE_WAY;
}

/** Whether a packet with these TCP flags (0 for other protocols) may change what is known of a session. */
export function isTelling(state: number, direction: number, seen: number, tcpFlags: number): boolean {
  if ((seen & direction) === 0) return true;
  if (state === SESSION_ONE_WAY || state === SESSION_TWO_WAY) return false;
  return state !== TCP_ESTABLISHED || (tcpFlags & (TCP_SYN | TCP_FIN | TCP_RST)) !== 0;
}

/**
 * What has been seen after a packet that was sent (SEEN_SENT) or received (SEEN_RECEIVED). A SYN begins anew, on the
 * ports of a connection that has ended; so does a RST, which the other side may not have believed.
 */
export function seenAfter(seen: number, state: number, direction: number, tcpFlags: number): number {
  if (tcpFlags & TCP_RST) return 0;
  if (isFirstSyn(tcpFlags) && state !== TCP_OPENING) return direction;
  let after = seen | direction;
  if (tcpFlags & TCP_FIN) after |= direction === SEEN_SENT ? SEEN_FIN_SENT : SEEN_FIN_RECEIVED;
  if ((tcpFlags & (TCP_SYN | TCP_ACK)) === TCP_ACK) after |= SEEN_ACK;
  return after;
}

/** The state after a packet; `seen` is what `seenAfter` answered. */
export function stateAfter(seen: number, state: number, tcpFlags: number): number {
  if (state === SESSION_ONE_WAY || state === SESSION_TWO_WAY) {
    return (seen & SEEN_BOTH_WAYS) === SEEN_BOTH_WAYS ? SESSION_TWO_WAY : SESSION_ONE_WAY;
  }
  if (tcpFlags & TCP_RST) return TCP_RESET;
  const confirmed = (seen & SEEN_CONFIRMED) === SEEN_CONFIRMED;
  if (state === TCP_RESET && !confirmed && !isFirstSyn(tcpFlags)) return TCP_RESET;
  if ((seen & SEEN_BOTH_FINS) === SEEN_BOTH_FINS) return TCP_CLOSED;
  if (seen & SEEN_BOTH_FINS) return TCP_CLOSING;
  return confirmed ? TCP_ESTABLISHED : TCP_OPENING;
}

function isFirstSyn(tcpFlags: number): boolean {
  return (tcpFlags & (TCP_SYN | TCP_ACK)) === TCP_SYN;
}
