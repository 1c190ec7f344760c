/** Entries; a packet and its copy come within fewer packets than this, or both are handed on. */
const ENTRIES = 1 << 15;

/**
 * Tells the first copy of a packet from the others: those of the protected-path mode, and what was sent again although
 * it was not lost. A node's timestamps are all different (Context.stamp), so node and timestamp name a packet. Packets
 * that follow each other have their entries side by side, in the same cache lines.
 */
export class CopyFilter {
  private readonly nodes = new Int32Array(ENTRIES).fill(-1);
  private readonly timestamps = new Int32Array(ENTRIES);

  isFirst(node: number, timestampUs: number): boolean {
    const at = (timestampUs ^ Math.imul(node, 0x9e3779b1)) & (ENTRIES - 1);
    if (this.nodes[at] === node && this.timestamps[at] === timestampUs) return false;
    this.nodes[at] = node;
    this.timestamps[at] = timestampUs;
    return true;
  }
}
