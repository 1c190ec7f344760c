import type { NodeSlot, PathSlot } from "../base/ids.ts";
import type { PathChoice } from "./modes.ts";

/** A packet that is no larger keeps no path busy: it goes where it arrives first, and past larger ones. */
export const SMALL_BYTES = 300;

/** Decides how a node's packets are shared out among its paths, from what the path table knows of them. */
export interface Scheduler {
  /** Whether packets may wait for the paths that it chooses: it counts on their queues being short. */
  readonly mayWait: boolean;
  /** The peer has fed back the delay of a path; the table has it already. */
  handleFeedback(slot: PathSlot, nowMs: number): void;
  handleTick(nowMs: number): void;
  /** When `handleTick` has something to do next. */
  nextDeadlineMs(): number;
  /**
   * A weight for each path of the node, by its place in the node's list; 0 for those that are not eligible. The array
   * is the scheduler's, and another one when the list has changed (`Paths.version`).
   */
  weights(node: NodeSlot): Float64Array;
  /** What was at hand together has been dispatched. */
  beginTurn(): void;
  /**
   * The path for `packets` packets of one session that are at hand together, `bytes` bytes in all: one of those to which
   * `choice` gives a weight.
   */
  next(choice: PathChoice, packets: number, bytes: number, nowUs: number): PathSlot;
}
