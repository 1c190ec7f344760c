import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { CommandModule } from "yargs";
import { CliError, EXIT_FAILED, EXIT_USAGE } from "../error.ts";
import { packageRoot } from "../package.ts";

export const LAB = "lab";

export const lab: CommandModule = {
  command: LAB,
  describe: "networks on one machine to try mpip in, and measurements: see mpip lab --help",
  handler: () => {},
};

/** The lab understands its own words, the call for help among them. */
export async function runLab(words: readonly string[]): Promise<void> {
  // A tool of the checkout, and not part of the package.
  const program = join(packageRoot(), "dist", "tools", "lab", "main.js");
  if (!existsSync(program)) {
    throw new CliError("the lab comes with the source code only: run this in a checkout", EXIT_USAGE);
  }
  const child = spawn(process.execPath, [program, ...words], { stdio: "inherit" });
  // The lab clears up before it ends. What the terminal sends, it gets from there.
  for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => {});
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  const [code] = await once(child, "exit");
  process.exitCode = code ?? EXIT_FAILED;
}
