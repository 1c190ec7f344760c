import { mkdirSync, renameSync, rmSync, statSync, type WriteFileOptions, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { IoError } from "../io/error.ts";

/** Makes a directory and those above it. One by one: Node's `recursive` tries for ever what /proc refuses. */
export function makeDirectory(path: string, mode = 0o777): void {
  if (isDirectory(path)) return;
  makeDirectory(dirname(path), mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    // Another daemon may have been faster.
    if (!isDirectory(path)) throw fileError(`cannot make the directory ${path}`, error, "choose another one");
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Writes a file as a whole: whatever happens, what is there is the old text or the new one. */
export function writeWhole(path: string, text: string, options?: WriteFileOptions): void {
  const next = `${path}.new`;
  try {
    writeFileSync(next, text, options);
    renameSync(next, path);
  } catch (error) {
    rmSync(next, { force: true });
    throw fileError(`cannot write ${path}`, error, "make room for it, or choose another directory");
  }
}

/** The system names the file in some of its errors, and not in that of a full disk. */
export function fileError(what: string, error: unknown, advice: string): IoError {
  return new IoError(what, (error as NodeJS.ErrnoException).errno, advice);
}
