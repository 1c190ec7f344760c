import type { CommandModule } from "yargs";
import type { PeerView } from "../../control/views.ts";
import { ask } from "../connect.ts";
import { duration, table, UNKNOWN } from "../format.ts";
import { ofReport, type ReportArguments } from "../options.ts";
import { print } from "../print.ts";

export const peers: CommandModule<object, ReportArguments> = {
  command: "peers",
  describe: "the nodes that this one knows",
  builder: ofReport,
  handler: async (args) => print(await ask<PeerView[]>(args, "peers"), args.json, peersText),
};

function stateText({ state, clashes, refusal }: PeerView): string {
  const words: string[] = [state];
  if (refusal !== undefined) words.push(`refuses us: ${refusal}`);
  if (clashes > 0) words.push(`${clashes} ID clashes`);
  return words.join(", ");
}

export function peersText(views: readonly PeerView[]): string {
  if (views.length === 0) return "there are no peers: name some in the configuration\n";
  const rows = views.map((peer) => [
    peer.name,
    peer.node ?? UNKNOWN,
    stateText(peer),
    `${peer.pathsReady} of ${peer.paths}`,
    String(peer.sessions),
    duration(peer.heardMsAgo),
    peer.routes.join(" ") || UNKNOWN,
  ]);
  return table(["PEER", "NODE", "STATE", "PATHS", "SESSIONS", "HEARD", "ROUTES"], rows, [
    "SESSIONS",
    "HEARD",
  ]);
}
