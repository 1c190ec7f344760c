import { median } from "../lab/index.ts";
import { YARDSTICK } from "./contenders.ts";
import type { Figures } from "./measures.ts";

/** What was measured: contender → measure → the figures of each repeat. */
export class Results {
  readonly all: Record<string, Record<string, Figures[]>> = {};

  add(contender: string, measure: string, figures: Figures): void {
    this.all[contender] ??= {};
    this.all[contender][measure] ??= [];
    this.all[contender][measure].push(figures);
  }
}

/** The figure of a measure that is compared, and whether more is better. */
const MAIN_FIGURES = ["Mbit/s", "packets/s", "median µs"];

/** Medians over the repeats. */
export function medians(figures: readonly Figures[]): Figures {
  const names = [...new Set(figures.flatMap((one) => Object.keys(one)))];
  return Object.fromEntries(
    names.map((name) => [
      name,
      median(figures.flatMap((one) => (one[name] === undefined ? [] : [one[name]]))),
    ]),
  );
}

/** One table for each measure: a row for each contender, with the ratio to the yardstick's median. */
export function tables(results: Results): string {
  const measures = [...new Set(Object.values(results.all).flatMap((of) => Object.keys(of)))];
  return measures.map((measure) => table(results, measure)).join("\n\n");
}

function table(results: Results, measure: string): string {
  const rows = Object.entries(results.all).flatMap(([contender, of]) =>
    of[measure] === undefined ? [] : [{ contender, figures: medians(of[measure]), all: of[measure] }],
  );
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row.figures)))];
  const main = columns.find((column) => MAIN_FIGURES.includes(column));
  const yardstick = rows.find((row) => row.contender === YARDSTICK)?.figures[main ?? ""];
  const header = [measure, ...columns, ...(yardstick === undefined ? [] : ["ratio"]), "min … max"];
  const body = rows.map(({ contender, figures, all }) => {
    const own = main === undefined ? undefined : figures[main];
    const range = all.map((one) => one[main ?? ""] ?? Number.NaN);
    return [
      contender,
      ...columns.map((column) => (figures[column] === undefined ? "–" : rounded(figures[column]))),
      ...(yardstick === undefined ? [] : [own === undefined ? "–" : (own / yardstick).toFixed(2)]),
      `${rounded(Math.min(...range))} … ${rounded(Math.max(...range))}`,
    ];
  });
  return aligned([header, ...body]);
}

function rounded(value: number): string {
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(2);
}

function aligned(rows: readonly string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: string[]) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join("  ");
  const [header, ...body] = rows;
  return [line(header!), widths.map((width) => "-".repeat(width)).join("  "), ...body.map(line)].join("\n");
}
