import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { RequirementError } from "./requirements.ts";

/** The link emulator's binary. */
export function linkemuPath(): string {
  return builtFile("make -C tools/linkemu", "tools", "linkemu", "linkemu");
}

/** The command for one of the lab's own scripts, which run from what is compiled: Node cannot run the sources. */
export function scriptCommand(name: string, ...args: (string | number)[]): [string, ...string[]] {
  return [process.execPath, builtFile("npx tsc", "dist", "tools", "lab", `${name}.js`), ...args.map(String)];
}

function builtFile(build: string, ...path: string[]): string {
  const file = join(packageRoot(), ...path);
  if (!existsSync(file)) throw new RequirementError(`${join(...path)} is not built: run \`${build}\``);
  return file;
}

/** The directory with package.json, both for the sources and for what is compiled to dist/. */
function packageRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, "package.json"))) {
    if (dirname(directory) === directory) throw new Error("no package.json above the lab's own files");
    directory = dirname(directory);
  }
  return directory;
}
