import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../tools/lab/command.ts";
import { ROOT } from "./child.ts";

/** A directory of a test file; `remove` it in afterAll. */
export async function temporaryDirectory(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "mpip-test-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** Compiles a C source to a library that can be preloaded; answers where it is. */
export async function compileLibrary(source: string, directory: string): Promise<string> {
  const library = join(directory, "preloaded.so");
  await run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, `${ROOT}${source}`, "-ldl"]);
  return library;
}
