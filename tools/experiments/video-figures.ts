import { setTimeout as sleep } from "node:timers/promises";
import { startContentServer, type TcpChoice } from "../lab/index.ts";
import type { Experiment, Run, Series } from "./experiment.ts";
import { figuresTable } from "./figure-report.ts";
import type { LinesChart, Section } from "./report/chart.ts";
import { distinct, pick } from "./select.ts";
import { perCongestion } from "./transfer-report.ts";
import { turns } from "./turns.ts";
import type { PlayerReport } from "./video/player-report.ts";
import { CHUNK_S, MOST_BUFFER_S, PROXY_PORT, play, startWeb, upVideo } from "./video.ts";
import {
  daemonReports,
  mpipWay,
  mptcpWay,
  type Patch,
  patchDaemon,
  singleWay,
  type Variant,
  type Way,
} from "./ways.ts";

// Figure 7.

/** Of 480p, 720p and 1080p, as the paper has the last two. */
const LEVELS_MBIT = [1.2, 2.5, 4.5];
const LEVEL_NAMES = ["480p", "720p", "1080p"];
const FIRST_LEVEL = 1;
const SEEK_AT = 0.6;

/** Names of figures. */
const STALLED = "s without a picture";
const RECEIVED = "Mbit/s of video";
const AT_BEST = `share of the time at ${LEVEL_NAMES.at(-1)}`;
const BUFFER = "s of buffer, mean";
const FIRST_BEST = `s until ${LEVEL_NAMES.at(-1)}`;

export const figure7: Experiment = {
  name: "fig7",
  about: "adaptive video through a proxy over two lines of 3 Mbit/s; the viewer jumps after 60 % of the time",
  defaults: { seconds: 100, repeats: 2 },
  conditions: ["3+3 Mbit/s"],
  without: ["reverse", "flows"],
  async measure(options, record) {
    const ways = [singleWay(0), mptcpWay, ...options.variants.map(mpipWay)];
    for (const { way, congestion, repeat } of turns(ways, options)) {
      const measured = await videoOver(way, congestion, options.seconds);
      const common = { experiment: figure7.name, condition: figure7.conditions[0]!, way: way.name };
      record({ ...common, congestion, repeat, ...measured });
    }
  },
  report: (runs) => perCongestion(runs, adaptationSection),
};

async function videoOver(way: Way, congestion: string, seconds: number): Promise<Measured> {
  await using network = await upVideo([3, 3].map((rateMbit) => ({ rateMbit, delayMs: 10 })));
  const running = await way.start(network);
  try {
    const tcp = { mptcp: running.mptcp, congestion };
    const server = await startWeb(network, tcp);
    const seekAtS = SEEK_AT * seconds;
    const report = await play(
      network,
      {
        ...{ from: running.client, server, proxy: `${running.server}:${PROXY_PORT}` },
        ...{ seconds, chunkS: CHUNK_S, levelsMbit: LEVELS_MBIT, firstLevel: FIRST_LEVEL },
        ...{ mostBufferS: MOST_BUFFER_S, seekAtS },
      },
      tcp,
    );
    const mpip = await daemonReports(running);
    const { quality } = report;
    const bestAt = quality.atS.find((_, i) => quality.values[i] === LEVELS_MBIT.length - 1);
    return {
      figures: {
        ...playFigures(report),
        [STALLED]: stalledUntil(report, Number.POSITIVE_INFINITY),
        [AT_BEST]: mean(quality.values.map((level) => (level === LEVELS_MBIT.length - 1 ? 1 : 0))),
        ...(bestAt === undefined ? {} : { [FIRST_BEST]: bestAt }),
      },
      series: {
        "buffer s": report.buffer,
        "quality Mbit/s": { atS: quality.atS, values: quality.values.map((level) => LEVELS_MBIT[level]!) },
        "video Mbit/s": smoothed(report.received),
      },
      events: [{ atS: seekAtS, what: "jump" }],
      ...(mpip === undefined ? {} : { mpip }),
    };
  } finally {
    await running.stop();
  }
}

type Measured = Pick<Run, "figures" | "series" | "events" | "mpip">;

function adaptationSection(runs: readonly Run[]): Omit<Section, "title"> {
  return {
    text: [`Qualities: ${LEVEL_NAMES.map((name, i) => `${name} ${LEVELS_MBIT[i]}`).join(", ")} Mbit/s.`],
    tables: [figuresTable(runs, figure7.conditions[0]!, [FIRST_BEST, AT_BEST, BUFFER, STALLED, RECEIVED])],
    charts: [
      byWay(runs, "buffer s", "Video that is there and not yet shown", "s"),
      { ...byWay(runs, "quality Mbit/s", "Quality", "Mbit/s"), steps: true },
      byWay(runs, "video Mbit/s", "Video received", "Mbit/s"),
    ],
  };
}

function byWay(runs: readonly Run[], series: string, title: string, unit: string): LinesChart {
  const lines = distinct(runs.map(({ way }) => way)).map((way) => ({
    name: way,
    ...pick(runs, { way })[0]!.series![series]!,
  }));
  return { kind: "lines", title, unit, lines, marks: runs[0]!.events ?? [] };
}

// Figure 8.

const DOWNLOAD_PORT = 8081;
/** What the two applications do in each third of the time, by what the paper calls them. */
const PHASES = ["all paths", "coordinated", "video only"] as const;

/** The video takes the line with the shorter delay, the download the other. */
const COORDINATED: Patch = {
  rules: [
    { name: "video", protocol: "tcp", port: PROXY_PORT, mode: "single-path", path: "l0" },
    { name: "download", protocol: "tcp", port: DOWNLOAD_PORT, mode: "single-path", path: "l1" },
  ],
};

/** One quality, which one line alone just about carries. */
const VIDEO_MBIT = 1.6;
const DOWNLOADED = "Mbit/s of download";

export const figure8: Experiment = {
  name: "fig8",
  about:
    "a video and a download over two lines of 2 Mbit/s, one of them 20 ms longer, first without, then with rules",
  defaults: { seconds: 120, repeats: 2 },
  conditions: [...PHASES],
  without: ["profile", "only", "reverse", "flows"],
  async measure(options, record) {
    for (const congestion of options.congestions) {
      for (let repeat = 1; repeat <= options.repeats; repeat++) {
        for (const variant of options.variants) {
          for (const run of await coordination(variant, congestion, options.seconds)) {
            record({ experiment: figure8.name, way: variant.name, congestion, repeat, ...run });
          }
        }
      }
    }
  },
  report: (runs) => perCongestion(runs, coordinationSection),
};

async function coordination(
  variant: Variant,
  congestion: string,
  seconds: number,
): Promise<(Measured & Pick<Run, "condition">)[]> {
  const lines = [10, 30].map((delayMs) => ({ rateMbit: 2, delayMs }));
  await using network = await upVideo(lines);
  const running = await mpipWay(variant).start(network);
  try {
    const tcp: TcpChoice = { congestion };
    const server = await startWeb(network, tcp);
    await startContentServer(network.server, DOWNLOAD_PORT, tcp);
    const common = { from: running.client, chunkS: CHUNK_S, firstLevel: 0 };
    const third = seconds / PHASES.length;
    const proxy = `${running.server}:${PROXY_PORT}`;
    const video = { ...common, server, proxy, seconds, levelsMbit: [VIDEO_MBIT], mostBufferS: MOST_BUFFER_S };
    const download = {
      ...{ ...common, server: `${running.server}:${DOWNLOAD_PORT}`, seconds: 2 * third },
      ...{ levelsMbit: [1], mostBufferS: Number.MAX_SAFE_INTEGER },
    };
    const coordinate = async () => {
      for (const rules of [COORDINATED, { rules: [] }]) {
        await sleep(third * 1000);
        for (const daemon of running.daemons) patchDaemon(daemon, rules);
      }
    };
    const [seen, loaded] = await Promise.all([
      play(network, video, tcp),
      play(network, download, tcp),
      coordinate(),
    ]);
    const mpip = await daemonReports(running);
    return PHASES.map((condition, i) => {
      const [fromS, toS] = [i * third, (i + 1) * third];
      const loadedHere = slice(loaded.received, fromS, toS).values;
      return {
        condition,
        figures: {
          ...playFigures({
            received: slice(seen.received, fromS, toS),
            buffer: slice(seen.buffer, fromS, toS),
          }),
          [STALLED]: stalledUntil(seen, toS) - stalledUntil(seen, fromS),
          [DOWNLOADED]: loadedHere.length === 0 ? 0 : mean(loadedHere),
        },
        // The whole of it is told once.
        ...(i > 0
          ? {}
          : {
              series: {
                "buffer s": seen.buffer,
                "video Mbit/s": smoothed(seen.received),
                "download Mbit/s": smoothed(loaded.received),
              },
              events: [
                { atS: third, what: "rules" },
                { atS: 2 * third, what: "download ends, no rules" },
              ],
              ...(mpip === undefined ? {} : { mpip }),
            }),
      };
    });
  } finally {
    await running.stop();
  }
}

function coordinationSection(runs: readonly Run[]): Omit<Section, "title"> {
  const figures = [RECEIVED, DOWNLOADED, BUFFER, STALLED];
  const whole = runs.filter(({ series }) => series !== undefined);
  return {
    text: [],
    tables: PHASES.map((condition) => figuresTable(pick(runs, { condition }), condition, figures)),
    charts: distinct(whole.map(({ way }) => way)).flatMap((way): LinesChart[] => {
      const [run] = pick(whole, { way });
      const marks = run!.events!;
      const lines = (...names: string[]) =>
        names.map((name) => ({ name: name.split(" ")[0]!, ...run!.series![name]! }));
      const rates = lines("video Mbit/s", "download Mbit/s");
      return [
        { kind: "lines", title: `${way}: what arrived`, unit: "Mbit/s", lines: rates, marks },
        { kind: "lines", title: `${way}: buffer of the video`, unit: "s", lines: lines("buffer s"), marks },
      ];
    }),
  };
}

// Both.

function playFigures({
  received,
  buffer,
}: Pick<PlayerReport, "received" | "buffer">): Record<string, number> {
  return {
    [RECEIVED]: mean(received.values),
    [BUFFER]: mean(buffer.values),
  };
}

/** Seconds without a picture until then. */
function stalledUntil({ stalledS: { atS, values } }: PlayerReport, untilS: number): number {
  return values.findLast((_, i) => atS[i]! <= untilS) ?? 0;
}

function slice({ atS, values }: Series, fromS: number, toS: number): Series {
  const isInside = (_: unknown, i: number) => atS[i]! > fromS && atS[i]! <= toS;
  return { atS: atS.filter(isInside), values: values.filter(isInside) };
}

/** Over a few seconds, for the eye. */
function smoothed({ atS, values }: Series): Series {
  const around = 4;
  return {
    atS,
    values: values.map((_, i) => mean(values.slice(Math.max(0, i - around), i + around + 1))),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
