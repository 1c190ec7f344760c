import type { Link } from "../lab/index.ts";
import type { Run, RunOptions } from "./experiment.ts";
import { type Network, upNetwork } from "./network.ts";
import type { Profile } from "./profiles.ts";
import type { LinesChart } from "./report/chart.ts";
import { distinct, pick } from "./select.ts";
import { merged, mpipWay, type Patch, type Variant, type Way } from "./ways.ts";

/** A call over two paths. */
export interface Call extends Profile {
  /** What happens to the line that it takes in the second third of the call. */
  cut?: (link: Link) => Promise<void>;
  /** Under these mpip is measured beside what it does without any. */
  rules?: { name: string; patch: Patch };
}

/** What came of one call. */
type Measured = Omit<Run, "experiment" | "condition" | "way" | "congestion" | "repeat">;

/** Names of figures. */
export const VIDEO = "Mbit/s of video";
export const AUDIO_LOST = "audio lost, share";

/** The beginning, in which the rate is found, is left out. */
export const SETTLED_S = 8;

/** Each call by each way in turn, over lines of its own: what a cut leaves behind must not be the next one's beginning. */
export async function measureCalls<One extends Call>(
  experiment: string,
  calls: readonly One[],
  waysOf: (call: One) => readonly Way[],
  callOver: (network: Network, way: Way, call: One, seconds: number) => Promise<Measured>,
  options: RunOptions,
  record: (run: Run) => void,
): Promise<void> {
  for (const call of calls.filter(({ name }) => options.conditions.includes(name))) {
    const ways = waysOf(call).filter(({ kind }) => options.kinds.includes(kind));
    for (let repeat = 1; repeat <= options.repeats; repeat++) {
      for (const way of ways) {
        await using network = await upNetwork(call.lines);
        const measured = await callOver(network, way, call, options.seconds);
        record({
          experiment,
          condition: call.name,
          way: way.name,
          congestion: "–",
          repeat,
          ...measured,
        });
      }
    }
  }
}

/** mpip, in all variants without rules, and with the call's. */
export function mpipWays({ rules }: Call, variants: readonly Variant[]): Way[] {
  const ruled =
    rules === undefined
      ? []
      : variants.map((variant) => ({
          ...variant,
          name: `${variant.name}, ${rules.name}`,
          patch: merged(variant.patch, rules.patch),
        }));
  return [...variants, ...ruled].map(mpipWay);
}

/** The runs' series "video Mbit/s" and "ms between frames". */
export function callCharts(runs: readonly Run[], title: string): LinesChart[] {
  const overTime = (series: string, what: string, unit: string): LinesChart => ({
    kind: "lines",
    title: `${title}: ${what}`,
    unit,
    lines: distinct(runs.map(({ way }) => way)).map((way) => ({
      name: way,
      ...pick(runs, { way })[0]!.series![series]!,
    })),
    marks: runs[0]!.events ?? [],
  });
  return [
    overTime("video Mbit/s", "video", "Mbit/s"),
    overTime("ms between frames", "time between two frames", "ms"),
  ];
}
