import { median } from "../lab/index.ts";
import type { Run } from "./experiment.ts";

/** Choosing among runs, and showing numbers. */

export function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}

/** Those that agree with all of the keys that are given. */
export function pick(
  runs: readonly Run[],
  wanted: Partial<Pick<Run, "condition" | "way" | "congestion">>,
): Run[] {
  const entries = Object.entries(wanted) as [keyof Run, string][];
  return runs.filter((run) => entries.every(([key, value]) => run[key] === value));
}

/** A figure of each of the runs that have it. */
export function figure(runs: readonly Run[], name: string): number[] {
  return runs.flatMap(({ figures }) => (figures[name] === undefined ? [] : [figures[name]]));
}

export function medianFigure(runs: readonly Run[], name: string): number {
  return median(figure(runs, name));
}

export function shown(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

/** As a median with the range behind it. */
export function shownRange(values: readonly number[]): string {
  if (values.length < 2) return shown(median(values));
  return `${shown(median(values))} (${shown(Math.min(...values))} … ${shown(Math.max(...values))})`;
}
