/** Entries are in sets of so many, the oldest of which gives way to a new one. */
const WAYS = 4;
const SETS = 1 << 13;

/**
 * Tells the first copy of a packet from the others: those of the protected-path mode, and what was sent again although
 * it was not lost. A node's timestamps are all different (Context.stamp), so node and timestamp name a packet. Packets
 * that follow each other have their entries side by side, in the same cache lines.
 *
 * A copy that comes so late that WAYS packets of its set have come since is handed on, too: on average after
 * WAYS * SETS packets, seldom after a tenth of that.
 */
export class CopyFilter {
  private readonly nodes = new Int32Array(SETS * WAYS).fill(-1);
  private readonly timestamps = new Int32Array(SETS * WAYS);
  /** By set: the oldest. */
  private readonly oldest = new Uint8Array(SETS);

  isFirst(node: number, timestampUs: number): boolean {
    const set = (timestampUs ^ Math.imul(node, 0x9e3779b1)) & (SETS - 1);
    const first = set * WAYS;
    for (let at = first; at < first + WAYS; at++) {
      if (this.timestamps[at] === timestampUs && this.nodes[at] === node) return false;
    }
    const way = this.oldest[set]!;
    this.oldest[set] = (way + 1) & (WAYS - 1);
    this.nodes[first + way] = node;
    this.timestamps[first + way] = timestampUs;
    return true;
  }
}
