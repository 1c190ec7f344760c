import { addressText } from "../wire/address.ts";

/**
 * What identifies a session among the packets that the host sends: node, protocol, ports and addresses, the host's own
 * first. Ten words.
 */
export const SESSION_KEY_WORDS = 10;
export const KEY_SOURCE = 0;
export const KEY_DESTINATION = 4;
/** Source port << 16 | destination port. */
export const KEY_PORTS = 8;
/** Node slot << 8 | protocol. */
export const KEY_NODE = 9;

/** What a packet says of its session, as the flow record of wire/flow.ts has it. */
export interface SessionFlow {
  readonly source: Int32Array;
  readonly destination: Int32Array;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly protocol: number;
}

/** The key of a packet that the host sends to a node. */
export function setSentKey(key: Int32Array, at: number, flow: SessionFlow, node: number): void {
  const { source, destination } = flow;
  for (let i = 0; i < 4; i++) {
    key[at + KEY_SOURCE + i] = source[i]!;
    key[at + KEY_DESTINATION + i] = destination[i]!;
  }
  key[at + KEY_PORTS] = (flow.sourcePort << 16) | flow.destinationPort;
  key[at + KEY_NODE] = (node << 8) | flow.protocol;
}

/** The key of a packet that came from a node: that of its answers. */
export function setReceivedKey(key: Int32Array, at: number, flow: SessionFlow, node: number): void {
  const { source, destination } = flow;
  for (let i = 0; i < 4; i++) {
    key[at + KEY_SOURCE + i] = destination[i]!;
    key[at + KEY_DESTINATION + i] = source[i]!;
  }
  key[at + KEY_PORTS] = (flow.destinationPort << 16) | flow.sourcePort;
  key[at + KEY_NODE] = (node << 8) | flow.protocol;
}

export function keyNode(key: Int32Array, at: number): number {
  return key[at + KEY_NODE]! >>> 8;
}

export function keyProtocol(key: Int32Array, at: number): number {
  return key[at + KEY_NODE]! & 0xff;
}

export function keySourcePort(key: Int32Array, at: number): number {
  return key[at + KEY_PORTS]! >>> 16;
}

export function keyDestinationPort(key: Int32Array, at: number): number {
  return key[at + KEY_PORTS]! & 0xffff;
}

export interface SessionEnds {
  protocol: number;
  source: string;
  sourcePort: number;
  destination: string;
  destinationPort: number;
}

/** A key for people. */
export function sessionEnds(key: Int32Array, at: number): SessionEnds {
  return {
    protocol: keyProtocol(key, at),
    source: addressText(key, at + KEY_SOURCE),
    sourcePort: keySourcePort(key, at),
    destination: addressText(key, at + KEY_DESTINATION),
    destinationPort: keyDestinationPort(key, at),
  };
}
