import { setTimeout as sleep } from "node:timers/promises";
import { type CutKind, type Direction, type End, iperf3, type LabProcess, type Link } from "../lab/index.ts";
import { Delivery } from "./delivery.ts";
import type { Experiment, Run, RunOptions } from "./experiment.ts";
import { figureBars, figureTable } from "./figure-report.ts";
import { recordLines } from "./line-recording.ts";
import { type Network, upNetwork } from "./network.ts";
import { type Line, withQueue } from "./profiles.ts";
import type { Section } from "./report/chart.ts";
import { distinct, pick } from "./select.ts";
import { lineSeries, type Measured, OVERRUNS } from "./transfer.ts";
import { cases, pathLines, perCongestion } from "./transfer-report.ts";
import { turns } from "./turns.ts";
import { daemonReports, mpipWay, mptcpWay, singleWay, type Way } from "./ways.ts";

/** A way to cut a link. */
export interface Cut {
  name: string;
  make(link: Link): Promise<void>;
}

/** What is done to the first of two links, and when. */
interface Outage {
  cut: Cut;
  cutAtS: number;
  restoreAtS: number;
  endS: number;
}

export const CUT_LINES: readonly Line[] = [
  { rateMbit: 40, delayMs: 5 },
  { rateMbit: 40, delayMs: 5 },
].map(withQueue);

/** Names of figures. */
const BEFORE = "Mbit/s before the cut";
const GAP = "ms without a byte after the cut";
const SURVIVED = "ms from the cut until 90 % of one line";
const GAP_AFTER = "ms without a byte after the return";
const RETURNED = "ms from the return until 90 % of before";

/** A rate is one over this time. */
const WINDOW_S = 0.3;
const ENOUGH = 0.9;

/** As in the paper, where nothing says otherwise: cut after a quarter of the time, back after three quarters. */
export const figure4b: Experiment = {
  name: "fig4b",
  about: "two paths of 40 Mbit/s, one of which is unplugged for half of the time",
  defaults: { seconds: 80, repeats: 3 },
  conditions: ["unplugged"],
  without: ["reverse", "flows"],
  measure: (options, record) => {
    const { seconds } = options;
    const times = { cutAtS: seconds / 4, restoreAtS: (3 * seconds) / 4, endS: seconds };
    const unplugged: Cut = { name: "unplugged", make: (link) => link.cut("carrier", "a") };
    return measureOutages(figure4b.name, [{ cut: unplugged, ...times }], options, record);
  },
  report: (runs) => outageSections(runs),
};

const KINDS = [
  ["carrier", "a"],
  ["carrier", "b"],
  ["admin", "a"],
  ["admin", "b"],
  ["silent", "ab"],
  ["silent", "ba"],
  ["silent", "both"],
] as const satisfies readonly [CutKind, End | Direction | "both"][];

const PLACES = {
  a: "at the sender",
  b: "at the receiver",
  ab: "towards the receiver",
  ba: "towards the sender",
  both: "both ways",
} as const;

export const CUTS: readonly Cut[] = KINDS.map(([kind, where]) => ({
  name: `${kind} ${PLACES[where]}`,
  make: (link) => (kind === "silent" ? link.cut(kind, where) : link.cut(kind, where)),
}));

export const failover: Experiment = {
  name: "failover",
  about: "every kind of cut, at each end: how long nothing arrives, and how soon the line is used again",
  defaults: { seconds: 16, repeats: 3 },
  conditions: CUTS.map(({ name }) => name),
  without: ["reverse", "flows"],
  measure: (options, record) => {
    const { seconds } = options;
    const outages = CUTS.map((cut) => ({
      cut,
      cutAtS: seconds / 4,
      restoreAtS: seconds / 2,
      endS: seconds,
    }));
    return measureOutages(failover.name, outages, options, record);
  },
  report: (runs) => outageSections(runs),
};

async function measureOutages(
  experiment: string,
  outages: readonly Outage[],
  options: RunOptions,
  record: (run: Run) => void,
): Promise<void> {
  const ways = [singleWay(0), mptcpWay, ...options.variants.map(mpipWay)];
  for (const outage of outages.filter(({ cut }) => options.conditions.includes(cut.name))) {
    for (const { way, congestion, repeat } of turns(ways, options)) {
      // What a cut leaves behind must not be the next one's beginning.
      await using network = await upNetwork(CUT_LINES);
      const measured = await outageOver(network, way, outage, congestion);
      record({ experiment, condition: outage.cut.name, way: way.name, repeat, ...measured });
    }
  }
}

async function outageOver(
  network: Network,
  way: Way,
  outage: Outage,
  congestion: string,
): Promise<Measured & Pick<Run, "events">> {
  const running = await way.start(network);
  let delivery: Delivery | undefined;
  try {
    const events: { atS: number; what: string }[] = [];
    const { lines, overruns } = await recordLines(network.links, "ab", async (startMs) => {
      const transfer = iperf3(network.client, network.server, {
        to: running.server,
        from: running.client,
        durationS: outage.endS,
        congestion,
        mptcp: running.mptcp,
        onServer: (server: LabProcess) => {
          delivery = new Delivery(server, startMs);
        },
      });
      const happenings = async () => {
        const [link] = network.links;
        for (const [atS, what, happen] of [
          [outage.cutAtS, "cut", () => outage.cut.make(link!)],
          [outage.restoreAtS, "back", () => link!.restore()],
        ] as const) {
          await sleep(Math.max(0, atS * 1000 - (performance.now() - startMs)));
          events.push({ atS: (performance.now() - startMs) / 1000, what });
          await happen();
        }
      };
      await Promise.all([transfer, happenings()]);
    });
    const mpip = await daemonReports(running);
    return {
      congestion,
      figures: {
        ...outageFigures(delivery!, events[0]!.atS, events[1]!.atS, outage.endS),
        [OVERRUNS]: overruns,
      },
      series: {
        received: delivery!.series(0.1),
        ...Object.assign({}, ...lines.map(lineSeries)),
      },
      events,
      ...(mpip === undefined ? {} : { mpip }),
    };
  } finally {
    delivery?.stop();
    await running.stop();
  }
}

/** A figure that would be for ever is not there. */
function outageFigures(
  delivery: Delivery,
  cutAtS: number,
  backAtS: number,
  endS: number,
): Record<string, number> {
  const before = delivery.rate(cutAtS - 2, cutAtS);
  const milliseconds = (name: string, seconds: number | undefined) =>
    seconds === undefined ? {} : { [name]: seconds * 1000 };
  const until = (mbitPerS: number, fromS: number, toS: number) =>
    delivery.reaches(ENOUGH * mbitPerS, fromS, toS, WINDOW_S);
  return {
    [BEFORE]: before,
    ...milliseconds(GAP, delivery.longestGap(cutAtS, backAtS).seconds),
    ...milliseconds(SURVIVED, until(before / 2, cutAtS, backAtS)),
    ...milliseconds(GAP_AFTER, delivery.longestGap(backAtS, endS - 0.5).seconds),
    ...milliseconds(RETURNED, until(before, backAtS, endS)),
  };
}

function outageSections(runs: readonly Run[]): Section[] {
  return perCongestion(runs, (own) => ({
    text: [],
    tables: [BEFORE, GAP, SURVIVED, GAP_AFTER, RETURNED].map((name) => figureTable(own, name)),
    charts: [
      figureBars(own, GAP, "Without a byte after the cut", "ms"),
      figureBars(own, RETURNED, "From the return until 90 % of before", "ms"),
      ...cases(own).flatMap(({ condition, own: ofCase }) =>
        distinct(ofCase.map(({ way }) => way)).map((way) =>
          pathLines(pick(ofCase, { way })[0]!, `${condition}: ${way}`),
        ),
      ),
    ],
  }));
}
