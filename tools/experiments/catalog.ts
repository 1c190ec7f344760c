import type { Experiment } from "./experiment.ts";
import { figure4a, figure4c, figure4d, figure9 } from "./figures.ts";
import { matrix } from "./matrix.ts";

export const EXPERIMENTS: readonly Experiment[] = [matrix, figure4a, figure4c, figure4d, figure9];
