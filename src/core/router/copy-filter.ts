/** Entries; copies of one packet come within fewer packets than this, or both are handed on. */
const ENTRIES = 1 << 15;

/**
 * Tells the first copy of a packet from the others (protected-path mode). A node's timestamps are all different
 * (Context.stamp), so node and timestamp name a packet.
 */
export class CopyFilter {
  private readonly nodes = new Int32Array(ENTRIES).fill(-1);
  private readonly timestamps = new Int32Array(ENTRIES);

  isFirst(node: number, timestampUs: number): boolean {
    const at = (Math.imul(timestampUs, 0x9e3779b1) >>> 17) ^ (node & (ENTRIES - 1));
    if (this.nodes[at] === node && this.timestamps[at] === timestampUs) return false;
    this.nodes[at] = node;
    this.timestamps[at] = timestampUs;
    return true;
  }
}
