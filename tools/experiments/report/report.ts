import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXPERIMENTS } from "../catalog.ts";
import type { Results } from "../results.ts";
import { textTable } from "../text-table.ts";
import { type Chapter, renderPage } from "./page.ts";
import { renderChart } from "./render-chart.ts";

export interface ReportFiles {
  /** The page with everything. */
  page?: string;
  /** Directory for each drawing by itself. */
  drawings?: string;
}

export function writeReport(results: readonly Results[], { page, drawings }: ReportFiles): void {
  const chapters = chaptersOf(results);
  if (page !== undefined) writeFileSync(page, renderPage(chapters));
  if (drawings === undefined) return;
  mkdirSync(drawings, { recursive: true });
  for (const { name, sections } of chapters) {
    const charts = sections.flatMap((section) => section.charts);
    for (const [i, chart] of charts.entries()) {
      writeFileSync(join(drawings, `${name}-${i + 1}.svg`), `${renderChart(chart)}\n`);
    }
  }
}

/** What the tables say, for a terminal. */
export function reportText(results: readonly Results[]): string {
  return chaptersOf(results)
    .flatMap(({ sections }) => sections)
    .map(({ title, text, tables }) =>
      [
        `\n${title}\n`,
        ...text.map((line) => `${line}\n`),
        ...tables.map(({ head, rows }) => textTable(head, rows)),
      ].join("\n"),
    )
    .join("");
}

/** The experiments that any of the results are of. */
function chaptersOf(results: readonly Results[]): Chapter[] {
  return EXPERIMENTS.flatMap(({ name, about, report }) => {
    const sources = results.flatMap((one) => {
      const runs = one.runs.filter(({ experiment }) => experiment === name);
      return runs.length === 0 ? [] : [{ ...one, runs }];
    });
    const runs = sources.flatMap((source) => source.runs);
    return runs.length === 0 ? [] : [{ name, about, sections: report(runs), sources }];
  });
}
