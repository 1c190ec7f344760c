import type { Clock } from "./clock.ts";
import type { Datagram } from "./node.ts";

export interface NatOptions {
  /** Another port for each destination, as a symmetric NAT gives out. */
  perDestination?: boolean;
  /** How long a mapping lives without a packet. */
  timeoutUs?: number;
}

interface Mapping {
  inside: Datagram["from"];
  port: number;
  /** To whom something was sent, and who may answer. */
  readonly permitted: Set<string>;
  usedUs: number;
}

/** A NAT that lets in only what comes from where something was sent to. */
export class Nat {
  private readonly clock: Clock;
  private readonly outside: Int32Array;
  private readonly options: Required<NatOptions>;
  private mappings = new Map<string, Mapping>();
  private nextPort = 20_000;

  constructor(clock: Clock, outside: Int32Array, options: NatOptions = {}) {
    this.clock = clock;
    this.outside = outside;
    this.options = { perDestination: false, timeoutUs: Number.POSITIVE_INFINITY, ...options };
  }

  /** Forgets all mappings; new ones have other ports. */
  rebind(): void {
    this.mappings.clear();
  }

  /** Two mappings get each other's ports. */
  swap(): void {
    const [one, other] = [...this.mappings.values()];
    [one!.port, other!.port] = [other!.port, one!.port];
  }

  out(datagram: Datagram): Datagram {
    const key = nameOf(datagram.from) + (this.options.perDestination ? nameOf(datagram.to) : "");
    let mapping = this.mappings.get(key);
    if (mapping === undefined || this.isOver(mapping)) {
      mapping = { inside: datagram.from, port: this.nextPort++, permitted: new Set(), usedUs: 0 };
      this.mappings.set(key, mapping);
    }
    mapping.permitted.add(nameOf(datagram.to));
    mapping.usedUs = this.clock.nowUs;
    return { ...datagram, from: { address: this.outside, port: mapping.port } };
  }

  /** Undefined where it is not let in. */
  in(datagram: Datagram): Datagram | undefined {
    const mapping = [...this.mappings.values()].find(({ port }) => port === datagram.to.port);
    if (mapping === undefined || this.isOver(mapping) || !mapping.permitted.has(nameOf(datagram.from)))
      return undefined;
    return { ...datagram, to: mapping.inside };
  }

  private isOver({ usedUs }: Mapping): boolean {
    return this.clock.nowUs - usedUs > this.options.timeoutUs;
  }
}

function nameOf({ address, port }: Datagram["from"]): string {
  return `${address} ${port} `;
}
