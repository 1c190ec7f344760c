import { ConfigError } from "../config/parse.ts";
import { HostError } from "../host/error.ts";
import { IoError } from "../io/error.ts";

/** Something did not work that may work another time. */
export const EXIT_FAILED = 1;
/** The command, the configuration or the rights are wrong: it will not work before they are changed. */
export const EXIT_USAGE = 2;

/** A message for people, in one line, and the exit code that goes with it. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: number;

  constructor(message: string, exitCode = EXIT_FAILED) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** What is to be written to standard error before the program ends with the code. */
export function errorReport(error: unknown): { text: string; exitCode: number } {
  if (error instanceof ConfigError) return { text: error.message, exitCode: EXIT_USAGE };
  if (error instanceof HostError || error instanceof IoError) {
    return { text: error.message.replaceAll(/^/gm, "mpip: "), exitCode: EXIT_USAGE };
  }
  if (error instanceof CliError) return { text: `mpip: ${error.message}`, exitCode: error.exitCode };
  // A file of ours that cannot be read or written: the message names it.
  const { syscall, message } = error as NodeJS.ErrnoException;
  if (syscall !== undefined) return { text: `mpip: ${message}`, exitCode: EXIT_USAGE };
  return { text: `mpip: ${(error as Error).stack ?? error}`, exitCode: EXIT_FAILED };
}
