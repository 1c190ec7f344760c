import type { NodeSlot, None } from "../base/ids.ts";
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
  return spec.endpoints.some((end) => isSameEnd(end, from.subarray(fromAt, fromAt + 4), port));
}

export function isSameEnd(
  end: { address: Int32Array; port: number },
  address: Int32Array,
  port: number,
): boolean {
  return end.port === port && end.address.every((word, i) => word === address[i]);
}
