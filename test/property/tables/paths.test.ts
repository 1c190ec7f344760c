import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NONE, type PathSlot } from "../../../src/core/base/ids.ts";
import { NODE_PATHS_MAX, USE_BACKUP, USE_NO, USE_YES } from "../../../src/core/tables/paths.ts";
import { check } from "../../helpers/property.ts";
import { ends, node, pathTable } from "../../unit/core/tables/fixtures.ts";

const CAPACITY = 8;
const NODES = 3;

interface Path {
  slot: PathSlot;
  node: number;
  device: number;
  remote: number;
  id: number;
  peerId: number;
  use: number;
}

const step = fc.record({
  do: fc.constantFrom("add", "add", "remove", "peerId", "use", "move"),
  node: fc.nat(NODES - 1),
  device: fc.nat(2),
  remote: fc.nat(2),
  to: fc.nat(2),
  peerId: fc.nat(4),
  use: fc.constantFrom(USE_NO, USE_BACKUP, USE_YES),
});

describe("the path table", () => {
  it("does what a list of paths does", () => {
    check(
      fc.property(fc.array(step, { maxLength: 150, size: "max" }), (steps) => {
        const paths = pathTable({ capacity: CAPACITY, nodes: NODES });
        let twin: Path[] = [];
        for (const { do: action, node: index, device, remote, to, peerId, use } of steps) {
          const at = ends(device, remote);
          const known = twin.find((path) => path.device === device && path.remote === remote);
          const version = paths.version[index];
          if (action === "add") {
            const slot = paths.add(node(index), "", at);
            expect(slot === NONE).toBe(known !== undefined || twin.length === CAPACITY);
            if (slot === NONE) continue;
            const id = paths.id[slot]!;
            expect(twin.some((path) => path.node === index && path.id === id)).toBe(false);
            twin.push({ slot, node: index, device, remote, id, peerId: 0, use: USE_NO });
            expect(paths.version[index]).not.toBe(version);
          } else if (known !== undefined && action === "remove") {
            paths.remove(known.slot);
            twin = twin.filter((path) => path !== known);
          } else if (known !== undefined && action === "peerId") {
            paths.setPeerId(known.slot, peerId);
            for (const path of twin) if (path.node === known.node && path.peerId === peerId) path.peerId = 0;
            known.peerId = peerId;
          } else if (known !== undefined && action === "move") {
            const end = ends(device, to);
            paths.move(known.slot, `moved-${to}`, end.remote, 0, end.port);
            const other = twin.find((path) => path.device === device && path.remote === to);
            if (other !== undefined) other.remote = remote;
            known.remote = to;
          } else if (known !== undefined) {
            paths.setUse(known.slot, use);
            known.use = use;
          }
          expect(paths.slab.size).toBe(twin.length);
          for (const path of twin) {
            const own = ends(path.device, path.remote);
            const ofNode = node(path.node);
            expect(paths.findEnds(own.socket, own.remote, 0, own.port)).toBe(path.slot);
            expect(paths.find(ofNode, path.id)).toBe(path.slot);
            expect(paths.peerId[path.slot]).toBe(path.peerId);
            if (path.peerId !== 0) expect(paths.findPeer(ofNode, path.peerId)).toBe(path.slot);
            const best = Math.max(...twin.filter((other) => other.node === path.node).map(({ use }) => use));
            expect(paths.isEligible(path.slot)).toBe(path.use !== USE_NO && path.use === best);
          }
          for (let i = 0; i < NODES; i++) {
            const list = Array.from({ length: paths.count(node(i)) }, (_, place) => paths.at(node(i), place));
            expect(list).toEqual(twin.filter((path) => path.node === i).map(({ slot }) => slot));
            for (const [place, slot] of list.entries()) expect(paths.placeOf(slot)).toBe(place);
          }
          if (known === undefined) expect(paths.findEnds(at.socket, at.remote, 0, 1)).toBe(NONE);
        }
      }),
      60,
    );
  });

  it("never gives an ID to two paths of a node, nor 0", () => {
    check(
      fc.property(fc.array(fc.nat(NODE_PATHS_MAX - 1), { maxLength: 600, size: "max" }), (remotes) => {
        const paths = pathTable({ capacity: NODE_PATHS_MAX });
        const live = new Map<number, PathSlot>();
        for (const remote of remotes) {
          const known = live.get(remote);
          if (known !== undefined) {
            paths.remove(known);
            live.delete(remote);
            continue;
          }
          live.set(remote, paths.add(node(0), "", ends(1, remote)) as PathSlot);
          const ids = [...live.values()].map((slot) => paths.id[slot]);
          expect([new Set(ids).size, ids.includes(0)]).toEqual([live.size, false]);
        }
      }),
      30,
    );
  });

  it("feeds back every delay that is due, and none twice", () => {
    const steps = fc.array(fc.option(fc.nat(4), { freq: 2 }), { maxLength: 100, size: "max" });
    check(
      fc.property(steps, (list) => {
        const paths = pathTable();
        const slots = [0, 1, 2, 3, 4].map((device) => paths.add(node(0), "", ends(device, 0)) as PathSlot);
        for (const [i, slot] of slots.entries()) paths.setPeerId(slot, i + 1);
        const due = new Set<PathSlot>();
        for (const place of list) {
          if (place !== null) {
            paths.arrivals.handleTimestamp(slots[place]!, 0, 1, 0);
            due.add(slots[place]!);
            continue;
          }
          const slot = paths.pollFeedback(node(0));
          expect(slot === NONE ? due.size === 0 : due.delete(slot)).toBe(true);
        }
      }),
    );
  });
});
