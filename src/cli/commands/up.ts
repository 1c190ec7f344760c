import { resolve } from "node:path";
import type { Argv, CommandModule } from "yargs";
import { type Config, readConfig } from "../../config/parse.ts";
import type { Daemon } from "../../daemon/daemon.ts";
import { openLog } from "../../daemon/log.ts";
import { CAP_NET_ADMIN, hasCapability } from "../../host/capabilities.ts";
import { CliError, EXIT_FAILED, EXIT_USAGE } from "../error.ts";
import { CONFIG_PATH, withRunDirectory } from "../options.ts";
import { packageVersion } from "../package.ts";

export interface UpArguments {
  config: string;
  check: boolean;
  "run-dir": string;
  "state-dir": string;
}

export const up: CommandModule<object, UpArguments> = {
  command: "up",
  describe: "run a node in the foreground, until Ctrl-C, SIGTERM or mpip down",
  builder: (command: Argv<object>) =>
    withRunDirectory(command)
      .option("config", {
        alias: "c",
        type: "string",
        requiresArg: true,
        default: CONFIG_PATH,
        describe: "configuration file",
      })
      .option("check", { type: "boolean", default: false, describe: "only say what is wrong with the file" })
      .option("state-dir", {
        type: "string",
        requiresArg: true,
        default: "/var/lib/mpip",
        describe: "where what outlives the daemon is kept: a made-up node ID, quotas",
      }),
  handler: async (args) => {
    const config = readConfig(args.config);
    if (args.check) console.log(`${args.config} is sound: ${counted(config)}`);
    else await run(args, config);
  },
};

async function run(args: UpArguments, config: Config): Promise<void> {
  if (!hasCapability(CAP_NET_ADMIN)) {
    throw new CliError("up needs root or CAP_NET_ADMIN; run it with sudo", EXIT_USAGE);
  }
  const log = openLog(config.log);
  let daemon: Daemon | undefined;
  let ending = false;
  const end = () => {
    ending = true;
    void daemon?.stop();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, end);
  process.on("SIGHUP", () => void daemon?.reload());
  process.on("uncaughtException", (error) => {
    log.fatal(error.stack ?? error.message);
    process.exitCode = EXIT_FAILED;
    if (daemon === undefined) process.exit();
    else void daemon.stop().finally(() => process.exit());
  });
  // The other verbs do without the native addon.
  const { Daemon: Running } = await import("../../daemon/daemon.ts");
  daemon = await Running.start(
    {
      configPath: resolve(args.config),
      runDirectory: args["run-dir"],
      stateDirectory: args["state-dir"],
      version: packageVersion(),
      log,
    },
    config,
  );
  if (ending) await daemon.stop();
  await daemon.ended;
  if (daemon.failed) process.exitCode = EXIT_FAILED;
}

function counted({ peers, rules }: Config): string {
  const count = (number: number, what: string) => `${number} ${what}${number === 1 ? "" : "s"}`;
  return `${count(peers.length, "peer")}, ${count(rules.length, "rule")}`;
}
