import { contentUrl, curl, startContentServer } from "../lab/index.ts";
import { recordLines } from "./line-recording.ts";
import type { Network } from "./network.ts";
import { lineFigures, type Measured, OVERRUNS } from "./transfer.ts";
import { daemonReports, type RunningWay } from "./ways.ts";

/** Names of figures. */
export const SECONDS = "s";

export function shareName(link: string): string {
  return `share over ${link}`;
}

export interface TimedTransfer {
  bytes: number;
  congestion: string;
  /** The client sends. */
  upload: boolean;
}

/** A transfer over HTTP: how long from the first packet of the connection to the last byte, and over which lines. */
export async function timedTransfer(
  network: Network,
  way: RunningWay,
  { bytes, congestion, upload }: TimedTransfer,
): Promise<Measured> {
  const tcp = { mptcp: way.mptcp, congestion };
  const server = await startContentServer(network.server, undefined, tcp);
  try {
    const { result, lines, overruns } = await recordLines(network.links, upload ? "ab" : "ba", () =>
      curl(network.client, contentUrl(way.server, upload ? 0 : bytes), {
        tcp,
        args: ["--interface", way.client],
        timeoutMs: 120_000,
        ...(upload ? { upload: bytes } : {}),
      }),
    );
    const mpip = await daemonReports(way);
    const carried = lines.reduce((sum, { mbitPerS }) => sum + mbitPerS, 0);
    const shares = lines.map(({ link, mbitPerS }) => [shareName(link), mbitPerS / carried]);
    return {
      congestion,
      figures: {
        [SECONDS]: result.seconds,
        ...Object.fromEntries(shares),
        ...Object.assign({}, ...lines.map(lineFigures)),
        [OVERRUNS]: overruns,
      },
      ...(mpip === undefined ? {} : { mpip }),
    };
  } finally {
    await server.stop("SIGKILL");
  }
}
