import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NONE, type NodeSlot } from "../../../src/core/base/ids.ts";
import {
  ADDRESS_ADVERTISED,
  ADDRESS_CONFIGURED,
  ADDRESS_OBSERVED,
  NODE_ADDRESSES_MAX,
  NodeAddresses,
} from "../../../src/core/tables/node-addresses.ts";
import { Nodes } from "../../../src/core/tables/nodes.ts";
import { check } from "../../helpers/property.ts";
import { ip4, node, SEED } from "../../unit/core/tables/fixtures.ts";

const NODES = 3;
const HOST = ip4(192, 0, 2, 1);

interface Known {
  node: number;
  port: number;
  sources: number;
  seenMs: number;
}

const certainty = (sources: number) => Math.floor(Math.log2(sources));
/** Negative where a is the likelier one. */
const byLikelihood = (a: Known, b: Known) =>
  certainty(b.sources) - certainty(a.sources) || b.seenMs - a.seenMs;

/** All addresses of all nodes in one list. */
class Twin {
  known: Known[] = [];

  learn(node: number, port: number, source: number, seenMs: number): void {
    const found = this.known.find((known) => known.node === node && known.port === port);
    if (found !== undefined) {
      found.sources |= source;
      found.seenMs = seenMs;
      return;
    }
    const own = this.known.filter((known) => known.node === node).sort(byLikelihood);
    if (own.length === NODE_ADDRESSES_MAX) {
      const worst = own.at(-1)!;
      if (certainty(worst.sources) === certainty(ADDRESS_CONFIGURED)) return;
      if (certainty(worst.sources) > certainty(source)) return;
      this.known = this.known.filter((known) => known !== worst);
    }
    this.known.push({ node, port, sources: source, seenMs });
  }

  find(port: number): number {
    return this.known.filter((known) => known.port === port).sort(byLikelihood)[0]?.node ?? NONE;
  }

  forget(node: number, port: number): void {
    this.known = this.known.filter((known) => known.node !== node || known.port !== port);
  }

  forgetNode(node: number): void {
    this.known = this.known.filter((known) => known.node !== node);
  }

  rows(node: number): [port: number, seenMs: number][] {
    return this.known
      .filter((known) => known.node === node)
      .map(({ port, seenMs }): [number, number] => [port, seenMs])
      .sort();
  }
}

const step = fc.record({
  do: fc.constantFrom("learn", "learn", "learn", "learn", "learn", "forget", "forgetNode"),
  node: fc.nat(NODES - 1),
  port: fc.integer({ min: 1, max: 24 }),
  source: fc.constantFrom(ADDRESS_ADVERTISED, ADDRESS_OBSERVED, ADDRESS_CONFIGURED),
});

describe("the addresses of nodes", () => {
  it("are what one list of them would be", () => {
    check(
      fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
        const addresses = new NodeAddresses(NODES, SEED);
        const twin = new Twin();
        for (const [nowMs, { do: action, node: index, port, source }] of steps.entries()) {
          const slot = node(index);
          if (action === "learn") {
            addresses.learn(slot, HOST, 0, port, source, nowMs);
            twin.learn(index, port, source, nowMs);
          } else if (action === "forget") {
            const address = addresses.findOf(slot, HOST, 0, port);
            if (address !== NONE) addresses.forget(address);
            twin.forget(index, port);
          } else if (nowMs % 4 === 0) {
            addresses.forgetNode(slot);
            twin.forgetNode(index);
          }
          expect(addresses.find(HOST, 0, port)).toBe(twin.find(port));
          const rows = addresses.snapshot(slot).map(({ port, seenMs }): [number, number] => [port, seenMs]);
          expect(rows.sort()).toEqual(twin.rows(index));
        }
        for (let port = 1; port <= 24; port++) expect(addresses.find(HOST, 0, port)).toBe(twin.find(port));
      }),
    );
  });
});

describe("the node map", () => {
  it("is what a Map by ID would be", () => {
    const id = fc.tuple(fc.constantFrom(0, 1, 0xffff), fc.constantFrom(0, 1, -1));
    const steps = fc.array(fc.record({ id, remove: fc.boolean() }), { maxLength: 100, size: "max" });
    check(
      fc.property(steps, (list) => {
        const nodes = new Nodes({ capacity: NODES, seed: SEED });
        const twin = new Map<string, NodeSlot>();
        for (const { id, remove } of list) {
          const [high, low] = id;
          const known = twin.get(id.join());
          expect(nodes.find(high, low)).toBe(known ?? NONE);
          if (remove) {
            if (known !== undefined) nodes.remove(known);
            twin.delete(id.join());
          } else {
            const slot = nodes.add(high, low, false, id.join(), 0);
            expect(slot === NONE).toBe(known === undefined && twin.size === NODES);
            if (slot === NONE) continue;
            if (known !== undefined) expect(slot).toBe(known);
            twin.set(id.join(), slot);
          }
          expect(nodes.slab.size).toBe(twin.size);
          for (const [name, slot] of twin) expect(nodes.names[slot]).toBe(name);
        }
      }),
    );
  });
});
