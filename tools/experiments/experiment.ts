import type { Section } from "./report/chart.ts";
import type { DaemonReports, Variant, WayKind } from "./ways.ts";

/** Something that is measured again and again. */
export interface Experiment {
  name: string;
  /** One line for people who choose. */
  about: string;
  /** What holds where the command line says nothing. */
  defaults: { seconds: number; repeats: number };
  /** Names of what it can be restricted to. */
  conditions: readonly string[];
  /** Options of the command line that it has no use for. */
  without?: readonly RunOption[];
  /** Gives every run to `record` as soon as it is there. */
  measure(options: RunOptions, record: (run: Run) => void): Promise<void>;
  /** What is shown of the runs, in the terminal (the tables) and on a page. */
  report(runs: readonly Run[]): Section[];
}

export type RunOption = "profile" | "cc" | "seconds" | "only" | "reverse" | "flows";

export interface RunOptions {
  /** Of one measurement. */
  seconds: number;
  repeats: number;
  /** TCP congestion controls. */
  congestions: readonly string[];
  conditions: readonly string[];
  kinds: readonly WayKind[];
  variants: readonly Variant[];
  reverse: boolean;
  flows: number;
}

/** One measurement of one way. */
export interface Run {
  experiment: string;
  condition: string;
  way: string;
  congestion: string;
  repeat: number;
  /** Single numbers; the names carry the unit. */
  figures: Record<string, number>;
  /** Values over time. */
  series?: Record<string, Series>;
  /** Many values of one kind. */
  samples?: Record<string, number[]>;
  /** What was done to the network, when. */
  events?: { atS: number; what: string }[];
  mpip?: DaemonReports;
}

export interface Series {
  atS: number[];
  values: number[];
}
