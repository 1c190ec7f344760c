import { Lab } from "../lab/index.ts";
import type { Experiment, Run, RunOptions } from "./experiment.ts";
import { type Network, networkOf } from "./network.ts";
import type { Line } from "./profiles.ts";
import type { BarsChart, BoxesChart, Section, Table } from "./report/chart.ts";
import { distinct, figure, medianFigure, pick, shown, shownRange } from "./select.ts";
import { SECONDS, shareName, timedTransfer } from "./timed-transfer.ts";
import { perCongestion } from "./transfer-report.ts";
import { mpipWay, mptcpWay, singleWay, type Way } from "./ways.ts";

/** The measurement of Chen et al. (IMC 2013): Wi-Fi that is near and loses, LTE that is far and does not. */
const SIZES: readonly { name: string; bytes: number; rounds: number }[] = [
  { name: "8 KB", bytes: 8e3, rounds: 6 },
  { name: "64 KB", bytes: 64e3, rounds: 6 },
  { name: "512 KB", bytes: 512e3, rounds: 4 },
  { name: "4 MB", bytes: 4e6, rounds: 1 },
  { name: "16 MB", bytes: 16e6, rounds: 1 },
  { name: "32 MB", bytes: 32e6, rounds: 1 },
];

const WIFI: Line = { rateMbit: 20, delayMs: 11, lossPercent: 1.6, queueKb: 100 };
const LTE: Line = { rateMbit: 15, delayMs: 30, queueKb: 300 };

export const wireless: Experiment = {
  name: "wireless",
  about: "downloads of 8 KB to 32 MB over Wi-Fi (near, 1.6 % loss) and LTE (60 ms, none), with 2 and 4 paths",
  defaults: { seconds: 0, repeats: 3 },
  conditions: SIZES.map(({ name }) => name),
  without: ["seconds", "reverse", "flows"],
  measure: measureWireless,
  report: (runs) => perCongestion(runs, wirelessSection),
};

/** Both lines lead to a router, behind which the server has two addresses; paths are pairs of a line and an address. */
async function upWireless(): Promise<Network> {
  const lab = await Lab.up({
    hosts: { client: { policyRouting: true }, core: { router: true }, server: { policyRouting: true } },
    links: {
      wifi: { between: ["client", "core"], subnet6: "none", ...WIFI },
      lte: { between: ["client", "core"], subnet6: "none", ...LTE },
      s0: { between: ["server", "core"], subnet6: "none" },
      s1: { between: ["server", "core"], subnet6: "none" },
    },
  });
  return networkOf(lab, { clientLinks: ["wifi", "lte"], serverLinks: ["s0", "s1"], paths: 4 });
}

async function measureWireless(options: RunOptions, record: (run: Run) => void): Promise<void> {
  await using all = await upWireless();
  const half = { ...all, serverLinks: ["s0"], paths: 2 };
  const bonds = [mptcpWay, ...options.variants.map(mpipWay)];
  const ways: [Network, Way][] = [
    [half, { ...singleWay(0), name: "Wi-Fi" }],
    [half, { ...singleWay(1), name: "LTE" }],
    ...bonds.map((way): [Network, Way] => [half, { ...way, name: `${way.name}, 2 paths` }]),
    ...bonds.map((way): [Network, Way] => [all, { ...way, name: `${way.name}, 4 paths` }]),
  ];
  const sizes = SIZES.filter(({ name }) => options.conditions.includes(name));
  for (const congestion of options.congestions) {
    for (let repeat = 1; repeat <= options.repeats; repeat++) {
      for (const [network, way] of ways.filter(([, { kind }]) => options.kinds.includes(kind))) {
        const running = await way.start(network);
        try {
          for (const { name, bytes, rounds } of sizes) {
            for (let round = 1; round <= rounds; round++) {
              const download = { bytes, congestion, upload: false };
              const measured = await timedTransfer(network, running, download);
              record({ experiment: wireless.name, condition: name, way: way.name, repeat, ...measured });
            }
          }
        } finally {
          await running.stop();
        }
      }
    }
  }
}

function wirelessSection(runs: readonly Run[]): Omit<Section, "title"> {
  const ways = distinct(runs.map(({ way }) => way));
  const sizes = distinct(runs.map(({ condition }) => condition));
  const values = (name: string, condition: string) =>
    ways.map((way) => figure(pick(runs, { condition, way }), name));
  const best = (condition: string) =>
    Math.min(...["Wi-Fi", "LTE"].map((way) => medianFigure(pick(runs, { condition, way }), SECONDS)));
  const times: Table = {
    head: ["Seconds, median and range", ...ways],
    rows: sizes.map((size) => [size, ...values(SECONDS, size).map(shownRange)]),
  };
  const ratios: Table = {
    head: ["Median beside the better line alone", ...ways],
    rows: sizes.map((size) => [
      size,
      ...ways.map((way) => shown(medianFigure(pick(runs, { condition: size, way }), SECONDS) / best(size))),
    ]),
  };
  const shares: Table = {
    head: ["Share carried by LTE", ...ways],
    rows: sizes.map((size) => [size, ...values(shareName("lte"), size).map(shownRange)]),
  };
  const boxes: BoxesChart = {
    kind: "boxes",
    title: "Download time",
    unit: "s",
    logarithmic: true,
    categories: sizes,
    groups: ways.map((way) => ({
      name: way,
      values: sizes.map((condition) => figure(pick(runs, { condition, way }), SECONDS)),
    })),
  };
  const bars: BarsChart = {
    kind: "bars",
    title: "Carried by LTE",
    unit: "share of the bytes",
    categories: sizes,
    groups: ways
      .filter((way) => way.endsWith("paths"))
      .map((way) => ({
        name: way,
        values: sizes.map((condition) => figure(pick(runs, { condition, way }), shareName("lte"))),
      })),
  };
  return { text: [], tables: [times, ratios, shares], charts: [boxes, bars] };
}
