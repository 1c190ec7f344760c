import { describe, expect, it } from "vitest";
import type { NodeSlot } from "../../../../src/core/base/ids.ts";
import { RealAddresses } from "../../../../src/core/router/real-addresses.ts";
import { ADDRESS_ADVERTISED } from "../../../../src/core/tables/node-addresses.ts";
import { Nodes } from "../../../../src/core/tables/nodes.ts";
import { Paths, USE_YES } from "../../../../src/core/tables/paths.ts";
import { addressText } from "../../../../src/core/wire/address.ts";
import { udpPacket } from "../../../sim/packets.ts";
import { ipv4, TwoNodes } from "../../../sim/two-nodes.ts";

const PORT = 7000;
const A0 = [10, 0, 0, 1] as const;
const B0 = [10, 0, 0, 2] as const;
const B1 = [10, 1, 0, 2] as const;
const bytes = (length: number) => new Uint8Array(length).fill(7);

/** Two nodes that know nothing of each other; `on` says which of them carry traffic to real addresses. */
function strangers(on: readonly ("a" | "b")[] = ["a", "b"]): TwoNodes {
  const nodes = new TwoNodes([{}, {}], 1, { areStrangers: true });
  for (const name of ["a", "b"] as const) {
    const node = nodes[name];
    if (on.includes(name)) node.router.setRealAddresses(PORT, () => {}, node.nowUs);
  }
  nodes.run(1);
  return nodes;
}

const pairsOf = (nodes: TwoNodes, name: "a" | "b") =>
  nodes[name].router
    .realState()
    .pairs.map(({ source, destination }) => `${addressText(source, 0)} ${addressText(destination, 0)}`)
    .sort();

const dropsOf = (nodes: TwoNodes, name: "a" | "b") =>
  Object.fromEntries(nodes[name].router.drops.snapshot().map(({ reason, packets }) => [reason, packets]));

describe("two nodes that are in nobody's configuration", () => {
  it("find each other when one sends the other something, and carry it from each address to each", () => {
    const nodes = strangers();
    nodes.a.inject(udpPacket(A0, B0, bytes(100)));
    nodes.run(2);
    const pairs = ["10.0.0.1 10.0.0.2", "10.0.0.1 10.1.0.2", "10.1.0.1 10.0.0.2", "10.1.0.1 10.1.0.2"];
    expect(pairsOf(nodes, "a")).toEqual(pairs);
    expect(pairsOf(nodes, "b")).toHaveLength(4);
    // The first packet was a copy, which had gone on already.
    expect(nodes.b.delivered).toEqual([]);
    const packet = udpPacket(A0, B1, bytes(300));
    nodes.a.inject(packet);
    nodes.run(0.1);
    expect(nodes.b.delivered.map((one) => [...one.slice(12, 20)])).toEqual([[...A0, ...B1]]);
    nodes.b.inject(udpPacket(B1, A0, bytes(50), [6000, 5000]));
    nodes.run(0.1);
    expect(nodes.a.delivered.map((one) => [...one.slice(12, 20)])).toEqual([[...B1, ...A0]]);
    expect(nodes.a.router.nodes.snapshot()).toMatchObject([{ name: "10.0.0.2", configured: false }]);
  });

  it("stay strangers where one of them does not want it", () => {
    for (const on of [["a"], ["b"], []] as const) {
      const nodes = strangers(on);
      nodes.a.inject(udpPacket(A0, B0, bytes(100)));
      nodes.run(30);
      expect([on, nodes.a.router.nodes.snapshot(), pairsOf(nodes, "a")]).toEqual([on, [], []]);
      expect(dropsOf(nodes, "a")["not-routed"] ?? 0).toBe(on.includes("a" as never) ? 0 : 1);
    }
  });

  it("ask a destination a few times, and not again for long", () => {
    const nodes = strangers(["a"]);
    let queries = 0;
    nodes.onDatagram = (sender, _, { bytes: datagram }) => {
      if (sender === "a" && (datagram[datagram.length - 11]! & 0x0f) === 2) queries++;
    };
    nodes.a.inject(udpPacket(A0, [10, 0, 0, 77], bytes(100)));
    nodes.run(60);
    const asked = queries;
    expect(asked).toBeGreaterThan(0);
    expect(asked).toBeLessThanOrEqual(5);
    for (let i = 0; i < 10; i++) {
      nodes.a.inject(udpPacket(A0, [10, 0, 0, 77], bytes(100)));
      nodes.run(10);
    }
    expect(queries).toBe(asked);
  });

  it("take no packets from addresses that the sender has not shown to have", () => {
    const nodes = strangers();
    nodes.a.inject(udpPacket(A0, B0, bytes(100)));
    nodes.run(2);
    nodes.a.inject(udpPacket([10, 50, 0, 1], B0, bytes(100)));
    nodes.run(0.1);
    expect(nodes.b.delivered).toEqual([]);
    expect(dropsOf(nodes, "b")["source-not-of-peer"]).toBe(1);
  });

  it("forget each other when nothing goes between them any more, and not before", () => {
    const nodes = strangers();
    nodes.a.inject(udpPacket(A0, B0, bytes(100)));
    nodes.run(2);
    for (let i = 0; i < 12; i++) {
      nodes.a.inject(udpPacket(A0, B0, bytes(100)));
      nodes.run(60);
    }
    expect(nodes.a.router.nodes.snapshot()).toHaveLength(1);
    nodes.run(900);
    for (const name of ["a", "b"] as const) {
      expect([nodes[name].router.nodes.snapshot(), pairsOf(nodes, name)]).toEqual([[], []]);
    }
  });

  it("let go of each other at once when no path works, forget each other soon, and may meet again", () => {
    const nodes = strangers();
    nodes.a.inject(udpPacket(A0, B0, bytes(100)));
    nodes.run(2);
    for (const link of nodes.lines) for (const line of Object.values(link)) line.isCut = true;
    nodes.run(10);
    expect([pairsOf(nodes, "a"), nodes.a.router.nodes.snapshot().length]).toEqual([[], 1]);
    nodes.run(70);
    expect(nodes.a.router.nodes.snapshot()).toEqual([]);
    for (const link of nodes.lines) for (const line of Object.values(link)) line.isCut = false;
    nodes.run(600);
    nodes.a.inject(udpPacket(A0, B0, bytes(100)));
    nodes.run(2);
    expect(pairsOf(nodes, "a")).toHaveLength(4);
  });

  it("end it when that is switched off", () => {
    const nodes = strangers();
    nodes.a.inject(udpPacket(A0, B0, bytes(100)));
    nodes.run(2);
    nodes.a.router.setRealAddresses(0, () => {}, nodes.a.nowUs);
    expect([nodes.a.router.nodes.snapshot(), pairsOf(nodes, "a")]).toEqual([[], []]);
  });
});

describe("real addresses", () => {
  const SEED = [1, 2] as const;
  const NODE = 0 as NodeSlot;
  const PUBLIC = ipv4(203, 0, 113, 1);
  const LOCAL = ipv4(192, 168, 1, 5);
  const REMOTE = ipv4(198, 51, 100, 1);

  function world() {
    const nodes = new Nodes({ capacity: 4, seed: SEED });
    const paths = new Paths({ capacity: 8, nodes: 4, seed: SEED });
    const real = new RealAddresses(nodes, paths);
    real.setPort(PORT);
    const path = (node: number, socket: number, remote: Int32Array) => {
      const ends = { socket, device: "l", local: LOCAL, localIndex: 0, remote, remoteIndex: 0, port: PORT };
      const slot = paths.add(node as NodeSlot, "p", ends) as never;
      paths.setUse(slot, USE_YES);
      real.noteConfirmed(slot);
      return slot;
    };
    for (let id = 1; id <= 2; id++) nodes.add(2, id, false, `n${id}`, 0);
    return { nodes, paths, real, path };
  }

  const advertise = (nodes: Nodes, address: Int32Array) =>
    nodes.addresses.learn(NODE, address, 0, PORT, ADDRESS_ADVERTISED, 0);

  it("are handed over once the node has shown to take them, as what it sees", () => {
    const { nodes, real, path } = world();
    advertise(nodes, REMOTE);
    const slot = path(NODE, 0, REMOTE);
    real.noteObserved(slot, PUBLIC);
    expect(real.state()).toEqual({ pairs: [], carried: [REMOTE] });
    real.noteTaken(slot);
    expect(real.state().pairs).toEqual([{ source: LOCAL, destination: REMOTE, seenAs: PUBLIC }]);
  });

  it("are only answered where a NAT stands in front of the node, which may hide others", () => {
    const { nodes, real, path } = world();
    advertise(nodes, ipv4(10, 0, 0, 5));
    const slot = path(NODE, 0, REMOTE);
    real.noteObserved(slot, LOCAL);
    real.noteTaken(slot);
    expect(real.state()).toEqual({ pairs: [], carried: [REMOTE] });
    path(1, 1, REMOTE);
    expect(real.nodesOf(REMOTE, 0)).toEqual([0, 1]);
    expect(real.prefixesOf(NODE)).toEqual([{ family: 4, address: REMOTE, bits: 32 }]);
    real.forgetNode(NODE);
    expect(real.nodesOf(REMOTE, 0)).toEqual([1]);
  });

  it("are told of once for each change", () => {
    const { nodes, paths, real, path } = world();
    let told = 0;
    real.onChange = () => told++;
    real.check();
    advertise(nodes, REMOTE);
    const slot = path(NODE, 0, REMOTE);
    real.check();
    real.check();
    expect(told).toBe(2);
    paths.setUse(slot, 0);
    real.check();
    expect([told, real.state().carried]).toEqual([3, []]);
  });
});
