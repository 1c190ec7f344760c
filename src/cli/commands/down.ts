import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { CommandModule } from "yargs";
import { controlPath } from "../../control/path.ts";
import { sweepHost } from "../../host/host.ts";
import { Journal } from "../../host/journal.ts";
import { call, connect, daemons, notRunning, running } from "../connect.ts";
import { CliError } from "../error.ts";
import { type DaemonArguments, ofDaemon } from "../options.ts";

/** Longer than the daemon ever needs to undo what it did. */
const STOP_MS = 30_000;

export const down: CommandModule<object, DaemonArguments> = {
  command: "down",
  describe: "end the daemon, or remove what one that was killed has left",
  builder: ofDaemon,
  handler: async (args) => {
    const left = leftovers(args);
    if (left.length > 0) {
      for (const tun of left) {
        await sweepHost(new Journal(args["run-dir"], tun));
        rmSync(controlPath(args["run-dir"], tun), { force: true });
      }
      console.log(`removed what a killed daemon had left for ${left.join(", ")}`);
      return;
    }
    const client = await connect(args);
    await call(client, "stop");
    const isLate = sleep(STOP_MS, true, { ref: false });
    if ((await Promise.race([client.closed, isLate])) === true) {
      throw new CliError(`the daemon has not ended within ${STOP_MS / 1000} s; see its log`);
    }
  },
};

/** TUN devices of killed daemons; none while the daemon that is meant is running. */
function leftovers({ tun, "run-dir": runDir }: DaemonArguments): string[] {
  const names = daemons(runDir).filter((name) => tun === undefined || name === tun);
  if (names.length === 0) throw notRunning(tun);
  const dead = names.filter((name) => running(runDir, name) === undefined);
  return dead.length === names.length ? dead : [];
}
