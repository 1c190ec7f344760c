import type { Argv, CommandModule } from "yargs";
import { readResults } from "./results.ts";

interface ReportArguments {
  files: string[];
  page: string | undefined;
  drawings: string | undefined;
}

export const reportCommand: CommandModule<object, ReportArguments> = {
  command: "report <files..>",
  describe: "what results of runs say, all together",
  builder: (command: Argv<object>): Argv<ReportArguments> =>
    command
      .positional("files", { type: "string", array: true, demandOption: true, describe: "JSON files of run" })
      .options({
        page: { type: "string", describe: "write an HTML page that needs nothing else" },
        drawings: { type: "string", describe: "write every drawing into this directory, as SVG" },
      }),
  handler: async ({ files, page, drawings }) => {
    const results = files.map(readResults);
    const { reportText, writeReport } = await import("./report/report.ts");
    writeReport(results, {
      ...(page === undefined ? {} : { page }),
      ...(drawings === undefined ? {} : { drawings }),
    });
    process.stdout.write(reportText(results));
  },
};
