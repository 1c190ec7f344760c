import type { Direction, End, LineState } from "./line.ts";

/**
 * What stands in the middle of every emulated link. It keeps its state outside of the process that made the lab, so
 * that a second process can command it.
 */
export interface Emulator {
  addLinks(links: readonly EmulatedLink[]): Promise<void>;
  /** Replaces all parameters of one direction. */
  setLine(link: EmulatedLink, direction: Direction, state: LineState): Promise<void>;
  /** Takes away or gives back the carrier that the host at this end sees. */
  setCarrier(link: EmulatedLink, end: End, up: boolean): Promise<void>;
  stats(link: EmulatedLink): Promise<LinkStats>;
}

/** A link as the emulator sees it: the two interfaces in its own namespace, whose peers are those of the hosts. */
export interface EmulatedLink {
  name: string;
  interfaceA: string;
  interfaceB: string;
  line: Record<Direction, LineState>;
}

export type LinkStats = Record<Direction, DirectionStats>;

export interface DirectionStats {
  framesIn: number;
  framesOut: number;
  bytesOut: number;
  queueFrames: number;
  queueBytes: number;
  /** Frames by reason. */
  dropped: Record<string, number>;
}

export type EmulatorBackend = "linkemu" | "netem";
