import { isDeepStrictEqual } from "node:util";
import type { HostItem } from "./plan.ts";

export interface HostChanges {
  /** In the order in which they are to be undone. */
  readonly undo: readonly HostItem[];
  readonly apply: readonly HostItem[];
}

/** What leads from what the host has to what it is to have. */
export function hostChanges(current: readonly HostItem[], wanted: readonly HostItem[]): HostChanges {
  const has = new Map(current.map((item) => [item.id, item]));
  const wants = new Set(wanted.map(({ id }) => id));
  return {
    undo: current.filter(({ id }) => !wants.has(id)).reverse(),
    apply: wanted.filter(({ id, apply }) => !isDeepStrictEqual(has.get(id)?.apply, apply)),
  };
}
