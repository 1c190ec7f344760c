import type { CommandModule } from "yargs";
import type { PathView } from "../../control/views.ts";
import { ask } from "../connect.ts";
import { bitRate, endpoint, milliseconds, percent, table, UNKNOWN } from "../format.ts";
import { ofReport, type ReportArguments } from "../options.ts";
import { print } from "../print.ts";

export const paths: CommandModule<object, ReportArguments> = {
  command: "paths",
  describe: "the paths to the peers, and how good they are",
  builder: ofReport,
  handler: async (args) => print(await ask<PathView[]>(args, "paths"), args.json, pathsText),
};

export function pathsText(views: readonly PathView[]): string {
  if (views.length === 0) return "there are no paths: no peer has been heard\n";
  const rows = views.map((path) => [
    path.peer || UNKNOWN,
    path.name,
    path.local === "" ? UNKNOWN : `${path.local} → ${endpoint(path.remote, path.port)}`,
    path.use === "backup" ? `${path.state}, backup` : path.state,
    milliseconds(path.delayUs),
    milliseconds(path.rttUs),
    milliseconds(path.queuingUs),
    percent(path.loss),
    bitRate(path.deliveredBytesPerS),
    path.mtuBytes === 0 ? UNKNOWN : path.mtuBytes.toFixed(0),
    path.weight.toFixed(0),
    percent(path.share),
    path.why ?? UNKNOWN,
  ]);
  return table(
    [
      "PEER",
      "PATH",
      "LOCAL → REMOTE",
      "STATE",
      "DELAY",
      "RTT",
      "QUEUE",
      "LOSS",
      "RATE",
      "MTU",
      "WEIGHT",
      "SHARE",
      "WHY",
    ],
    rows,
    ["DELAY", "RTT", "QUEUE", "LOSS", "RATE", "MTU", "WEIGHT", "SHARE"],
  );
}
