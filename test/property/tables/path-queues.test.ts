import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PathSlot } from "../../../src/core/base/ids.ts";
import { Rng } from "../../../src/core/base/rng.ts";
import { PathQueues } from "../../../src/core/tables/path-queues.ts";
import { PathTrains } from "../../../src/core/tables/path-trains.ts";
import { CARRIES_MASK } from "../../../src/core/wire/control-body.ts";

const P = 0 as PathSlot;
const BYTES = 1400;
const REPORT_US = 10_000;
const SECONDS = 6;
const WARM_UP_US = 3e6;
const MISSED_US = 4000;

interface Sent {
  sentUs: number;
  arrivedUs: number;
  total: number;
  thoughtUs: number;
  corrected: number;
}

interface LineSpec {
  rateBytesPerS: number;
  oneWayUs: number;
  offsetUs: number;
  /** Of the rate. */
  load: number;
  burst: number;
  seed: number;
}

/**
 * A line that carries bursts first in, first out, and a peer that reports every now and then: the averages of the queue that was
 * there when packets left, and of how far the prediction was from it.
 */
function run({ rateBytesPerS, oneWayUs, offsetUs, load, burst, seed }: LineSpec) {
  const rng = new Rng(seed);
  const queues = new PathQueues(1);
  queues.reset(P);
  const counts = { bytes: new Float64Array(1), packets: new Float64Array(1), lost: new Float64Array(1) };
  const trains = new PathTrains(1, counts);
  const packetUs = (BYTES * 1e6) / rateBytesPerS;
  const onTheWay: Sent[] = [];
  let [freeUs, total, nextUs, reportUs] = [0, 0, 0, 0];
  let [count, trueUs, errorUs] = [0, 0, 0];
  /** Reports that are on their way back. */
  const reports: { atUs: number; packet: Sent; carries: number }[] = [];
  while (nextUs < SECONDS * 1e6) {
    const nowUs = nextUs;
    while (reportUs <= nowUs) {
      let newest: Sent | undefined;
      while (onTheWay.length > 0 && onTheWay[0]!.arrivedUs <= reportUs) {
        newest = onTheWay.shift()!;
        const { sentUs, arrivedUs } = newest;
        counts.bytes[0] = newest.total;
        counts.packets[0] = newest.total / BYTES;
        trains.handlePacket(P, sentUs | 0, (arrivedUs - sentUs + offsetUs) | 0, arrivedUs);
      }
      if (newest !== undefined)
        reports.push({ atUs: reportUs + oneWayUs, packet: newest, carries: trains.take(P) });
      reportUs += REPORT_US;
    }
    while (reports.length > 0 && reports[0]!.atUs <= nowUs) {
      const { atUs, packet, carries } = reports.shift()!;
      const { sentUs, arrivedUs, thoughtUs, corrected } = packet;
      queues.handleDelay(P, arrivedUs - sentUs + offsetUs, atUs, thoughtUs, corrected);
      if (carries !== 0) queues.handleRate(P, (carries & CARRIES_MASK) * 1000, carries < 0, atUs);
    }
    const packets = 1 + rng.below(2 * burst - 1);
    for (let i = 0; i < packets; i++) {
      const queueUs = queues.queueUs(P, nowUs);
      const isUs = Math.max(freeUs - nowUs, 0);
      if (nowUs > WARM_UP_US) {
        count++;
        trueUs += isUs;
        errorUs += Math.abs(queueUs - isUs);
      }
      freeUs = Math.max(freeUs, nowUs) + packetUs;
      total += BYTES;
      const thoughtUs = queueUs + (BYTES * 1e6) / queues.rateBytesPerS[P]!;
      onTheWay.push({
        sentUs: nowUs,
        arrivedUs: freeUs + oneWayUs,
        total,
        thoughtUs,
        corrected: queues.corrected[P]!,
      });
      queues.handleSent(P, 1, BYTES, nowUs);
    }
    nextUs += (packets * packetUs * 2 * rng.unit()) / load;
  }
  return { trueUs: trueUs / count, errorUs: errorUs / count };
}

const lines = fc.record({
  rateBytesPerS: fc.integer({ min: 300_000, max: 12_000_000 }),
  oneWayUs: fc.integer({ min: 1000, max: 60_000 }),
  offsetUs: fc.integer({ min: -1e9, max: 1e9 }),
  load: fc.double({ min: 0.3, max: 0.95, noNaN: true }),
  burst: fc.integer({ min: 10, max: 60 }),
  seed: fc.integer({ min: 1, max: 1e6 }),
});

describe("the queue of a path that carries bursts", () => {
  it("is predicted", () => {
    // How well is a matter of statistics: always the same lines, so that it does not depend on luck.
    for (const line of fc.sample(lines, { numRuns: 60, seed: 1 })) {
      const { trueUs, errorUs } = run(line);
      // A short queue may be over before anybody has told of it.
      expect(errorUs, JSON.stringify(line)).toBeLessThan(0.1 * trueUs + MISSED_US);
    }
  });
});
