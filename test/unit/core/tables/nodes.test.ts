import { describe, expect, it } from "vitest";
import { NONE, type NodeSlot } from "../../../../src/core/base/ids.ts";
import { ADDRESS_ADVERTISED, ADDRESS_OBSERVED } from "../../../../src/core/tables/node-addresses.ts";
import {
  INSTANCE_CLASH,
  INSTANCE_DOUBTFUL,
  INSTANCE_NEW,
  INSTANCE_RESTARTED,
  INSTANCE_SAME,
  Nodes,
  type NodesOptions,
} from "../../../../src/core/tables/nodes.ts";
import { ip4, SEED } from "./fixtures.ts";

const HIGH = 0x0242;
const LOW = 0xac110002 | 0;
const HERE = ip4(192, 0, 2, 1);
const THERE = ip4(198, 51, 100, 1);
const PORT = 7000;

function table(options: Partial<NodesOptions> = {}) {
  return new Nodes({ capacity: 4, seed: SEED, expiryMs: 10_000, aliveMs: 3000, ...options });
}

/** A table with one node, whose instance 1 was heard from HERE at 1000. */
function withNode(options: Partial<NodesOptions> = {}) {
  const nodes = table(options);
  const slot = nodes.add(HIGH, LOW, false, "box", 1000) as NodeSlot;
  const from = (instance: number, address: Int32Array, nowMs: number) =>
    nodes.handleInstance(slot, 0, instance, address, 0, PORT, nowMs);
  expect(from(1, HERE, 1000)).toBe(INSTANCE_NEW);
  nodes.addresses.learn(slot, HERE, 0, PORT, ADDRESS_OBSERVED, 1000);
  return { nodes, slot, from };
}

describe("the node map", () => {
  it("finds a node by both parts of its ID", () => {
    const nodes = table();
    const slot = nodes.add(HIGH, LOW, false, "box", 0) as NodeSlot;
    expect(nodes.find(HIGH, LOW)).toBe(slot);
    // As uint32, too.
    expect(nodes.find(HIGH, 0xac110002)).toBe(slot);
    expect([nodes.find(HIGH, LOW + 1), nodes.find(HIGH + 1, LOW)]).toEqual([NONE, NONE]);
    expect([nodes.idHigh(slot), nodes.idLow(slot)]).toEqual([HIGH, LOW]);
  });

  it("adds a node once, and takes what the configuration says of it", () => {
    const nodes = table();
    const slot = nodes.add(HIGH, LOW, false, "as it calls itself", 0) as NodeSlot;
    expect(nodes.add(HIGH, LOW, true, "as we call it", 5)).toBe(slot);
    expect(nodes.add(HIGH, LOW, false, "as it calls itself", 9)).toBe(slot);
    expect([nodes.names[slot], nodes.configured[slot], nodes.slab.size]).toEqual(["as we call it", 1, 1]);
  });

  it("refuses a newcomer when it is full", () => {
    const nodes = table({ capacity: 1 });
    expect(nodes.add(HIGH, 1, false, "", 0)).not.toBe(NONE);
    expect(nodes.add(HIGH, 2, true, "", 0)).toBe(NONE);
    expect(nodes.add(HIGH, 1, true, "", 0)).not.toBe(NONE);
    expect(nodes.refused).toBe(1);
  });

  it("gives up a node that was silent for too long", () => {
    const nodes = table();
    const slot = nodes.add(HIGH, LOW, false, "", 0) as NodeSlot;
    nodes.handlePacket(slot, 5000);
    expect(nodes.pollExpired(10_000)).toBe(NONE);
    expect(nodes.pollExpired(14_999)).toBe(NONE);
    expect(nodes.pollExpired(15_000)).toBe(slot);
    nodes.remove(slot);
    expect([nodes.find(HIGH, LOW), nodes.pollExpired(1e9), nodes.nextDeadlineMs()]).toEqual([
      NONE,
      NONE,
      Number.POSITIVE_INFINITY,
    ]);
  });

  it("gives up a node that was never heard", () => {
    const nodes = table();
    const slot = nodes.add(HIGH, LOW, false, "", 0);
    expect([nodes.pollExpired(9999), nodes.pollExpired(10_000)]).toEqual([NONE, slot]);
  });

  it("keeps a configured node however silent it is, until it is no longer configured", () => {
    const nodes = table();
    const slot = nodes.add(HIGH, LOW, true, "", 0) as NodeSlot;
    expect(nodes.pollExpired(1e9)).toBe(NONE);
    nodes.unconfigure(slot, 1e9);
    expect([nodes.pollExpired(1e9 + 9999), nodes.pollExpired(1e9 + 10_000)]).toEqual([NONE, slot]);
  });

  it("forgets the addresses and all else of a node that is removed", () => {
    const { nodes, slot } = withNode();
    nodes.remove(slot);
    expect(nodes.addresses.find(HERE, 0, PORT)).toBe(NONE);
    const again = nodes.add(HIGH, 77, false, "other", 2000) as NodeSlot;
    expect(again).toBe(slot);
    expect(nodes.snapshot()).toEqual([
      {
        slot,
        id: "02420000004d",
        name: "other",
        configured: false,
        instance: undefined,
        heardMs: Number.NEGATIVE_INFINITY,
        clashes: 0,
        addresses: [],
      },
    ]);
  });

  it("can be read by people", () => {
    const { nodes, slot } = withNode();
    expect(nodes.snapshot()).toEqual([
      {
        slot,
        id: "0242ac110002",
        name: "box",
        configured: false,
        instance: "0000000000000001",
        heardMs: 1000,
        clashes: 0,
        addresses: [{ address: "192.0.2.1", port: PORT, sources: ["observed"], seenMs: 1000 }],
      },
    ]);
  });
});

describe("the instance of a node", () => {
  it("is the same from any of its addresses", () => {
    const { from } = withNode();
    expect([from(1, HERE, 1100), from(1, THERE, 1200)]).toEqual([INSTANCE_SAME, INSTANCE_SAME]);
  });

  it("is another one after a restart at the same place, however quick", () => {
    const { from } = withNode();
    expect([from(2, HERE, 1001), from(2, HERE, 1002)]).toEqual([INSTANCE_RESTARTED, INSTANCE_SAME]);
  });

  it("is not accepted by a packet that introduces nobody", () => {
    const { from, nodes, slot } = withNode();
    const judge = (instance: number, address: Int32Array, nowMs: number) =>
      nodes.judgeInstance(slot, 0, instance, address, 0, PORT, nowMs);
    expect([judge(2, HERE, 1001), judge(2, HERE, 1002)]).toEqual([INSTANCE_RESTARTED, INSTANCE_RESTARTED]);
    expect([judge(1, THERE, 2000), nodes.heardMs[slot]]).toEqual([INSTANCE_SAME, 1000]);
    expect(judge(2, THERE, 2000)).toBe(INSTANCE_DOUBTFUL);
    expect(from(1, HERE, 2500)).toBe(INSTANCE_SAME);
    expect([judge(2, THERE, 3000), nodes.clashes[slot]]).toEqual([INSTANCE_CLASH, 1]);
  });

  it("is not known to be where the node merely says that it has an address", () => {
    const { from, nodes, slot } = withNode();
    nodes.addresses.learn(slot, THERE, 0, PORT, ADDRESS_ADVERTISED, 1000);
    expect(from(2, THERE, 1500)).toBe(INSTANCE_DOUBTFUL);
  });

  it("is another one after a restart elsewhere, once the old one has been silent", () => {
    const { from, nodes, slot } = withNode();
    expect([from(2, THERE, 1500), from(2, THERE, 3999)]).toEqual([INSTANCE_DOUBTFUL, INSTANCE_DOUBTFUL]);
    expect(from(2, THERE, 4000)).toBe(INSTANCE_RESTARTED);
    expect(from(2, THERE, 4001)).toBe(INSTANCE_SAME);
    expect(nodes.clashes[slot]).toBe(0);
  });

  it("clashes with one that is heard at the same time elsewhere: the known one stays", () => {
    const { from, nodes, slot } = withNode();
    expect(from(2, THERE, 2000)).toBe(INSTANCE_DOUBTFUL);
    expect(from(1, HERE, 2500)).toBe(INSTANCE_SAME);
    expect(from(2, THERE, 3000)).toBe(INSTANCE_CLASH);
    // For as long as both go on.
    for (let nowMs = 4000; nowMs < 20_000; nowMs += 2000) {
      nodes.handlePacket(slot, nowMs);
      expect(from(2, THERE, nowMs + 500)).toBe(INSTANCE_CLASH);
    }
    expect(nodes.clashes[slot]).toBe(9);
    expect(from(2, THERE, 60_000)).toBe(INSTANCE_RESTARTED);
  });

  it("does not clash because another rival has been there before", () => {
    const { from } = withNode();
    expect(from(2, THERE, 2000)).toBe(INSTANCE_DOUBTFUL);
    expect(from(1, HERE, 2500)).toBe(INSTANCE_SAME);
    expect(from(3, THERE, 3000)).toBe(INSTANCE_DOUBTFUL);
  });
});
