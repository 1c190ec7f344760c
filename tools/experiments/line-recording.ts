import type { Direction, DirectionStats, Link, LinkStats } from "../lab/index.ts";

/** What happened on a line in one direction while something was measured. */
export interface LineRecord {
  link: string;
  /** Mean over the whole time, of what left the line. */
  mbitPerS: number;
  /** Frames dropped by reason, where any were. */
  dropped: Record<string, number>;
  /** Seconds since the beginning. */
  atS: number[];
  /** Of whole frames, since the sample before. */
  rateMbit: number[];
  queueKb: number[];
}

const EVERY_MS = 100;

/**
 * Samples the counters of lines while something is done, which is told when its time began. `overruns` are the frames that
 * were lost, in either direction, because the machine was too slow.
 */
export async function recordLines<T>(
  links: readonly Link[],
  direction: Direction,
  work: (startMs: number) => Promise<T>,
): Promise<{ result: T; lines: LineRecord[]; overruns: number }> {
  const startMs = performance.now();
  const samples: Sample[] = [];
  const sample = async () => {
    const stats = await Promise.all(links.map((link): Promise<LinkStats> => link.stats()));
    samples.push({
      atS: (performance.now() - startMs) / 1000,
      stats: stats.map((both) => both[direction]),
      overruns: stats.reduce((sum, { ab, ba }) => sum + overrunsOf(ab) + overrunsOf(ba), 0),
    });
  };
  await sample();
  let sampling: Promise<void> | undefined;
  const timer = setInterval(() => {
    sampling ??= sample().finally(() => {
      sampling = undefined;
    });
  }, EVERY_MS);
  try {
    const result = await work(startMs);
    await sampling;
    await sample();
    return {
      result,
      lines: links.map((link, i) => lineRecord(link.name, samples, i)),
      overruns: samples.at(-1)!.overruns - samples[0]!.overruns,
    };
  } finally {
    clearInterval(timer);
  }
}

interface Sample {
  atS: number;
  stats: readonly DirectionStats[];
  overruns: number;
}

function overrunsOf({ dropped }: DirectionStats): number {
  return dropped.overrun ?? 0;
}

function lineRecord(link: string, samples: readonly Sample[], i: number): LineRecord {
  const [first, last] = [samples[0]!, samples.at(-1)!];
  const rate = (from: Sample, to: Sample) =>
    (to.stats[i]!.bytesOut - from.stats[i]!.bytesOut) / 125_000 / (to.atS - from.atS);
  const dropped = Object.entries(last.stats[i]!.dropped).flatMap(([reason, count]) => {
    const frames = count - (first.stats[i]!.dropped[reason] ?? 0);
    return frames > 0 ? [[reason, frames] as const] : [];
  });
  return {
    link,
    mbitPerS: rate(first, last),
    dropped: Object.fromEntries(dropped),
    atS: samples.slice(1).map(({ atS }) => atS),
    rateMbit: samples.slice(1).map((sample, at) => rate(samples[at]!, sample)),
    queueKb: samples.slice(1).map(({ stats }) => stats[i]!.queueBytes / 1000),
  };
}
