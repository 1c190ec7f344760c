import type { Series } from "../experiment.ts";

/** What a call was like for the one who received it. Times are seconds since the receiver began. */
export interface CallReport {
  /** Mbit/s of video that arrived, what came twice included. */
  rate: Series;
  /** When each frame of the video was shown. */
  shownS: number[];
  frameDelaysMs: number[];
  /** One way, of each packet of audio that came. */
  audioDelay: Series;
}
