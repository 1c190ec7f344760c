import { describe, expect, it } from "vitest";
import { peerViews } from "../../../../src/control/views.ts";
import {
  KIND_HEARTBEAT,
  KIND_PROBE,
  KIND_QUERY,
  TRAILER_BYTES,
} from "../../../../src/core/wire/control-block.ts";
import { FIELD_ASKED, FIELD_INSTANCE } from "../../../../src/core/wire/control-body.ts";
import { Clock } from "../../../sim/clock.ts";
import { type Datagram, SimNode, type SimNodeOptions } from "../../../sim/node.ts";
import { stampedPayload, udpPacket } from "../../../sim/packets.ts";
import { hostRoute, ipv4 } from "../../../sim/two-nodes.ts";

const HUB = 9;
const ID = 2;
const kindOf = ({ bytes }: Datagram) => bytes.at(-11)! & 0x0f;

/** Nodes on one network, each at 10.0.0.<place> with 10.99.0.<place> behind it. */
class World {
  readonly clock = new Clock();
  private readonly places = new Map<number, SimNode>();
  /** Sees what is sent, and says whether it arrives. */
  onDatagram: (from: number, datagram: Datagram) => boolean = () => true;

  add(place: number, id: number, options: Partial<SimNodeOptions> = {}): SimNode {
    const node = new SimNode({
      id,
      name: nameOf(place),
      clock: this.clock,
      clockOffsetUs: place * 7_777_777,
      // Nodes with one ID are to be of different instances.
      restarts: place,
      transmit: (_, datagram) => {
        if (!this.onDatagram(place, datagram)) return;
        const to = new Uint8Array(datagram.to.address.buffer, datagram.to.address.byteOffset)[15]!;
        this.clock.after(1000, () => this.places.get(to)?.receive(datagram));
      },
      ...options,
    });
    const before = this.places.get(place);
    if (before !== undefined) before.isRunning = false;
    this.places.set(place, node);
    node.setLocals([{ socket: 0, device: "l0", address: at(place), port: 7000, mtu: 1500 }]);
    return node;
  }

  run(seconds: number): void {
    this.clock.run(seconds * 1e6);
  }

  /** Sends to what is behind a place for so long; answers what each of some nodes got of it. */
  stream(from: SimNode, place: number, seconds: number, nodes: readonly SimNode[]): number[] {
    const got = nodes.map(() => 0);
    for (const [i, node] of nodes.entries()) node.onDelivered = () => got[i]!++;
    for (let k = 0; k < seconds * 100; k++) {
      from.inject(
        udpPacket([10, 99, 0, HUB], [10, 99, 0, place], stampedPayload({ flow: 1, number: k }, 600)),
      );
      this.run(0.01);
    }
    return got;
  }
}

const at = (place: number) => ipv4(10, 0, 0, place);
const nameOf = (place: number) => `n${place}`;
const peer = (place: number) => ({
  name: nameOf(place),
  endpoints: [{ address: at(place), port: 7000 }],
  routes: [hostRoute(10, 99, 0, place)],
});

/** What `mpip peers` says of one. */
function view(node: SimNode, place: number) {
  const peers = [{ name: nameOf(place), routes: [] }];
  const views = peerViews(node.router, peers, node.nowUs / 1000);
  const { state, clashes, refusal } = views.find(({ name }) => name === nameOf(place))!;
  return { state, clashes, refusal };
}

const UP = { state: "up", clashes: 0, refusal: undefined };
const drops = (node: SimNode) => node.router.drops.snapshot().map(({ reason }) => reason);
const remotes = (node: SimNode) => {
  const { paths } = node.router;
  return [...Array(paths.slab.top).keys()]
    .filter((slot) => paths.slab.has(slot))
    .map((slot) => paths.names[slot]);
};

describe("two nodes with one node ID", () => {
  /** A hub that has known the node at 2 for a while when the one at 3 begins. */
  function clash(hubPeers: readonly number[]) {
    const world = new World();
    const hub = world.add(HUB, HUB);
    const known = world.add(2, ID);
    hub.setPeers(hubPeers.map(peer));
    known.setPeers([peer(HUB)]);
    world.run(3);
    const rival = world.add(3, ID);
    rival.setPeers([peer(HUB)]);
    return { world, hub, known, rival };
  }

  it.each([
    ["knows where both are", [2, 3]],
    ["knows where one is", [2]],
  ])("are told apart by a third that %s: the second one has no path and gets nothing", (_, hubPeers) => {
    const { world, hub, known, rival } = clash(hubPeers);
    const [first, second] = world.stream(hub, 2, 20, [known, rival]);
    expect([first, second]).toEqual([2000, 0]);
    expect(remotes(hub)).toEqual(["l0/10.0.0.2"]);
    expect(view(hub, 2)).toMatchObject({ state: "up", refusal: undefined });
    expect(view(hub, 2).clashes).toBeGreaterThan(3);
    expect(view(known, HUB)).toEqual(UP);
    // Nor is it for a moment what it is not: the hub asks it again and again.
    for (let k = 0; k < 300; k++) {
      world.run(0.1);
      expect(view(rival, HUB)).toMatchObject({ state: "down", refusal: "node ID clash" });
    }
  });

  it("are told apart where a packet of the second one seems to be of the path of the first one", () => {
    const { world, hub, known, rival } = clash([2, 3]);
    // As it was when that was the first one, but for what a packet of that path would have by chance.
    let beat: Datagram | undefined;
    world.onDatagram = (from, datagram) => {
      if (from === 2 && kindOf(datagram) === KIND_HEARTBEAT) beat ??= datagram;
      return true;
    };
    world.run(2);
    const questions: number[] = [];
    world.onDatagram = (from, datagram) => {
      if (from === HUB && datagram.to.address[3] === at(3)[3]) questions.push(kindOf(datagram));
      return true;
    };
    for (let k = 0; k < 50; k++) {
      const bytes = beat!.bytes.slice();
      const highest = hub.router.paths.arrivals.highest[0]!;
      new DataView(bytes.buffer).setInt32(bytes.length - TRAILER_BYTES, highest + 1);
      hub.receive({ ...beat!, bytes, from: { address: at(3), port: 7000 } });
      world.run(0.1);
    }
    expect(questions.filter((kind) => kind === KIND_PROBE).length).toBeGreaterThan(30);
    expect(world.stream(hub, 2, 2, [known, rival])).toEqual([200, 0]);
    expect(remotes(hub)).toEqual(["l0/10.0.0.2"]);
    expect(drops(rival)).toContain("node-id-clash");
  });

  it("are told apart by what their probes say, which opens no path where they do not say who asks", () => {
    const { world, hub, known } = clash([2]);
    let probe: Datagram | undefined;
    world.onDatagram = (from, datagram) => {
      if (from === 2 && kindOf(datagram) === KIND_PROBE) probe ??= datagram;
      return true;
    };
    known.setLocals([1].map(() => ({ socket: 1, device: "l0", address: at(4), port: 7000, mtu: 1500 })));
    world.run(1);
    const send = (place: number, ...forgotten: number[]) => {
      const bytes = probe!.bytes.slice();
      // The second field and the third one; fields of unknown types are skipped.
      for (const n of forgotten) bytes[11 * n] = 0xfe;
      // Of a path that is not known.
      bytes[bytes.length - 10] = 200 + place;
      hub.receive({ ...probe!, bytes, from: { address: at(place), port: 7000 } });
    };
    expect([...probe!.bytes].filter((_, i) => i === 11 || i === 22)).toEqual([FIELD_INSTANCE, FIELD_ASKED]);
    send(5, 1);
    expect(remotes(hub)).not.toContain("l0/10.0.0.5");
    // Who says nothing of either may be anybody.
    send(6, 1, 2);
    expect(remotes(hub)).not.toContain("l0/10.0.0.6");
    send(7, 2);
    expect(remotes(hub)).toContain("l0/10.0.0.7");
  });

  it("are told apart where the second one is at an address that the first one lists, behind a NAT", () => {
    const world = new World();
    const hub = world.add(HUB, HUB);
    const known = world.add(2, ID);
    hub.setPeers([peer(2), peer(3)]);
    known.setPeers([peer(HUB)]);
    // It has this one, too, but not in our network.
    const own = { socket: 0, device: "l0", address: at(2), port: 7000, mtu: 1500 };
    known.setLocals([own, { ...own, socket: 1, device: "l1", address: at(3) }]);
    world.onDatagram = (from, { from: { address } }) => from !== 2 || address[3] === at(2)[3];
    world.run(3);
    const rival = world.add(3, ID);
    rival.setPeers([peer(HUB)]);
    const [first, second] = world.stream(hub, 2, 20, [known, rival]);
    expect([first, second]).toEqual([2000, 0]);
    expect(view(hub, 2).clashes).toBeGreaterThan(3);
    expect(view(rival, HUB)).toMatchObject({ state: "down", refusal: "node ID clash" });
  });

  it("are not what a node is that has restarted, at the same place or another", () => {
    for (const place of [2, 4]) {
      const { world, hub, known } = clash([2]);
      known.isRunning = false;
      world.add(3, 3);
      const again = world.add(place, ID, { restarts: 50 });
      again.setPeers([peer(HUB)]);
      world.run(place === 2 ? 0.5 : 8);
      expect(view(again, HUB)).toEqual(UP);
      expect(world.stream(hub, 2, 1, [again])).toEqual([100]);
      expect(view(hub, 2)).toEqual(UP);
    }
  });

  it("are told of it by nothing that is longer than what they asked", () => {
    const { world } = clash([2, 3]);
    const asked = new Map<string, number>();
    let answers = 0;
    world.onDatagram = (_, datagram) => {
      const kind = kindOf(datagram);
      const [nonceAt, isAnswer] =
        kind === KIND_QUERY || kind === KIND_QUERY + 1 ? [7, kind > 2] : [3, kind > 4];
      if (kind > KIND_PROBE + 1 || kind < KIND_QUERY) return true;
      const token = datagram.bytes.slice(nonceAt, nonceAt + 8).join();
      if (!isAnswer) asked.set(token, Math.min(asked.get(token) ?? 1e9, datagram.bytes.length));
      else if (asked.has(token)) {
        answers++;
        expect(datagram.bytes.length).toBeLessThanOrEqual(asked.get(token)!);
      }
      return true;
    };
    world.run(20);
    expect(answers).toBeGreaterThan(10);
  });
});

describe("two peers that have each other's node ID", () => {
  it("both say so", () => {
    const world = new World();
    const one = world.add(2, ID);
    const other = world.add(3, ID);
    one.setPeers([peer(3)]);
    other.setPeers([peer(2)]);
    world.run(20);
    for (const [node, place] of [
      [one, 3],
      [other, 2],
    ] as const) {
      expect(view(node, place)).toMatchObject({ state: "down", refusal: "node ID clash" });
      expect(view(node, place).clashes).toBeGreaterThan(3);
      expect(drops(node)).toEqual(["node-id-clash"]);
    }
  });

  it("both say so where one of them only waits to be asked", () => {
    const world = new World();
    const one = world.add(2, ID);
    const other = world.add(3, ID);
    one.setPeers([peer(3)]);
    other.setPeers([{ ...peer(2), node: { high: 0x0200, low: 7 }, endpoints: [] }]);
    world.run(20);
    expect(view(one, 3)).toMatchObject({ state: "down", clashes: 0, refusal: "node ID clash" });
    expect(view(other, 2)).toMatchObject({ state: "down", refusal: undefined });
    expect(view(other, 2).clashes).toBeGreaterThan(3);
  });

  it("do not say so of a refusal that nobody has asked for", () => {
    const world = new World();
    const one = world.add(2, ID);
    const other = world.add(3, ID);
    one.setPeers([peer(3)]);
    other.setPeers([peer(2)]);
    world.onDatagram = (_, datagram) => {
      // Another nonce.
      if (kindOf(datagram) === KIND_QUERY + 1) datagram.bytes[8]! ^= 1;
      return true;
    };
    world.run(5);
    expect(view(one, 3)).toMatchObject({ state: "down", refusal: undefined });
    expect(drops(one)).toContain("not-authentic");
  });

  it("are not one that hears its own words", () => {
    const world = new World();
    const one = world.add(2, ID);
    one.setPeers([peer(2), peer(3)]);
    let answers = 0;
    world.onDatagram = (_, datagram) => {
      if (kindOf(datagram) !== KIND_QUERY) answers++;
      // Sent back by whoever is there.
      if (datagram.to.address[3] === at(3)[3])
        world.clock.after(1000, () => one.receive({ ...datagram, from: datagram.to, to: datagram.from }));
      return true;
    };
    world.run(20);
    expect([view(one, 2), view(one, 3)]).toEqual([2, 3].map(() => ({ ...UP, state: "down" })));
    expect([answers, drops(one)]).toEqual([0, ["own-node-id"]]);
  });
});

describe("a node for which there is no room", () => {
  it("is told so, and that it is no clash", () => {
    const world = new World();
    const hub = world.add(HUB, HUB, { limits: { nodes: 2 } });
    hub.setPeers([2, 3, 4].map((id) => ({ ...peer(id), node: { high: 0x0200, low: id }, endpoints: [] })));
    const spokes = [2, 3, 4].map((id) => world.add(id, id));
    for (const spoke of spokes) spoke.setPeers([peer(HUB)]);
    world.run(10);
    const full = { state: "down", clashes: 0, refusal: "no room for another node" };
    expect(spokes.map((spoke) => view(spoke, HUB))).toEqual([UP, UP, full]);
    expect(drops(hub)).toEqual(["node-table-full"]);
    // There is room again, and nothing is said any more.
    hub.setPeers([3, 4].map((id) => ({ ...peer(id), node: { high: 0x0200, low: id }, endpoints: [] })));
    world.run(60);
    expect(view(spokes[2]!, HUB)).toEqual(UP);
  });
});

it("a node that was refused is not any more once a path works, whoever asked", () => {
  const world = new World();
  const hub = world.add(HUB, HUB);
  const spoke = world.add(2, 2);
  spoke.setPeers([peer(HUB)]);
  world.run(3);
  expect(view(spoke, HUB)).toMatchObject({ state: "down", refusal: "not configured" });
  // The spoke's own questions are lost from now on.
  world.onDatagram = (from, datagram) => from === HUB || kindOf(datagram) !== KIND_QUERY;
  hub.setPeers([peer(2)]);
  world.run(2);
  expect(view(spoke, HUB)).toEqual(UP);
});
