import { figure5 } from "./call.ts";
import type { Experiment } from "./experiment.ts";
import { fairness } from "./fairness.ts";
import { figure4a, figure4c, figure4d, figure9 } from "./figures.ts";
import { matrix } from "./matrix.ts";
import { failover, figure4b } from "./outage.ts";
import { randomCuts } from "./random-cuts.ts";
import { simultFlows } from "./simult-flows.ts";
import { figure7, figure8 } from "./video-figures.ts";
import { webrtc } from "./webrtc.ts";
import { wireless } from "./wireless.ts";

export const EXPERIMENTS: readonly Experiment[] = [
  matrix,
  figure4a,
  figure4b,
  figure4c,
  figure4d,
  figure5,
  webrtc,
  figure7,
  figure8,
  figure9,
  wireless,
  simultFlows,
  failover,
  randomCuts,
  fairness,
];
