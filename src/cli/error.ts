import { ConfigError } from "../config/parse.ts";
import { HostError } from "../host/error.ts";
import { IoError } from "../io/error.ts";

/** Something did not work that may work another time. */
export const EXIT_FAILED = 1;
/** The command, the configuration or the rights are wrong: it will not work before they are changed. */
export const EXIT_USAGE = 2;

/** A disk that is full now may have room another time. */
const PASSING_CODES = ["ENOSPC", "EDQUOT"];

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
  if (error instanceof CliError) return { text: `mpip: ${error.message}`, exitCode: error.exitCode };
  const { name, syscall, message, code = "" } = error as NodeJS.ErrnoException;
  // Of yargs, about the words of the command.
  if (name === "YError") return { text: `mpip: ${message}; see mpip --help`, exitCode: EXIT_USAGE };
  // With a system call: a file of ours that cannot be read or written. The message names it.
  if (error instanceof HostError || error instanceof IoError || syscall !== undefined) {
    const exitCode = PASSING_CODES.includes(code) ? EXIT_FAILED : EXIT_USAGE;
    return { text: message.replaceAll(/^/gm, "mpip: "), exitCode };
  }
  return { text: `mpip: ${(error as Error).stack ?? error}`, exitCode: EXIT_FAILED };
}
