import type { Series } from "./experiment.ts";

/** Names of figures. */
export const LONGEST = "longest ms between two frames";
export const FREEZES = "freezes";
export const FROZEN = "ms frozen";

const FRAME_MS = 1000 / 30;

/** Times between frames that were shown, within a span of time. What is missing at its ends counts, too. */
export function frameGaps(shownS: readonly number[], fromS: number, toS: number): Series {
  const times = [fromS, ...shownS.filter((atS) => atS > fromS && atS < toS), toS];
  return { atS: times.slice(1), values: times.slice(1).map((atS, i) => (atS - times[i]!) * 1000) };
}

export function freezeFigures(gapsMs: readonly number[]): Record<string, number> {
  const frozen = gapsMs.filter(isFreeze);
  return {
    [LONGEST]: Math.max(...gapsMs),
    [FREEZES]: frozen.length,
    [FROZEN]: frozen.reduce((sum, gap) => sum + gap, 0),
  };
}

/** As WebRTC counts: three times, or 150 ms more than, what is usual. */
function isFreeze(gapMs: number): boolean {
  return gapMs > Math.max(3 * FRAME_MS, FRAME_MS + 150);
}
