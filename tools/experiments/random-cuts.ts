import { setTimeout as sleep } from "node:timers/promises";
import { Rng } from "../../src/core/base/rng.ts";
import { iperf3, type LabProcess, median, percentile, type StreamResult, udpStream } from "../lab/index.ts";
import { Delivery } from "./delivery.ts";
import type { Experiment, Run, RunOptions } from "./experiment.ts";
import { figureBars, figureTable } from "./figure-report.ts";
import { type Network, upNetwork } from "./network.ts";
import { CUT_LINES, CUTS } from "./outage.ts";
import { perCongestion } from "./transfer-report.ts";
import { turns } from "./turns.ts";
import { daemonReports, mpipWay, mptcpWay, type RunningWay, singleWay, type Way } from "./ways.ts";

/** TCP connections at once. */
const FLOWS = 4;
const DATAGRAMS_PER_S = 200;
const DATAGRAM_PORT = 6100;
/** For TCP to have grown before the first cut. */
const BEFORE_MS = 2000;
const DOWN_MS = { least: 300, more: 1700 };
const UP_MS = { least: 1000, more: 1000 };

/** Names of figures. */
const COUNT = "cuts";
const LOST = "sessions that ended";
const GAP = "ms without a byte after a cut, median";
const GAP_P95 = "ms without a byte after a cut, p95";
const PAUSE = "ms without a datagram, longest";
const LOST_DATAGRAMS = "% of the datagrams lost";
const FIGURES = [COUNT, LOST, GAP, GAP_P95, PAUSE, LOST_DATAGRAMS];

const condition = "two lines of 40 Mbit/s";

export const randomCuts: Experiment = {
  name: "random-cuts",
  about: "cuts of every kind at random, never of both lines: sessions that end, and pauses of TCP and of UDP",
  defaults: { seconds: 120, repeats: 5 },
  conditions: [condition],
  without: ["reverse", "flows"],
  measure: measureRandomCuts,
  report: (runs) =>
    perCongestion(runs, (own) => ({
      text: [
        `${FLOWS} TCP connections and a stream of ${DATAGRAMS_PER_S} datagrams/s at once. MPTCP carries no UDP: ` +
          "beside it the datagrams take the first line.",
      ],
      tables: FIGURES.map((name) => figureTable(own, name)),
      charts: [
        figureBars(own, GAP_P95, "Without a byte after a cut, 95 % of the cuts", "ms"),
        figureBars(own, PAUSE, "Without a datagram, at the longest", "ms"),
      ],
    })),
};

async function measureRandomCuts(options: RunOptions, record: (run: Run) => void): Promise<void> {
  const ways = [singleWay(0), mptcpWay, ...options.variants.map(mpipWay)];
  for (const { way, congestion, repeat } of turns(ways, options)) {
    await using network = await upNetwork(CUT_LINES);
    // The same cuts for each way.
    const measured = await cutsOver(network, way, congestion, options.seconds, new Rng(repeat));
    record({ experiment: randomCuts.name, condition, way: way.name, congestion, repeat, ...measured });
  }
}

async function cutsOver(
  network: Network,
  way: Way,
  congestion: string,
  seconds: number,
  rng: Rng,
): Promise<Pick<Run, "figures" | "samples" | "events" | "mpip">> {
  const running = await way.start(network);
  const deliveries: Delivery[] = [];
  try {
    const startMs = performance.now();
    const transfers = Array.from({ length: FLOWS }, () =>
      iperf3(network.client, network.server, {
        to: running.server,
        from: running.client,
        durationS: seconds,
        congestion,
        mptcp: running.mptcp,
        onServer: (server: LabProcess) => deliveries.push(new Delivery(server, startMs)),
      }),
    );
    const [ends, stream, events] = await Promise.all([
      Promise.allSettled(transfers),
      datagrams(network, running, seconds),
      cutAtRandom(network, seconds, startMs, rng),
    ]);
    const cuts = events.filter((_, i) => i % 2 === 0);
    const gaps = cuts.flatMap(({ atS }, i) =>
      deliveries.map((one) => 1000 * one.longestGap(atS, cuts[i + 1]?.atS ?? atS + 1).seconds),
    );
    const mpip = await daemonReports(running);
    return {
      figures: {
        [COUNT]: cuts.length,
        [LOST]: ends.filter(({ status }) => status === "rejected").length,
        [GAP]: median(gaps),
        [GAP_P95]: percentile(gaps, 95),
        [PAUSE]: stream.longestPauseMs,
        [LOST_DATAGRAMS]: stream.lostPercent,
      },
      samples: { "ms without a byte": gaps },
      events,
      ...(mpip === undefined ? {} : { mpip }),
    };
  } finally {
    for (const delivery of deliveries) delivery.stop();
    await running.stop();
  }
}

function datagrams(network: Network, way: RunningWay, seconds: number): Promise<StreamResult> {
  return udpStream(network.client, network.server, {
    to: way.server,
    port: DATAGRAM_PORT,
    count: seconds * DATAGRAMS_PER_S,
    perSecond: DATAGRAMS_PER_S,
  });
}

/** Cuts one line or the other, one after the other, and answers when each was cut and came back. */
async function cutAtRandom(
  network: Network,
  seconds: number,
  startMs: number,
  rng: Rng,
): Promise<NonNullable<Run["events"]>> {
  const events: NonNullable<Run["events"]> = [];
  const elapsedMs = () => performance.now() - startMs;
  const randomMs = ({ least, more }: typeof UP_MS) => least + rng.below(more);
  await sleep(BEFORE_MS);
  while (elapsedMs() < seconds * 1000 - BEFORE_MS - DOWN_MS.least - DOWN_MS.more) {
    const link = network.links[rng.below(network.links.length)]!;
    const cut = CUTS[rng.below(CUTS.length)]!;
    events.push({ atS: elapsedMs() / 1000, what: `${link.name}: ${cut.name}` });
    await cut.make(link);
    await sleep(randomMs(DOWN_MS));
    events.push({ atS: elapsedMs() / 1000, what: `${link.name}: back` });
    await link.restore();
    await sleep(randomMs(UP_MS));
  }
  return events;
}
