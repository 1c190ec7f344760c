import { Rng } from "../../src/core/base/rng.ts";
import type { Prefix } from "../../src/core/dispatch/rule-spec.ts";
import type { Local, SchedulerName, WireName } from "../../src/core/router/context.ts";
import type { LinePolicy } from "../../src/core/router/policies.ts";
import { Clock } from "./clock.ts";
import { Line, type LineOptions } from "./line.ts";
import { Nat, type NatOptions } from "./nat.ts";
import { type Datagram, SimNode } from "./node.ts";

export interface LinkOptions extends LineOptions {
  /** Between a and the link: what comes from a has the address 10.<i>.0.3 on it. */
  nat?: NatOptions;
  /** Of the devices at both ends; 1500 without it. */
  mtu?: number;
}

export interface TwoNodesOptions {
  scheduler?: SchedulerName | undefined;
  wires?: { a?: WireName; b?: WireName };
  /** They have nothing of each other in their configuration. */
  areStrangers?: boolean;
  /** By this part b's clock is the faster one. */
  driftOfB?: number;
}

/**
 * Two nodes, a and b, joined by links of their own, one for each element of `links`:
 *
 *     a 10.<i>.0.1 ─── link i ─── 10.<i>.0.2 b         behind a: 10.99.0.1    behind b: 10.99.0.2
 *
 * The lower byte of a socket's number is that of its link. With a NAT anywhere b knows none of a's addresses.
 */
export class TwoNodes {
  readonly clock = new Clock();
  readonly a: SimNode;
  b: SimNode;
  /** By link: the lines from a to b and from b to a. */
  readonly lines: { ab: Line; ba: Line }[];
  readonly nats: (Nat | undefined)[];
  /** Sees every datagram that a node sends on a link. */
  onDatagram: (sender: string, link: number, datagram: Datagram) => void = () => {};
  private readonly mtus: readonly number[];
  private readonly scheduler: SchedulerName | undefined;
  private readonly wires: { a?: WireName; b?: WireName };
  private readonly areStrangers: boolean;
  private readonly driftOfB: number;
  private restarts = 0;

  constructor(
    links: readonly LinkOptions[],
    seed = 1,
    { scheduler, wires = {}, areStrangers = false, driftOfB = 0 }: TwoNodesOptions = {},
  ) {
    const rng = new Rng(seed);
    const { clock } = this;
    this.mtus = links.map(({ mtu = 1500 }) => mtu);
    this.scheduler = scheduler;
    this.wires = wires;
    this.areStrangers = areStrangers;
    this.driftOfB = driftOfB;
    this.lines = links.map((link) => ({ ab: new Line(clock, rng, link), ba: new Line(clock, rng, link) }));
    this.nats = links.map(({ nat }, i) => nat && new Nat(clock, ipv4(10, i, 0, 3), nat));
    this.a = this.node(1, "a", () => this.b, "ab");
    this.b = this.node(2, "b", () => this.a, "ba");
    this.join(this.a, 1, 2);
    this.join(this.b, 2, 1);
  }

  run(seconds: number): void {
    this.clock.run(seconds * 1e6);
  }

  /** b ends without a word, and is started anew. */
  restartB(): void {
    this.b.isRunning = false;
    this.restarts++;
    this.b = this.node(2, "b", () => this.a, "ba");
    this.join(this.b, 2, 1);
  }

  /** How a's lines are to be used, one for each link. */
  setPolicies(policies: readonly LinePolicy[]): void {
    this.a.setLocals(this.locals(1).map((local, i) => ({ ...local, policy: policies[i]! })));
  }

  private locals(own: number): Local[] {
    return this.mtus.map((mtu, i) => ({
      socket: i,
      device: `l${i}`,
      address: ipv4(10, i, 0, own),
      port: 7000,
      mtu,
    }));
  }

  /** Gives a node its addresses and its peer. */
  private join(node: SimNode, own: number, other: number): void {
    const isHidden = other === 1 && this.nats.some((nat) => nat !== undefined);
    node.setLocals(this.locals(own));
    if (this.areStrangers) return;
    node.setPeers([
      {
        name: other === 1 ? "a" : "b",
        node: { high: 0x0200, low: other },
        endpoints: isHidden ? [] : this.lines.map((_, i) => ({ address: ipv4(10, i, 0, other), port: 7000 })),
        routes: [hostRoute(10, 99, 0, other)],
      },
    ]);
  }

  private node(id: number, name: "a" | "b", peer: () => SimNode, direction: "ab" | "ba"): SimNode {
    const wire = this.wires[name];
    return new SimNode({
      ...(this.scheduler === undefined ? {} : { scheduler: this.scheduler }),
      ...(wire === undefined ? {} : { wire }),
      id,
      name,
      clock: this.clock,
      clockOffsetUs: id * 12_345_678,
      clockDrift: id === 2 ? this.driftOfB : 0,
      restarts: this.restarts,
      transmit: (socket, datagram) => {
        // Link i leads to the other's address on link i only.
        const link = socket & 0xff;
        if (!isOnLink(datagram.to.address, link)) return;
        const nat = this.nats[link];
        const sent = direction === "ab" && nat !== undefined ? nat.out(datagram) : datagram;
        this.onDatagram(name, link, sent);
        this.lines[link]![direction].carry(datagram.bytes.length + 42, () => {
          const arrived = direction === "ba" && nat !== undefined ? nat.in(sent) : sent;
          if (arrived !== undefined) peer().receive(arrived);
        });
      },
    });
  }
}

export function ipv4(...bytes: [number, number, number, number]): Int32Array {
  return new Int32Array(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...bytes).buffer);
}

export function hostRoute(...bytes: [number, number, number, number]): Prefix {
  return { family: 4, address: ipv4(...bytes), bits: 32 };
}

function isOnLink(address: Int32Array, link: number): boolean {
  return new Uint8Array(address.buffer, address.byteOffset, 16)[13] === link;
}
