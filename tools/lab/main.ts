#!/usr/bin/env node
import { spawn } from "node:child_process";
import { once } from "node:events";
import yargs, { type Argv } from "yargs";
import { hideBin } from "yargs/helpers";
import { reportCommand } from "../experiments/report-command.ts";
import { runCommand } from "../experiments/run-command.ts";
import { DescriptionError } from "./description.ts";
import { readDescription } from "./description-file.ts";
import type { LinkStats } from "./emulator.ts";
import { Lab } from "./lab.ts";
import { directions, ends } from "./line.ts";
import { cutKinds, type LineChange } from "./link.ts";
import { namespaced } from "./namespace.ts";
import { statsTable, table, topologyTables } from "./overview.ts";
import { RequirementError, requireRoot } from "./requirements.ts";
import { ownerPid } from "./run-id.ts";
import { sweep } from "./teardown.ts";

const exitFailed = 1;
const exitRequirement = 2;
const both = "both";

await yargs(hideBin(process.argv))
  .scriptName("lab")
  .usage("Networks made of namespaces: hosts, lines, routers and NATs on one machine.")
  .parserConfiguration({ "populate--": true, "parse-positional-numbers": false })
  .command(
    "up <file>",
    "build the network of a file, and keep it until Ctrl-C or until the command after -- has ended",
    (command) =>
      command
        .positional("file", { type: "string", demandOption: true, describe: "description of the network" })
        .option("in", {
          type: "string",
          describe: "host in which to run the command; the first one if not given",
        }),
    async ({ file, in: host, ...rest }) => up(file, host, commandWords(rest)),
  )
  .command(
    "check <file>",
    "only say what is wrong with a file",
    (command) => command.positional("file", { type: "string", demandOption: true }),
    async ({ file }) => check(file),
  )
  .command(
    "exec <host>",
    "run the command after -- in a host of a running lab",
    (command) => ofLab(command.positional("host", { type: "string", demandOption: true })),
    async ({ host, lab, ...rest }) => execute(attach(lab), host, commandWords(rest)),
  )
  .command(
    "set <link> <changes..>",
    "change a running line, as in: set l0 rateMbit=10 delayMs=50",
    (command) =>
      ofLab(onLink(command))
        .positional("changes", { type: "string", array: true, demandOption: true, describe: "key=value" })
        .option("direction", { choices: [...directions, both], default: both }),
    async ({ link, changes, direction, lab }) => attach(lab).link(link).set(lineChange(direction, changes)),
  )
  .command(
    "cut <link>",
    "interrupt a link",
    (command) =>
      ofLab(onLink(command))
        .option("kind", { choices: cutKinds, default: "carrier" as const })
        .option("end", { choices: [...ends, both] as const, describe: "where, for carrier and admin" })
        .option("direction", { choices: [...directions, both] as const, describe: "what, for silent" })
        .check(({ kind, end, direction }) => {
          if ((kind === "silent" ? end : direction) === undefined) return true;
          throw new Error(
            kind === "silent" ? "a silent cut has a --direction" : `a ${kind} cut has an --end`,
          );
        }),
    async ({ link, kind, end, direction, lab }) =>
      kind === "silent" ? attach(lab).link(link).cut(kind, direction) : attach(lab).link(link).cut(kind, end),
  )
  .command(
    "restore <link>",
    "undo all cuts of a link",
    (command) => ofLab(onLink(command)),
    async ({ link, lab }) => attach(lab).link(link).restore(),
  )
  .command(
    "stats",
    "what went through the emulated links",
    (command) => ofLab(command),
    async ({ lab }) => stats(attach(lab)),
  )
  .command(runCommand)
  .command(reportCommand)
  .command("list", "the labs that are running", {}, list)
  .command("sweep", "remove what labs of killed processes left behind", {}, sweepAll)
  .demandCommand(1, "say what to do")
  .strict()
  .fail((message, error) => fail(error ?? new Error(`${message}; see --help`)))
  .parseAsync()
  .catch(fail);

async function up(file: string, hostName: string | undefined, command: string[]): Promise<void> {
  const description = readDescription(file);
  const lab = await Lab.up(description, file);
  if (command.length > 0) {
    await execute(lab, hostName ?? lab.hosts[0]!.name, command);
    await lab.down();
    return;
  }
  process.stdout.write(`lab ${lab.id}\n\n${topologyTables(lab.topology)}\nCtrl-C removes it.\n`);
  const awake = setInterval(() => {}, 60_000);
  await Promise.race(["SIGINT", "SIGTERM"].map((signal) => once(process, signal)));
  clearInterval(awake);
  await lab.down();
}

function check(file: string): void {
  const { hosts, links } = readDescription(file);
  console.log(`${file} is sound: ${Object.keys(hosts).length} hosts, ${Object.keys(links).length} links`);
}

/** In the foreground, with the terminal; our exit code is the command's. */
async function execute(lab: Lab, hostName: string, command: string[]): Promise<void> {
  if (command.length === 0) throw new Error("say which command to run, after --");
  const [program, ...args] = [...namespaced(lab.host(hostName).namespace), ...command];
  const [code, signal] = await once(spawn(program!, args, { stdio: "inherit" }), "exit");
  process.exitCode = signal === null ? code : exitFailed;
}

async function stats(lab: Lab): Promise<void> {
  const rows = new Map<string, LinkStats>();
  for (const link of lab.links.filter(({ plan }) => plan.emulated)) rows.set(link.name, await link.stats());
  process.stdout.write(statsTable(rows));
}

async function list(): Promise<void> {
  const rows = Lab.running().map((lab) => [
    lab.id,
    String(ownerPid(lab.id)),
    lab.source,
    lab.hosts.map(({ name }) => name).join(" "),
  ]);
  process.stdout.write(
    rows.length === 0 ? "no lab is running\n" : table(["LAB", "PID", "FILE", "HOSTS"], rows),
  );
}

async function sweepAll(): Promise<void> {
  requireRoot();
  const swept = sweep();
  console.log(swept.length === 0 ? "nothing was left behind" : `removed ${swept.join(", ")}`);
}

function attach(id: string | undefined): Lab {
  requireRoot();
  return Lab.attach(id);
}

function lineChange(direction: string, changes: readonly string[]): LineChange {
  const entries = changes.map((change) => {
    const [, key, value] = /^([^=]+)=(.+)$/.exec(change) ?? [];
    if (value === undefined) throw new Error(`${change} is not key=value`);
    return [key, Number.isNaN(Number(value)) ? value : Number(value)];
  });
  return { [direction]: Object.fromEntries(entries) };
}

function onLink<T>(command: Argv<T>) {
  return command.positional("link", { type: "string", demandOption: true });
}

function ofLab<T>(command: Argv<T>) {
  return command.option("lab", { type: "string", describe: "which lab, if several are running (see list)" });
}

function commandWords(rest: Record<string, unknown>): string[] {
  return ((rest["--"] as unknown[] | undefined) ?? []).map(String);
}

function fail(error: unknown): never {
  const { message } = error as Error;
  console.error(error instanceof DescriptionError ? message : `lab: ${message}`);
  process.exit(error instanceof RequirementError ? exitRequirement : exitFailed);
}
