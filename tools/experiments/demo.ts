import { setTimeout as sleep } from "node:timers/promises";
import { iperf3, type Link, median } from "../lab/index.ts";
import { type Network, upNetwork } from "./network.ts";
import { mpipWay, singleWay } from "./ways.ts";

/** Two links like a good and a modest line at home; rates count whole frames, delays are one way. */
const LINES = [
  { rateMbit: 40, delayMs: 5, queueKb: 100 },
  { rateMbit: 20, delayMs: 10, queueKb: 100 },
];
const ALONE_S = 4;
const [BOTH_S, CUT_S, BACK_S] = [10, 6, 10];
const EVERY_MS = 500;
const BAR_MBIT = 2;

await using network = await upNetwork(LINES);
// So that the network goes, too, when somebody has seen enough.
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, async () => {
    await network.lab.down();
    process.exit(1);
  });
}
await show(network);

async function show(network: Network): Promise<void> {
  const { client, server, links } = network;
  const faster = links[0]!;
  say("Two hosts, client and server, with two links between them: 40 and 20 Mbit/s.");
  const single = await singleWay(0).start(network);
  const alone = await iperf3(client, server, { to: single.server, from: single.client, durationS: ALONE_S });
  const aloneMbit = alone.receivedBitsPerS / 1e6;
  say(`One TCP transfer over the better link alone, without mpip: ${aloneMbit.toFixed(1)} Mbit/s.`);
  say("Now a daemon on each host, and one TCP transfer over both links:\n");
  const way = await mpipWay({ name: "mpip", patch: {} }).start(network);
  try {
    const watching = watch(links, aloneMbit);
    const durationS = BOTH_S + CUT_S + BACK_S;
    const transfer = iperf3(client, server, {
      to: way.server,
      from: way.client,
      durationS,
      intervalMs: 100,
    });
    await sleep(BOTH_S * 1000);
    note("the faster link is cut: its packets vanish");
    await faster.cut("silent");
    await sleep(CUT_S * 1000);
    note("the link is back");
    await faster.restore();
    const { intervals } = await transfer;
    watching.stop();
    const rate = (fromS: number, toS: number) =>
      median(
        intervals
          .filter(({ startS, endS }) => startS >= fromS && endS <= toS)
          .map(({ bitsPerS }) => bitsPerS / 1e6),
      );
    const both = rate(BOTH_S / 2, BOTH_S);
    const silent = intervals.filter(
      ({ startS, bitsPerS }) => startS >= BOTH_S - 0.2 && startS < BOTH_S + CUT_S && bitsPerS === 0,
    );
    const after = intervals.filter(
      ({ startS, bitsPerS }) => startS >= BOTH_S + CUT_S && bitsPerS / 1e6 > 0.9 * both,
    );
    const backS = after.length === 0 ? undefined : after[0]!.endS - BOTH_S - CUT_S;
    say("");
    say(
      `Over both links: ${both.toFixed(1)} Mbit/s, ${(both / aloneMbit).toFixed(2)} times the better link alone.`,
    );
    say(
      silent.length === 0
        ? "When the link was cut the transfer never stopped for a tenth of a second."
        : `When the link was cut nothing arrived for about ${(silent.length / 10).toFixed(1)} s; then it went on over the other one at ${rate(BOTH_S + 2, BOTH_S + CUT_S).toFixed(1)} Mbit/s.`,
    );
    say(
      backS === undefined
        ? "After the link came back the transfer had not reached nine tenths of that again."
        : `${backS.toFixed(1)} s after the link came back it had nine tenths of that again. The connection was the same all the time.`,
    );
  } finally {
    await way.stop();
  }
}

/** Shows what the links carry, twice a second. */
function watch(links: readonly Link[], aloneMbit: number): { stop(): void } {
  const startMs = performance.now();
  let before: { atMs: number; bytes: number[] } | undefined;
  const look = async () => {
    const stats = await Promise.all(links.map((link) => link.stats()));
    const now = { atMs: performance.now(), bytes: stats.map(({ ab }) => ab.bytesOut) };
    if (before !== undefined) {
      const seconds = (now.atMs - before.atMs) / 1000;
      const mbit = now.bytes.map((bytes, i) => (bytes - before!.bytes[i]!) / 125_000 / seconds);
      line((now.atMs - startMs) / 1000, mbit, aloneMbit);
    }
    before = now;
  };
  const timer = setInterval(() => void look(), EVERY_MS);
  return { stop: () => clearInterval(timer) };
}

function line(atS: number, mbit: readonly number[], aloneMbit: number): void {
  const [one, two] = mbit as [number, number];
  const sum = one + two;
  const bar = "█".repeat(Math.round(one / BAR_MBIT)) + "▒".repeat(Math.round(two / BAR_MBIT));
  const rates = `${one.toFixed(0).padStart(3)} + ${two.toFixed(0).padStart(2)} = ${sum.toFixed(0).padStart(3)} Mbit/s`;
  say(`${atS.toFixed(1).padStart(5)} s  ${rates}  (alone ${aloneMbit.toFixed(0)})  ${bar}`);
}

function note(text: string): void {
  say(`         --- ${text}`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
