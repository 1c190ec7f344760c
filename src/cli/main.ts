#!/usr/bin/env node
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { availability } from "./commands/availability.ts";
import { doctor } from "./commands/doctor.ts";
import { down } from "./commands/down.ts";
import { LAB, lab, runLab } from "./commands/lab.ts";
import { paths } from "./commands/paths.ts";
import { peers } from "./commands/peers.ts";
import { sessions } from "./commands/sessions.ts";
import { status } from "./commands/status.ts";
import { up } from "./commands/up.ts";
import { CliError, EXIT_USAGE, errorReport } from "./error.ts";
import { checkOptions } from "./options.ts";
import { packageVersion } from "./package.ts";

const words = hideBin(process.argv);

if (words[0] === LAB) await runLab(words.slice(1)).catch(fail);
else await mpip();

function mpip(): Promise<unknown> {
  return yargs(words)
    .scriptName("mpip")
    .usage("$0 VERB [options]\n\nMultipath IP: every session over all interfaces at once.")
    .parserConfiguration({ "parse-positional-numbers": false, "boolean-negation": false })
    .command(up)
    .command(down)
    .command(status)
    .command(paths)
    .command(sessions)
    .command(peers)
    .command(availability)
    .command(doctor)
    .command(lab)
    .demandCommand(1, "say what to do")
    .strict()
    .check(checkOptions)
    .version(packageVersion())
    .wrap(100)
    .fail((message, error) => fail(error ?? new CliError(`${message}; see mpip --help`, EXIT_USAGE)))
    .parseAsync()
    .catch(fail);
}

function fail(error: unknown): never {
  const { text, exitCode } = errorReport(error);
  process.stderr.write(`${text}\n`);
  process.exit(exitCode);
}
