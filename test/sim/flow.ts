import { IPV4_DESTINATION, IPV4_PROTOCOL, IPV4_SOURCE, PROTOCOL_ICMP } from "../../src/core/wire/ipv4.ts";
import type { SimHost } from "./internet.ts";

/** What a host does with the packets of one flow. */
export interface Endpoint {
  handlePacket(packet: Uint8Array): void;
}

const RECENT = 20_000;
const PORTS = 20;
/** Where the packet stands that an ICMP error is about. */
const ICMP_ABOUT = 28;

/** Gives the packets that come for a host to its flows, and tells those that belong to none. */
export class Ports {
  /** Packets of no flow that there is: the router has mixed something up. */
  strays = 0;
  private readonly flows = new Map<string, Endpoint>();

  constructor(host: SimHost) {
    host.onPacket = (packet) => {
      const flow = this.flows.get(
        keyOf(packet[IPV4_PROTOCOL]!, packet.subarray(IPV4_SOURCE, IPV4_SOURCE + 4), portsOf(packet)),
      );
      if (flow !== undefined) flow.handlePacket(packet);
      else if (!this.isAnswer(packet)) this.strays++;
    };
  }

  /** `ports`: the other side's, and this one's. */
  add(protocol: number, from: readonly number[], ports: readonly [number, number], flow: Endpoint): void {
    this.flows.set(keyOf(protocol, from, ports), flow);
  }

  /** Whether the router tells a flow that there is no path (RFC 6069). */
  private isAnswer(packet: Uint8Array): boolean {
    if (packet[IPV4_PROTOCOL] !== PROTOCOL_ICMP) return false;
    const about = packet.subarray(ICMP_ABOUT);
    const [own, other] = portsOf(about);
    return this.flows.has(
      keyOf(about[IPV4_PROTOCOL]!, about.subarray(IPV4_DESTINATION, IPV4_DESTINATION + 4), [other, own]),
    );
  }
}

function keyOf(protocol: number, from: ArrayLike<number>, ports: readonly [number, number]): string {
  return `${protocol} ${Array.from(from)} ${ports}`;
}

function portsOf(packet: Uint8Array): [number, number] {
  const port = (at: number) => (packet[at]! << 8) | packet[at + 1]!;
  return [port(PORTS), port(PORTS + 2)];
}

/** The numbers that came last, of which none is to come again. */
export class Recent {
  private now = new Set<number>();
  private before = new Set<number>();

  /** False where it was there. */
  add(number: number): boolean {
    if (this.now.has(number) || this.before.has(number)) return false;
    if (this.now.size === RECENT) {
      this.before = this.now;
      this.now = new Set();
    }
    this.now.add(number);
    return true;
  }
}

/** The byte at `offset` of what a flow carries. */
export function contentByte(flow: number, offset: number): number {
  return (Math.imul(offset + 1, 0x9e3779b1) >>> 24) ^ (flow & 0xff);
}
