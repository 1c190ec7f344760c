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
