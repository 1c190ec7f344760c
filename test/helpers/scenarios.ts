import { writeSync } from "node:fs";
import type { Scenarios } from "./child.ts";

/** The main function of a child program: runs the scenario named on the command line and prints what it answers. */
export async function serve(scenarios: Scenarios): Promise<void> {
  const [name = "", args = "[]"] = process.argv.slice(2);
  const scenario = scenarios[name];
  if (scenario === undefined) throw new Error(`there is no scenario "${name}"`);
  const answer = await scenario(...JSON.parse(args));
  // Written in full before anything else may end the process.
  writeSync(1, `${JSON.stringify(answer ?? null)}\n`);
}
