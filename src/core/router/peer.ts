import type { NodeSlot, None } from "../base/ids.ts";
import { isSameAddress } from "../wire/address.ts";
import type { PeerSpec } from "./context.ts";

/** A node that is wanted, and what is known of it. */
export interface Peer {
  readonly spec: PeerSpec;
  node: NodeSlot | None;
  askedMs: number;
  /** One of REFUSAL_*: what it answered last, if it was not taken in since. */
  refusal: number;
  /** Queries from where it is to be that had our own node ID. */
  clashes: number;
}

export const REFUSAL_NONE = 0;

/** Of some peers, the one that is to be at a place or, failing that, has a name. */
export function peerAt(
  peers: readonly Peer[],
  name: string,
  from: Int32Array,
  fromAt: number,
  port: number,
): Peer | undefined {
  return (
    peers.find((peer) => isEndpointOf(peer, from, fromAt, port)) ??
    peers.find(({ spec }) => spec.name === name)
  );
}

export function isEndpointOf({ spec }: Peer, from: Int32Array, fromAt: number, port: number): boolean {
  return spec.endpoints.some((end) => isSameEnd(end, from, fromAt, port));
}

export function isSameEnd(
  end: PeerSpec["endpoints"][number],
  address: Int32Array,
  at: number,
  port: number,
): boolean {
  return end.port === port && isSameAddress(end.address, 0, address, at);
}

/** Whether a node is the one that the configuration names. */
export function isNamed(node: NonNullable<PeerSpec["node"]>, idHigh: number, idLow: number): boolean {
  return node.high === idHigh && (node.low | 0) === idLow;
}
