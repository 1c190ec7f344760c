import type { NodeSlot, PathSlot } from "../base/ids.ts";
import type { Paths } from "../tables/paths.ts";
import type { PathChoice } from "./modes.ts";
import { NodeWeights } from "./node-weights.ts";
import { Runs } from "./runs.ts";
import type { Scheduler } from "./scheduler.ts";

/** Names as in the paper, §3.5.1. */
export interface Algorithm1Options {
  /** S: by how much a weight changes in one step. */
  readonly step: number;
  /** T: from one step to the next. */
  readonly intervalMs: number;
  readonly weightMin: number;
  readonly weightMax: number;
  /** Shared out evenly at first: W = 1000 / N. */
  readonly startTotal: number;
}

export const ALGORITHM1_DEFAULTS: Algorithm1Options = {
  step: 10,
  intervalMs: 100,
  weightMin: 1,
  weightMax: 1000,
  startTotal: 1000,
};

/**
 * The paper's Algorithm 1 (Path Weight Adjustment, §3.5.1): every T, the weight of each path whose queuing delay is not
 * above the average of the node's paths grows by S, that of each other falls by S, within bounds.
 *
 * N are the eligible paths. One of which no delay is known yet has no part in the average and keeps its weight. A node
 * of which nothing has been fed back since the last step makes none: the same delays, counted again and again, would
 * drive the weights to their bounds. A path that becomes eligible starts with 1000 / N.
 */
export class Algorithm1 implements Scheduler {
  readonly mayWait = false;
  private readonly paths: Paths;
  private readonly options: Algorithm1Options;
  private readonly byNode: NodeWeights;
  private nextMs = Number.NEGATIVE_INFINITY;
  private turn = 0;
  /** Nodes with feedback since the last step. */
  private readonly fresh: Int32Array;
  private freshCount = 0;
  private readonly isFresh: Uint8Array;

  constructor(paths: Paths, options: Partial<Algorithm1Options> = {}) {
    const nodes = paths.version.length;
    this.paths = paths;
    this.options = { ...ALGORITHM1_DEFAULTS, ...options };
    const { startTotal, weightMin, weightMax } = this.options;
    this.byNode = new NodeWeights(paths, (used) =>
      Math.min(Math.max(startTotal / used, weightMin), weightMax),
    );
    this.fresh = new Int32Array(nodes);
    this.isFresh = new Uint8Array(nodes);
  }

  handleFeedback(slot: PathSlot): void {
    const node = this.paths.nodeOf(slot);
    if (this.isFresh[node] === 1) return;
    this.isFresh[node] = 1;
    this.fresh[this.freshCount++] = node;
  }

  handleTick(nowMs: number): void {
    if (nowMs < this.nextMs) return;
    // In the rhythm of the steps before, unless one of them was left out.
    this.nextMs += this.options.intervalMs;
    if (this.nextMs <= nowMs) this.nextMs = nowMs + this.options.intervalMs;
    for (let i = 0; i < this.freshCount; i++) {
      const node = this.fresh[i]! as NodeSlot;
      this.isFresh[node] = 0;
      this.adjust(node);
    }
    this.freshCount = 0;
  }

  nextDeadlineMs(): number {
    return this.freshCount === 0 ? Number.POSITIVE_INFINITY : this.nextMs;
  }

  weights(node: NodeSlot): Float64Array {
    return this.byNode.of(node);
  }

  beginTurn(): void {
    this.turn++;
  }

  next(choice: PathChoice, packets: number): PathSlot {
    const { weights } = choice;
    if (choice.runWeights !== weights) {
      choice.runWeights = weights;
      choice.runs = new Runs(weights.length);
    }
    if (choice.runTurn !== this.turn) {
      choice.runTurn = this.turn;
      choice.runs.beginTurn();
    }
    return this.paths.at(choice.node, choice.runs.next(packets, weights));
  }

  /** One step for one node; the numbers are the paper's lines. */
  private adjust(node: NodeSlot): void {
    const { paths } = this;
    const { queuingUs, samples } = paths.delays;
    const { step, weightMin, weightMax } = this.options;
    const weights = this.weights(node);
    let sum = 0;
    let measured = 0;
    for (let i = 0; i < weights.length; i++) {
      const slot = paths.at(node, i);
      if (weights[i] === 0 || samples[slot] === 0) continue;
      sum += queuingUs[slot]!;
      measured++;
    }
    const average = sum / measured; // 1
    for (let i = 0; i < weights.length; i++) {
      const slot = paths.at(node, i);
      if (weights[i] === 0 || samples[slot] === 0) continue;
      const weight =
        queuingUs[slot]! <= average // 2
          ? Math.min(weights[i]! + step, weightMax) // 3 – 6
          : Math.max(weights[i]! - step, weightMin); // 8 – 11
      weights[i] = weight;
      paths.weight[slot] = weight;
    }
  }
}
