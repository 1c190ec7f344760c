import type { Argv } from "yargs";

export const RUN_DIRECTORY = "/run/mpip";
export const CONFIG_PATH = "/etc/mpip.yaml";

export interface DaemonArguments {
  tun: string | undefined;
  "run-dir": string;
}

export interface ReportArguments extends DaemonArguments {
  json: boolean;
}

/** Of every verb that talks to a running daemon. */
export function ofDaemon<T>(command: Argv<T>) {
  return withRunDirectory(command).option("tun", {
    type: "string",
    describe: "TUN device of the daemon, if several are running",
  });
}

export function ofReport<T>(command: Argv<T>) {
  return ofDaemon(command).option("json", { type: "boolean", default: false, describe: "for programs" });
}

export function withRunDirectory<T>(command: Argv<T>) {
  return command.option("run-dir", {
    type: "string",
    default: RUN_DIRECTORY,
    describe: "where daemons keep their sockets",
  });
}
