import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Link, median } from "../lab/index.ts";
import { AUDIO_LOST, type Call, callCharts, measureCalls, mpipWays, SETTLED_S, VIDEO } from "./calls.ts";
import type { Experiment, Run } from "./experiment.ts";
import { figuresTable } from "./figure-report.ts";
import { FREEZES, FROZEN, frameGaps, freezeFigures, LONGEST } from "./freezes.ts";
import type { Network } from "./network.ts";
import { withQueue } from "./profiles.ts";
import type { Section } from "./report/chart.ts";
import { distinct, pick } from "./select.ts";
import { daemonReports, singleWay, type Way } from "./ways.ts";
import { Browser } from "./webrtc/browser.ts";
import { writeNoiseVideo } from "./webrtc/noise.ts";
import {
  ACCEPT,
  ANSWER,
  ANSWER_AGAIN,
  COMMON,
  OFFER,
  RESTART,
  type Sample,
  WATCH,
  WATCHED,
  type Watched,
} from "./webrtc/page.ts";

const wide = { rateMbit: 20, delayMs: 10 };
const AUDIO_BELOW_BYTES = 300;

const CALLS: readonly Call[] = [
  { name: "unplugged", lines: [wide, wide].map(withQueue), cut: (link) => link.cut("carrier", "a") },
  { name: "silent failure", lines: [wide, wide].map(withQueue), cut: (link) => link.cut("silent", "both") },
  {
    name: "1+1 Mbit/s",
    lines: [1, 1].map((rateMbit) => withQueue({ rateMbit, delayMs: 10 })),
    rules: {
      name: "in order",
      patch: { rules: [{ protocol: "udp", priority: "throughput", reorder: "on" }] },
    },
  },
  {
    name: "50 and 80 ms",
    lines: [50, 80].map((delayMs) => withQueue({ rateMbit: 20, delayMs })),
    // Sound and picture have one port; packets of sound are small.
    rules: {
      name: "audio rule",
      patch: { rules: [{ protocol: "udp", sizeBelow: AUDIO_BELOW_BYTES, priority: "responsiveness" }] },
    },
  },
];

const MOST_BITS_PER_S = 2_500_000;

/** Names of figures. */
const FRAMES = "frames/s";
const AUDIO_DELAY = "ms from microphone to ear, median";
const FIGURES = [LONGEST, FREEZES, FROZEN, VIDEO, FRAMES, AUDIO_LOST, AUDIO_DELAY];

/** How soon a broken connection is noticed by the application. */
const LOOK_EVERY_MS = 200;

export const webrtc: Experiment = {
  name: "webrtc",
  about: "figure 5 with a real call: two headless Chromium with made-up devices, what getStats says",
  defaults: { seconds: 36, repeats: 2 },
  conditions: CALLS.map(({ name }) => name),
  without: ["cc", "reverse", "flows"],
  measure: (options, record) => {
    const waysOf = (call: Call) => [plainWay, ...mpipWays(call, options.variants)];
    return measureCalls(webrtc.name, CALLS, waysOf, callOver, options, record);
  },
  report: (runs) =>
    distinct(runs.map(({ condition }) => condition)).map((condition) =>
      section(pick(runs, { condition }), condition),
    ),
};

/** The browsers know all lines, and choose one. */
const plainWay: Way = { ...singleWay(0), name: "WebRTC alone" };

async function callOver(network: Network, way: Way, call: Call, seconds: number) {
  const running = await way.start(network);
  const directory = network.client.makeDirectory();
  const browsers: Browser[] = [];
  try {
    const noise = join(directory, "noise.y4m");
    const page = join(directory, "page.html");
    writeNoiseVideo(noise);
    writeFileSync(page, "<!doctype html><title>call</title>");
    const options = [`--use-file-for-fake-video-capture=${noise}`];
    for (const host of [network.client, network.server]) {
      browsers.push(await Browser.start(host, options, `file://${page}`));
    }
    const [caller, callee] = browsers as [Browser, Browser];
    const addresses = way.kind === "mpip" ? [running.client, running.server] : directAddresses(network);
    await connect(caller, callee, addresses);
    await callee.evaluate(WATCH);
    const startMs = performance.now();
    const until = async (share: number) => {
      while (performance.now() - startMs < share * seconds * 1000) {
        await reconnect(caller, callee, addresses);
        await sleep(LOOK_EVERY_MS);
      }
    };
    const events: { atS: number; what: string }[] = [];
    const { cut } = call;
    if (cut !== undefined) {
      await until(1 / 3);
      const link = await usedLink(network, caller);
      events.push({ atS: seconds / 3, what: "cut" });
      await cut(link);
      await until(2 / 3);
      events.push({ atS: (2 * seconds) / 3, what: "back" });
      await link.restore();
    }
    await until(1);
    const watched = await callee.evaluate<Watched>(WATCHED);
    const mpip = await daemonReports(running);
    return { ...callRun(watched, seconds), events, ...(mpip === undefined ? {} : { mpip }) };
  } finally {
    await Promise.all(browsers.map((browser) => browser.stop()));
    rmSync(directory, { recursive: true, force: true });
    await running.stop();
  }
}

/** Over these addresses and no others. */
async function connect(caller: Browser, callee: Browser, addresses: readonly string[]): Promise<void> {
  for (const browser of [caller, callee]) await browser.evaluate(COMMON);
  const offer = await caller.evaluate<string>(OFFER.replace("MOST_BITS_PER_S", String(MOST_BITS_PER_S)));
  const answer = await callee.evaluate<string>(`${ANSWER}(${JSON.stringify(only(offer, addresses))})`);
  await caller.evaluate(`${ACCEPT}(${JSON.stringify(only(answer, addresses))})`);
}

/** If the connection is broken. What the two tell each other goes round the lines, so that this is the best case. */
async function reconnect(caller: Browser, callee: Browser, addresses: readonly string[]): Promise<void> {
  const offer = await caller.evaluate<string>(RESTART);
  if (offer === "") return;
  const answer = await callee.evaluate<string>(`${ANSWER_AGAIN}(${JSON.stringify(only(offer, addresses))})`);
  await caller.evaluate(`${ACCEPT}(${JSON.stringify(only(answer, addresses))})`);
}

function only(sdp: string, addresses: readonly string[]): string {
  const isWanted = (line: string) =>
    !line.startsWith("a=candidate:") || addresses.includes(line.split(" ")[4]!);
  return sdp.split("\r\n").filter(isWanted).join("\r\n");
}

function directAddresses({ client, server, clientLinks, serverLinks }: Network): string[] {
  return [...clientLinks.map((link) => client.ip(link)), ...serverLinks.map((link) => server.ip(link))];
}

/** The link that the browser has chosen; the first one where it leaves that to mpip. */
async function usedLink({ client, links }: Network, caller: Browser): Promise<Link> {
  const address = await caller.evaluate<string>(`connection.getStats().then((all) => {
    const stats = [...all.values()];
    const transport = stats.find(({ type }) => type === "transport");
    return all.get(all.get(transport.selectedCandidatePairId).localCandidateId).address;
  })`);
  return links.find(({ name }) => client.ip(name) === address) ?? links[0]!;
}

function callRun({ samples, shownS }: Watched, seconds: number): Pick<Run, "figures" | "series"> {
  const received = samples.filter(({ audio, video }) => audio !== undefined && video !== undefined);
  const settled = received.filter(({ atS }) => atS > SETTLED_S);
  const [first, last] = [settled[0]!, settled.at(-1)!];
  const gaps = frameGaps(shownS, SETTLED_S, seconds);
  const mbit = (from: Sample, to: Sample) =>
    ((to.video!.bytesReceived - from.video!.bytesReceived) * 8) / 1e6 / (to.atS - from.atS);
  const lost = last.audio!.packetsLost - first.audio!.packetsLost;
  const came = last.audio!.packetsReceived - first.audio!.packetsReceived;
  return {
    figures: {
      ...freezeFigures(gaps.values),
      [VIDEO]: mbit(first, last),
      [FRAMES]: (gaps.values.length - 1) / (seconds - SETTLED_S),
      [AUDIO_LOST]: lost / (lost + came),
      [AUDIO_DELAY]: median(settled.flatMap(({ audio }) => audio!.delayMs ?? [])),
    },
    series: {
      "video Mbit/s": {
        atS: received.slice(1).map(({ atS }) => atS),
        values: received.slice(1).map((sample, i) => mbit(received[i]!, sample)),
      },
      "ms between frames": gaps,
    },
  };
}

function section(runs: readonly Run[], title: string): Section {
  return { title, text: [], tables: [figuresTable(runs, title, FIGURES)], charts: callCharts(runs, title) };
}
