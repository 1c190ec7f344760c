import { describe, expect, it } from "vitest";
import type { PathSlot } from "../../../../src/core/base/ids.ts";
import type { SchedulerName } from "../../../../src/core/router/context.ts";
import {
  ADDRESS_A as A,
  ADDRESS_B as B,
  readStamp,
  stampedPayload,
  tcpPacket,
  udpPacket,
} from "../../../sim/packets.ts";
import { type LinkOptions, TwoNodes } from "../../../sim/two-nodes.ts";

const SIZE = 1000;
const IPV4_TOS = 1;
const HEADERS = 40;
const ECN_CAPABLE = 2;
const ECN_CONGESTION = 3;

const LINE = { bitsPerS: 16e6, queueBytes: 20_000, delayUs: 5_000 };

/** Two nodes, of which a sends numbered packets of TCP flows to b; what the lines carry has shown. */
class World {
  readonly nodes: TwoNodes;
  readonly sent: number[] = [];
  /** By flow: numbers and ECN fields in the order in which they came, and when. */
  readonly came = new Map<number, { number: number; ecn: number; us: number }[]>();
  private readonly ecn: number;

  constructor(links: readonly LinkOptions[], { ecn = 0, scheduler = "arrival" as SchedulerName } = {}) {
    this.ecn = ecn;
    this.nodes = new TwoNodes(links, 1, { scheduler });
    this.nodes.b.onDelivered = (packet) => {
      const stamp = readStamp(packet.subarray(HEADERS));
      if (stamp === undefined) throw new Error("a packet was changed");
      const list = this.came.get(stamp.flow) ?? [];
      list.push({ number: stamp.number, ecn: packet[IPV4_TOS]! & 3, us: this.nodes.clock.nowUs });
      this.came.set(stamp.flow, list);
    };
    this.nodes.run(2);
    for (let i = 0; i < 40; i++) {
      this.send(0, 12);
      this.nodes.run(0.005);
    }
    this.nodes.run(1);
  }

  /** As a device gives one that the kernel has checked: its header's checksum is no matter. */
  send(flow: number, packets = 1, size = SIZE): void {
    for (let i = 0; i < packets; i++) {
      const number = this.sent[flow] ?? 0;
      this.sent[flow] = number + 1;
      const payload = stampedPayload({ flow, number }, size);
      const packet = tcpPacket(A, B, number * size, payload, { sourcePort: 1000 + flow });
      packet[IPV4_TOS] = this.ecn;
      this.nodes.a.inject(packet);
    }
  }

  numbers(flow: number): number[] {
    return (this.came.get(flow) ?? []).map(({ number }) => number);
  }

  get queues() {
    return this.nodes.a.router.paths.queues;
  }

  get signalled(): number {
    return this.nodes.a.router.repair.signalled;
  }

  get overflowed(): number {
    return this.nodes.lines.reduce((sum, { ab }) => sum + ab.overflowed, 0);
  }

  get heldBytes(): number {
    return this.queues.heldBytes.reduce((sum, bytes) => sum + bytes);
  }

  slotOf(link: number): PathSlot {
    return this.nodes.a.router.paths.names.indexOf(`l${link}/10.${link}.0.2`) as PathSlot;
  }
}

describe("a burst that is more than a line's queue can take", () => {
  it("waits here, and comes whole and in order", () => {
    const world = new World([LINE]);
    world.send(1, 100);
    expect(world.heldBytes).toBeGreaterThan(50_000);
    const before = world.overflowed;
    world.nodes.run(0.5);
    expect(world.overflowed).toBe(before);
    expect(world.numbers(1)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(world.heldBytes).toBe(0);
    // The line had something to do all the time.
    const came = world.came.get(1)!;
    expect(came.at(-1)!.us - came[0]!.us).toBeLessThan(1.2 * 100 * SIZE * 0.5);
  });

  it("does not with the paper's scheduler, which counts on queues", () => {
    const world = new World([LINE], { scheduler: "paper" });
    const before = world.overflowed;
    world.send(1, 100);
    expect(world.heldBytes).toBe(0);
    world.nodes.run(0.5);
    expect(world.overflowed).toBeGreaterThan(before);
  });

  it("lets small packets of others pass, and none of its own", () => {
    const world = new World([LINE]);
    world.send(1, 80);
    world.send(2, 1, 100);
    world.send(1, 1, 100);
    world.nodes.run(0.5);
    const last = world.came.get(1)!.at(-1)!;
    expect(world.numbers(1)).toEqual([...world.numbers(1)].sort((a, b) => a - b));
    expect(last.us - world.came.get(2)![0]!.us).toBeGreaterThan(20_000);
  });
});

describe("datagrams that wait for lines of different rates", () => {
  it("leave in the order in which they came, and keep both busy", () => {
    const nodes = new TwoNodes([LINE, { ...LINE, bitsPerS: 4e6 }]);
    const left: number[] = [];
    const came: number[] = [];
    const byLink = [0, 0];
    nodes.onDatagram = (sender, link, { bytes }) => {
      // In the full and in the compact form the number is the first of these that fits.
      if (sender !== "a" || bytes.length < 900) return;
      const stamp = readStamp(bytes.subarray(0, 900)) ?? readStamp(bytes.subarray(28, 928));
      if (stamp === undefined || stamp.flow !== 1) return;
      left.push(stamp.number);
      byLink[link]!++;
    };
    nodes.b.onDelivered = (packet) => came.push(readStamp(packet.subarray(28))!.number);
    nodes.run(2);
    const send = (number: number, flow: number) =>
      nodes.a.inject(udpPacket(A, B, stampedPayload({ flow, number }, 900), [1000 + flow, 2000]));
    for (let number = 0; number < 200; number++) {
      for (let i = 0; i < 3; i++) send(3 * number + i, 0);
      nodes.run(0.001);
    }
    nodes.run(1);
    came.length = 0;
    for (let number = 0; number < 60; number++) send(number, 1);
    nodes.run(1);
    const sent = Array.from({ length: 60 }, (_, number) => number);
    expect(left).toEqual(sent);
    expect(Math.min(...byLink)).toBeGreaterThan(6);
    expect([...came].sort((one, other) => one - other)).toEqual(sent);
  });
});

describe("a flow that sends more than the lines carry", () => {
  /** For a second, a fifth too much. */
  function overload(world: World): void {
    for (let ms = 0; ms < 1000; ms += 5) {
      world.send(1, 12);
      world.nodes.run(0.005);
    }
    world.nodes.run(1);
  }

  it("is told so by single packets, and by more when it goes on", () => {
    const world = new World([LINE]);
    const before = world.signalled;
    overload(world);
    const told = world.signalled - before;
    expect(told).toBeGreaterThan(2);
    expect(told).toBeLessThan(20);
    const drops = world.nodes.a.router.drops.snapshot();
    const refused = drops.find(({ reason }) => reason === "queue-full");
    expect(refused?.packets).toBeGreaterThan(100);
    expect(drops.find(({ reason }) => reason === "told-to-slow-down")).toEqual({
      reason: "told-to-slow-down",
      packets: world.signalled,
      bytes: world.signalled * (40 + SIZE),
    });
    expect(world.numbers(1).length + told + refused!.packets).toBe(world.sent[1]);
    expect(world.numbers(1)).toEqual([...world.numbers(1)].sort((a, b) => a - b));
    expect(world.heldBytes).toBe(0);
  });

  it("is told by a mark, and loses nothing for that, if it can be marked", () => {
    const world = new World([LINE], { ecn: ECN_CAPABLE });
    const before = world.signalled;
    overload(world);
    const marked = world.came.get(1)!.filter(({ ecn }) => ecn === ECN_CONGESTION);
    expect(marked.length).toBeGreaterThan(2);
    expect(marked.length).toBe(world.signalled - before);
  });
});

describe("what waits for a path that is lost", () => {
  it("goes by another one", () => {
    const world = new World([LINE, { ...LINE, delayUs: 6_000 }]);
    world.send(1, 100);
    expect(world.queues.heldBytes[world.slotOf(0)]).toBeGreaterThan(0);
    const { ab, ba } = world.nodes.lines[0]!;
    ab.isCut = ba.isCut = true;
    world.nodes.run(1);
    // What was on the way comes later, and nothing twice.
    expect(world.numbers(1).sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(world.heldBytes).toBe(0);
  });

  it("is dropped, and nothing is left, when there is no other", () => {
    const world = new World([LINE]);
    world.send(1, 100);
    const { ab, ba } = world.nodes.lines[0]!;
    ab.isCut = ba.isCut = true;
    world.nodes.run(10);
    expect(world.heldBytes).toBe(0);
    expect(world.numbers(1).length).toBeLessThan(100);
  });
});
