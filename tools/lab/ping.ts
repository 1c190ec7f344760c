import type { Host } from "./host.ts";
import { percentile } from "./statistics.ts";

export interface PingOptions {
  count?: number;
  intervalMs?: number;
  /** Bytes of payload in one echo. */
  sizeBytes?: number;
  /** Link over which the echoes leave. */
  via?: string;
  /** How long to wait for the last answers. */
  waitMs?: number;
}

export interface PingResult {
  sent: number;
  received: number;
  lossPercent: number;
  /** In the order in which the answers came. */
  rttsMs: number[];
  minMs: number;
  medianMs: number;
  p95Ms: number;
  maxMs: number;
}

/** Sends echoes to an address; that none comes back is a result and not an error. */
export async function ping(host: Host, target: string, options: PingOptions = {}): Promise<PingResult> {
  const { count = 10, intervalMs = 100, sizeBytes, via, waitMs = 1000 } = options;
  const args = ["-n", "-c", String(count), "-i", String(intervalMs / 1000), "-W", String(waitMs / 1000)];
  if (sizeBytes !== undefined) args.push("-s", String(sizeBytes));
  if (via !== undefined) args.push("-I", host.interface(via));
  const timeoutMs = count * intervalMs + waitMs + 10_000;
  const { stdout, stderr } = await host.exec("ping", [...args, target], { timeoutMs, allowFailure: true });
  return parsePing(stdout, stderr);
}

export function parsePing(stdout: string, stderr = ""): PingResult {
  const summary = /(\d+) packets transmitted, (\d+) (?:packets )?received/.exec(stdout);
  if (summary === null) throw new Error(`ping failed: ${(stderr || stdout).trim()}`);
  const [sent, received] = [Number(summary[1]), Number(summary[2])];
  const answers = stdout.matchAll(/^\d+ bytes from .* time=([\d.]+) ms$/gm);
  const rttsMs = [...answers].map((answer) => Number(answer[1]));
  return {
    sent,
    received,
    lossPercent: (100 * (sent - received)) / sent,
    rttsMs,
    minMs: percentile(rttsMs, 0),
    medianMs: percentile(rttsMs, 50),
    p95Ms: percentile(rttsMs, 95),
    maxMs: percentile(rttsMs, 100),
  };
}
