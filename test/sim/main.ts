import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { NetworkRun } from "./network-run.ts";
import { randomRun } from "./random-run.ts";

const seed = { type: "number", default: 1, describe: "the same seed gives the same run" } as const;

await yargs(hideBin(process.argv))
  .scriptName("sim")
  .command(
    "$0",
    "random runs of two routers; a failing seed fails again",
    {
      seed: { ...seed, describe: "the first seed" },
      runs: { type: "number", default: 100, describe: "how many seeds, one after the other" },
      trace: { type: "boolean", default: false, describe: "prints every datagram that is sent" },
      seconds: { type: "number", default: 20, describe: "virtual length of a run" },
    },
    (options) => {
      let failed = 0;
      for (let seed = options.seed; seed < options.seed + options.runs; seed++) {
        const report = randomRun(seed, options.seconds, options.trace ? console.log : undefined);
        if (report.problems.length === 0) continue;
        failed++;
        console.log(`seed ${seed} (${report.links} links): ${report.problems.join("; ")}`);
      }
      console.log(`${options.runs - failed} of ${options.runs} runs kept every promise`);
      process.exitCode = failed === 0 ? 0 : 1;
    },
  )
  .command(
    "network",
    "a hub and spokes, with NATs, clocks that differ and drift, and whatever happens to lines and nodes",
    {
      seed,
      spokes: { type: "number", default: 5, describe: "how many" },
      seconds: {
        type: "number",
        default: 60,
        describe: "virtual length; the end, when all lines work, comes on top",
      },
      transfers: { type: "number", default: 3, describe: "of TCP, between any two" },
      perSecond: { type: "number", default: 1, describe: "datagrams from every spoke to the hub and back" },
      events: {
        type: "number",
        default: 0.5,
        describe: "in a second: cuts, NAT rebindings, restarts, other delays",
      },
      mutated: { type: "number", default: 0, describe: "of a thousand datagrams, those with a mutated copy" },
      forged: { type: "number", default: 0, describe: "datagrams in a second that somebody else sends" },
    },
    ({ seed, spokes, seconds, transfers, perSecond, events, mutated, forged }) => {
      const report = new NetworkRun({
        seed,
        spokes,
        seconds,
        transfers,
        perSecond,
        eventsPerSecond: events,
        mutatedPerMille: mutated,
        forgedPerSecond: forged,
      }).run(console.log);
      console.log(JSON.stringify(report, undefined, 2));
      process.exitCode = report.problems.length === 0 ? 0 : 1;
    },
  )
  .strict()
  .parseAsync();
