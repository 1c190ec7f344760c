import { readFileSync } from "node:fs";
import type { LabProcess } from "./command.ts";
import type { Lab } from "./lab.ts";

export interface LabInterface {
  host: string;
  link: string;
}

export interface RateSeries extends LabInterface {
  samples: RateSample[];
}

/** What went through an interface since the sample before. */
export interface RateSample {
  /** Since the recording began. */
  atMs: number;
  receivedBitsPerS: number;
  sentBitsPerS: number;
}

export interface RateRecording {
  stop(): Promise<RateSeries[]>;
}

interface InterfaceBytes {
  receivedBytes: number;
  sentBytes: number;
}

interface Counters extends InterfaceBytes {
  atMs: number;
}

/**
 * Samples the byte counters of interfaces. A process that sleeps in each namespace keeps it readable from outside, so
 * that a sample is one read of a file of /proc per host.
 */
export async function recordRates(
  lab: Lab,
  interfaces: readonly LabInterface[],
  { everyMs = 100 }: { everyMs?: number } = {},
): Promise<RateRecording> {
  const hosts = [...new Set(interfaces.map(({ host }) => host))];
  const sleepers = new Map<string, LabProcess>();
  for (const host of hosts) sleepers.set(host, await startSleeper(lab, host));
  const counts = interfaces.map((): Counters[] => []);
  const startMs = performance.now();
  const sample = () => {
    for (const host of hosts) {
      const atMs = performance.now() - startMs;
      const counters = readInterfaceBytes(sleepers.get(host)!);
      for (const [i, wanted] of interfaces.entries()) {
        const bytes = wanted.host === host ? counters.get(wanted.link) : undefined;
        if (bytes !== undefined) counts[i]!.push({ atMs, ...bytes });
      }
    }
  };
  sample();
  const timer = setInterval(sample, everyMs);
  return {
    async stop() {
      clearInterval(timer);
      sample();
      await Promise.all([...sleepers.values()].map((sleeper) => sleeper.stop("SIGKILL")));
      return interfaces.map(({ host, link }, i) => ({ host, link, samples: ratesBetween(counts[i]!) }));
    },
  };
}

/** Nothing once the lab is down. */
function readInterfaceBytes(sleeper: LabProcess): Map<string, InterfaceBytes> {
  try {
    return parseInterfaceBytes(readFileSync(`/proc/${sleeper.pid}/net/dev`, "latin1"));
  } catch {
    return new Map();
  }
}

/** Bytes received and sent by each interface, out of a file like /proc/net/dev. */
export function parseInterfaceBytes(text: string): Map<string, InterfaceBytes> {
  const lines = [...text.matchAll(/^\s*([^\s:]+):\s*(.*)$/gm)];
  return new Map(
    lines.map(([, name, values]) => {
      const fields = values!.trim().split(/\s+/).map(Number);
      return [name!, { receivedBytes: fields[0]!, sentBytes: fields[8]! }];
    }),
  );
}

export function ratesBetween(counts: readonly Counters[]): RateSample[] {
  return counts.slice(1).map((after, i) => {
    const before = counts[i]!;
    const perSecond = 8000 / (after.atMs - before.atMs);
    return {
      atMs: after.atMs,
      receivedBitsPerS: (after.receivedBytes - before.receivedBytes) * perSecond,
      sentBitsPerS: (after.sentBytes - before.sentBytes) * perSecond,
    };
  });
}

async function startSleeper(lab: Lab, host: string): Promise<LabProcess> {
  const sleeper = lab.host(host).spawn("sh", ["-c", "echo ready; exec sleep infinity"]);
  await sleeper.output(/^ready$/m);
  return sleeper;
}
