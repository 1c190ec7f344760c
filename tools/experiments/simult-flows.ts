import type { Experiment, Run, RunOptions } from "./experiment.ts";
import { upNetwork } from "./network.ts";
import type { Line } from "./profiles.ts";
import type { Section } from "./report/chart.ts";
import { distinct, figure, medianFigure, pick, shown, shownRange } from "./select.ts";
import { SECONDS, timedTransfer } from "./timed-transfer.ts";
import { perCongestion } from "./transfer-report.ts";
import { turns } from "./turns.ts";
import { mpipWay, mptcpWay, singleWay } from "./ways.ts";

/** The kernel's test of MPTCP: 16 MB over two paths within the time that their rates together allow. */
const SIMULT_BYTES = 2 * 2048 * 4096;
/** As many packets as netem holds. */
const SIMULT_QUEUE_KB = 1500;
const ALLOWED = "s allowed";

const SIMULT: readonly { name: string; lines: [Line, Line] }[] = [
  simult("10+10", [10, 0], [10, 0]),
  simult("10+10, 1 and 50 ms", [10, 1], [10, 50]),
  simult("30+10", [30, 0], [10, 0]),
  simult("30+10, 1 and 50 ms", [30, 1], [10, 50]),
  simult("30+10, 50 and 1 ms", [30, 50], [10, 1]),
];

const DIRECTIONS = [
  { suffix: "", upload: true },
  { suffix: ", reverse", upload: false },
];

export const simultFlows: Experiment = {
  name: "simult-flows",
  about: "the kernel's simult_flows.sh: 16 MB over two paths, within the time that their rates allow",
  defaults: { seconds: 0, repeats: 3 },
  conditions: SIMULT.flatMap(({ name }) => DIRECTIONS.map(({ suffix }) => name + suffix)),
  without: ["seconds", "reverse", "flows"],
  measure: measureSimult,
  report: (runs) => perCongestion(runs, simultSection),
};

function simult(
  name: string,
  ...ends: [rateMbit: number, delayMs: number][]
): { name: string; lines: [Line, Line] } {
  const lines = ends.map(([rateMbit, delayMs]) => ({ rateMbit, delayMs, queueKb: SIMULT_QUEUE_KB }));
  return { name, lines: lines as [Line, Line] };
}

/** The script's formula: a tenth for headers, 0.4 s for joining the paths, 50 ms of slack. */
function allowedSeconds(lines: readonly Line[]): number {
  const bitsPerS = lines.reduce((sum, { rateMbit }) => sum + rateMbit! * 1e6, 0);
  return (SIMULT_BYTES * 8 * 10) / (bitsPerS * 9) + 0.45;
}

async function measureSimult(options: RunOptions, record: (run: Run) => void): Promise<void> {
  const ways = [singleWay(0), mptcpWay, ...options.variants.map(mpipWay)];
  for (const { name, lines } of SIMULT) {
    const directions = DIRECTIONS.filter(({ suffix }) => options.conditions.includes(name + suffix));
    if (directions.length === 0) continue;
    await using network = await upNetwork(lines);
    for (const { way, congestion, repeat } of turns(ways, options)) {
      for (const { suffix, upload } of directions) {
        const running = await way.start(network);
        try {
          const bytes = SIMULT_BYTES;
          const measured = await timedTransfer(network, running, { bytes, congestion, upload });
          const figures = { ...measured.figures, [ALLOWED]: allowedSeconds(lines) };
          const common = {
            experiment: simultFlows.name,
            condition: name + suffix,
            way: way.name,
            repeat,
          };
          record({ ...common, ...measured, figures });
        } finally {
          await running.stop();
        }
      }
    }
  }
}

function simultSection(runs: readonly Run[]): Omit<Section, "title"> {
  const ways = distinct(runs.map(({ way }) => way));
  const conditions = distinct(runs.map(({ condition }) => condition));
  const allowed = (condition: string) => medianFigure(pick(runs, { condition }), ALLOWED);
  return {
    text: [],
    tables: [
      {
        head: ["Seconds", "allowed", ...ways.flatMap((way) => [way, "kept"])],
        rows: conditions.map((condition) => [
          condition,
          shown(allowed(condition)),
          ...ways.flatMap((way) => {
            const seconds = figure(pick(runs, { condition, way }), SECONDS);
            const kept = seconds.filter((value) => value <= allowed(condition)).length;
            return [shownRange(seconds), `${kept} of ${seconds.length}`];
          }),
        ]),
      },
    ],
    charts: [
      {
        kind: "bars",
        title: "Time taken",
        unit: "share of the time allowed",
        categories: conditions,
        groups: ways.map((way) => ({
          name: way,
          values: conditions.map((condition) =>
            figure(pick(runs, { condition, way }), SECONDS).map((value) => value / allowed(condition)),
          ),
        })),
      },
    ],
  };
}
