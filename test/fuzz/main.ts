import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { Rng } from "../../src/core/base/rng.ts";
import { fuzzDaemon } from "./daemon.ts";
import { corpus, exercise, FuzzFailure, mutate } from "./fuzz.ts";
import { TARGETS, type Target } from "./targets.ts";

const seed = {
  type: "number",
  default: Date.now() % 2 ** 31,
  describe: "the same seed gives the same packets",
} as const;

await yargs(hideBin(process.argv))
  .scriptName("fuzz")
  .command(
    "$0",
    "feeds mutated packets to every parser until the time is up or one of them fails",
    {
      seed,
      seconds: { type: "number", default: 60, describe: "how long" },
      only: { type: "string", array: true, default: [], describe: "parsers whose names contain this" },
    },
    (options) => {
      process.exitCode = fuzzParsers(options.seed, options.seconds, options.only);
    },
  )
  .command(
    "daemon",
    "sends mutated datagrams to a daemon that carries two transfers (needs root)",
    { seed, datagrams: { type: "number", default: 1_000_000, describe: "how many it is to receive" } },
    async (options) => {
      const report = await fuzzDaemon({ ...options, onProgress: console.log });
      console.log(JSON.stringify(report, undefined, 2));
      for (const problem of report.problems) console.error(`fuzz: seed ${options.seed}: ${problem}`);
      process.exitCode = report.problems.length === 0 ? 0 : 1;
    },
  )
  .strict()
  .parseAsync();

/** The exit code. */
function fuzzParsers(seed: number, seconds: number, only: readonly string[]): number {
  const isWanted = ({ name }: Target) => only.length === 0 || only.some((part) => name.includes(part));
  const targets = TARGETS.filter(isWanted);
  if (targets.length === 0) {
    console.error(`fuzz: there are: ${TARGETS.map(({ name }) => name).join(", ")}`);
    return 2;
  }
  const rng = new Rng(seed);
  const seeds = corpus();
  const end = performance.now() + seconds * 1000;
  let packets = 0;
  try {
    for (const bytes of seeds) for (const target of targets) exercise(target, bytes);
    for (; performance.now() < end; packets++) {
      const bytes = mutate(rng, seeds);
      for (const target of targets) exercise(target, bytes);
    }
  } catch (error) {
    if (!(error instanceof FuzzFailure)) throw error;
    console.error(`fuzz: seed ${seed}, packet ${packets + 1}: ${error.message}`);
    console.error("fuzz: once it is repaired, add it to test/fuzz/corpus.json");
    return 1;
  }
  console.log(`fuzz: seed ${seed}: ${packets} packets, ${targets.length} parsers, no failure`);
  return 0;
}
