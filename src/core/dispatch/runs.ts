/**
 * Equation (1) by runs: packets that belong together (a super-packet's segments) go to one path, and what each path
 * has got less or more than its share W_k / ΣW is carried over as credit, so that the next run goes to the path that
 * is owed most. The long-run shares are exact, with less variance than drawing a path for each packet, and one run is
 * one message to the kernel. The sender's TCP makes super-packets of about a millisecond of its rate, which keeps
 * the runs short on slow links.
 */
export class Runs {
  /** Packets owed to each path; they add up to 0. */
  private readonly credits: Float64Array;

  constructor(paths: number) {
    this.credits = new Float64Array(paths);
  }

  /** The path for the next `packets` packets; at least one weight must be positive. */
  next(packets: number, weights: Float64Array): number {
    const credits = this.credits;
    const paths = credits.length;
    let total = 0;
    for (let k = 0; k < paths; k++) total += weights[k]!;
    let best = 0;
    for (let k = 0; k < paths; k++) {
      credits[k] = credits[k]! + (packets * weights[k]!) / total;
      if (credits[k]! > credits[best]!) best = k;
    }
    credits[best] = credits[best]! - packets;
    return best;
  }
}
