import { writeFileSync } from "node:fs";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { Lab, machine } from "../lab/index.ts";
import { isInPath } from "../lab/requirements.ts";
import { CONTENDERS, type Contender } from "./contenders.ts";
import { MEASURES } from "./measures.ts";
import { Results, tables } from "./report.ts";

const options = yargs(hideBin(process.argv))
  .scriptName("bench")
  .usage("$0: mpip, its pipe, the bare link, kernel MPTCP and what else is installed, on two unshaped links")
  .options({
    repeats: {
      type: "number",
      default: 3,
      describe: "alternating runs of every contender; medians are printed",
    },
    seconds: { type: "number", default: 3, describe: "length of one measurement" },
    only: { type: "string", array: true, default: [], describe: "contenders whose names contain this" },
    measures: { type: "string", array: true, default: [], describe: "measures whose names contain this" },
    json: { type: "string", describe: "file for the figures of every run" },
  })
  .strict()
  .parseSync();

const chosen = <T extends { name: string }>(
  all: readonly T[],
  parts: readonly string[],
  what: string,
): T[] => {
  const found = all.filter(({ name }) => parts.length === 0 || parts.some((part) => name.includes(part)));
  if (found.length > 0) return found;
  console.error(
    `bench: no ${what} contains ${parts.join(", ")}; there are: ${all.map(({ name }) => name).join(", ")}`,
  );
  process.exit(2);
};

const installed = (contender: Contender) => {
  const missing = (contender.needs ?? []).filter((command) => !isInPath(command));
  if (missing.length > 0)
    console.error(`bench: without ${contender.name}: ${missing.join(", ")} is not installed`);
  return missing.length === 0;
};

for (const option of ["repeats", "seconds"] as const) {
  if (options[option] > 0) continue;
  console.error(`bench: --${option} is not a number above 0`);
  process.exit(2);
}

const contenders = chosen(CONTENDERS, options.only, "contender").filter(installed);
if (contenders.length === 0) process.exit(2);
const measures = chosen(MEASURES, options.measures, "measure");
const results = new Results();

const lab = await Lab.up({
  hosts: { a: null, b: null },
  // One path for each link.
  links: { l0: { between: ["a", "b"], subnet6: "none" }, l1: { between: ["a", "b"], subnet6: "none" } },
});
try {
  for (let repeat = 1; repeat <= options.repeats; repeat++) {
    for (const contender of contenders) {
      process.stderr.write(`\r\x1b[Krun ${repeat} of ${options.repeats}: ${contender.name}`);
      for (const measure of measures) {
        // Anew for each: only the first one would begin with daemons whose code is not compiled yet.
        const way = await contender.start(lab);
        try {
          if (way.tcpOnly && !measure.tcpOnly) continue;
          results.add(contender.name, measure.name, await measure.run(lab, way, options.seconds));
        } finally {
          await way.stop();
        }
      }
    }
  }
} finally {
  await lab.down();
}
process.stderr.write("\r\x1b[K");

const about = machine();
console.log(`${about.cpu}, Linux ${about.kernel}, Node ${about.node}, ${about.commit}`);
console.log(
  `medians of ${options.repeats} alternating runs of ${options.seconds} s; TCP with CUBIC where not said\n`,
);
console.log(tables(results));
if (options.json !== undefined) {
  writeFileSync(
    options.json,
    `${JSON.stringify({ machine: about, options, results: results.all }, null, 2)}\n`,
  );
}
