/** What an emulated line does to frames in one direction. */
export interface LineParams {
  /** Of whole Ethernet frames; without it the line is as fast as the machine and has no queue. */
  rateMbit?: number;
  delayMs?: number;
  jitterMs?: number;
  lossPercent?: number;
  /** Mean number of frames lost in a row; without it every frame is lost independently of the others. */
  burstPackets?: number;
  reorderPercent?: number;
  /** How much later than its place in line a reordered frame arrives. */
  reorderMs?: number;
  /** Room for frames that wait for a line with a rate: bytes, or time until they are sent. */
  queueKb?: number;
  queueMs?: number;
}

/** One direction of a link while the lab runs. */
export interface LineState extends LineParams {
  /** Everything vanishes. */
  silent?: boolean;
}

export type Direction = "ab" | "ba";
export type End = "a" | "b";

export const directions: readonly Direction[] = ["ab", "ba"];
export const ends: readonly End[] = ["a", "b"];

/** Allowed range of every key; the one list from which the schema and the command line are made. */
export const lineKeyRanges: Record<keyof LineParams, { min: number; max: number }> = {
  rateMbit: { min: 0.001, max: 100_000 },
  delayMs: { min: 0, max: 10_000 },
  jitterMs: { min: 0, max: 10_000 },
  lossPercent: { min: 0, max: 100 },
  burstPackets: { min: 1, max: 1000 },
  reorderPercent: { min: 0, max: 100 },
  reorderMs: { min: 0, max: 10_000 },
  queueKb: { min: 2, max: 268_000 },
  queueMs: { min: 1, max: 60_000 },
};

export const lineKeys = Object.keys(lineKeyRanges) as (keyof LineParams)[];

/** Queue keys are two ways to say one thing, so a later one replaces an earlier one of the other kind. */
export function mergeLine(before: LineState, change: LineState): LineState {
  const merged = { ...before, ...change };
  if (change.queueKb !== undefined) delete merged.queueMs;
  if (change.queueMs !== undefined) delete merged.queueKb;
  return merged;
}

export interface BurstLoss {
  /** Chance per frame to enter the lossy state. */
  enter: number;
  /** Chance per frame to leave it. */
  leave: number;
}

/**
 * Gilbert's two-state model in which the bad state loses everything: the mean burst is 1/leave frames, and the share
 * of time in the bad state, enter/(enter+leave), is the loss.
 */
export function burstLoss(line: LineParams): BurstLoss | undefined {
  const loss = (line.lossPercent ?? 0) / 100;
  if (line.burstPackets === undefined || loss === 0) return undefined;
  const leave = 1 / line.burstPackets;
  const enter = loss >= 1 ? 1 : Math.min(1, (leave * loss) / (1 - loss));
  return { enter, leave: loss >= 1 ? 0 : leave };
}
