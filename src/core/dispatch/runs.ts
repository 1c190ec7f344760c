/** A run of single packets is this long at least, while there are as many at hand. */
const RUN_PACKETS = 16;

/**
 * Equation (1) by runs: packets that are at hand together go to one path, a super-packet's segments or some single
 * packets, and what each path has got less or more than its share W_k / ΣW is carried over as credit, so that the
 * next run goes to the path that is owed most. The long-run shares are exact, with less variance than drawing a path
 * for each packet, and one run is one message to the kernel. The sender's TCP makes super-packets of about a
 * millisecond of its rate, and a run never outlasts a turn, which keeps the runs short on slow links.
 */
export class Runs {
  /** Packets owed to each path; they add up to 0. */
  private readonly credits: Float64Array;
  private path = 0;
  /** Packets for which the run may still go on. */
  private left = 0;

  constructor(paths: number) {
    this.credits = new Float64Array(paths);
  }

  /** Ends the run: what was at hand has been dispatched. */
  beginTurn(): void {
    this.left = 0;
  }

  /**
   * The path for the next `packets` packets; at least one weight must be positive. A path of weight 0 is not taken,
   * whatever it is owed.
   */
  next(packets: number, weights: Float64Array): number {
    const credits = this.credits;
    const paths = credits.length;
    let total = 0;
    for (let k = 0; k < paths; k++) total += weights[k]!;
    let best = -1;
    for (let k = 0; k < paths; k++) {
      if (weights[k] === 0) continue;
      credits[k] = credits[k]! + (packets * weights[k]!) / total;
      if (best < 0 || credits[k]! > credits[best]!) best = k;
    }
    if (this.left < packets || weights[this.path] === 0) {
      this.path = best;
      this.left = Math.max(RUN_PACKETS, packets);
    }
    this.left -= packets;
    credits[this.path] = credits[this.path]! - packets;
    return this.path;
  }
}
