import { median } from "../lab/index.ts";
import type { Experiment, Run, RunOptions } from "./experiment.ts";
import { upNetwork } from "./network.ts";
import { PROFILES, type Profile } from "./profiles.ts";
import { textTable } from "./text-table.ts";
import { GOODPUT, OVERRUNS, transferOver } from "./transfer.ts";
import { mpipWay, mptcpWay, singleWay, type Way } from "./ways.ts";

export const matrix: Experiment = {
  name: "matrix",
  about: "one transfer over many pairs of lines: each line alone, MPTCP and mpip",
  defaults: { seconds: 12, repeats: 3 },
  conditions: PROFILES.map(({ name }) => name),
  async measure(options, record) {
    for (const profile of PROFILES) {
      if (options.conditions.includes(profile.name)) await measureProfile(profile, options, record);
    }
  },
  summary,
};

async function measureProfile(
  profile: Profile,
  options: RunOptions,
  record: (run: Run) => void,
): Promise<void> {
  await using network = await upNetwork(profile.lines);
  const ways = waysOf(profile, options);
  for (const congestion of options.congestions) {
    for (let repeat = 1; repeat <= options.repeats; repeat++) {
      for (const way of ways) {
        const measured = await transferOver(network, way, { ...options, congestion });
        record({ experiment: matrix.name, condition: profile.name, way: way.name, repeat, ...measured });
      }
    }
  }
}

/** Everything that the options ask for, in the order in which it takes turns. */
function waysOf({ lines }: Profile, { kinds, variants }: RunOptions): Way[] {
  const all = [...lines.map((_, i) => singleWay(i)), mptcpWay, ...variants.map(mpipWay)];
  return all.filter(({ kind }) => kinds.includes(kind));
}

/** Medians, and what mpip makes of the lines. */
function summary(runs: readonly Run[]): string {
  const ways = distinct(runs.map(({ way }) => way));
  const singles = ways.filter(isSingle);
  const others = ways.filter((way) => !isSingle(way) && way !== mptcpWay.name);
  const head = [
    ...["profile", "cc", ...ways],
    ...others.flatMap((way) => ["sum", "MPTCP", "best"].map((to) => `${way}/${to}`)),
  ];
  const rows = distinct(runs.map(({ condition, congestion }) => `${condition} ${congestion}`)).map((key) => {
    const [condition, congestion] = key.split(" ");
    const own = runs.filter((run) => run.condition === condition && run.congestion === congestion);
    const goodput = (way: string) =>
      median(own.filter((run) => run.way === way).map(({ figures }) => figures[GOODPUT]!));
    const alone = singles.map(goodput);
    const yardsticks = [alone.reduce((sum, one) => sum + one, 0), goodput(mptcpWay.name), Math.max(...alone)];
    return [
      ...[condition!, congestion!, ...ways.map((way) => rounded(goodput(way)))],
      ...others.flatMap((way) => yardsticks.map((yardstick) => rounded(goodput(way) / yardstick))),
    ];
  });
  const tooSlow = runs.filter(({ figures }) => figures[OVERRUNS]! > 0);
  const warning =
    tooSlow.length === 0
      ? ""
      : `\nVOID, the machine was too slow for the links: ${tooSlow
          .map((run) => `${run.condition} ${run.way} ${run.repeat}`)
          .join(", ")}\n`;
  return `Medians, Mbit/s of payload.\n\n${textTable(head, rows)}${warning}`;
}

function isSingle(way: string): boolean {
  return way.startsWith("link ");
}

function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}

function rounded(value: number): string {
  if (!Number.isFinite(value)) return "–";
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}
