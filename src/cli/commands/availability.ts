import type { CommandModule } from "yargs";
import type { AvailabilityReport } from "../../core/tables/availability.ts";
import { ask } from "../connect.ts";
import { duration, endpoint, table } from "../format.ts";
import { ofReport, type ReportArguments } from "../options.ts";
import { print } from "../print.ts";

export const availability: CommandModule<object, ReportArguments> = {
  command: "availability",
  describe: "who was asked whether there is mpip, and what came of it",
  builder: ofReport,
  handler: async (args) =>
    print(await ask<AvailabilityReport[]>(args, "availability"), args.json, availabilityText),
};

export function availabilityText(reports: readonly AvailabilityReport[]): string {
  if (reports.length === 0) return "nobody has been asked\n";
  const rows = reports.map(({ address, port, state, queries, pinned, nextQueryInMs, expiresInMs }) => [
    endpoint(address, port),
    state,
    String(queries),
    duration(nextQueryInMs),
    pinned ? "never" : duration(expiresInMs),
  ]);
  return table(["ADDRESS", "MPIP", "QUERIES", "ASKED AGAIN IN", "FORGOTTEN IN"], rows, [
    "QUERIES",
    "ASKED AGAIN IN",
    "FORGOTTEN IN",
  ]);
}
