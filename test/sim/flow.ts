import type { SimHost } from "./internet.ts";

/** What a host does with the packets of one flow. */
export interface Endpoint {
  handlePacket(packet: Uint8Array): void;
}

const RECENT = 20_000;
const PROTOCOL = 9;
const SOURCE = 12;
const PORTS = 20;

/** Gives the packets that come for a host to its flows, and tells those that belong to none. */
export class Ports {
  /** Packets of no flow that there is: the router has mixed something up. */
  strays = 0;
  private readonly flows = new Map<string, Endpoint>();

  constructor(host: SimHost) {
    host.onPacket = (packet) => {
      const flow = this.flows.get(keyOf(packet));
      if (flow === undefined) this.strays++;
      else flow.handlePacket(packet);
    };
  }

  /** `ports`: the other side's, and this one's. */
  add(protocol: number, from: readonly number[], ports: readonly [number, number], flow: Endpoint): void {
    this.flows.set(`${protocol} ${from} ${ports}`, flow);
  }
}

function keyOf(packet: Uint8Array): string {
  const port = (at: number) => (packet[at]! << 8) | packet[at + 1]!;
  const source = packet.subarray(SOURCE, SOURCE + 4);
  return `${packet[PROTOCOL]} ${source} ${port(PORTS)},${port(PORTS + 2)}`;
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
