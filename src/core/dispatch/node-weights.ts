import type { NodeSlot } from "../base/ids.ts";
import type { Paths } from "../tables/paths.ts";
import type { Cover } from "./cover.ts";

const NO_WEIGHTS = new Float64Array(0);

/**
 * A weight for each path of each node, by its place in the node's list; 0 for those that are not eligible, or that a
 * cover leaves out. A path that becomes eligible starts with what `start` says, given how
 * many are used.
 */
export class NodeWeights {
  private readonly paths: Paths;
  private readonly start: (used: number) => number;
  private readonly cover: Cover | undefined;
  private readonly byNode: Float64Array[];
  /** The version of the list that the weights are for. */
  private readonly version: Uint32Array;

  constructor(paths: Paths, start: (used: number) => number, cover?: Cover) {
    const nodes = paths.version.length;
    this.paths = paths;
    this.start = start;
    this.cover = cover;
    this.byNode = new Array(nodes).fill(NO_WEIGHTS);
    this.version = new Uint32Array(nodes);
  }

  /** Another array when the list has changed. */
  of(node: NodeSlot): Float64Array {
    if (this.version[node] !== this.paths.version[node]) this.relist(node);
    return this.byNode[node]!;
  }

  private relist(node: NodeSlot): void {
    const { paths } = this;
    const count = paths.count(node);
    const isChosen = this.cover?.choose(node);
    const isUsed = (place: number) =>
      isChosen === undefined ? paths.isEligible(paths.at(node, place)) : isChosen[place] === 1;
    let used = 0;
    for (let i = 0; i < count; i++) if (isUsed(i)) used++;
    const weights = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      const slot = paths.at(node, i);
      if (!isUsed(i)) paths.weight[slot] = 0;
      else if (paths.weight[slot] === 0) paths.weight[slot] = this.start(used);
      weights[i] = paths.weight[slot]!;
    }
    this.byNode[node] = weights;
    this.version[node] = paths.version[node]!;
  }
}
