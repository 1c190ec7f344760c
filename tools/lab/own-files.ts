import { existsSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/cli/package.ts";
import { RequirementError } from "./requirements.ts";

/** The link emulator's binary. */
export function linkemuPath(): string {
  return builtFile(packageRoot(), "make -C tools/linkemu", "tools", "linkemu", "linkemu");
}

/** The command for one of the lab's own scripts. */
export function scriptCommand(name: string, ...args: (string | number)[]): [string, ...string[]] {
  return toolCommand(["lab", name], ...args);
}

/** The command for a script below tools/, which runs from what is compiled: Node cannot run the sources. */
export function toolCommand(path: readonly string[], ...args: (string | number)[]): [string, ...string[]] {
  const script = builtFile(
    packageRoot(),
    "npx tsc",
    "dist",
    "tools",
    ...path.slice(0, -1),
    `${path.at(-1)}.js`,
  );
  return [process.execPath, script, ...args.map(String)];
}

/** A file of a checkout that a build makes. */
export function builtFile(checkout: string, build: string, ...path: string[]): string {
  const file = join(checkout, ...path);
  if (!existsSync(file)) {
    const where = checkout === packageRoot() ? "" : ` in ${checkout}`;
    throw new RequirementError(`${join(...path)} is not built${where}: run \`${build}\``);
  }
  return file;
}
