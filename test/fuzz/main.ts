import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { Rng } from "../../src/core/base/rng.ts";
import { corpus, exercise, FuzzFailure, mutate } from "./fuzz.ts";
import { TARGETS } from "./targets.ts";

const options = yargs(hideBin(process.argv))
  .scriptName("fuzz")
  .usage("$0: feeds mutated packets to every parser until the time is up or one of them fails")
  .options({
    seconds: { type: "number", default: 60, describe: "how long" },
    seed: { type: "number", default: Date.now() % 2 ** 31, describe: "the same seed gives the same packets" },
    only: { type: "string", array: true, default: [], describe: "parsers whose names contain this" },
  })
  .strict()
  .parseSync();

const targets = TARGETS.filter(
  ({ name }) => options.only.length === 0 || options.only.some((part) => name.includes(part)),
);
if (targets.length === 0) {
  console.error(`fuzz: there are: ${TARGETS.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}
process.exitCode = run() ? 0 : 1;

/** False where a parser failed. */
function run(): boolean {
  const rng = new Rng(options.seed);
  const seeds = corpus();
  const end = performance.now() + options.seconds * 1000;
  let packets = 0;
  try {
    for (const bytes of seeds) for (const target of targets) exercise(target, bytes);
    for (; performance.now() < end; packets++) {
      const bytes = mutate(rng, seeds);
      for (const target of targets) exercise(target, bytes);
    }
  } catch (error) {
    if (!(error instanceof FuzzFailure)) throw error;
    console.error(`fuzz: seed ${options.seed}, packet ${packets + 1}: ${error.message}`);
    console.error("fuzz: once it is repaired, add it to test/fuzz/corpus.json");
    return false;
  }
  console.log(`fuzz: seed ${options.seed}: ${packets} packets, ${targets.length} parsers, no failure`);
  return true;
}
