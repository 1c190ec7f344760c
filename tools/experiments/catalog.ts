import type { Experiment } from "./experiment.ts";
import { matrix } from "./matrix.ts";

export const EXPERIMENTS: readonly Experiment[] = [matrix];
