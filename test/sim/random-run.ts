import { Rng } from "../../src/core/base/rng.ts";
import type { RuleSpec } from "../../src/core/dispatch/rule-spec.ts";
import { WIRES } from "../../src/core/router/context.ts";
import { NORMAL } from "../../src/core/router/policies.ts";
import { type PathReport, pathReports } from "../../src/core/tables/path-report.ts";
import { POLICY_BACKUP, POLICY_METERED } from "../../src/core/wire/control-body.ts";
import { ICMP_UNREACHABLE } from "../../src/core/wire/icmp.ts";
import { PROTOCOL_ICMP, PROTOCOL_TCP } from "../../src/core/wire/ipv4.ts";
import { printDatagram } from "../../src/core/wire/print.ts";
import type { SimNode } from "./node.ts";
import { ADDRESS_A, ADDRESS_B, readStamp, stampedPayload, tcpPacket, udpPacket } from "./packets.ts";
import { TwoNodes } from "./two-nodes.ts";

export interface RunReport {
  seed: number;
  links: number;
  injected: number;
  delivered: number;
  problems: string[];
}

const FLOWS = 6;
const PAYLOAD_BYTES = 200;

/**
 * A run that its seed decides: up to four links of any quality and policy, some of which are cut and come back, any rules,
 * and flows of UDP and TCP packets in both directions. Whatever happens, no packet may change, come twice, or come to
 * another flow, nothing may wait for ever, and what counts datagrams must add up.
 */
const POLICIES = [0, 0, 0, POLICY_BACKUP, POLICY_METERED];
const ROUTES: readonly RuleSpec["route"][] = [
  "throughput",
  "responsiveness",
  { mode: "selected-paths", interfaces: ["l0", "l1"] },
  { mode: "selected-paths", interfaces: ["l0"], strict: true },
  { mode: "selected-paths", delayBelowMs: 30, lossBelow: 0.1 },
  { mode: "single-path", path: "l1" },
  { mode: "protected-path", copies: 2 },
];
const CARE = ["off", "on", "auto"] as const;

/** For some of the flows each, the first half of which is known by the ports from 20 000 on. */
function randomRules(rng: Rng): RuleSpec[] {
  return Array.from({ length: rng.below(4) }, (_, i) => {
    const from = 20_000 + rng.below(2 * FLOWS);
    return {
      name: `rule-${i}`,
      ports: [{ from, to: from + rng.below(2 * FLOWS) }],
      route: ROUTES[rng.below(ROUTES.length)]!,
      reorder: CARE[rng.below(CARE.length)]!,
      repair: CARE[rng.below(CARE.length)]!,
    };
  });
}

export function randomRun(seed: number, seconds: number, trace?: (line: string) => void): RunReport {
  const rng = new Rng(seed);
  const links = Array.from({ length: 1 + rng.below(4) }, () => ({
    delayUs: 500 + rng.below(80_000),
    bitsPerS: rng.below(2) === 0 ? 0 : 1_000_000 + rng.below(50_000_000),
    queueBytes: 5_000 + rng.below(100_000),
    loss: rng.below(3) === 0 ? rng.unit() * 0.3 : 0,
  }));
  const wire = () => WIRES[Math.floor(rng.below(4) / 3)]!;
  const nodes = new TwoNodes(links, seed, { wires: { a: wire(), b: wire() } });
  for (const node of [nodes.a, nodes.b]) node.router.setRules(randomRules(rng));
  nodes.setPolicies(links.map(() => ({ ...NORMAL, bits: POLICIES[rng.below(POLICIES.length)]! })));
  if (trace !== undefined) {
    nodes.onDatagram = (sender, link, { bytes }) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      trace(
        `${(nodes.clock.nowUs / 1e6).toFixed(6)} ${sender} l${link} ${printDatagram(view, 0, bytes.length)}`,
      );
    };
  }
  const report: RunReport = { seed, links: links.length, injected: 0, delivered: 0, problems: [] };
  const a = new Watcher(nodes.a, report);
  const b = new Watcher(nodes.b, report);
  nodes.run(1);
  const numbers = new Uint32Array(2 * FLOWS);
  for (let step = 0; step < seconds * 500; step++) {
    const flow = rng.below(2 * FLOWS);
    send(nodes, flow, numbers[flow]!++, rng.below(4) === 0 ? 4 : 1);
    report.injected++;
    if (rng.below(200) === 0) toggle(nodes, rng.below(links.length));
    nodes.run(0.002);
  }
  for (const line of nodes.lines) line.ab.isCut = line.ba.isCut = false;
  nodes.run(2);
  report.delivered = a.count + b.count;
  checkCounters(nodes, report);
  return report;
}

/** Even flows are UDP, odd ones TCP; the first half goes from a to b. */
function send(nodes: TwoNodes, flow: number, number: number, segments: number): void {
  const forward = flow < FLOWS;
  const [node, source, destination] = forward
    ? ([nodes.a, ADDRESS_A, ADDRESS_B] as const)
    : ([nodes.b, ADDRESS_B, ADDRESS_A] as const);
  const ports: [number, number] = [10_000 + flow, 20_000 + flow];
  const payload = stampedPayload({ flow, number }, PAYLOAD_BYTES);
  if (flow % 2 === 0) {
    node.inject(udpPacket(source, destination, payload, ports));
    return;
  }
  // Some packets of TCP come as super-packets, the number of which counts as one.
  const sequence = number * PAYLOAD_BYTES;
  const options = { sourcePort: ports[0], destinationPort: ports[1] };
  node.inject(
    tcpPacket(source, destination, sequence, payload, options),
    segments > 1 ? PAYLOAD_BYTES / segments : 0,
  );
}

function toggle(nodes: TwoNodes, link: number): void {
  const line = nodes.lines[link]!;
  line.ab.isCut = line.ba.isCut = !line.ab.isCut;
}

/** Looks at everything that a node hands to its host. */
class Watcher {
  count = 0;
  private readonly seen = new Set<string>();
  private readonly partial = new Map<string, number[]>();
  private readonly report: RunReport;

  constructor(node: SimNode, report: RunReport) {
    this.report = report;
    node.onDelivered = (packet) => this.look(packet);
  }

  private look(packet: Uint8Array): void {
    if (packet[9] === PROTOCOL_ICMP) {
      this.lookAtError(packet);
      return;
    }
    const isTcp = packet[9] === PROTOCOL_TCP;
    const port = (packet[22]! << 8) | packet[23]!;
    const payload = packet.subarray(isTcp ? 40 : 28);
    this.count++;
    const whole = isTcp ? this.assemble(packet, port, payload) : payload;
    if (whole === undefined) return;
    const stamp = readStamp(Uint8Array.from(whole));
    if (stamp === undefined) {
      this.problem(`a packet for port ${port} was changed`);
      return;
    }
    if (stamp.flow !== port - 20_000) this.problem(`a packet of flow ${stamp.flow} came to port ${port}`);
    const key = `${stamp.flow} ${stamp.number}`;
    if (this.seen.has(key)) this.problem(`packet ${key} came twice`);
    this.seen.add(key);
  }

  /** While no path is left the node answers its own host's packets itself. */
  private lookAtError(packet: Uint8Array): void {
    const quotedAt = 28;
    const flow = ((packet[quotedAt + 20]! << 8) | packet[quotedAt + 21]!) - 10_000;
    const isAnswer = packet[20] === ICMP_UNREACHABLE && flow >= 0 && flow < 2 * FLOWS;
    if (!isAnswer) this.problem(`an error of type ${packet[20]} came, about flow ${flow}`);
  }

  /** Segments of super-packets, put together when all have come; lost ones leave the rest incomplete. */
  private assemble(packet: Uint8Array, port: number, payload: Uint8Array): ArrayLike<number> | undefined {
    if (payload.length === PAYLOAD_BYTES) return payload;
    const sequence = new DataView(packet.buffer, packet.byteOffset).getUint32(24);
    const number = Math.floor(sequence / PAYLOAD_BYTES);
    const key = `${port} ${number}`;
    const parts = this.partial.get(key) ?? new Array<number>(PAYLOAD_BYTES).fill(-1);
    this.partial.set(key, parts);
    payload.forEach((byte, i) => {
      parts[(sequence % PAYLOAD_BYTES) + i] = byte;
    });
    if (parts.includes(-1)) return undefined;
    this.partial.delete(key);
    return parts;
  }

  private problem(text: string): void {
    if (this.report.problems.length < 10) this.report.problems.push(text);
  }
}

function checkCounters(nodes: TwoNodes, report: RunReport): void {
  for (const node of [nodes.a, nodes.b]) {
    const { paths, sessions } = node.router;
    for (let slot = 0; slot < paths.slab.top; slot++) {
      if (!paths.slab.has(slot)) continue;
      const weight = paths.weight[slot]!;
      if (weight !== 0 && (weight < 1 || weight > 1000))
        report.problems.push(`${node.name}: a weight is ${weight}`);
      if (paths.arrivals.lost[slot]! < 0) report.problems.push(`${node.name}: negative loss`);
    }
    const known = node.router.sessions.slab.size;
    if (known > 2 * FLOWS) report.problems.push(`${node.name}: ${known} sessions for ${2 * FLOWS} flows`);
    if (sessions.evicted > 0) report.problems.push(`${node.name}: sessions were given up`);
    if (node.router.nextDeadlineUs() < node.nowUs)
      report.problems.push(`${node.name}: something waits for ever`);
  }
  // What b's paths received is what a's sent, less what the lines lost and what was not for a path yet.
  const lost = nodes.lines.reduce((sum, { ab }) => sum + ab.lost + ab.overflowed, 0);
  const carried = nodes.lines.reduce((sum, { ab }) => sum + ab.sent, 0);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const received = sum(
    pathReports(nodes.b.router.paths).map(({ receivedPackets, duplicates }) => receivedPackets + duplicates),
  );
  // Between a socket and an address on another link there is no line.
  const isOnLink = ({ device, remote }: PathReport) => remote === `10.${device.slice(1)}.0.2`;
  const sent = sum(
    pathReports(nodes.a.router.paths)
      .filter(isOnLink)
      .map(({ sentPackets }) => sentPackets),
  );
  const dropped = sum(nodes.b.router.drops.snapshot().map(({ packets }) => packets));
  if (received > carried - lost) report.problems.push(`b counted ${received} packets of ${carried - lost}`);
  if (received + dropped < sent - lost)
    report.problems.push(`b counted ${received} and dropped ${dropped} packets of ${sent - lost}`);
}
