import type { LineParams } from "../lab/index.ts";

/** Two lines, or more, between the two hosts of an experiment. */
export interface Profile {
  name: string;
  lines: readonly Line[];
}

/** The keys of a link in a description of the lab; rates count whole frames, delays are one way. */
export type Line = LineParams & { ab?: LineParams; ba?: LineParams };

/** Room in front of each line, unless a profile says otherwise. */
export const QUEUE_KB = 100;

function profile(name: string, ...lines: Line[]): Profile {
  return { name, lines: lines.map(withQueue) };
}

export function withQueue(line: Line): Line {
  return line.queueMs === undefined && line.queueKb === undefined ? { queueKb: QUEUE_KB, ...line } : line;
}

/** With the queue that netem has by default, 1000 packets, as the report was measured with. */
function reported(name: string, ...lines: Line[]): Profile {
  return profile(`mqvpn-${name}`, ...lines.map((line) => ({ ...line, queueKb: 1500 })));
}

function twice(line: Line): [Line, Line] {
  return [line, line];
}

const fast = { rateMbit: 40, delayMs: 10 };
const slow = { rateMbit: 20, delayMs: 20 };

export const PROFILES: readonly Profile[] = [
  profile("40+20", { rateMbit: 40, delayMs: 1 }, { rateMbit: 20, delayMs: 1 }),
  profile("40+40", { rateMbit: 40, delayMs: 1 }, { rateMbit: 40, delayMs: 1 }),
  profile("100+100-unequal-delay", { rateMbit: 100, delayMs: 10 }, { rateMbit: 100, delayMs: 2 }),
  profile("wifi+lte-fig9a", { rateMbit: 4.5, delayMs: 38 }, { rateMbit: 4.3, delayMs: 78 }),
  profile("wifi+hotspot-fig9b", { rateMbit: 4.5, delayMs: 38 }, { rateMbit: 1.52, delayMs: 175 }),
  profile("40+20-delayed", fast, slow),
  profile("40+20-loss-1", fast, { ...slow, lossPercent: 1 }),
  profile("40+20-loss-3", fast, { ...slow, lossPercent: 3 }),
  profile("40+20-loss-1-bursts", fast, { ...slow, lossPercent: 1, burstPackets: 10 }),
  profile("40+20-loss-both", { ...fast, lossPercent: 0.5 }, { ...slow, lossPercent: 1 }),
  profile("300+80", { rateMbit: 300, delayMs: 10 }, { rateMbit: 80, delayMs: 30 }),
  profile("simult-30+10-1-50", { rateMbit: 30, delayMs: 1 }, { rateMbit: 10, delayMs: 50 }),
  profile("simult-30+10-50-1", { rateMbit: 30, delayMs: 50 }, { rateMbit: 10, delayMs: 1 }),
  profile("simult-10+10-1-50", { rateMbit: 10, delayMs: 1 }, { rateMbit: 10, delayMs: 50 }),
  profile("simult-10+10", { rateMbit: 10, delayMs: 1 }, { rateMbit: 10, delayMs: 1 }),
  profile("100+5-rates-20-to-1", { rateMbit: 100, delayMs: 5 }, { rateMbit: 5, delayMs: 20 }),
  profile("40+40-jitter-5", { rateMbit: 40, delayMs: 5 }, { rateMbit: 40, delayMs: 5, jitterMs: 5 }),
  profile(
    "40+40-jitter-20",
    { rateMbit: 40, delayMs: 5, jitterMs: 20 },
    { rateMbit: 40, delayMs: 5, jitterMs: 20 },
  ),
  profile(
    "20+20-bufferbloat",
    { rateMbit: 20, delayMs: 10, queueMs: 1000 },
    { rateMbit: 20, delayMs: 20, queueMs: 1000 },
  ),
  // Like those of the wireless measurement, but faster and with jitter: a Wi-Fi of short delay that loses, an LTE that
  // only delays.
  profile(
    "wifi+lte",
    { rateMbit: 25, delayMs: 10, jitterMs: 5, lossPercent: 1.6 },
    { rateMbit: 15, delayMs: 30, jitterMs: 10, queueKb: 300 },
  ),
  // The environments of mqvpn's report on reordering (2026-06-18, §3.3), under the names that they have there.
  ...[20, 40, 70, 120, 320].map((delayMs) => {
    const name = delayMs === 20 ? "baseline" : `rtt-${delayMs}`;
    return reported(name, { rateMbit: 50, delayMs: 20 }, { rateMbit: 50, delayMs });
  }),
  ...[5, 20].map((jitterMs) =>
    reported(`jitter-${jitterMs}`, ...twice({ rateMbit: 50, delayMs: 20, jitterMs })),
  ),
  ...[0.5, 2].map((lossPercent) =>
    reported(`loss-${lossPercent}`, ...twice({ rateMbit: 50, delayMs: 20, lossPercent })),
  ),
  reported("rates-4-to-1", { rateMbit: 50, delayMs: 20 }, { rateMbit: 12, delayMs: 20 }),
  reported("rates-10-to-1", { rateMbit: 100, delayMs: 20 }, { rateMbit: 10, delayMs: 20 }),
  reported(
    "dual-lte",
    { rateMbit: 40, delayMs: 30, jitterMs: 5, lossPercent: 0.5 },
    { rateMbit: 25, delayMs: 45, jitterMs: 8, lossPercent: 0.5 },
  ),
  reported(
    "fiber-lte",
    { rateMbit: 300, delayMs: 8 },
    { rateMbit: 30, delayMs: 40, jitterMs: 8, lossPercent: 0.5 },
  ),
  reported(
    "lte-starlink",
    { rateMbit: 40, delayMs: 35, jitterMs: 8 },
    { rateMbit: 100, delayMs: 50, jitterMs: 25, lossPercent: 1 },
  ),
  reported(
    "lte-geo",
    { rateMbit: 40, delayMs: 35 },
    { rateMbit: 20, delayMs: 320, jitterMs: 20, lossPercent: 0.5 },
  ),
  reported(
    "congested",
    { rateMbit: 20, delayMs: 50, jitterMs: 20, lossPercent: 2 },
    { rateMbit: 15, delayMs: 60, jitterMs: 25, lossPercent: 2 },
  ),
];
