import type { RunOptions } from "./experiment.ts";
import type { Way } from "./ways.ts";

/** The ways that are asked for take turns, so that what changes meanwhile is the same for all of them. */
export function* turns(ways: readonly Way[], { kinds, congestions, repeats }: RunOptions) {
  for (const congestion of congestions) {
    for (let repeat = 1; repeat <= repeats; repeat++) {
      for (const way of ways) if (kinds.includes(way.kind)) yield { way, congestion, repeat };
    }
  }
}
