import type { Rng } from "../../src/core/base/rng.ts";
import type { Prefix } from "../../src/core/dispatch/rule-spec.ts";
import { pathReports } from "../../src/core/tables/path-report.ts";
import { CbrFlow } from "./cbr.ts";
import { Ports } from "./flow.ts";
import { Forger } from "./forger.ts";
import { type AccessOptions, Internet, type SimHost } from "./internet.ts";
import { TcpFlow } from "./tcp.ts";
import { ipv4 } from "./two-nodes.ts";

export interface NetworkRunOptions {
  seed: number;
  /** Of virtual time. */
  seconds: number;
  spokes: number;
  /** TCP transfers, between spokes and the hub and between two spokes. */
  transfers: number;
  /** Datagrams in a second from every spoke to the hub and back. */
  perSecond: number;
  /** How many of a thousand datagrams are followed by a mutated copy, and how many forged ones come in a second. */
  mutatedPerMille?: number;
  forgedPerSecond?: number;
  /** How often something happens to a line, a NAT or a node. */
  eventsPerSecond: number;
}

export interface NetworkRunReport {
  seed: number;
  datagrams: number;
  mutated: number;
  events: Record<string, number>;
  /** Of the constant streams: sent and received. */
  sent: number;
  received: number;
  /** Bytes that the transfers have carried, the least of any, and how often segments were sent again. */
  transferred: number;
  leastTransferred: number;
  retransmissions: number;
  /** Of the streams while all lines worked, at the end. */
  lostAtEnd: number;
  problems: string[];
}

const EVERYTHING: Prefix = { family: 4, address: ipv4(10, 99, 0, 0), bits: 16 };
const SETTLE_S = 20;
const FINAL_S = 10;
const CUT_MAX_S = 8;
const RESTART_MIN_S = 3;
const PROBLEMS_MAX = 20;

/**
 * A hub and spokes, some behind NATs, with clocks of their own; streams and transfers between them; lines that are cut
 * and come back, NATs that forget, nodes that restart; and, where asked for, datagrams of an adversary who knows what is
 * on the lines. Whatever happens, no packet may change, come twice, or come to another flow, and every counter must add
 * up; when it is over, everything must work again.
 */
export class NetworkRun {
  readonly report: NetworkRunReport;
  readonly internet: Internet;
  readonly hub: SimHost;
  readonly spokes: SimHost[];
  private readonly options: NetworkRunOptions;
  private readonly rng: Rng;
  private readonly ports = new Map<SimHost, Ports>();
  private readonly streams: CbrFlow[] = [];
  private readonly transfers: TcpFlow[] = [];
  private flows = 0;
  private isQuiet = false;

  constructor(options: NetworkRunOptions) {
    const { seed, spokes } = options;
    this.options = options;
    this.internet = new Internet(seed);
    this.rng = this.internet.rng;
    this.report = {
      seed,
      datagrams: 0,
      mutated: 0,
      events: {},
      sent: 0,
      received: 0,
      transferred: 0,
      leastTransferred: 0,
      retransmissions: 0,
      lostAtEnd: 0,
      problems: [],
    };
    this.hub = this.internet.addHost({
      name: "hub",
      links: [{}, {}],
      forwards: true,
      limits: {
        sessions: 4096 + 8 * spokes,
        nodes: 64 + 2 * spokes,
        paths: 256 + 16 * spokes,
      },
      ...this.anyClock(),
    });
    this.spokes = Array.from({ length: spokes }, (_, i) => this.addSpoke(i));
    this.hub.setPeers(this.spokes.map((spoke) => spoke.peer()));
    for (const host of this.internet.hosts) this.ports.set(host, new Ports(host));
  }

  run(onProgress?: (line: string) => void): NetworkRunReport {
    const { options, internet, report } = this;
    const forger = new Forger(internet, options.mutatedPerMille ?? 0, options.forgedPerSecond ?? 0);
    for (const spoke of this.spokes) this.stream(spoke, this.hub);
    for (const spoke of this.spokes) this.stream(this.hub, spoke);
    for (let i = 0; i < options.transfers; i++) this.transfer();
    this.planEvent();
    const progress = Math.max(1, Math.floor(options.seconds / 20));
    for (let second = 0; second < options.seconds; second++) {
      internet.run(1);
      if (second % progress === progress - 1) onProgress?.(`${second + 1} s: ${forger.datagrams} datagrams`);
    }
    this.isQuiet = true;
    forger.isQuiet = true;
    for (const host of internet.hosts) for (const link of host.links) link.isCut = false;
    internet.run(SETTLE_S);
    this.checkEnd();
    report.datagrams = forger.datagrams;
    report.mutated = forger.forged;
    return report;
  }

  private addSpoke(index: number): SimHost {
    const { rng } = this;
    const links = Array.from({ length: 1 + rng.below(2) }, () => this.anyAccess());
    const limits = { sessions: 64, nodes: 8, paths: 64, heldPackets: 64, locals: 2, sentBytes: 2 << 20 };
    const spoke = this.internet.addHost({ name: `spoke${index + 1}`, links, limits, ...this.anyClock() });
    spoke.setPeers([this.hub.peer([EVERYTHING])]);
    return spoke;
  }

  /** Up to 100 parts in a million fast or slow, and any time at all. */
  private anyClock(): { clockOffsetUs: number; clockDrift: number } {
    return { clockOffsetUs: this.rng.below(2 ** 31), clockDrift: (this.rng.unit() - 0.5) * 2e-4 };
  }

  private anyAccess(): AccessOptions {
    const { rng } = this;
    const line = () => ({
      delayUs: 1000 + rng.below(60_000),
      bitsPerS: 2_000_000 + rng.below(20_000_000),
      queueBytes: 30_000 + rng.below(100_000),
      loss: rng.below(4) === 0 ? rng.unit() * 0.02 : 0,
    });
    const nat = rng.below(2) === 0 ? {} : { nat: { perDestination: rng.below(2) === 0, timeoutUs: 60e6 } };
    return { up: line(), down: line(), ...nat };
  }

  private end(host: SimHost): readonly [SimHost, Ports] {
    return [host, this.ports.get(host)!];
  }

  private stream(from: SimHost, to: SimHost): void {
    const options = { perSecond: this.options.perSecond, bytes: 20 + this.rng.below(200) };
    this.streams.push(new CbrFlow(this.internet.clock, this.flows++, this.end(from), this.end(to), options));
  }

  private transfer(): void {
    const hosts = this.internet.hosts;
    const from = hosts[this.rng.below(hosts.length)]!;
    let to = from;
    while (to === from) to = hosts[this.rng.below(hosts.length)]!;
    this.transfers.push(new TcpFlow(this.internet.clock, this.flows++, this.end(from), this.end(to)));
  }

  private planEvent(): void {
    const { rng, internet, options } = this;
    if (options.eventsPerSecond === 0) return;
    internet.clock.after((-Math.log(1 - rng.unit()) * 1e6) / options.eventsPerSecond, () => {
      if (this.isQuiet) return;
      this.event();
      this.planEvent();
    });
  }

  private event(): void {
    const { rng, internet, report } = this;
    const host = internet.hosts[rng.below(internet.hosts.length)]!;
    const link = host.links[rng.below(host.links.length)]!;
    const kind = rng.below(10);
    const count = (name: string) => {
      report.events[name] = (report.events[name] ?? 0) + 1;
    };
    if (kind === 0) {
      // A node that is back sooner does not know which of the packets that are sent again its host has had.
      host.restart((RESTART_MIN_S + rng.unit() * CUT_MAX_S) * 1e6);
      count("restarts");
    } else if (kind < 4 && link.nat !== undefined) {
      link.nat.rebind();
      count("NAT rebindings");
    } else if (kind < 6) {
      const line = rng.below(2) === 0 ? link.up : link.down;
      line.options.delayUs = 1000 + rng.below(100_000);
      count("changed delays");
    } else {
      link.isCut = true;
      internet.clock.after(rng.unit() * CUT_MAX_S * 1e6, () => {
        link.isCut = false;
      });
      count("cuts");
    }
  }

  private checkEnd(): void {
    const { report, internet } = this;
    const before = this.streams.map(({ sent, received }) => sent - received);
    const transferred = this.transfers.map(({ received }) => received);
    const sentBefore = this.streams.reduce((sum, { sent }) => sum + sent, 0);
    internet.run(FINAL_S);
    for (const flow of this.streams) flow.isRunning = false;
    internet.run(1);
    const sentAtEnd = this.streams.reduce((sum, { sent }) => sum + sent, 0) - sentBefore;
    const lost = this.streams.reduce((sum, { sent, received }, i) => sum + sent - received - before[i]!, 0);
    report.lostAtEnd = Math.max(0, lost) / sentAtEnd;
    // The lines of this run lose up to a fiftieth each, and a packet between spokes goes over four.
    if (report.lostAtEnd > 0.04) this.problem(`${(100 * report.lostAtEnd).toFixed(1)} % are lost at the end`);
    this.transfers.forEach(({ received }, i) => {
      if (received === transferred[i]) this.problem(`transfer ${i} does not go on at the end`);
    });
    this.checkFlows();
    for (const host of internet.hosts) this.checkHost(host);
  }

  private checkFlows(): void {
    const { report, streams, transfers } = this;
    for (const flow of [...streams, ...transfers]) {
      if (flow.changed > 0) this.problem(`${flow.changed} packets of a flow were changed`);
      if (flow.duplicates > 0) this.problem(`${flow.duplicates} packets of a flow came twice`);
    }
    const total = <T>(items: readonly T[], value: (item: T) => number) =>
      items.reduce((sum, item) => sum + value(item), 0);
    report.sent = total(streams, ({ sent }) => sent);
    report.received = total(streams, ({ received }) => received);
    report.transferred = total(transfers, ({ received }) => received);
    report.leastTransferred = Math.min(...transfers.map(({ received }) => received));
    report.retransmissions = total(transfers, ({ retransmissions }) => retransmissions);
  }

  private checkHost(host: SimHost): void {
    const { name, node } = host;
    const { paths, sessions, nodes, drops } = node.router;
    const strays = this.ports.get(host)!.strays;
    if (strays > 0) this.problem(`${name}: ${strays} packets for nobody`);
    const reached = new Set<number>();
    for (const { node: peer, weight, receivedLost, use } of pathReports(paths)) {
      if (!(weight >= 0 && weight <= 1000)) this.problem(`${name}: a weight is ${weight}`);
      if (receivedLost < 0) this.problem(`${name}: ${receivedLost} packets lost`);
      if (use === "yes") reached.add(peer);
    }
    const wanted = host === this.hub ? this.spokes.length : 1;
    if (reached.size !== wanted) this.problem(`${name}: ${reached.size} of ${wanted} peers are reached`);
    if (nodes.slab.size > wanted) this.problem(`${name}: ${nodes.slab.size} nodes for ${wanted} peers`);
    if (sessions.refused > 0) this.problem(`${name}: ${sessions.refused} sessions were refused`);
    for (const { reason, packets } of drops.snapshot()) {
      if (reason === "malformed-packet") this.problem(`${name}: ${packets} ${reason}`);
    }
  }

  private problem(text: string): void {
    if (this.report.problems.length < PROBLEMS_MAX) this.report.problems.push(text);
  }
}
