import { readFileSync } from "node:fs";
import { parse } from "yaml";
import type { Argv, CommandModule } from "yargs";
import { EXPERIMENTS } from "./catalog.ts";
import type { Experiment, Run, RunOptions } from "./experiment.ts";
import { ResultsFile } from "./results.ts";
import { merged, type Patch, type Variant, WAY_KINDS, type WayKind } from "./ways.ts";

interface RunArguments {
  name: string;
  profile: string[];
  cc: string[] | undefined;
  seconds: number | undefined;
  repeats: number | undefined;
  only: readonly WayKind[];
  reverse: boolean | undefined;
  flows: number | undefined;
  "config-patch": string[];
  set: string[];
  variant: string[];
  build: string[];
  out: string;
}

export const runCommand: CommandModule<object, RunArguments> = {
  command: "run <name>",
  describe: "measure an experiment, and write what came out as JSON and as a page",
  builder: (command: Argv<object>): Argv<RunArguments> =>
    command
      .positional("name", {
        type: "string",
        demandOption: true,
        choices: EXPERIMENTS.map(({ name }) => name),
      })
      .epilog(`Experiments:\n${textList(EXPERIMENTS)}`)
      .options({
        profile: {
          type: "string",
          array: true,
          default: [],
          describe: "only what is named so; * stands for anything",
        },
        cc: {
          type: "string",
          array: true,
          describe: "TCP congestion control: cubic (the default), bbr",
        },
        seconds: { type: "number", describe: "length of one measurement" },
        repeats: { type: "number", describe: "how often everything takes its turn" },
        only: { choices: WAY_KINDS, array: true, default: [], describe: "only these kinds of ways" },
        reverse: { type: "boolean", describe: "the server sends" },
        flows: { type: "number", describe: "TCP connections at once (1)" },
        "config-patch": {
          type: "string",
          array: true,
          default: [],
          describe: "YAML files laid over mpip's configuration",
        },
        set: { type: "string", array: true, default: [], describe: "a key of it, as in tun.mtu=1400" },
        variant: {
          type: "string",
          array: true,
          default: [],
          describe: "one more mpip, as in 'small: { tun: { mtu: 1200 } }'",
        },
        build: {
          type: "string",
          array: true,
          default: [],
          describe: "one more mpip, of another checkout: name=directory",
        },
        out: { type: "string", default: "lab-results", describe: "directory for what was measured" },
      }),
  handler: async (args) => {
    const experiment = EXPERIMENTS.find(({ name }) => name === args.name)!;
    const options = runOptions(experiment, args);
    let runs = 0;
    const file = new ResultsFile(args.out, experiment.name, commandLine());
    await experiment.measure(options, (run) => {
      runs++;
      file.add(run);
      process.stderr.write(`${progress(run)}\n`);
    });
    if (runs === 0) throw new Error(`${experiment.name} measures none of these ways; leave --only out`);
    const { writeReport, reportText } = await import("./report/report.ts");
    const page = file.path.replace(/json$/, "html");
    writeReport([file.results], { page });
    process.stdout.write(`${reportText([file.results])}\n${file.path}\n${page}\n`);
  },
};

function textList(experiments: readonly Experiment[]): string {
  return experiments.map(({ name, about }) => `  ${name.padEnd(14)}${about}`).join("\n");
}

function runOptions(experiment: Experiment, args: RunArguments): RunOptions {
  for (const option of experiment.without ?? []) {
    const given = args[option];
    if (given !== undefined && (!Array.isArray(given) || given.length > 0))
      throw new Error(`${experiment.name} has no use for --${option}; leave it out`);
  }
  for (const option of ["seconds", "repeats", "flows"] as const) {
    const given = args[option];
    if (given !== undefined && !(given > 0)) throw new Error(`--${option} is not a number above 0`);
  }
  const common = [
    ...args["config-patch"].map((file) => parse(readFileSync(file, "utf8")) as Patch),
    ...args.set.map(setting),
  ].reduce(merged, {});
  return {
    seconds: args.seconds ?? experiment.defaults.seconds,
    repeats: args.repeats ?? experiment.defaults.repeats,
    congestions: args.cc ?? ["cubic"],
    conditions: chosen(experiment.conditions, args.profile),
    kinds: args.only.length === 0 ? WAY_KINDS : args.only,
    variants: [{ name: "mpip", patch: common }, ...variants(args, common)],
    reverse: args.reverse ?? false,
    flows: args.flows ?? 1,
  };
}

/** Names that fit any of the patterns; all if there are no patterns. */
function chosen(names: readonly string[], patterns: readonly string[]): string[] {
  if (patterns.length === 0) return [...names];
  const fit = (pattern: string) => {
    const expression = new RegExp(`^${pattern.split("*").map(escaped).join(".*")}$`);
    const found = names.filter((name) => expression.test(name));
    if (found.length === 0) throw new Error(`no profile is named ${pattern}; there are: ${names.join(", ")}`);
    return found;
  };
  const found = patterns.flatMap(fit);
  return names.filter((name) => found.includes(name));
}

function variants({ variant, build }: RunArguments, common: Patch): Variant[] {
  const patched = variant.flatMap((text) =>
    Object.entries(parse(text) as Record<string, Patch>).map(([name, patch]) => ({
      name: `mpip ${name}`,
      patch: merged(common, patch),
    })),
  );
  const built = build.map((text) => {
    const [name, checkout] = halves(text);
    return { name: `mpip ${name}`, patch: common, checkout };
  });
  return [...patched, ...built];
}

/** `a.b=c` as `{ a: { b: c } }`. */
function setting(text: string): Patch {
  const [keys, value] = halves(text);
  return keys.split(".").reduceRight<unknown>((inner, key) => ({ [key]: inner }), parse(value)) as Patch;
}

function halves(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at <= 0) throw new Error(`${text} is not name=value`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function progress({ condition, congestion, way, repeat, figures }: Run): string {
  const [[name, value]] = Object.entries(figures) as [[string, number]];
  return `${condition}, ${congestion}, ${way}, ${repeat}: ${value.toFixed(2)} ${name}`;
}

/** As it was given, to be given again. */
function commandLine(): string {
  const words = process.argv.slice(2).map((word) => (/^[\w./=:,+*-]+$/.test(word) ? word : `'${word}'`));
  return `npm run lab -- ${words.join(" ")}`;
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
