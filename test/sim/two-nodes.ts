import { Rng } from "../../src/core/base/rng.ts";
import type { Prefix } from "../../src/core/dispatch/rule-spec.ts";
import { Clock } from "./clock.ts";
import { Line, type LineOptions } from "./line.ts";
import { type Datagram, SimNode } from "./node.ts";

/**
 * Two nodes, a and b, joined by links of their own, one for each element of `links`:
 *
 *     a 10.<i>.0.1 ─── link i ─── 10.<i>.0.2 b         behind a: 10.99.0.1    behind b: 10.99.0.2
 */
export class TwoNodes {
  readonly clock = new Clock();
  readonly a: SimNode;
  readonly b: SimNode;
  /** By link: the lines from a to b and from b to a. */
  readonly lines: { ab: Line; ba: Line }[];
  /** Sees every datagram that a node sends on a link. */
  onDatagram: (sender: string, link: number, datagram: Datagram) => void = () => {};

  constructor(links: readonly LineOptions[], seed = 1) {
    const rng = new Rng(seed);
    const { clock } = this;
    this.lines = links.map((link) => ({ ab: new Line(clock, rng, link), ba: new Line(clock, rng, link) }));
    this.a = this.node(1, "a", () => this.b, "ab");
    this.b = this.node(2, "b", () => this.a, "ba");
    for (const [node, own, other] of [
      [this.a, 1, 2],
      [this.b, 2, 1],
    ] as const) {
      node.setLocals(
        links.map((_, i) => ({ socket: i, device: `l${i}`, address: ipv4(10, i, 0, own), port: 7000 })),
      );
      node.setPeers([
        {
          name: other === 1 ? "a" : "b",
          endpoints: links.map((_, i) => ({ address: ipv4(10, i, 0, other), port: 7000 })),
          routes: [hostRoute(10, 99, 0, other)],
        },
      ]);
    }
  }

  run(seconds: number): void {
    this.clock.run(seconds * 1e6);
  }

  private node(id: number, name: string, peer: () => SimNode, direction: "ab" | "ba"): SimNode {
    return new SimNode({
      id,
      name,
      clock: this.clock,
      clockOffsetUs: id * 12_345_678,
      transmit: (socket, datagram) => {
        // Link i leads to the other's address on link i only.
        if (!isOnLink(datagram.to.address, socket)) return;
        this.onDatagram(name, socket, datagram);
        this.lines[socket]![direction].carry(datagram.bytes.length + 42, () => peer().receive(datagram));
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
