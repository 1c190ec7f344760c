import type { Run } from "./experiment.ts";
import type { BarsChart, Table } from "./report/chart.ts";
import { distinct, figure, pick, shown, shownRange } from "./select.ts";

/** How single numbers are shown, whatever they say. */

/** One figure: conditions below each other, ways beside each other. */
export function figureTable(runs: readonly Run[], name: string): Table {
  const ways = distinct(runs.map(({ way }) => way));
  return {
    head: [name, ...ways],
    rows: distinct(runs.map(({ condition }) => condition)).map((condition) => [
      condition,
      ...ways.map((way) => figureText(pick(runs, { condition, way }), name)),
    ]),
  };
}

/** Several figures of one condition, below each other. */
export function figuresTable(runs: readonly Run[], title: string, names: readonly string[]): Table {
  const ways = distinct(runs.map(({ way }) => way));
  return {
    head: [title, ...ways],
    rows: names.map((name) => [name, ...ways.map((way) => figureText(pick(runs, { way }), name))]),
  };
}

export function figureBars(runs: readonly Run[], name: string, title: string, unit: string): BarsChart {
  const conditions = distinct(runs.map(({ condition }) => condition));
  return {
    kind: "bars",
    title,
    unit,
    categories: conditions,
    groups: distinct(runs.map(({ way }) => way)).map((way) => ({
      name: way,
      values: conditions.map((condition) => figure(pick(runs, { condition, way }), name)),
    })),
  };
}

/** A run without the figure is one in which it never came to that. */
function figureText(runs: readonly Run[], name: string): string {
  const values = figure(runs, name);
  const never = runs.length - values.length;
  if (never === 0) return shownRange(values);
  const others = values.length === 0 ? "" : `, else ${shown(Math.max(...values))}`;
  return `never in ${never} of ${runs.length}${others}`;
}
