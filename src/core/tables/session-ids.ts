import type { NodeSlot } from "../base/ids.ts";
import { SESSION_CHOSEN_BY_HIGHER } from "../wire/control-block.ts";

/**
 * The session IDs that we choose, by node: a counter, and the bit that says which of the two node IDs is the higher
 * one's, so that both sides may choose at once. As int32.
 */
export class SessionIds {
  private readonly counter: Int32Array;
  private readonly ownBit: Int32Array;

  constructor(nodes: number) {
    this.counter = new Int32Array(nodes);
    this.ownBit = new Int32Array(nodes);
  }

  /** Before a node's first session. */
  begin(node: NodeSlot, weAreHigher: boolean, firstId: number): void {
    this.ownBit[node] = weAreHigher ? SESSION_CHOSEN_BY_HIGHER : 0;
    this.counter[node] = firstId - 1;
  }

  /** The next ID, which is in use only if the counter has been all the way round. */
  next(node: NodeSlot): number {
    let counter = (this.counter[node]! + 1) & ~SESSION_CHOSEN_BY_HIGHER;
    // No ID is 0, and none differs from that by the bit alone.
    if (counter === 0) counter = 1;
    this.counter[node] = counter;
    return counter | this.ownBit[node]!;
  }

  isOurs(node: NodeSlot, id: number): boolean {
    return (id & SESSION_CHOSEN_BY_HIGHER) === this.ownBit[node];
  }

  weAreHigher(node: NodeSlot): boolean {
    return this.ownBit[node] !== 0;
  }
}
