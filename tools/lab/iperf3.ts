import type { LabProcess } from "./command.ts";
import type { Host } from "./host.ts";
import { requireTools } from "./requirements.ts";
import { waitFor } from "./wait-for.ts";

export interface IperfOptions {
  /** Address of the server to connect to. */
  to: string;
  /** Address of the client to connect from. */
  from?: string;
  durationS?: number;
  intervalMs?: number;
  parallel?: number;
  /** The server sends. */
  reverse?: boolean;
  /** UDP at `bitrateMbit`, instead of TCP. */
  udp?: boolean;
  /** Bytes in one write and, for UDP, in one datagram. */
  lengthBytes?: number;
  bitrateMbit?: number;
  /** TCP congestion control; without it the machine's default, which the result names. */
  congestion?: string;
  /** Runs both ends under mptcpize, so that they ask for MPTCP instead of TCP. */
  mptcp?: boolean;
  /** Takes the server's process when it runs. */
  onServer?: (server: LabProcess) => void;
}

export interface IperfResult {
  sentBitsPerS: number;
  receivedBitsPerS: number;
  /** What the receiver got in each whole interval. */
  intervals: IperfInterval[];
  /** TCP only. */
  retransmits?: number;
  congestion?: string;
  /** UDP only. */
  lostPercent?: number;
  jitterMs?: number;
}

export interface IperfInterval {
  startS: number;
  endS: number;
  bitsPerS: number;
}

const firstPort = 5201;
const portCount = 1000;
const setupTimeoutMs = 20_000;
let runs = 0;

/** One run of iperf3 between two hosts, with a server of its own, so that several may run at once. */
export async function iperf3(client: Host, server: Host, options: IperfOptions): Promise<IperfResult> {
  const wrapper = options.mptcp === true ? ["mptcpize", "run"] : [];
  requireTools("iperf3", ...wrapper.slice(0, 1));
  const port = firstPort + (runs++ % portCount);
  const [program, ...args] = [...wrapper, ...serverCommand(port, options)];
  const serving = server.spawn(program!, args);
  try {
    await waitFor(
      async () => {
        if (!serving.running) throw await serving.failure("ended before it listened");
        return (await server.exec("ss", ["-Hltn", "sport", "=", `:${port}`])).stdout !== "";
      },
      { what: `iperf3 to listen on ${server.name}` },
    );
    options.onServer?.(serving);
    const [clientProgram, ...clientArgs] = [...wrapper, ...clientCommand(port, options)];
    const { stdout } = await client.exec(clientProgram!, clientArgs, {
      timeoutMs: durationS(options) * 1000 + setupTimeoutMs,
      // It says what went wrong in its JSON, and its exit code does not tell.
      allowFailure: true,
    });
    return parseIperf3(stdout, options.reverse ?? false);
  } catch (error) {
    throw new Error(`iperf3 from ${client.name} to ${server.name}: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    await serving.stop("SIGKILL");
  }
}

/** Reads what `iperf3 --json --get-server-output` of a client prints. */
export function parseIperf3(json: string, reverse: boolean): IperfResult {
  const report = parseReport(json);
  if (report.error !== undefined) throw new Error(report.error);
  const { end } = report;
  const receiver = reverse ? report : report.server_output_json;
  if (end?.sum_sent === undefined || end.sum_received === undefined || receiver === undefined) {
    throw new Error(`iperf3 gave no results: ${json.slice(0, 200)}`);
  }
  const retransmits = end.sum_sent.retransmits;
  return {
    sentBitsPerS: end.sum_sent.bits_per_second,
    receivedBitsPerS: end.sum_received.bits_per_second,
    intervals: wholeIntervals(receiver.intervals.map(({ sum }) => sum)),
    ...(retransmits === undefined ? {} : { retransmits }),
    ...(end.sender_tcp_congestion === undefined ? {} : { congestion: end.sender_tcp_congestion }),
    ...(end.sum === undefined ? {} : { lostPercent: end.sum.lost_percent, jitterMs: end.sum.jitter_ms }),
  };
}

/** The last one may be a sliver, over which a rate says nothing. */
function wholeIntervals(sums: readonly IntervalSum[]): IperfInterval[] {
  const longestS = Math.max(...sums.map(({ start, end }) => end - start));
  return sums
    .filter(({ start, end }) => end - start > longestS / 2)
    .map((sum) => ({ startS: sum.start, endS: sum.end, bitsPerS: sum.bits_per_second }));
}

interface IperfReport {
  error?: string;
  intervals: { sum: IntervalSum }[];
  end?: {
    sum_sent?: IperfSum;
    sum_received?: IperfSum;
    sum?: { lost_percent: number; jitter_ms: number };
    sender_tcp_congestion?: string;
  };
  server_output_json?: IperfReport;
}

interface IperfSum {
  bits_per_second: number;
  retransmits?: number;
}

interface IntervalSum extends IperfSum {
  start: number;
  end: number;
}

function parseReport(json: string): IperfReport {
  try {
    return JSON.parse(json) as IperfReport;
  } catch {
    throw new Error(`not the JSON of iperf3: ${json.trim().slice(0, 200) || "nothing"}`);
  }
}

function serverCommand(port: number, options: IperfOptions): string[] {
  return ["iperf3", "-s", "-1", "-p", String(port), "--json", "-i", intervalS(options)];
}

function clientCommand(port: number, options: IperfOptions): string[] {
  const { to, from, parallel, reverse, udp, lengthBytes, bitrateMbit, congestion } = options;
  return [
    ...["iperf3", "-c", to, "-p", String(port), "--json", "--get-server-output"],
    ...["-t", String(durationS(options)), "-i", intervalS(options)],
    ...(from === undefined ? [] : ["-B", from]),
    ...(parallel === undefined ? [] : ["-P", String(parallel)]),
    ...(reverse === true ? ["-R"] : []),
    ...(udp === true ? ["-u"] : []),
    ...(lengthBytes === undefined ? [] : ["-l", String(lengthBytes)]),
    ...(bitrateMbit === undefined ? [] : ["-b", String(Math.round(bitrateMbit * 1e6))]),
    ...(congestion === undefined ? [] : ["-C", congestion]),
  ];
}

function durationS(options: IperfOptions): number {
  return options.durationS ?? 5;
}

function intervalS(options: IperfOptions): string {
  return String((options.intervalMs ?? 1000) / 1000);
}
