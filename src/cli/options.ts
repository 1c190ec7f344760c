import type { Argv } from "yargs";
import { CliError, EXIT_USAGE } from "./error.ts";

export const RUN_DIRECTORY = "/run/mpip";
export const CONFIG_PATH = "/etc/mpip.yaml";

export interface DaemonArguments {
  tun: string | undefined;
  "run-dir": string;
}

export interface ReportArguments extends DaemonArguments {
  json: boolean;
}

/** A value that is missing would be an empty text, and one that is given twice a list, which nobody expects. */
export function checkOptions({ _: _verbs, ...options }: Record<string, unknown>): true {
  for (const [name, value] of Object.entries(options)) {
    const option = name.length === 1 ? `-${name}` : `--${name}`;
    if (value === "") throw new CliError(`${option} needs a value`, EXIT_USAGE);
    if (Array.isArray(value)) throw new CliError(`${option} stands twice; take one of them out`, EXIT_USAGE);
  }
  return true;
}

/** Of every verb that talks to a running daemon. */
export function ofDaemon<T>(command: Argv<T>) {
  return withRunDirectory(command).option("tun", {
    type: "string",
    requiresArg: true,
    describe: "TUN device of the daemon, if several are running",
  });
}

export function ofReport<T>(command: Argv<T>) {
  return ofDaemon(command).option("json", { type: "boolean", default: false, describe: "for programs" });
}

export function withRunDirectory<T>(command: Argv<T>) {
  return command.option("run-dir", {
    type: "string",
    requiresArg: true,
    default: RUN_DIRECTORY,
    describe: "where daemons keep their sockets",
  });
}
