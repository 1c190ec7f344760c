import { afterEach, describe, expect, it, vi } from "vitest";
import type { PathSlot } from "../../../../src/core/base/ids.ts";
import { History } from "../../../../src/core/router/history.ts";
import { BodyWriter } from "../../../../src/core/wire/body-writer.ts";
import {
  BLOCK_FLAGS,
  CONTROL_BLOCK_BYTES,
  ControlBlock,
  FLAG_SEQUENCED,
  KIND_DATA_FULL,
  KIND_HEARTBEAT,
  KIND_MASK,
  KIND_NACK,
} from "../../../../src/core/wire/control-block.ts";
import type { Datagram } from "../../../sim/node.ts";
import { ADDRESS_A as A, ADDRESS_B as B, tcpPacket, udpPacket } from "../../../sim/packets.ts";
import { type LinkOptions, TwoNodes } from "../../../sim/two-nodes.ts";

const SIZE = 1000;
/** Where the number of a packet stands: TCP's sequence number, and the start of UDP's payload. */
const TCP_NUMBER_AT = 24;
const UDP_NUMBER_AT = 28;
const PROTOCOL_AT = 9;
/** Searches of the history for one request. */
const STEPS_MAX = 4096;
const ASKED_PACKETS_MAX = 512;

type Protocol = "tcp" | "udp";

/** Two nodes, of which a sends one session's packets, all numbered, to b. */
class World {
  readonly nodes: TwoNodes;
  /** By number: when it was sent, and when it was handed on. */
  readonly sentUs: number[] = [];
  readonly cameUs: number[][] = [];
  /** The numbers in the order in which they were handed on. */
  readonly came: number[] = [];
  /** By link: datagrams with data that a sent. */
  readonly data: number[];
  private readonly protocol: Protocol;
  private readonly block = new ControlBlock();
  private heartbeat: Datagram | undefined;

  constructor(links: readonly LinkOptions[], protocol: Protocol = "tcp", seed = 1) {
    this.protocol = protocol;
    this.nodes = new TwoNodes(links, seed);
    this.data = links.map(() => 0);
    this.nodes.onDatagram = (sender, link, datagram) => this.note(sender, link, datagram);
    this.nodes.b.onDelivered = (packet) => {
      const view = new DataView(packet.buffer, packet.byteOffset);
      const isTcp = packet[PROTOCOL_AT] === 6;
      const number = isTcp ? view.getUint32(TCP_NUMBER_AT) / SIZE : view.getUint32(UDP_NUMBER_AT);
      this.came.push(number);
      this.cameUs[number]!.push(this.nodes.clock.nowUs);
    };
    this.nodes.run(2);
  }

  get repair() {
    return this.nodes.a.router.repair;
  }

  get paths() {
    return this.nodes.a.router.paths;
  }

  get missing(): number[] {
    return this.numbers((times) => times.length === 0);
  }

  get doubled(): number[] {
    return this.numbers((times) => times.length > 1);
  }

  get dataSent(): number {
    return this.data.reduce((sum, count) => sum + count);
  }

  send(packets = 1): void {
    for (let i = 0; i < packets; i++) {
      const payload = new Uint8Array(SIZE);
      const number = this.sentUs.push(this.nodes.clock.nowUs) - 1;
      this.cameUs.push([]);
      new DataView(payload.buffer).setUint32(0, number);
      this.nodes.a.inject(
        this.protocol === "tcp" ? tcpPacket(A, B, number * SIZE, payload) : udpPacket(A, B, payload),
      );
    }
  }

  stream(packets: number, everyUs = 1000): void {
    for (let i = 0; i < packets; i++) {
      this.send();
      this.nodes.clock.run(everyUs);
    }
  }

  /** Bursts, by which the lines show what they carry. */
  showRates(): void {
    for (let i = 0; i < 40; i++) {
      this.send(30);
      this.nodes.run(0.05);
    }
  }

  /** How long a packet was on its way. */
  tookUs(number: number): number {
    return this.cameUs[number]![0]! - this.sentUs[number]!;
  }

  /** The next sequence number of the path over the first link; what was sent has it one by one. */
  get nextNumber(): number {
    return this.paths.sentPackets[this.slotOf(0)]!;
  }

  slotOf(link: number): PathSlot {
    return this.paths.names.indexOf(`l${link}/10.${link}.0.2`) as PathSlot;
  }

  cut(link: number, isCut = true): void {
    const { ab, ba } = this.nodes.lines[link]!;
    ab.isCut = ba.isCut = isCut;
  }

  /** b asks for these numbers of the path over the first link, in one request that has them in so many fields. */
  ask(ranges: readonly (readonly [first: number, count: number])[], fields = 1): void {
    const { bytes, ...rest } = this.heartbeat!;
    const body = new BodyWriter();
    const datagram = new Uint8Array(8192);
    body.begin(new DataView(datagram.buffer), 0, datagram.length);
    for (let i = 0; i < fields; i++) {
      body.nack(this.paths.id[this.slotOf(0)]!);
      for (const [first, count] of ranges.slice(
        i * (ranges.length / fields),
        (i + 1) * (ranges.length / fields),
      ))
        expect(body.range(first, count)).toBe(true);
    }
    const trailer = bytes.slice(-CONTROL_BLOCK_BYTES);
    trailer[BLOCK_FLAGS] = (trailer[BLOCK_FLAGS]! & ~(KIND_MASK | FLAG_SEQUENCED)) | KIND_NACK;
    datagram.set(trailer, body.bytes);
    this.nodes.a.receive({ ...rest, bytes: datagram.slice(0, body.bytes + CONTROL_BLOCK_BYTES) });
  }

  private note(sender: string, link: number, datagram: Datagram): void {
    const { bytes } = datagram;
    if (!this.block.read(new DataView(bytes.buffer, bytes.byteOffset), 0, bytes.length)) return;
    if (this.block.kind <= KIND_DATA_FULL && sender === "a") this.data[link]!++;
    if (this.block.kind === KIND_HEARTBEAT && sender === "b" && link === 0) this.heartbeat = datagram;
  }

  private numbers(isIn: (times: number[]) => boolean): number[] {
    return this.cameUs.flatMap((times, number) => (isIn(times) ? [number] : []));
  }
}

const NEAR = { delayUs: 10_000 };
const FAR = { delayUs: 25_000 };
const ASCENDING = (one: number, other: number) => one - other;

describe("a packet of TCP that a path has lost", () => {
  it("is asked for, comes once, and before any that was sent after it", () => {
    const world = new World([NEAR, FAR]);
    world.stream(200);
    const { ab } = world.nodes.lines[0]!;
    ab.isCut = true;
    world.send();
    ab.isCut = false;
    world.stream(200);
    world.nodes.run(0.5);
    expect([world.missing, world.doubled]).toEqual([[], []]);
    expect(world.came).toEqual([...world.came].sort(ASCENDING));
    expect(world.repair).toMatchObject({ repaired: 1, rescued: 0, signalled: 0, givenUp: 0 });
    expect(world.nodes.b.router.repair.missed).toBe(1);
    // The way there, the way of the request, and the way again.
    expect(world.tookUs(200)).toBeGreaterThanOrEqual(3 * NEAR.delayUs);
    expect(world.tookUs(200)).toBeLessThan(4 * NEAR.delayUs);
  });

  it("comes as soon where the one before it is asked for again at the same time, by another path", () => {
    const world = new World([NEAR, { delayUs: 100_000 }]);
    world.stream(200);
    const { ab } = world.nodes.lines[0]!;
    const lost: number[] = [];
    for (let i = 0; i < 10; i++) {
      ab.isCut = true;
      lost.push(world.sentUs.length);
      world.send();
      ab.isCut = false;
      world.nodes.clock.run(1000);
      world.stream(7);
    }
    world.nodes.run(0.5);
    expect(world.repair).toMatchObject({ repaired: 10, givenUp: 0 });
    expect(Math.max(...lost.map((number) => world.tookUs(number)))).toBeLessThan(4 * NEAR.delayUs);
  });

  it("comes also if it is one of many, and requests and what is sent again get lost, too", () => {
    for (const links of [[NEAR], [NEAR, FAR]]) {
      const world = new World(links.map((link) => ({ ...link, loss: 0.02 })));
      world.stream(2000);
      world.nodes.run(1);
      const { ab } = world.nodes.lines[0]!;
      expect(ab.lost).toBeGreaterThan(20);
      expect([world.missing, world.doubled]).toEqual([[], []]);
      // Not much more is sent than was lost.
      expect(world.dataSent - 2000).toBeLessThan(1.3 * ab.lost);
    }
  });

  it("is sent twice where it may be lost once more, and seldom takes longer than one round trip", () => {
    for (const links of [[NEAR], [NEAR, NEAR]]) {
      const world = new World(links.map((link) => ({ ...link, bitsPerS: 10e6 })));
      world.showRates();
      const before = world.sentUs.length;
      for (const { ab } of world.nodes.lines) ab.options.loss = 0.05;
      world.stream(4000);
      world.nodes.run(0.5);
      const lost = world.nodes.lines.reduce((sum, { ab }) => sum + ab.lost, 0);
      const late = world.sentUs.filter((_, n) => n >= before && world.tookUs(n) > 5 * NEAR.delayUs);
      expect(lost).toBeGreaterThan(150);
      expect(late.length).toBeLessThan(0.02 * lost);
      expect([world.missing, world.doubled]).toEqual([[], []]);
      // The second ones are not missed, nor sent again themselves.
      expect(world.dataSent - before - 4000).toBeLessThan(2.2 * lost);
    }
  });

  it("is sent again when it is of UDP and a rule wants it", () => {
    const world = new World([{ ...NEAR, loss: 0.02 }, FAR], "udp");
    world.nodes.a.router.setRules([{ name: "it", route: "throughput", protocols: ["udp"], repair: "on" }]);
    world.stream(2000);
    world.nodes.run(1);
    expect(world.repair.repaired).toBeGreaterThan(20);
    expect(world.missing.length).toBeLessThan(3);
    expect(world.doubled).toEqual([]);
  });

  it("is not sent again where a rule forbids it", () => {
    const world = new World([{ ...NEAR, loss: 0.02 }, FAR], "tcp");
    world.nodes.a.router.setRules([{ name: "it", route: "throughput", repair: "off" }]);
    world.stream(2000);
    world.nodes.run(1);
    expect(world.missing.length).toBeGreaterThan(20);
    expect(world.repair.repaired).toBe(0);
  });

  it("is not sent again when it is of UDP", () => {
    const world = new World([{ ...NEAR, loss: 0.02 }, FAR], "udp");
    world.stream(2000);
    world.nodes.run(1);
    expect(world.missing.length).toBeGreaterThan(20);
    expect(world.nodes.b.router.repair.missed).toBeGreaterThanOrEqual(world.missing.length);
    expect(world.dataSent).toBe(2000);
    expect(world.repair).toMatchObject({ repaired: 0, rescued: 0, signalled: 0 });
  });
});

describe("a request", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  /** What it costs and does when b asks for these numbers. */
  function ask(world: World, ranges: readonly (readonly [first: number, count: number])[], fields = 1) {
    const steps = vi.spyOn(History.prototype, "previous");
    const before = { data: world.dataSent, ...world.repair };
    world.ask(ranges, fields);
    const asked = steps.mock.calls.length;
    steps.mockRestore();
    world.nodes.run(0.1);
    return {
      steps: asked,
      again: world.dataSent - before.data,
      repaired: world.repair.repaired - before.repaired,
    };
  }

  it("for numbers that were never sent does nothing", () => {
    const world = new World([NEAR, FAR]);
    world.stream(300);
    world.nodes.run(0.2);
    const next = world.nextNumber;
    const ranges = [1, 1000, 0x7000_0000].map((ahead) => [(next + ahead) | 0, 0xffff] as const);
    expect(ask(world, ranges)).toMatchObject({ again: 0, repaired: 0 });
    expect(world.doubled).toEqual([]);
  });

  it("with huge ranges of numbers of long ago costs bounded work and does nothing", () => {
    const world = new World([NEAR, FAR]);
    world.stream(4000, 100);
    world.nodes.run(0.2);
    const ranges = Array.from({ length: 512 }, (_, i) => [-100_000 - i, 0xffff] as const);
    const { steps, again } = ask(world, ranges);
    expect(steps).toBeGreaterThan(1000);
    expect(steps).toBeLessThanOrEqual(STEPS_MAX + ASKED_PACKETS_MAX);
    expect(again).toBe(0);
  });

  it("for all that was sent brings a part of it, and that once", () => {
    const world = new World([NEAR, FAR]);
    world.stream(1500, 100);
    world.nodes.run(0.2);
    const next = world.nextNumber;
    const ranges = Array.from({ length: 512 }, () => [next - 1000, 0xffff] as const);
    const { steps, again } = ask(world, ranges);
    expect(steps).toBeLessThanOrEqual(STEPS_MAX + ASKED_PACKETS_MAX);
    expect(again).toBeGreaterThan(0);
    expect(again).toBeLessThanOrEqual(ASKED_PACKETS_MAX);
    // Nobody gets the same again by asking for it again.
    expect(ask(world, ranges).again).toBe(0);
    expect(world.doubled).toEqual([]);
  });

  it("brings no more when it asks in several fields", () => {
    const world = new World([NEAR, FAR]);
    world.stream(1500, 100);
    world.nodes.run(0.2);
    const next = world.nextNumber;
    const { again } = ask(
      world,
      [
        [next - 1000, 400],
        [next - 500, 400],
      ],
      2,
    );
    expect(again).toBeGreaterThan(400);
    expect(again).toBeLessThanOrEqual(ASKED_PACKETS_MAX);
  });

  it("for what was sent seconds ago brings nothing", () => {
    const world = new World([NEAR, FAR]);
    world.stream(300);
    world.nodes.run(2.1);
    const next = world.nextNumber;
    expect(ask(world, [[next - 200, 200]])).toMatchObject({ again: 0, repaired: 0 });
    expect(world.repair.late).toBeGreaterThan(0);
  });
});

describe("a path that goes silent", () => {
  it("has what was on it sent again on the others", () => {
    const world = new World([NEAR, FAR]);
    world.stream(500);
    expect(world.data[1]).toBe(0);
    world.cut(0);
    world.stream(500);
    world.nodes.run(0.5);
    expect([world.missing, world.doubled]).toEqual([[], []]);
    expect(world.came).toEqual([...world.came].sort(ASCENDING));
    expect(world.repair.rescued).toBeGreaterThan(0);
    // No more than what was not reported when it was cut, and what was sent until that was noticed.
    expect(world.repair.rescued).toBeLessThan(250);
    expect(world.dataSent).toBe(1000 + world.repair.rescued);
    // TCP's timer would not have run out.
    expect(Math.max(...world.cameUs.map((_, number) => world.tookUs(number)))).toBeLessThan(200_000);
  });

  it("has nothing sent again while there is no other", () => {
    const world = new World([NEAR]);
    world.stream(500);
    world.cut(0);
    world.stream(500);
    expect(world.dataSent).toBeLessThanOrEqual(1000);
    expect(world.repair).toMatchObject({ repaired: 0, rescued: 0 });
    expect(world.nodes.a.router.nextDeadlineUs()).toBeGreaterThan(world.nodes.a.nowUs);
  });

  it("has it sent as fast as the others' queues allow, and nobody is woken in vain meanwhile", () => {
    const link = { ...NEAR, bitsPerS: 8e6, queueBytes: 100_000 };
    // The faster one is cut.
    const world = new World([link, { ...link, delayUs: link.delayUs + 1_000 }]);
    world.stream(3000, 550);
    const { router } = world.nodes.a;
    const tick = router.handleTick.bind(router);
    const rescued = new Set<number>();
    let [ticks, overdue, longestUs] = [0, 0, 0];
    router.handleTick = (nowUs) => {
      tick(nowUs);
      ticks++;
      if (router.nextDeadlineUs() <= nowUs) overdue++;
      if (rescued.has(world.repair.rescued)) return;
      rescued.add(world.repair.rescued);
      longestUs = Math.max(longestUs, world.paths.queues.queueUs(world.slotOf(1), nowUs));
    };
    world.cut(0);
    world.stream(700, 1500);
    world.nodes.run(0.5);
    expect([world.missing.length, world.doubled]).toEqual([world.repair.signalled, []]);
    // They went out one after the other.
    expect(world.repair.rescued).toBeGreaterThan(30);
    expect(rescued.size).toBeGreaterThan(world.repair.rescued / 10);
    expect(world.nodes.lines[1]!.ab.overflowed).toBe(0);
    expect(overdue).toBe(0);
    expect(ticks).toBeLessThan(1000);
  });
});

describe("what a full queue loses", () => {
  const link = { ...NEAR, bitsPerS: 8e6, queueBytes: 40_000 };

  /** A world that has shown what it can carry. */
  function rated(links: readonly LinkOptions[]): World {
    const world = new World(links);
    world.showRates();
    world.nodes.run(1);
    expect(world.missing).toEqual([]);
    return world;
  }

  /** Queues that have become shorter than what was known of them. */
  function shorten(world: World, queueBytes = 3_000): void {
    for (const { ab } of world.nodes.lines) ab.options.queueBytes = queueBytes;
  }

  it("is left to TCP once a round trip, and the rest is sent again", () => {
    const world = rated([link]);
    shorten(world, 1_500);
    const { ab } = world.nodes.lines[0]!;
    for (let burst = 0; burst < 40; burst++) {
      const [before, signalled] = [ab.overflowed, world.repair.signalled];
      world.send(4);
      world.nodes.run(0.5);
      expect(world.repair.signalled - signalled).toBeLessThanOrEqual(ab.overflowed > before ? 1 : 0);
    }
    expect(world.repair).toMatchObject({ givenUp: 0 });
    expect(world.repair.signalled).toBeGreaterThan(0);
    expect(world.missing.length).toBe(world.repair.signalled);
    expect(world.doubled).toEqual([]);
  });

  it("is all sent again where more than the queue holds waits here", () => {
    const world = rated([link]);
    shorten(world);
    const { ab } = world.nodes.lines[0]!;
    const before = ab.overflowed;
    for (let burst = 0; burst < 10; burst++) {
      world.send(60);
      world.nodes.run(0.5);
    }
    expect(ab.overflowed - before).toBeGreaterThan(10);
    expect(world.repair).toMatchObject({ givenUp: 0, signalled: 0 });
    expect([world.missing, world.doubled]).toEqual([[], []]);
  });

  it("is left once a round trip when all paths lose at once", () => {
    const world = rated([link, { ...link, delayUs: 20_000 }]);
    shorten(world, 2_000);
    for (let burst = 1; burst <= 8; burst++) {
      world.send(120);
      world.nodes.run(0.5);
    }
    for (const { ab } of world.nodes.lines) expect(ab.overflowed).toBeGreaterThan(4);
    expect(world.repair.signalled).toBeLessThanOrEqual(8);
    expect(world.missing.length).toBe(world.repair.signalled + world.repair.givenUp);
    expect(world.repair.givenUp).toBeLessThan(20);
    expect(world.doubled).toEqual([]);
  });

  it("and what anything else has lost is sent again no faster than the queue has room for", () => {
    const world = rated([link]);
    shorten(world, 10_000);
    const { ab } = world.nodes.lines[0]!;
    world.stream(30, 1000);
    ab.options.loss = 1;
    world.stream(40, 1000);
    ab.options.loss = 0;
    const before = world.repair.repaired;
    world.stream(30, 1000);
    world.nodes.run(0.5);
    expect(world.repair.repaired - before).toBeGreaterThanOrEqual(38);
    expect(ab.overflowed).toBe(0);
    expect([world.missing.length, world.doubled]).toEqual([world.repair.signalled, []]);
  });

  it("is less from then on: the path is filled less", () => {
    const world = rated([link]);
    shorten(world);
    const { ab } = world.nodes.lines[0]!;
    const lost = Array.from({ length: 40 }, () => {
      const before = ab.overflowed;
      world.send(60);
      world.nodes.run(0.5);
      return ab.overflowed - before;
    });
    const part = (from: number, to: number) => lost.slice(from, to).reduce((sum, count) => sum + count, 0);
    expect(part(0, 10)).toBeGreaterThan(10);
    expect(part(30, 40)).toBeLessThan(0.3 * part(0, 10));
  });

  it("is not left where the path loses at random", () => {
    const world = new World([{ ...link, loss: 0.03 }]);
    world.stream(2000, 1500);
    world.nodes.run(1);
    expect(world.nodes.lines[0]!.ab.lost).toBeGreaterThan(40);
    expect(world.repair.signalled).toBeLessThan(0.1 * world.nodes.lines[0]!.ab.lost);
    expect(world.missing.length).toBe(world.repair.signalled);
  });
});
