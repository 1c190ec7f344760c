import type { Series } from "../experiment.ts";

export interface PlayerOptions {
  /** Address of the player. */
  from: string;
  /** HOST:PORT that serves /N with N bytes. */
  server: string;
  /** HOST:PORT through which that is asked. */
  proxy?: string;
  seconds: number;
  chunkS: number;
  /** Rates to choose among, from the lowest quality to the highest. */
  levelsMbit: number[];
  firstLevel: number;
  /** No chunk is asked for while so much is there. */
  mostBufferS: number;
  /** When the viewer jumps out of what is there. */
  seekAtS?: number;
}

/** Over time, in seconds since the player began. */
export interface PlayerReport {
  /** Mbit/s of payload. */
  received: Series;
  /** Seconds of video that are there and not yet shown. */
  buffer: Series;
  /** Place in the list of levels. */
  quality: Series;
  /** Seconds in all in which there was nothing to show, the wait at the beginning left out. */
  stalledS: Series;
}
