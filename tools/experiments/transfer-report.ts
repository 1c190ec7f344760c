import { median } from "../lab/index.ts";
import type { Run } from "./experiment.ts";
import type { BarsChart, LinesChart, Section, Table } from "./report/chart.ts";
import { distinct, figure, medianFigure, pick, shown, shownRange } from "./select.ts";
import { GOODPUT, OVERRUNS } from "./transfer.ts";
import { isSingle, mptcpWay } from "./ways.ts";

/** What the reports of transfers have in common. */

/** Goodput of every way, and what the ways that combine lines make of them. */
export function goodputTable(runs: readonly Run[]): Table {
  const ways = distinct(runs.map(({ way }) => way));
  const bonds = ways.filter((way) => !isSingle(way) && way !== mptcpWay.name);
  const rows = cases(runs).map(({ condition, congestion, own }) => {
    const goodput = (way: string) => medianFigure(pick(own, { way }), GOODPUT);
    const yardsticks = [sumOfSingles(own), goodput(mptcpWay.name), bestSingle(own)];
    return [
      ...[condition, congestion],
      ...ways.map((way) => shownRange(figure(pick(own, { way }), GOODPUT))),
      ...bonds.flatMap((way) => yardsticks.map((yardstick) => shown(goodput(way) / yardstick))),
    ];
  });
  const ratios = bonds.flatMap((way) => ["sum", mptcpWay.name, "best"].map((to) => `${way} / ${to}`));
  return { head: ["Mbit/s of payload", "cc", ...ways, ...ratios], rows };
}

/** Goodput as shares of what the lines give alone together. */
export function efficiencyBars(runs: readonly Run[], title: string): BarsChart {
  const conditions = distinct(runs.map(({ condition }) => condition));
  const share = (condition: string, values: readonly number[]) => {
    const sum = sumOfSingles(pick(runs, { condition }));
    return Number.isFinite(sum) ? values.map((value) => value / sum) : [];
  };
  const best = conditions.map((condition) => share(condition, [bestSingle(pick(runs, { condition }))]));
  const bonds = distinct(runs.map(({ way }) => way)).filter((way) => !isSingle(way));
  return {
    kind: "bars",
    title,
    unit: "share of the sum of the lines alone",
    categories: conditions,
    groups: [
      { name: "best line", values: best },
      ...bonds.map((way) => ({
        name: way,
        values: conditions.map((condition) =>
          share(condition, figure(pick(runs, { condition, way }), GOODPUT)),
        ),
      })),
    ],
  };
}

/** What each line carried in one run, and what came out. */
export function pathLines(run: Run, title = `${run.way}, ${run.congestion}`): LinesChart {
  const series = Object.entries(run.series ?? {});
  const lines = series.flatMap(([name, { atS, values }]) => {
    const link = /^l(\d+) Mbit\/s$/.exec(name)?.[1];
    if (name === "received") return [{ name, atS, values }];
    return link === undefined ? [] : [{ name: `link ${Number(link) + 1}`, atS, values }];
  });
  return { kind: "lines", title, unit: "Mbit/s", lines, ...(run.events ? { marks: run.events } : {}) };
}

/** The run of a way whose goodput is in the middle. */
export function typicalRun(runs: readonly Run[]): Run | undefined {
  const sorted = [...runs].sort((one, other) => one.figures[GOODPUT]! - other.figures[GOODPUT]!);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

/** Nothing, or which runs must not be believed. */
function overrunWarning(runs: readonly Run[]): string[] {
  const names = runs
    .filter(({ figures }) => (figures[OVERRUNS] ?? 0) > 0)
    .map(({ condition, congestion, way, repeat }) => `${condition} ${congestion} ${way} ${repeat}`);
  return names.length === 0 ? [] : [`Void, the machine was too slow for the lines: ${names.join("; ")}.`];
}

/** Runs that belong together: one condition with one congestion control. */
export function cases(runs: readonly Run[]): { condition: string; congestion: string; own: Run[] }[] {
  const keys = runs.map(({ condition, congestion }) => JSON.stringify([condition, congestion]));
  return distinct(keys).map((key) => {
    const [condition, congestion] = JSON.parse(key) as [string, string];
    return { condition, congestion, own: pick(runs, { condition, congestion }) };
  });
}

export function congestionsOf(runs: readonly Run[]): string[] {
  return distinct(runs.map(({ congestion }) => congestion));
}

/** One section for each congestion control. */
export function perCongestion(
  runs: readonly Run[],
  section: (own: Run[], congestion: string) => Omit<Section, "title">,
): Section[] {
  return congestionsOf(runs).map((congestion) => {
    const own = pick(runs, { congestion });
    const { text, ...rest } = section(own, congestion);
    return { title: congestion.toUpperCase(), text: [...overrunWarning(own), ...text], ...rest };
  });
}

function singles(runs: readonly Run[]): number[] {
  const ways = distinct(runs.map(({ way }) => way)).filter(isSingle);
  return ways.map((way) => median(figure(pick(runs, { way }), GOODPUT)));
}

function sumOfSingles(runs: readonly Run[]): number {
  const alone = singles(runs);
  return alone.length === 0 ? Number.NaN : alone.reduce((sum, one) => sum + one);
}

function bestSingle(runs: readonly Run[]): number {
  const alone = singles(runs);
  return alone.length === 0 ? Number.NaN : Math.max(...alone);
}
