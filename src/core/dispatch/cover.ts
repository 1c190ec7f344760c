import type { NodeSlot, PathSlot } from "../base/ids.ts";
import { NODE_PATHS_MAX, type Paths } from "../tables/paths.ts";

/**
 * Chooses as few of a node's eligible paths as lead over each interface of ours and to each address of the node, those
 * with the shortest round trips first. Two hosts with two lines each have four paths and no more than two lines' worth to
 * carry: what each path carries by itself says nothing of what they carry together.
 */
export class Cover {
  private readonly paths: Paths;
  private readonly order: PathSlot[] = [];
  private readonly isChosen = new Uint8Array(NODE_PATHS_MAX);
  private readonly byRoundTrip = (a: PathSlot, b: PathSlot) => this.roundTripUs(a) - this.roundTripUs(b);

  constructor(paths: Paths) {
    this.paths = paths;
  }

  /** Says by the path's place in the node's list whether it is one of those. */
  choose(node: NodeSlot): Uint8Array {
    const { paths, order, isChosen } = this;
    order.length = 0;
    isChosen.fill(0);
    for (let place = 0; place < paths.count(node); place++) {
      const path = paths.at(node, place);
      if (paths.isEligible(path)) order.push(path);
    }
    order.sort(this.byRoundTrip);
    // First those of which both ends are new, so that two times two lines are two paths and not three.
    for (const path of order)
      if (this.uses(node, path, true) + this.uses(node, path, false) === 0) this.add(path);
    for (const path of order) {
      if (this.uses(node, path, true) > 0 && this.uses(node, path, false) > 0) continue;
      this.add(this.leastUsed(node, path));
    }
    return isChosen;
  }

  private add(path: PathSlot): void {
    this.isChosen[this.paths.placeOf(path)] = 1;
  }

  /** Of the paths to an end that is not led to, the one whose other end is used least. */
  private leastUsed(node: NodeSlot, path: PathSlot): PathSlot {
    const isOwnNew = this.uses(node, path, true) === 0;
    let best = path;
    for (const other of this.order) {
      if (!this.isSameEnd(path, other, isOwnNew)) continue;
      if (this.uses(node, other, !isOwnNew) < this.uses(node, best, !isOwnNew)) best = other;
    }
    return best;
  }

  /** Chosen paths that have our end of a path, or the other one. */
  private uses(node: NodeSlot, path: PathSlot, isOwn: boolean): number {
    const { paths, isChosen } = this;
    let count = 0;
    for (let place = 0; place < paths.count(node); place++) {
      if (isChosen[place] === 1 && this.isSameEnd(path, paths.at(node, place), isOwn)) count++;
    }
    return count;
  }

  private isSameEnd(a: PathSlot, b: PathSlot, isOwn: boolean): boolean {
    const { paths } = this;
    if (isOwn) return paths.devices[a] === paths.devices[b];
    return paths.port(a) === paths.port(b) && paths.hasSameRemote(a, b);
  }

  private roundTripUs(path: PathSlot): number {
    return this.paths.delays.rttUs[path] || Number.MAX_VALUE;
  }
}
