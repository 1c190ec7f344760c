import type { Experiment, Run } from "./experiment.ts";
import { PROFILES } from "./profiles.ts";
import type { LinesChart } from "./report/chart.ts";
import { pick } from "./select.ts";
import { cases, efficiencyBars, goodputTable, perCongestion, typicalRun } from "./transfer-report.ts";
import { measureTransfers } from "./transfers.ts";
import { isSingle } from "./ways.ts";

export const matrix: Experiment = {
  name: "matrix",
  about: "one transfer over many pairs of lines: each line alone, MPTCP and mpip",
  defaults: { seconds: 12, repeats: 3 },
  conditions: PROFILES.map(({ name }) => name),
  measure: (options, record) => measureTransfers(matrix.name, PROFILES, options, record),
  report: (runs) =>
    perCongestion(runs, (own, congestion) => ({
      text: [],
      tables: [goodputTable(own)],
      charts: [
        efficiencyBars(own, `What is made of the lines, ${congestion}`),
        ...cases(own).map(({ condition, own: ofCase }) => overTime(ofCase, `${condition}, ${congestion}`)),
      ],
    })),
};

/** What arrived, of each way that combines the lines. */
function overTime(runs: readonly Run[], title: string): LinesChart {
  const ways = [...new Set(runs.map(({ way }) => way))].filter((way) => !isSingle(way));
  const lines = ways.flatMap((way) => {
    const run = typicalRun(pick(runs, { way }));
    return run?.series?.received === undefined ? [] : [{ name: way, ...run.series.received }];
  });
  return { kind: "lines", title, unit: "Mbit/s", lines };
}
