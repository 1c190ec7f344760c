import { run } from "./command.ts";

/** The words in front of a command that make it run in a namespace. */
export function namespaced(namespace: string): string[] {
  return ["ip", "netns", "exec", namespace];
}

/**
 * Runs lines for `ip`, in a namespace or, without one, where we are. Lines with the option -6 in front come last, as
 * `ip` takes the option only for a whole batch.
 */
export async function ipBatch(lines: readonly string[], namespace?: string): Promise<void> {
  const where = namespace === undefined ? [] : ["-netns", namespace];
  const ipv6 = lines.filter((line) => line.startsWith("-6 ")).map((line) => line.slice(3));
  await runBatch(
    where,
    lines.filter((line) => !line.startsWith("-6 ")),
  );
  await runBatch(["-6", ...where], ipv6);
}

async function runBatch(options: readonly string[], lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  try {
    await run(["ip", ...options, "-batch", "-"], { input: `${lines.join("\n")}\n` });
  } catch (error) {
    throw batchError(error as Error, lines);
  }
}

/** `ip` says only which line of its input failed. */
function batchError(error: Error, lines: readonly string[]): Error {
  const number = /Command failed -:(\d+)/.exec(error.message)?.[1];
  if (number === undefined) return error;
  return new Error(`ip ${lines[Number(number) - 1]}: ${error.message}`, { cause: error });
}
