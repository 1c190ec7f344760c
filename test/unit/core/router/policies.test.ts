import { describe, expect, it } from "vitest";
import { type LinePolicy, NORMAL } from "../../../../src/core/router/policies.ts";
import { pathReports } from "../../../../src/core/tables/path-report.ts";
import { POLICY_BACKUP, POLICY_CLOSED, POLICY_METERED } from "../../../../src/core/wire/control-body.ts";
import type { LineOptions } from "../../../sim/line.ts";
import { ADDRESS_A as A, ADDRESS_B as B, tcpPacket, udpPacket } from "../../../sim/packets.ts";
import { TwoNodes } from "../../../sim/two-nodes.ts";

const HEADER_BYTES = 28;
const PAYLOAD = new Uint8Array(1000);
const BITS = (PAYLOAD.length + 80) * 8;

/** Two nodes, of which a has policies for its lines. */
class World {
  readonly nodes: TwoNodes;
  /** Bytes that both have sent by each link, of data and of everything. */
  readonly data: number[];
  readonly all: number[];
  private readonly links: number;

  constructor(links: readonly LineOptions[], policies: readonly Partial<LinePolicy>[]) {
    this.nodes = new TwoNodes(links);
    this.links = links.length;
    this.data = links.map(() => 0);
    this.all = links.map(() => 0);
    this.nodes.onDatagram = (_, link, { bytes }) => {
      const flags = bytes[bytes.length - 11]!;
      this.all[link]! += bytes.length + HEADER_BYTES;
      if ((flags & 0x0f) <= 1) this.data[link]! += bytes.length;
    };
    this.setPolicies(policies);
    this.nodes.run(3);
    this.reset();
  }

  setPolicies(policies: readonly Partial<LinePolicy>[]): void {
    this.nodes.setPolicies(Array.from({ length: this.links }, (_, i) => ({ ...NORMAL, ...policies[i] })));
  }

  reset(): void {
    this.data.fill(0);
    this.all.fill(0);
  }

  /** Sends datagrams in one direction or both; answers the shares of the links in their bytes. */
  stream(seconds: number, mbit: number, direction: "ab" | "ba" | "both" = "both"): number[] {
    this.reset();
    const packets = Math.round((seconds * mbit * 1e6) / BITS);
    for (let i = 0; i < packets; i++) {
      if (direction !== "ba") this.nodes.a.inject(udpPacket(A, B, PAYLOAD));
      if (direction !== "ab") this.nodes.b.inject(udpPacket(B, A, PAYLOAD, [6000, 5000]));
      this.nodes.run(seconds / packets);
    }
    const total = this.data.reduce((sum, bytes) => sum + bytes, 0);
    return this.data.map((bytes) => bytes / total);
  }
}

describe("a backup line", () => {
  it("carries no data of either side while another works, all when none does, and none again", () => {
    const world = new World([{}, {}], [{}, { bits: POLICY_BACKUP }]);
    expect(world.stream(2, 1)).toEqual([1, 0]);
    for (const line of Object.values(world.nodes.lines[0]!)) line.isCut = true;
    world.stream(2, 1);
    expect(world.stream(1, 1)).toEqual([0, 1]);
    for (const line of Object.values(world.nodes.lines[0]!)) line.isCut = false;
    world.stream(4, 1);
    expect(world.stream(2, 1)).toEqual([1, 0]);
  });

  it("may become a normal one, and the other way round", () => {
    const world = new World([{}, {}], [{ bits: POLICY_BACKUP }, {}]);
    expect(world.stream(1, 1)).toEqual([0, 1]);
    world.setPolicies([{}, { bits: POLICY_BACKUP }]);
    world.stream(2, 1);
    expect(world.stream(1, 1)).toEqual([1, 0]);
    world.setPolicies([]);
    world.stream(2, 1);
    const uses = pathReports(world.nodes.a.router.paths).map(({ use }) => use);
    expect(uses.filter((use) => use === "yes")).toHaveLength(2);
  });
});

describe("a closed line", () => {
  it("carries no data, even where no other works", () => {
    const world = new World([{}, {}], [{}, { bits: POLICY_CLOSED }]);
    expect(world.stream(2, 1)).toEqual([1, 0]);
    for (const line of Object.values(world.nodes.lines[0]!)) line.isCut = true;
    world.stream(2, 1);
    world.stream(1, 1);
    expect(world.data).toEqual([0, 0]);
    expect(world.nodes.a.router.drops.snapshot().map(({ reason }) => reason)).toContain("no-usable-path");
  });
});

describe("a metered line", () => {
  it("costs less than 0.2 kbit/s while it is idle, and a normal one less than 2", () => {
    const world = new World([{}, {}], [{}, { bits: POLICY_METERED }]);
    world.nodes.run(100);
    world.reset();
    world.nodes.run(600);
    const [normal, metered] = world.all.map((bytes) => (bytes * 8) / 600);
    expect(metered).toBeLessThan(200);
    expect(metered).toBeGreaterThan(0);
    expect(normal).toBeLessThan(2000);
    expect(normal).toBeGreaterThan(5 * metered!);
  });

  it("is as cheap while the other line is in use, and while it is itself dead", () => {
    const world = new World([{}, {}], [{}, { bits: POLICY_METERED }]);
    world.nodes.run(60);
    expect(world.stream(60, 0.1)).toEqual([1, 0]);
    expect((world.all[1]! * 8) / 60).toBeLessThan(200);
    for (const line of Object.values(world.nodes.lines[1]!)) line.isCut = true;
    world.nodes.run(120);
    world.reset();
    world.nodes.run(300);
    expect((world.all[1]! * 8) / 300).toBeLessThan(200);
    for (const line of Object.values(world.nodes.lines[1]!)) line.isCut = false;
    world.nodes.run(60);
    const { paths } = world.nodes.a.router;
    const ready = pathReports(paths).filter(({ use }) => use !== "no");
    expect(ready.map(({ device, use }) => [device, use])).toEqual([
      ["l0", "yes"],
      ["l1", "backup"],
    ]);
  });

  it("is used when the other cannot carry what is sent, and not long after that", () => {
    const world = new World([{ bitsPerS: 4e6 }, { bitsPerS: 4e6 }], [{}, { bits: POLICY_METERED }]);
    expect(world.stream(4, 3, "ab")).toEqual([1, 0]);
    world.stream(2, 6, "ab");
    const [, share] = world.stream(4, 6, "ab");
    expect(share).toBeGreaterThan(0.15);
    expect(world.nodes.lines[1]!.ab.overflowed).toBe(0);
    world.stream(4, 3, "ab");
    expect(world.stream(4, 3, "ab")).toEqual([1, 0]);
  });

  it("takes the place of a line that is down", () => {
    const world = new World([{}, {}], [{}, { bits: POLICY_METERED }]);
    world.stream(1, 1);
    for (const line of Object.values(world.nodes.lines[0]!)) line.isCut = true;
    world.stream(3, 1);
    expect(world.stream(1, 1)).toEqual([0, 1]);
  });
});

describe("a line with a rate", () => {
  const MBIT = 125_000;

  it("is sent no more by us, and by the peer, whatever the other may carry", () => {
    for (const [direction, rates] of [
      ["ab", { sendBytesPerS: 1 * MBIT }],
      ["ba", { receiveBytesPerS: 1 * MBIT }],
    ] as const) {
      const world = new World([{}, {}], [{}, rates]);
      world.stream(2, 6, direction);
      world.stream(5, 6, direction);
      const bits = world.all.map((bytes) => (bytes * 8) / 5);
      expect(bits[1]).toBeGreaterThan(0);
      expect(bits[1]).toBeLessThan(1.2e6);
      expect(bits[0]! + bits[1]!).toBeGreaterThan(5.9e6);
    }
  });

  it("is not sent more because another line loses packets, which are to be sent again", () => {
    const rate = { sendBytesPerS: 0.1 * MBIT };
    const world = new World([{ delayUs: 50_000, loss: 0.2 }, { delayUs: 1_000 }], [{}, rate]);
    const send = (from: number, seconds: number) => {
      for (let i = from; i < from + seconds * 400; i++) {
        world.nodes.a.inject(tcpPacket(A, B, 1000 * i, PAYLOAD));
        world.nodes.run(1 / 400);
      }
    };
    send(0, 5);
    world.reset();
    send(2000, 5);
    expect((world.data[1]! * 8) / 5).toBeLessThan(0.13e6);
    expect(world.nodes.a.router.repair.repaired).toBeGreaterThan(10);
  });

  it("drops what no line may carry, and says so", () => {
    const world = new World([{}], [{ sendBytesPerS: 2 * MBIT, receiveBytesPerS: 1 * MBIT }]);
    world.stream(2, 4);
    world.stream(5, 4);
    const drops = (node: "a" | "b") =>
      world.nodes[node].router.drops.snapshot().find(({ reason }) => reason === "rate-limit")?.packets;
    expect(drops("a")).toBeGreaterThan(500);
    expect(drops("b")).toBeGreaterThan(drops("a")!);
    expect((world.all[0]! * 8) / 5).toBeLessThan(3.3e6);
  });

  it("is told to the peer anew when it changes", () => {
    const world = new World([{}], [{ receiveBytesPerS: 1 * MBIT }]);
    world.setPolicies([]);
    world.stream(2, 4, "ba");
    const before = world.nodes.b.router.drops.snapshot().length;
    world.stream(3, 4, "ba");
    expect((world.all[0]! * 8) / 3).toBeGreaterThan(3.9e6);
    expect(world.nodes.b.router.drops.snapshot().length).toBe(before);
  });
});
