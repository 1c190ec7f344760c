/** What is drawn, without saying how. */
export type Chart = LinesChart | CdfChart | BarsChart | BoxesChart;

interface Titled {
  title: string;
  /** Of the values. */
  unit: string;
}

/** Values over time. */
export interface LinesChart extends Titled {
  kind: "lines";
  lines: { name: string; atS: readonly number[]; values: readonly number[] }[];
  marks?: readonly { atS: number; what: string }[];
  /** Values go up in steps, as of a choice. */
  steps?: boolean;
}

/** Which share of the values is at most so large. */
export interface CdfChart extends Titled {
  kind: "cdf";
  lines: { name: string; values: readonly number[] }[];
}

/** Bars of medians, with the range of all values. */
export interface BarsChart extends Titled, Grouped {
  kind: "bars";
}

/** Quartiles and the range. */
export interface BoxesChart extends Titled, Grouped {
  kind: "boxes";
}

/** Values of each group in each category. */
export interface Grouped {
  categories: readonly string[];
  groups: { name: string; values: readonly (readonly number[])[] }[];
  /** The scale of the values. */
  logarithmic?: boolean;
}

export interface Table {
  head: readonly string[];
  rows: readonly (readonly string[])[];
}

/** A part of a report. */
export interface Section {
  title: string;
  /** Paragraphs. */
  text: readonly string[];
  tables: readonly Table[];
  charts: readonly Chart[];
}
