import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { randomRun } from "../../test/sim/random-run.ts";

const options = yargs(hideBin(process.argv))
  .scriptName("sim")
  .usage("$0: random runs of two routers in virtual time; a failing seed fails again")
  .options({
    seed: { type: "number", default: 1, describe: "the first seed" },
    runs: { type: "number", default: 100, describe: "how many seeds, one after the other" },
    trace: { type: "boolean", default: false, describe: "prints every datagram that is sent" },
    seconds: { type: "number", default: 20, describe: "virtual length of a run" },
  })
  .strict()
  .parseSync();

let failed = 0;
for (let seed = options.seed; seed < options.seed + options.runs; seed++) {
  const report = randomRun(seed, options.seconds, options.trace ? console.log : undefined);
  if (report.problems.length === 0) continue;
  failed++;
  console.log(`seed ${seed} (${report.links} links): ${report.problems.join("; ")}`);
}
console.log(`${options.runs - failed} of ${options.runs} runs kept every promise`);
process.exitCode = failed === 0 ? 0 : 1;
