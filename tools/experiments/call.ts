import { setTimeout as sleep } from "node:timers/promises";
import { median, percentile, toolCommand } from "../lab/index.ts";
import type { CallReport } from "./call/report.ts";
import { AUDIO_LOST, type Call, callCharts, measureCalls, mpipWays, SETTLED_S, VIDEO } from "./calls.ts";
import type { Experiment, Run } from "./experiment.ts";
import { figuresTable } from "./figure-report.ts";
import { FREEZES, FROZEN, frameGaps, freezeFigures, LONGEST } from "./freezes.ts";
import type { Network } from "./network.ts";
import { withQueue } from "./profiles.ts";
import type { Chart, Section } from "./report/chart.ts";
import { distinct, pick } from "./select.ts";
import { daemonReports, singleWay, type Way } from "./ways.ts";

const AUDIO_PORT = 6001;
const VIDEO_PORT = 6002;

interface VideoCall extends Call {
  mostVideoMbit: number;
}

const AUDIO_RULE = {
  name: "audio rule",
  patch: { rules: [{ name: "audio", protocol: "udp", port: AUDIO_PORT, priority: "responsiveness" }] },
};
const wide = { rateMbit: 20, delayMs: 10 };

const CALLS: readonly VideoCall[] = [
  {
    name: "unplugged",
    lines: [wide, wide].map(withQueue),
    cut: (link) => link.cut("carrier", "a"),
    mostVideoMbit: 2,
  },
  {
    name: "silent failure",
    lines: [wide, wide].map(withQueue),
    cut: (link) => link.cut("silent", "both"),
    mostVideoMbit: 2,
  },
  {
    name: "1+1 Mbit/s",
    lines: [1, 1].map((rateMbit) => withQueue({ rateMbit, delayMs: 10 })),
    mostVideoMbit: 4,
  },
  {
    name: "50 and 80 ms",
    lines: [50, 80].map((delayMs) => withQueue({ rateMbit: 20, delayMs })),
    mostVideoMbit: 2,
    rules: AUDIO_RULE,
  },
];

/** Names of figures. */
const AUDIO = "ms of audio delay, median";
const AUDIO_P95 = "ms of audio delay, p95";
const FRAME_DELAY = "ms of frame delay, median";
const FIGURES = [LONGEST, FREEZES, FROZEN, VIDEO, AUDIO, AUDIO_P95, AUDIO_LOST, FRAME_DELAY];

const AUDIO_PER_S = 50;

export const figure5: Experiment = {
  name: "fig5",
  about: "a call of audio and video over UDP: a path that fails, two of 1 Mbit/s, and 50 beside 80 ms",
  defaults: { seconds: 30, repeats: 3 },
  conditions: CALLS.map(({ name }) => name),
  without: ["cc", "reverse", "flows"],
  measure: (options, record) =>
    measureCalls(
      figure5.name,
      CALLS,
      (call) => [...call.lines.map((_, i) => singleWay(i)), ...mpipWays(call, options.variants)],
      callOver,
      options,
      record,
    ),
  report: (runs) =>
    distinct(runs.map(({ condition }) => condition)).map((name) =>
      section(pick(runs, { condition: name }), name),
    ),
};

async function callOver(network: Network, way: Way, call: VideoCall, seconds: number) {
  const running = await way.start(network);
  try {
    const ports = [AUDIO_PORT, VIDEO_PORT];
    const [receive, ...receiveArgs] = toolCommand(
      ["experiments", "call", "receiver"],
      running.server,
      ...ports,
      seconds,
    );
    const receiver = network.server.spawn(receive, receiveArgs);
    await receiver.output(/^ready$/m);
    const startMs = performance.now();
    const most = call.mostVideoMbit * 1e6;
    const [send, ...sendArgs] = toolCommand(
      ["experiments", "call", "sender"],
      running.client,
      running.server,
      ...ports,
      most,
    );
    const sender = network.client.spawn(send, sendArgs);
    const events: { atS: number; what: string }[] = [];
    const happens = async (atS: number, what: string, happen: () => Promise<void>) => {
      await sleep(atS * 1000 - (performance.now() - startMs));
      events.push({ atS: (performance.now() - startMs) / 1000, what });
      await happen();
    };
    const { cut } = call;
    if (cut !== undefined) {
      const link = network.links[0]!;
      await happens(seconds / 3, "cut", () => cut(link));
      await happens((2 * seconds) / 3, "back", () => link.restore());
    }
    const [line] = await receiver.output(/^\{.*\}$/m, seconds * 1000 + 10_000);
    await sender.stop();
    const mpip = await daemonReports(running);
    return {
      ...callRun(JSON.parse(line) as CallReport, seconds),
      events,
      ...(mpip === undefined ? {} : { mpip }),
    };
  } finally {
    await running.stop();
  }
}

function callRun(
  { rate, shownS, frameDelaysMs, audioDelay }: CallReport,
  seconds: number,
): Pick<Run, "figures" | "series" | "samples"> {
  const gaps = frameGaps(shownS, SETTLED_S, seconds);
  const settled = <T>(values: readonly T[], atS: readonly number[]) =>
    values.filter((_, i) => atS[i]! > SETTLED_S);
  const audio = settled(audioDelay.values, audioDelay.atS);
  const video = settled(rate.values, rate.atS);
  return {
    figures: {
      ...freezeFigures(gaps.values),
      [VIDEO]: video.reduce((sum, one) => sum + one, 0) / video.length,
      [AUDIO]: median(audio),
      [AUDIO_P95]: percentile(audio, 95),
      [AUDIO_LOST]: 1 - audio.length / ((seconds - SETTLED_S) * AUDIO_PER_S),
      [FRAME_DELAY]: median(settled(frameDelaysMs, shownS)),
    },
    series: { "video Mbit/s": rate, "ms between frames": gaps },
    samples: { "audio ms": audio, "frame ms": settled(frameDelaysMs, shownS) },
  };
}

function section(runs: readonly Run[], title: string): Section {
  const cdf = (samples: string, what: string): Chart => ({
    kind: "cdf",
    title: `${title}: ${what}`,
    unit: "ms",
    lines: distinct(runs.map(({ way }) => way)).map((way) => ({
      name: way,
      values: pick(runs, { way }).flatMap((run) => run.samples![samples]!),
    })),
  });
  return {
    title,
    text: [],
    tables: [figuresTable(runs, title, FIGURES)],
    charts: [
      ...callCharts(runs, title),
      cdf("audio ms", "audio, one way"),
      cdf("frame ms", "video frames, from sending to showing"),
    ],
  };
}
