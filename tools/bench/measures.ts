import { readFileSync } from "node:fs";
import { type IperfOptions, iperf3, type Lab, percentile, udpRoundTripsUs } from "../lab/index.ts";
import { cpuSeconds, type Running } from "./contenders.ts";

/** Figures of one measurement; a missing one does not apply. */
export type Figures = Record<string, number>;

export interface Measure {
  name: string;
  tcpOnly: boolean;
  run(lab: Lab, way: Running, seconds: number): Promise<Figures>;
}

const CUBIC = "cubic";

export const MEASURES: readonly Measure[] = [
  tcp("TCP 1 flow", {}),
  tcp("TCP 4 flows", { parallel: 4 }),
  tcp("TCP reverse", { reverse: true }),
  tcp("TCP 1 flow, BBR", { congestion: "bbr" }),
  udp(64),
  udp(512),
  udp(1400 - 28),
  { name: "ping-pong", tcpOnly: false, run: pingPong },
  { name: "ping-pong, loaded", tcpOnly: false, run: pingPongLoaded },
];

function tcp(name: string, options: Partial<IperfOptions>): Measure {
  return {
    name,
    tcpOnly: true,
    run: async (lab, way, seconds) => {
      const before = cpu(way);
      const result = await iperf3(lab.host("a"), lab.host("b"), {
        to: way.target,
        durationS: seconds,
        congestion: CUBIC,
        ...(way.mptcp ? { mptcp: true } : {}),
        ...options,
      });
      const after = cpu(way);
      const gigabytes = (result.receivedBitsPerS * seconds) / 8e9;
      return {
        "Mbit/s": result.receivedBitsPerS / 1e6,
        retransmits: result.retransmits ?? 0,
        ...(way.daemons.length > 0
          ? { "daemons' CPU s/GB": (after.daemons - before.daemons) / gigabytes }
          : {}),
        "machine's CPU s/GB": (after.machine - before.machine) / gigabytes,
      };
    },
  };
}

function udp(payloadBytes: number): Measure {
  return {
    name: `UDP ${payloadBytes} B`,
    tcpOnly: false,
    run: async (lab, way, seconds) => {
      const result = await iperf3(lab.host("a"), lab.host("b"), {
        to: way.target,
        durationS: seconds,
        udp: true,
        lengthBytes: payloadBytes,
        bitrateMbit: 0,
      });
      const share = 1 - (result.lostPercent ?? 0) / 100;
      return {
        "packets/s": (result.sentBitsPerS / 8 / payloadBytes) * share,
        "lost %": result.lostPercent ?? 0,
      };
    },
  };
}

async function pingPong(lab: Lab, way: Running, seconds: number): Promise<Figures> {
  const options = { to: way.target, port: 7003, durationS: seconds };
  const timesUs = await udpRoundTripsUs(lab.host("a"), lab.host("b"), options);
  return { "median µs": percentile(timesUs, 50), "p99 µs": percentile(timesUs, 99) };
}

/** While one TCP flow takes what it can get. */
async function pingPongLoaded(lab: Lab, way: Running, seconds: number): Promise<Figures> {
  const options = { to: way.target, durationS: seconds + 1, congestion: CUBIC };
  const load = iperf3(lab.host("a"), lab.host("b"), options);
  const [figures] = await Promise.all([pingPong(lab, way, seconds), load]);
  return figures;
}

function cpu(way: Running): { daemons: number; machine: number } {
  const daemons = way.daemons.reduce((sum, daemon) => sum + cpuSeconds(daemon), 0);
  const [user, nice, system, , , irq, softirq] = readFileSync("/proc/stat", "latin1")
    .split("\n", 1)[0]!
    .split(/ +/)
    .slice(1)
    .map(Number);
  return { daemons, machine: (user! + nice! + system! + irq! + softirq!) / 100 };
}
