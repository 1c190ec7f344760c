/** Packets go over all paths at once, by weight. */
export interface AllPathsSpec {
  readonly mode: "all-paths";
}

/**
 * The same over some paths: those by the interfaces named, and those with the properties. Where no path that works is
 * such, all are used, or none if the selection is strict.
 */
export interface SelectedPathsSpec {
  readonly mode: "selected-paths";
  /** Names of local interfaces, or patterns. Naming one overrides that it is kept as a backup. */
  readonly interfaces?: readonly string[];
  /** One way. A path whose delay is not known counts as fast enough. */
  readonly delayBelowMs?: number;
  /** A share of the packets, from 0 to 1. */
  readonly lossBelow?: number;
  readonly strict?: boolean;
}

/** All packets go over one path: the one named, while it works, or the one with the lowest delay. */
export interface SinglePathSpec {
  readonly mode: "single-path";
  /** The name of a path, or of the interface of one, or a pattern of such. */
  readonly path?: string;
  /** Another path takes over when its delay is lower by so much … */
  readonly marginMs?: number;
  /** … for so long. */
  readonly dwellMs?: number;
}

/** Each packet goes over several paths, which share as little as possible. */
export interface ProtectedPathSpec {
  readonly mode: "protected-path";
  readonly copies: number;
}

export type ModeSpec = AllPathsSpec | SelectedPathsSpec | SinglePathSpec | ProtectedPathSpec;
