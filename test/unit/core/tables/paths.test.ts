import { describe, expect, it } from "vitest";
import { NONE, type PathSlot } from "../../../../src/core/base/ids.ts";
import { pathReports } from "../../../../src/core/tables/path-report.ts";
import { NODE_PATHS_MAX, USE_BACKUP, USE_NO, USE_YES } from "../../../../src/core/tables/paths.ts";
import { addPath, ends, ip4, node, pathTable } from "./fixtures.ts";

const [A, B] = [node(0), node(1)];

describe("the path table", () => {
  it("finds a path by its ends, by our ID and by the peer's", () => {
    const paths = pathTable();
    const slot = addPath(paths, A, 1, 2);
    const { socket, remote, port } = ends(1, 2);
    expect(paths.findEnds(socket, remote, 0, port)).toBe(slot);
    expect(paths.findEnds(socket + 1, remote, 0, port)).toBe(NONE);
    expect(paths.findEnds(socket, ip4(10, 1, 3, 1), 0, port)).toBe(NONE);
    expect(paths.findEnds(socket, remote, 0, port + 1)).toBe(NONE);
    expect(paths.find(A, paths.id[slot]!)).toBe(slot);
    expect(paths.find(B, paths.id[slot]!)).toBe(NONE);
    expect(paths.findPeer(A, 9)).toBe(NONE);
    paths.setPeerId(slot, 9);
    expect([paths.findPeer(A, 9), paths.findPeer(B, 9)]).toEqual([slot, NONE]);
    expect([...paths.remotes.subarray(paths.remoteAt(slot)).subarray(0, 4)]).toEqual([...remote]);
    expect([...paths.locals.subarray(4 * slot, 4 * slot + 4)]).toEqual([...ends(1, 2).local]);
    expect([paths.port(slot), paths.nodeOf(slot)]).toEqual([port, A]);
  });

  it("has no two paths with the same ends", () => {
    const paths = pathTable();
    addPath(paths, A, 1, 2);
    expect(paths.add(B, "again", ends(1, 2))).toBe(NONE);
    expect([paths.slab.size, paths.refused]).toEqual([1, 0]);
  });

  it("gives IDs from 1 on, unique for the node, and one given up as late as possible", () => {
    const paths = pathTable();
    const slots = [1, 2, 3].map((device) => addPath(paths, A, device));
    expect(slots.map((slot) => paths.id[slot])).toEqual([1, 2, 3]);
    expect(paths.id[addPath(paths, B, 4)]).toBe(1);
    paths.remove(slots[1]!);
    const ids = new Set<number>();
    for (let i = 0; i < 253; i++) {
      const slot = addPath(paths, A, 9);
      ids.add(paths.id[slot]!);
      paths.remove(slot);
    }
    expect([ids.size, ids.has(1), ids.has(3), ids.has(0), ids.has(2)]).toEqual([
      253,
      false,
      false,
      false,
      true,
    ]);
    expect(paths.id[addPath(paths, A, 9)]).toBe(4);
  });

  it("keeps a peer's ID for the path that claimed it last", () => {
    const paths = pathTable();
    const [first, second] = [addPath(paths, A, 1), addPath(paths, A, 2)];
    paths.setPeerId(first, 5);
    paths.setPeerId(second, 5);
    expect([paths.findPeer(A, 5), paths.peerId[first], paths.peerId[second]]).toEqual([second, 0, 5]);
    paths.setPeerId(second, 6);
    expect([paths.findPeer(A, 5), paths.findPeer(A, 6)]).toEqual([NONE, second]);
    paths.setPeerId(second, 0);
    expect([paths.findPeer(A, 6), paths.peerId[second]]).toEqual([NONE, 0]);
  });

  it("lists the paths of a node in their order, and closes the gap that one leaves", () => {
    const paths = pathTable();
    const slots = [1, 2, 3].map((device) => addPath(paths, A, device));
    addPath(paths, B, 4);
    const list = () => Array.from({ length: paths.count(A) }, (_, i) => paths.at(A, i));
    expect(list()).toEqual(slots);
    paths.remove(slots[1]!);
    expect(list()).toEqual([slots[0], slots[2]]);
    expect(paths.placeOf(slots[2]!)).toBe(1);
    expect(paths.count(B)).toBe(1);
    const again = addPath(paths, A, 2);
    expect(list()).toEqual([slots[0], slots[2], again]);
    paths.removeNode(A);
    expect([list(), paths.count(B), paths.slab.size]).toEqual([[], 1, 1]);
  });

  it("forgets all of a path that is removed", () => {
    const paths = pathTable();
    const slot = addPath(paths, A, 1);
    paths.setPeerId(slot, 7);
    paths.handleSent(slot, 5, 5000, 10);
    paths.delays.handleFeedback(slot, A, 100, 10);
    paths.arrivals.handlePacket(slot, 1, 100);
    paths.remove(slot);
    paths.remove(slot);
    const { socket, remote, port } = ends(1, 1);
    expect([paths.findEnds(socket, remote, 0, port), paths.find(A, 1), paths.findPeer(A, 7)]).toEqual([
      NONE,
      NONE,
      NONE,
    ]);
    const again = addPath(paths, A, 1);
    expect(again).toBe(slot);
    expect(paths.handleSent(again, 1, 100, 20)).toBe(0);
    expect([paths.sentPackets[again], paths.arrivals.packets[again], paths.delays.samples[again]]).toEqual([
      1, 0, 0,
    ]);
  });

  it("refuses a path when the node has too many, or the table is full", () => {
    const paths = pathTable({ capacity: NODE_PATHS_MAX + 1 });
    for (let i = 0; i < NODE_PATHS_MAX; i++) addPath(paths, A, 1, i);
    expect(paths.add(A, "one more", ends(2, 1))).toBe(NONE);
    addPath(paths, B, 2, 1);
    expect(paths.add(B, "one more", ends(2, 2))).toBe(NONE);
    expect(paths.refused).toBe(2);
  });

  it("numbers what is sent on a path, over the wrap", () => {
    const paths = pathTable();
    const slot = addPath(paths, A, 1);
    expect([paths.handleSent(slot, 3, 300, 1), paths.handleSent(slot, 0x7fff_ffff, 1, 2)]).toEqual([0, 3]);
    expect(paths.handleSent(slot, 1, 100, 3)).toBe(-0x7fff_fffe);
    expect([paths.sentPackets[slot], paths.sentBytes[slot], paths.sentMs[slot]]).toEqual([
      2 ** 31 + 3,
      401,
      3,
    ]);
  });
});

describe("the use of paths", () => {
  it("is none at first, and a backup's only while no other works", () => {
    const paths = pathTable();
    const slots = [1, 2, 3].map((device) => addPath(paths, A, device));
    const eligible = () => slots.map((slot) => paths.isEligible(slot));
    for (const slot of slots) paths.setUse(slot, USE_NO);
    expect(eligible()).toEqual([false, false, false]);
    paths.setUse(slots[0]!, USE_BACKUP);
    paths.setUse(slots[1]!, USE_BACKUP);
    expect(eligible()).toEqual([true, true, false]);
    paths.setUse(slots[2]!, USE_YES);
    expect(eligible()).toEqual([false, false, true]);
    paths.remove(slots[2]!);
    expect(eligible().slice(0, 2)).toEqual([true, true]);
    expect(paths.useOf(slots[0]!)).toBe(USE_BACKUP);
  });

  it("changes the version of the node's list, as a path does that comes or goes", () => {
    const paths = pathTable();
    const changes = (action: () => void) => {
      const before = [paths.version[A], paths.version[B]];
      action();
      return [paths.version[A] !== before[0], paths.version[B] !== before[1]];
    };
    let slot = 0 as PathSlot;
    expect(changes(() => (slot = addPath(paths, A, 1)))).toEqual([true, false]);
    expect(changes(() => paths.setUse(slot, USE_YES))).toEqual([false, false]);
    expect(changes(() => paths.setUse(slot, USE_NO))).toEqual([true, false]);
    expect(changes(() => paths.remove(slot))).toEqual([true, false]);
  });
});

describe("feedback", () => {
  it("is given for each path in its turn, once for each delay", () => {
    const paths = pathTable();
    const slots = [1, 2, 3].map((device) => addPath(paths, A, device));
    const poll = () => [paths.pollFeedback(A), paths.pollFeedback(A), paths.pollFeedback(A)];
    slots.forEach((slot, i) => void paths.setPeerId(slot, 10 + i));
    expect(poll()).toEqual([NONE, NONE, NONE]);
    for (const slot of slots) paths.arrivals.handleTimestamp(slot, 0, 100, 0);
    expect(poll()).toEqual(slots);
    paths.arrivals.handleTimestamp(slots[0]!, 0, 100, 0);
    paths.arrivals.handleTimestamp(slots[1]!, 0, 100, 0);
    expect(paths.pollFeedback(A)).toBe(slots[0]);
    paths.arrivals.handleTimestamp(slots[0]!, 0, 100, 0);
    expect(poll()).toEqual([slots[1], slots[0], NONE]);
  });

  it("waits for the peer's ID, and is not the other node's", () => {
    const paths = pathTable();
    const slot = addPath(paths, A, 1);
    paths.arrivals.handleTimestamp(slot, 0, 100, 0);
    expect([paths.pollFeedback(A), paths.pollFeedback(B)]).toEqual([NONE, NONE]);
    paths.setPeerId(slot, 1);
    expect([paths.pollFeedback(B), paths.pollFeedback(A)]).toEqual([NONE, slot]);
  });
});

describe("the clocks' difference", () => {
  it("is judged by the path with the shortest round trip", () => {
    const paths = pathTable();
    const [fast, slow] = [addPath(paths, A, 1), addPath(paths, A, 2)];
    expect(paths.clockOffsetUs(A)).toBeNaN();
    // The peer's clock is 1 s ahead; one way takes 10 ms and 30 ms, and back 10 ms and 50 ms.
    paths.delays.handleFeedback(fast, A, 1_010_000, 0);
    paths.delays.handleFeedback(slow, A, 1_030_000, 0);
    expect(paths.clockOffsetUs(A)).toBeNaN();
    paths.delays.handleRtt(slow, 80_000);
    expect(paths.clockOffsetUs(A)).toBe(990_000);
    paths.delays.handleRtt(fast, 20_000);
    expect(paths.clockOffsetUs(A)).toBe(1_000_000);
    addPath(paths, A, 3);
    expect(pathReports(paths).map(({ delayUs }) => delayUs)).toEqual([10_000, 30_000, undefined]);
  });
});

describe("a node that has been started anew", () => {
  it("is measured anew on paths that stay", () => {
    const paths = pathTable();
    const slot = addPath(paths, A, 1);
    paths.setPeerId(slot, 7);
    paths.delays.handleFeedback(slot, A, 100, 0);
    paths.arrivals.handlePacket(slot, 1000, 100);
    paths.handleSent(slot, 4, 400, 0);
    paths.resetNode(A);
    expect([paths.delays.samples[slot], paths.arrivals.packets[slot], paths.findPeer(A, 7)]).toEqual([
      0,
      0,
      NONE,
    ]);
    expect([paths.useOf(slot), paths.handleSent(slot, 1, 1, 1)]).toEqual([USE_YES, 4]);
  });
});

describe("the report of a path", () => {
  it("can be read by people", () => {
    const paths = pathTable();
    const slot = addPath(paths, A, 1, 2);
    paths.setPeerId(slot, 3);
    paths.handleSent(slot, 2, 200, 0);
    paths.arrivals.handlePacket(slot, 0, 50);
    paths.arrivals.handlePacket(slot, 2, 50);
    paths.setMtu(slot, 1500);
    expect([paths.roomBytes[slot], paths.smallestRoom()]).toEqual([1443, 1443]);
    expect(pathReports(paths)).toEqual([
      {
        slot,
        node: A,
        id: 1,
        peerId: 3,
        name: "eth1-2",
        device: "eth1",
        local: "10.0.1.1",
        remote: "10.1.2.1",
        port: 7000,
        state: 0,
        use: "yes",
        mtuBytes: 1500,
        weight: 0,
        delayUs: undefined,
        queuingUs: undefined,
        queuingMaxUs: undefined,
        rttUs: undefined,
        deliveredBytesPerS: 0,
        loss: 0,
        sentPackets: 2,
        sentBytes: 200,
        receivedPackets: 2,
        receivedBytes: 100,
        receivedLost: 1,
        duplicates: 0,
      },
    ]);
  });
});
