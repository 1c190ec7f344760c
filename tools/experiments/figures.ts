import type { Experiment, Run } from "./experiment.ts";
import { figureBars, figureTable } from "./figure-report.ts";
import { type Profile, withQueue } from "./profiles.ts";
import type { BoxesChart, Chart } from "./report/chart.ts";
import { distinct, pick } from "./select.ts";
import { GOODPUT, RETRANSMITS } from "./transfer.ts";
import { cases, goodputTable, pathLines, perCongestion, typicalRun } from "./transfer-report.ts";
import { measureTransfers, standardWays } from "./transfers.ts";
import { isSingle, merged, mpipWay, mptcpOverMpipWay, mptcpWay, singleWay } from "./ways.ts";

/** The figures of the MPIP paper that show one TCP transfer. */

const LINES_4A: readonly Profile[] = [
  {
    name: "40+20",
    lines: [withQueue({ rateMbit: 40, delayMs: 1 }), withQueue({ rateMbit: 20, delayMs: 1 })],
  },
];

export const figure4a: Experiment = {
  name: "fig4a",
  about: "paths of 40 and 20 Mbit/s: does each settle at its capacity?",
  defaults: { seconds: 30, repeats: 3 },
  conditions: LINES_4A.map(({ name }) => name),
  measure: (options, record) => measureTransfers(figure4a.name, LINES_4A, options, record),
  report: (runs) => transferSections(runs, pathCharts),
};

const LINES_4C: readonly Profile[] = [
  {
    name: "100+100, +10 and +2 ms",
    lines: [withQueue({ rateMbit: 100, delayMs: 10 }), withQueue({ rateMbit: 100, delayMs: 2 })],
  },
];
const NO_REORDERING = { rules: [{ name: "as-it-comes", mode: "all-paths", reorder: "off" }] };

export const figure4c: Experiment = {
  name: "fig4c",
  about: "paths of 100 Mbit/s with 10 and 2 ms more delay, with reordering and without",
  defaults: { seconds: 20, repeats: 3 },
  conditions: LINES_4C.map(({ name }) => name),
  measure: (options, record) =>
    measureTransfers(figure4c.name, LINES_4C, options, record, (profile) => [
      ...standardWays(profile, options),
      ...options.variants.map(({ name, patch, ...rest }) =>
        mpipWay({ name: `${name}, no reordering`, patch: merged(patch, NO_REORDERING), ...rest }),
      ),
    ]),
  report: (runs) =>
    transferSections(runs, (own) => [
      ...pathCharts(own),
      figureBars(own, RETRANSMITS, "Segments that TCP sent again", "segments"),
    ]),
};

const LINES_4D: readonly Profile[] = [
  {
    name: "40+40",
    lines: [
      { rateMbit: 40, delayMs: 1 },
      { rateMbit: 40, delayMs: 1 },
    ].map(withQueue),
  },
  {
    name: "one +10 ms",
    lines: [
      { rateMbit: 40, delayMs: 11 },
      { rateMbit: 40, delayMs: 1 },
    ].map(withQueue),
  },
  {
    name: "one 20 Mbit/s",
    lines: [
      { rateMbit: 20, delayMs: 1 },
      { rateMbit: 40, delayMs: 1 },
    ].map(withQueue),
  },
];

export const figure4d: Experiment = {
  name: "fig4d",
  about: "MPTCP over IP, TCP over mpip and MPTCP over mpip, under three conditions",
  defaults: { seconds: 15, repeats: 3 },
  conditions: LINES_4D.map(({ name }) => name),
  measure: (options, record) =>
    measureTransfers(figure4d.name, LINES_4D, options, record, ({ lines }) => [
      ...lines.map((_, i) => singleWay(i)),
      mptcpWay,
      ...options.variants.flatMap((variant) => [mpipWay(variant), mptcpOverMpipWay(variant)]),
    ]),
  report: (runs) =>
    transferSections(runs, (own) => [figureBars(own, GOODPUT, "Goodput", "Mbit/s"), throughputBoxes(own)]),
};

const LINES_9: readonly Profile[] = [
  {
    name: "Wi-Fi and LTE",
    lines: [
      { rateMbit: 4.5, delayMs: 38 },
      { rateMbit: 4.3, delayMs: 78 },
    ].map(withQueue),
  },
  {
    name: "Wi-Fi and hotspot",
    lines: [
      { rateMbit: 4.5, delayMs: 38 },
      { rateMbit: 1.52, delayMs: 175 },
    ].map(withQueue),
  },
];

export const figure9: Experiment = {
  name: "fig9",
  about: "4.5 Mbit/s at 76 ms beside 4.3 at 156 ms, then beside 1.52 at 349 ms (round trips)",
  defaults: { seconds: 30, repeats: 3 },
  conditions: LINES_9.map(({ name }) => name),
  measure: (options, record) => measureTransfers(figure9.name, LINES_9, options, record),
  report: (runs) =>
    transferSections(runs, (own) => [figureBars(own, GOODPUT, "Goodput", "Mbit/s"), ...pathCharts(own)]),
};

function transferSections(runs: readonly Run[], chartsOf: (own: readonly Run[]) => Chart[]) {
  return perCongestion(runs, (own) => ({
    text: [],
    tables: [goodputTable(own), figureTable(own, RETRANSMITS)],
    charts: chartsOf(own),
  }));
}

/** The paths over time, of the typical run of each way that combines them. */
function pathCharts(runs: readonly Run[]): Chart[] {
  return cases(runs).flatMap(({ condition, own }) =>
    distinct(own.map(({ way }) => way))
      .filter((way) => !isSingle(way))
      .flatMap((way) => {
        const run = typicalRun(pick(own, { way }));
        return run === undefined ? [] : [pathLines(run, `${condition}: ${way}`)];
      }),
  );
}

/** The beginning is left out: it is about how fast a way starts, not about how steady it is. */
const SETTLED_S = 2;

function throughputBoxes(runs: readonly Run[]): BoxesChart {
  const conditions = distinct(runs.map(({ condition }) => condition));
  const ways = distinct(runs.map(({ way }) => way)).filter((way) => !isSingle(way));
  const values = (condition: string, way: string) =>
    pick(runs, { condition, way }).flatMap(({ series }) => {
      const { atS, values: all } = series!.received!;
      return all.filter((_, i) => atS[i]! > SETTLED_S);
    });
  return {
    kind: "boxes",
    title: "Goodput in quarters of a second, without the first two seconds",
    unit: "Mbit/s",
    categories: conditions,
    groups: ways.map((way) => ({
      name: way,
      values: conditions.map((condition) => values(condition, way)),
    })),
  };
}
