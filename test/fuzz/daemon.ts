import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { SessionsView, StatusView } from "../../src/control/views.ts";
import { Rng } from "../../src/core/base/rng.ts";
import { ControlBlock, KIND_DATA_COMPACT, KIND_DATA_FULL } from "../../src/core/wire/control-block.ts";
import { Flow } from "../../src/core/wire/flow.ts";
import { contentChunks } from "../../tools/lab/content.ts";
import {
  contentUrl,
  type Host,
  iperf3,
  type LabProcess,
  packageRoot,
  ping,
  startContentServer,
  waitFor,
} from "../../tools/lab/index.ts";
import { FAR, LINKS, Tunnel } from "../netns/tunnel.ts";
import { corpus, mutate } from "./fuzz.ts";

export interface DaemonFuzzOptions {
  datagrams: number;
  seed: number;
  onProgress?: (line: string) => void;
}

export interface DaemonFuzzReport {
  /** Of the datagrams that were sent, those that its sockets had room for. */
  received: number;
  /** Memory of the daemon, in MB, at equal distances. */
  residentMb: number[];
  /** What the transfers, which began before, had carried when it was over. */
  transferredMb: number[];
  /** By reason: what the daemon dropped. */
  drops: Record<string, number>;
  /** Empty: it kept every promise. */
  problems: string[];
}

const PORT = 7000;
const SENDER = join(packageRoot(), "test", "fuzz", "raw-sender.pl");
const CAPTURED = 3000;
const BATCH = 500;
const SAMPLES = 20;
/** More than a run lasts. */
const ENDLESS_BYTES = 999_999_999_999;
const TRANSFER_RATE = "2M";
const WARM_UP_SHARE = 0.5;
const GROWTH_MAX_MB = 16;

/**
 * Mutated datagrams for a daemon that carries two long transfers: from the vectors and from what its peer sends, with
 * the peer's address and port and with others, so that they reach paths and sessions that are in use. The daemon must
 * neither end nor grow, and the transfers go on, unchanged.
 */
export async function fuzzDaemon(options: DaemonFuzzOptions): Promise<DaemonFuzzReport> {
  await using tunnel = await Tunnel.up({}, {});
  const { one, two } = tunnel;
  const servers = await Promise.all([one, two].map(({ host }) => startContentServer(host)));
  const transfers = [new Transfer(one.host, FAR), new Transfer(two.host, "10.77.0.1")];
  const run = new DaemonFuzz(tunnel, options, transfers);
  await run.attack(await captured(one.host));
  await run.check();
  for (const process of [...servers, ...transfers.map((transfer) => transfer.process)]) {
    await process.stop("SIGKILL");
  }
  return run.report;
}

class DaemonFuzz {
  readonly report: DaemonFuzzReport = {
    received: 0,
    residentMb: [],
    transferredMb: [],
    drops: {},
    problems: [],
  };
  private readonly tunnel: Tunnel;
  private readonly options: DaemonFuzzOptions;
  private readonly transfers: readonly Transfer[];
  private readonly block = new ControlBlock();
  private readonly flow = new Flow();
  /** Of the transfers: session IDs, and the clients' ports. */
  private readonly ids = new Set<number>();
  private readonly ports = new Set<number>();

  constructor(tunnel: Tunnel, options: DaemonFuzzOptions, transfers: readonly Transfer[]) {
    this.tunnel = tunnel;
    this.options = options;
    this.transfers = transfers;
  }

  private get target(): LabProcess {
    return this.tunnel.two.process!;
  }

  /** Sends until the daemon has received as many as asked for. */
  async attack(live: readonly Uint8Array[]): Promise<void> {
    const { report, options } = this;
    for (const session of (await this.tunnel.two.ask<SessionsView>("sessions")).sessions) {
      this.ids.add(session.id | 0);
      this.ports.add(Math.max(session.sourcePort, session.destinationPort));
    }
    const rng = new Rng(options.seed);
    const known = corpus();
    const sender = this.startSender();
    const overflowedBefore = overflowed(this.target);
    let lost = 0;
    let sent = 0;
    let pauseMs = 0;
    while (report.received < options.datagrams && this.target.running) {
      const batch: Uint8Array[] = [];
      while (batch.length < BATCH) {
        const payload = mutate(rng, rng.below(3) === 0 ? known : live);
        if (!this.isForged(payload)) batch.push(framed(rng, payload));
      }
      if (!sender.stdin!.write(Buffer.concat(batch))) await once(sender.stdin!, "drain");
      sent += BATCH;
      if (!this.target.running) break;
      const lostNow = overflowed(this.target) - overflowedBefore;
      pauseMs = lostNow > lost ? Math.min(20, 2 * pauseMs + 1) : pauseMs * 0.95;
      lost = lostNow;
      report.received = sent - lost;
      if (pauseMs >= 1) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      if (report.received >= (options.datagrams * report.residentMb.length) / SAMPLES) this.sample();
    }
    sender.stdin!.end();
    await once(sender, "exit");
    if (this.target.running) this.sample();
  }

  /** After the attack. */
  async check(): Promise<void> {
    const { report, tunnel } = this;
    const { one, two } = tunnel;
    const found = (problem: string) => report.problems.push(problem);
    if (!this.target.running) {
      found(`the daemon has ended: ${this.target.stderr.slice(-2000)}`);
      return;
    }
    for (const transfer of this.transfers) {
      const before = transfer.bytes;
      const goesOn = () => transfer.problem === undefined && transfer.bytes - before > 1_000_000;
      await waitFor(goesOn, { what: "the transfer to go on", timeoutMs: 30_000 }).catch(() => {
        found(transfer.problem ?? "a transfer does not go on");
      });
      report.transferredMb.push(Math.round(transfer.bytes / 1e6));
    }
    const { received } = await ping(one.host, FAR, { count: 10, intervalMs: 50 });
    if (received < 8) found(`${received} of 10 pings were answered`);
    const flow = await iperf3(one.host, two.host, { to: FAR, durationS: 1 });
    if (flow.receivedBitsPerS < 1e6) found(`a new connection gets ${flow.receivedBitsPerS} bit/s`);
    const status = await two.ask<StatusView>("status");
    report.drops = Object.fromEntries(status.drops.map(({ reason, packets }) => [reason, packets]));
    const { residentMb } = report;
    const warm = residentMb[Math.floor(residentMb.length * WARM_UP_SHARE)]!;
    const growth = residentMb.at(-1)! - warm;
    if (growth > GROWTH_MAX_MB) found(`the daemon has grown by ${growth} MB in the second half`);
  }

  /**
   * Whether it is sound data of a transfer: nothing protects a session without keys from what somebody on the line says
   * in its name.
   */
  private isForged(bytes: Uint8Array): boolean {
    const { block, flow } = this;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (!block.read(view, 0, bytes.length)) return false;
    if (block.kind === KIND_DATA_COMPACT) return this.ids.has(block.session);
    if (block.kind !== KIND_DATA_FULL || !flow.parse(view, 0, block.userBytes)) return false;
    return this.ports.has(flow.sourcePort) || this.ports.has(flow.destinationPort);
  }

  private sample(): void {
    const { report, options } = this;
    report.residentMb.push(residentMb(this.target));
    const transferred = this.transfers.map(({ bytes }) => Math.round(bytes / 1e6)).join(" and ");
    options.onProgress?.(
      `${report.received} datagrams, ${report.residentMb.at(-1)} MB, ${transferred} MB transferred`,
    );
  }

  private startSender(): ChildProcess {
    const { one, two } = this.tunnel;
    const lines = LINKS.flatMap((link) => [one.host.ip(link), two.host.ip(link)]);
    const args = ["netns", "exec", one.host.namespace, "perl", SENDER, String(PORT), ...lines];
    return spawn("ip", args, { stdio: ["pipe", "inherit", "inherit"] });
  }
}

/** A download that goes on for ever, and is compared with what it should be. */
class Transfer {
  readonly process: LabProcess;
  bytes = 0;
  problem: string | undefined;
  private readonly content = contentChunks(ENDLESS_BYTES);
  private expected = Buffer.alloc(0);

  constructor(host: Host, from: string) {
    const args = ["-sSN", "--limit-rate", TRANSFER_RATE, contentUrl(from, ENDLESS_BYTES)];
    this.process = host.spawn("curl", args, { onStdout: (chunk) => this.compare(chunk) });
    this.process.exited.then(() => {
      this.problem ??= `a transfer has ended: ${this.process.stderr}`;
    });
  }

  private compare(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.expected.length === 0) this.expected = this.content.next().value!;
      const length = Math.min(rest.length, this.expected.length);
      if (!rest.subarray(0, length).equals(this.expected.subarray(0, length))) {
        this.problem ??= `a transfer was changed near byte ${this.bytes}`;
      }
      rest = rest.subarray(length);
      this.expected = this.expected.subarray(length);
      this.bytes += length;
    }
  }
}

/** Datagrams of the two daemons, one by one. */
async function captured(host: Host): Promise<Uint8Array[]> {
  for (const link of LINKS) {
    await host.exec("ethtool", ["-K", link, "tx-udp-segmentation", "off", "gso", "off", "gro", "off"]);
  }
  const chunks: Buffer[] = [];
  // On both lines: of two that are equally fast one may carry nearly everything.
  const which = ["-i", "any", "-y", "LINUX_SLL", "-c", String(CAPTURED), "udp", "port", String(PORT)];
  const dump = host.spawn("tcpdump", ["-w", "-", ...which], { onStdout: (chunk) => chunks.push(chunk) });
  await dump.exited;
  return payloads(Buffer.concat(chunks));
}

/** UDP payloads out of a pcap file of this machine, of IPv4 without options under the kernel's own link header. */
function payloads(pcap: Buffer): Uint8Array[] {
  const headers = 16 + 20 + 8;
  const found: Uint8Array[] = [];
  for (let at = 24; at + 16 <= pcap.length; ) {
    const length = pcap.readUInt32LE(at + 8);
    const payload = pcap.subarray(at + 16 + headers, at + 16 + length);
    if (payload.length > 0) found.push(Uint8Array.from(payload));
    at += 16 + length;
  }
  return found;
}

/** For the sender: one of the two lines; the peer's port, or another one. */
function framed(rng: Rng, payload: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(5 + payload.length);
  frame.writeUInt16BE(payload.length);
  frame.writeUInt16BE(rng.below(4) === 0 ? 1 + rng.below(65_535) : PORT, 2);
  frame[4] = rng.below(2);
  frame.set(payload, 5);
  return frame;
}

/** Datagrams for which the sockets in a process's network had no room. */
function overflowed({ pid }: LabProcess): number {
  const lines = readFileSync(`/proc/${pid}/net/snmp`, "latin1").split("\n");
  const [names, values] = lines.filter((line) => line.startsWith("Udp:")).map((line) => line.split(" "));
  return Number(values![names!.indexOf("RcvbufErrors")]);
}

function residentMb({ pid }: LabProcess): number {
  const kb = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))![1];
  return Math.round(Number(kb) / 1024);
}
