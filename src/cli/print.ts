import { EXIT_FAILED } from "./error.ts";

/** An answer of the daemon on standard output: as JSON, or as `text` makes it readable. */
export function print<T>(value: T, json: boolean, text: (value: T) => string): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // Whoever reads it may have enough, as head does.
    if (error.code === "EPIPE") return;
    process.stderr.write(`mpip: cannot write the answer: ${error.message}\n`);
    process.exitCode = EXIT_FAILED;
  });
  process.stdout.write(json ? `${JSON.stringify(value, undefined, 2)}\n` : text(value));
}
