import { iperf3, percentile } from "../lab/index.ts";
import type { Run } from "./experiment.ts";
import { type LineRecord, recordLines } from "./line-recording.ts";
import type { Network } from "./network.ts";
import { daemonReports, type RunningWay, type Way } from "./ways.ts";

export interface TransferOptions {
  congestion: string;
  seconds: number;
  /** The server sends. */
  reverse: boolean;
  flows: number;
}

export type Measured = Pick<Run, "congestion" | "figures" | "series" | "mpip">;

/** Names of figures. */
export const GOODPUT = "Mbit/s";
export const RETRANSMITS = "retransmits";
/** Frames lost because the machine was too slow: a run with any is void. */
export const OVERRUNS = "overruns";

const INTERVAL_MS = 250;

/** One transfer over a way that is started for it. */
export async function transferOver(network: Network, way: Way, options: TransferOptions): Promise<Measured> {
  const running = await way.start(network);
  try {
    return await transfer(network, running, options);
  } finally {
    await running.stop();
  }
}

export async function transfer(
  network: Network,
  way: RunningWay,
  { congestion, seconds, reverse, flows }: TransferOptions,
): Promise<Measured> {
  const { result, lines, overruns } = await recordLines(network.links, reverse ? "ba" : "ab", () =>
    iperf3(network.client, network.server, {
      to: way.server,
      from: way.client,
      durationS: seconds,
      intervalMs: INTERVAL_MS,
      parallel: flows,
      reverse,
      congestion,
      mptcp: way.mptcp,
    }),
  );
  const mpip = await daemonReports(way);
  const { intervals } = result;
  const received = {
    atS: intervals.map(({ endS }) => endS),
    values: intervals.map(({ bitsPerS }) => bitsPerS / 1e6),
  };
  return {
    congestion: result.congestion ?? congestion,
    figures: {
      [GOODPUT]: result.receivedBitsPerS / 1e6,
      [RETRANSMITS]: result.retransmits ?? 0,
      ...Object.assign({}, ...lines.map(lineFigures)),
      [OVERRUNS]: overruns,
    },
    series: { received, ...Object.assign({}, ...lines.map(lineSeries)) },
    ...(mpip === undefined ? {} : { mpip }),
  };
}

export function lineFigures({ link, mbitPerS, dropped, queueKb }: LineRecord): Run["figures"] {
  const drops = Object.entries(dropped).map(([reason, frames]) => [`${link} dropped: ${reason}`, frames]);
  return {
    [`${link} Mbit/s`]: mbitPerS,
    [`${link} queue KB, median`]: percentile(queueKb, 50),
    [`${link} queue KB, p95`]: percentile(queueKb, 95),
    ...Object.fromEntries(drops),
  };
}

export function lineSeries({ link, atS, rateMbit, queueKb }: LineRecord): Run["series"] {
  return { [`${link} Mbit/s`]: { atS, values: rateMbit }, [`${link} queue KB`]: { atS, values: queueKb } };
}
