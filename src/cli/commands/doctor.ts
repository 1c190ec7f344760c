import type { Argv, CommandModule } from "yargs";
import { ControlClient } from "../../control/client.ts";
import { controlPath } from "../../control/path.ts";
import type { PathView, StatusView } from "../../control/views.ts";
import type { DaemonReport, SilentDaemon } from "../../doctor/doctor.ts";
import type { Finding } from "../../doctor/finding.ts";
import { CAP_NET_ADMIN, hasCapability } from "../../host/capabilities.ts";
import { Journal } from "../../host/journal.ts";
import { daemons, running } from "../connect.ts";
import { EXIT_FAILED } from "../error.ts";
import { CONFIG_PATH, ofReport, type ReportArguments } from "../options.ts";
import { print } from "../print.ts";

interface DoctorArguments extends ReportArguments {
  config: string | undefined;
}

export const doctor: CommandModule<object, DoctorArguments> = {
  command: "doctor",
  describe: "looks for what keeps a node from working, and says what to do about it",
  builder: (command: Argv<object>) =>
    ofReport(command).option("config", {
      alias: "c",
      type: "string",
      requiresArg: true,
      describe: "configuration file; without it that of the running daemon, or /etc/mpip.yaml",
    }),
  handler: async (args) => {
    const daemon = await examined(args);
    // The other verbs do without the native addon.
    const { examine } = await import("../../doctor/doctor.ts");
    const findings = await examine({
      configPath: args.config ?? daemon?.status?.config.path ?? CONFIG_PATH,
      daemon,
      journalOf: (tun) => new Journal(args["run-dir"], tun),
    });
    print(findings, args.json, findingsText);
    if (findings.some(({ level }) => level === "bad")) process.exitCode = EXIT_FAILED;
  },
};

/** The daemon that is meant; undefined where none is running. */
async function examined({
  tun,
  "run-dir": runDir,
}: DoctorArguments): Promise<DaemonReport | SilentDaemon | undefined> {
  if (!hasCapability(CAP_NET_ADMIN)) return undefined;
  for (const name of daemons(runDir)) {
    const daemon = tun === undefined || name === tun ? running(runDir, name) : undefined;
    if (daemon === undefined) continue;
    try {
      return await report(controlPath(runDir, name));
    } catch (error) {
      return { pid: daemon.pid, why: (error as Error).message };
    }
  }
  return undefined;
}

async function report(path: string): Promise<DaemonReport> {
  const client = await ControlClient.connect(path);
  try {
    return { status: await client.call<StatusView>("status"), paths: await client.call<PathView[]>("paths") };
  } finally {
    client.close();
  }
}

const LEVELS = { ok: "ok", warn: "warn", bad: "BAD" } as const;

export function findingsText(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  return findings
    .map(({ check, level, text, advice }) => {
      const what = advice === undefined ? text : `${text}; ${advice}`;
      return `${LEVELS[level].padEnd(4)}  ${check.padEnd(width)}  ${what}\n`;
    })
    .join("");
}
