import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { run } from "../../tools/lab/command.ts";

/** The checkout, with a slash at its end. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** What a child program offers: see serve in scenarios.ts. */
// biome-ignore lint/suspicious/noExplicitAny: the arguments of each scenario are its own affair; callers are checked.
export type Scenarios = Record<string, (...args: any[]) => unknown>;

export interface Where {
  namespace?: string;
  /** Words in front of the command, to run it as another user or without something. */
  prefix?: readonly string[];
  /** Options of Node. */
  node?: readonly string[];
  env?: Record<string, string>;
  timeoutMs?: number;
  /** Where the built product is, with a slash at its end, if not in the checkout. */
  root?: string;
}

/**
 * Runs one scenario of a compiled child program (`program` is its source) and answers what it found. A test worker
 * cannot change its own namespace, user or options; a process of its own can.
 */
export async function runScenario<All extends Scenarios, Name extends keyof All & string>(
  program: string,
  name: Name,
  args: Parameters<All[Name]>,
  { namespace, prefix = [], node = [], env = {}, timeoutMs = 60_000, root = ROOT }: Where = {},
): Promise<Awaited<ReturnType<All[Name]>>> {
  const inside = namespace === undefined ? [] : ["ip", "netns", "exec", namespace];
  const argv = [process.execPath, ...node, compiled(program, root), name, JSON.stringify(args)];
  const { stdout } = await run(argv, { prefix: [...inside, ...prefix], env, timeoutMs });
  const answer = stdout.trimEnd().split("\n").at(-1)!;
  return JSON.parse(answer);
}

/** Where the compiler puts a source file. */
export function compiled(source: string, root = ROOT): string {
  const file = `${root}dist/${source.replace(/\.ts$/, ".js")}`;
  if (!existsSync(file)) throw new Error(`${file} is missing: run npx tsc`);
  return file;
}
