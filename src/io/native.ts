import { native } from "#native";
import { layoutDifferences } from "../core/batch/layout.ts";
import { IoError } from "./error.ts";

const differences = layoutDifferences(native.layout);
if (differences.length > 0) {
  throw new IoError(
    `the native addon was built from another version (${differences.join(", ")}): run npm run build:native`,
  );
}

export { native };

/** A block of memory that ports and plans share. */
export function openArena(bytes: number): Uint8Array {
  const arena = native.arenaOpen(bytes);
  if (typeof arena === "number") throw new IoError(`cannot get ${bytes} bytes of memory`, arena);
  return arena;
}
