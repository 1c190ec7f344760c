import { setTimeout as sleep } from "node:timers/promises";
import { iperf3 } from "../lab/index.ts";
import type { Experiment, Run, RunOptions } from "./experiment.ts";
import { figureBars, figureTable } from "./figure-report.ts";
import { type Network, upNetwork } from "./network.ts";
import { type Profile, QUEUE_KB, withQueue } from "./profiles.ts";
import type { BoxesChart, Section, Table } from "./report/chart.ts";
import { distinct, pick, shown } from "./select.ts";
import { GOODPUT, type Measured, transfer } from "./transfer.ts";
import { cases, perCongestion } from "./transfer-report.ts";
import { turns } from "./turns.ts";
import { mpipWay, mptcpWay, singleWay, type Way } from "./ways.ts";

const PROFILES: readonly Profile[] = [
  {
    name: "40+20",
    lines: [
      { rateMbit: 40, delayMs: 10 },
      { rateMbit: 20, delayMs: 20 },
    ].map(withQueue),
  },
  {
    name: "40+20, 1 % loss on link 2",
    lines: [
      { rateMbit: 40, delayMs: 10 },
      { rateMbit: 20, delayMs: 20, lossPercent: 1 },
    ].map(withQueue),
  },
  {
    name: "4.5+4.3",
    lines: [
      { rateMbit: 4.5, delayMs: 38 },
      { rateMbit: 4.3, delayMs: 78 },
    ].map(withQueue),
  },
];

/** Names of figures. */
const KEEPS = "share that the plain flow keeps";
const FLOW = "Mbit/s of the plain flow";

/** The plain flow comes when the way has got going: the harder case for it. */
const HEAD_START_S = 4;

export const fairness: Experiment = {
  name: "fairness",
  about: "a plain TCP flow on one of the lines beside a way that uses both; and how full the queues stand",
  defaults: { seconds: 20, repeats: 3 },
  conditions: PROFILES.flatMap(({ name, lines }) => [
    aloneName(name),
    ...lines.map((_, i) => besideName(name, i)),
  ]),
  measure: async (options, record) => {
    for (const profile of PROFILES) {
      await measureQueues(profile, options, record);
      for (const i of profile.lines.keys()) await measureBeside(profile, i, options, record);
    }
  },
  report: (runs) => perCongestion(runs, fairnessSection),
};

/** Every way alone. */
async function measureQueues(
  { name, lines }: Profile,
  options: RunOptions,
  record: (run: Run) => void,
): Promise<void> {
  const condition = aloneName(name);
  if (!options.conditions.includes(condition)) return;
  await using network = await upNetwork(lines);
  const ways = [...lines.map((_, i) => singleWay(i)), mptcpWay, ...options.variants.map(mpipWay)];
  for (const { way, congestion, repeat } of turns(ways, options)) {
    const measured = await transferBeside(network, way, { ...options, congestion });
    record({ experiment: fairness.name, condition, way: way.name, repeat, ...measured });
  }
}

/** Every way beside a plain flow on one line, another plain flow among them. */
async function measureBeside(
  { name, lines }: Profile,
  i: number,
  options: RunOptions,
  record: (run: Run) => void,
): Promise<void> {
  const condition = besideName(name, i);
  if (!options.conditions.includes(condition)) return;
  await using network = await upNetwork(lines);
  const ways = [{ ...singleWay(i), name: "plain TCP" }, mptcpWay, ...options.variants.map(mpipWay)];
  for (const { way, congestion, repeat } of turns(ways, options)) {
    const alone = await plainFlow(network, i, congestion, options);
    let flow = Number.NaN;
    const measured = await transferBeside(network, way, { ...options, congestion }, async () => {
      await sleep(HEAD_START_S * 1000);
      flow = await plainFlow(network, i, congestion, options);
    });
    const figures = { [KEEPS]: flow / alone, [FLOW]: flow, ...measured.figures };
    record({ experiment: fairness.name, condition, way: way.name, repeat, ...measured, figures });
  }
}

/** A transfer over a way, and something else at the same time. */
async function transferBeside(
  network: Network,
  way: Way,
  options: RunOptions & { congestion: string },
  other: () => Promise<void> = async () => {},
): Promise<Measured> {
  const running = await way.start(network);
  try {
    const seconds = options.seconds + HEAD_START_S;
    const [measured] = await Promise.all([transfer(network, running, { ...options, seconds }), other()]);
    return measured;
  } finally {
    await running.stop();
  }
}

/** In the direction of what it is beside. */
async function plainFlow(
  network: Network,
  i: number,
  congestion: string,
  { seconds, reverse }: RunOptions,
): Promise<number> {
  const { client, server, clientLinks, serverLinks } = network;
  const result = await iperf3(client, server, {
    to: server.ip(serverLinks[i]!),
    from: client.ip(clientLinks[i]!),
    durationS: seconds,
    congestion,
    reverse,
  });
  return result.receivedBitsPerS / 1e6;
}

function aloneName(profile: string): string {
  return `${profile}, nothing beside`;
}

function besideName(profile: string, i: number): string {
  return `${profile}, flow on link ${i + 1}`;
}

function fairnessSection(runs: readonly Run[]): Omit<Section, "title"> {
  const beside = runs.filter(({ figures }) => figures[KEEPS] !== undefined);
  const alone = runs.filter(({ figures }) => figures[KEEPS] === undefined);
  const ifAny = <T>(some: readonly Run[], ...shows: ((runs: readonly Run[]) => T)[]) =>
    some.length === 0 ? [] : shows.map((show) => show(some));
  return {
    text: [],
    tables: [
      ...ifAny(
        beside,
        (own) => figureTable(own, KEEPS),
        (own) => figureTable(own, GOODPUT),
      ),
      ...ifAny(alone, queueTable),
    ],
    charts: [
      ...ifAny(beside, (own) =>
        figureBars(own, KEEPS, "What a plain flow keeps beside each way", "share of what it gets alone"),
      ),
      ...ifAny(alone, queueBoxes).flat(),
    ],
  };
}

/** Samples of a line's queue as shares of its room, from when the transfer has got going. */
function fill(runs: readonly Run[], link: string): number[] {
  return runs.flatMap(({ series }) => {
    const { atS, values } = series?.[`${link} queue KB`] ?? { atS: [], values: [] };
    return values.filter((_, i) => atS[i]! > HEAD_START_S).map((kb) => kb / QUEUE_KB);
  });
}

const LINKS = ["l0", "l1"];
const FULL = 0.9;

/** How long the queues are full, and how full they are in between; a line that a way does not use is left out. */
function queueTable(runs: readonly Run[]): Table {
  const rows = cases(runs).flatMap(({ condition, own }) =>
    distinct(own.map(({ way }) => way)).map((way) => {
      const cells = LINKS.flatMap((link, i) => {
        if (way.startsWith("link ") && way !== `link ${i + 1}`) return ["–", "–"];
        const shares = fill(pick(own, { way }), link);
        const full = shares.filter((share) => share > FULL).length / shares.length;
        const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
        return [shown(mean), shown(full)];
      });
      return [condition, way, ...cells];
    }),
  );
  const head = LINKS.flatMap((_, i) => [`link ${i + 1}: mean fill`, "share of time over 0.9"]);
  return { head: ["Queues", "way", ...head], rows };
}

function queueBoxes(runs: readonly Run[]): BoxesChart[] {
  return cases(runs).map(({ condition, own }) => ({
    kind: "boxes",
    title: `Queues in front of the lines, ${condition}`,
    unit: "share of their room",
    categories: LINKS.map((_, i) => `link ${i + 1}`),
    groups: distinct(own.map(({ way }) => (way.startsWith("link ") ? "plain TCP" : way))).map((name) => ({
      name,
      values: LINKS.map((link, i) =>
        fill(pick(own, { way: name === "plain TCP" ? `link ${i + 1}` : name }), link),
      ),
    })),
  }));
}
