import { describe, expect, it } from "vitest";
import type { RuleSpec } from "../../../../src/core/dispatch/rule-spec.ts";
import { NORMAL } from "../../../../src/core/router/policies.ts";
import { ControlBlock, KIND_DATA_FULL } from "../../../../src/core/wire/control-block.ts";
import { POLICY_BACKUP, POLICY_METERED } from "../../../../src/core/wire/control-body.ts";
import { ipv4Header, TCP_FLAG } from "../../../helpers/packets.ts";
import { ADDRESS_A as A, ADDRESS_B as B, tcpPacket, udpPacket } from "../../../sim/packets.ts";
import { type LinkOptions, TwoNodes } from "../../../sim/two-nodes.ts";

const SIZE = 800;
const LINE = { delayUs: 5_000 };

type Rule = Omit<RuleSpec, "name">;

/** Two nodes, of which a follows one rule. */
class World {
  readonly nodes: TwoNodes;
  /** By link: datagrams with data that a has sent. */
  readonly data: number[];
  came = 0;
  private sent = 0;

  constructor(rule: Rule, links: readonly LinkOptions[] = [LINE, { delayUs: 2_000 }]) {
    this.nodes = new TwoNodes(links, 3);
    this.nodes.a.router.setRules([{ name: "rule", ...rule }]);
    this.data = links.map(() => 0);
    const block = new ControlBlock();
    this.nodes.onDatagram = (sender, link, { bytes }) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      if (sender === "a" && block.read(view, 0, bytes.length) && block.kind <= KIND_DATA_FULL)
        this.data[link]!++;
    };
    this.nodes.b.onDelivered = () => this.came++;
    this.nodes.run(2);
  }

  get repair() {
    return this.nodes.a.router.repair;
  }

  get hits(): number {
    return this.nodes.a.router.rules.hitPackets[0]!;
  }

  tcp(packets: number, everyUs: number, bytes = SIZE): void {
    for (let i = 0; i < packets; i++) {
      this.nodes.a.inject(tcpPacket(A, B, this.sent++ * bytes, new Uint8Array(bytes)));
      this.nodes.clock.run(everyUs);
    }
  }

  udp(packets: number, everyUs: number, bytes = SIZE): void {
    for (let i = 0; i < packets; i++) {
      this.nodes.a.inject(udpPacket(A, B, new Uint8Array(bytes)));
      this.nodes.clock.run(everyUs);
    }
  }

  cut(link: number): void {
    const { ab, ba } = this.nodes.lines[link]!;
    ab.isCut = ba.isCut = true;
  }
}

const ONLY_L0: Rule = { route: { mode: "selected-paths", interfaces: ["l0"], strict: true } };
const BY_L0: Rule = { route: { mode: "single-path", path: "l0" } };

describe("a rule that names a line", () => {
  it.each([
    ["backup", POLICY_BACKUP],
    ["metered", POLICY_METERED],
  ])("fills it although it is a %s one, and goes on after it was full", (_, bits) => {
    const world = new World({ route: { mode: "selected-paths", interfaces: ["l1"] } }, [
      { ...LINE, bitsPerS: 20e6, queueBytes: 100_000 },
      { ...LINE, bitsPerS: 10e6, queueBytes: 100_000 },
    ]);
    world.nodes.setPolicies([NORMAL, { ...NORMAL, bits }]);
    world.nodes.run(1);
    // 14 Mbit/s, and then one.
    world.udp(3_000, 480);
    expect(world.came).toBeGreaterThan(1_500);
    expect(world.data[0]).toBe(0);
    // No more waits than for any other line.
    world.nodes.run(0.3);
    const soon = world.came;
    world.nodes.run(2);
    expect(world.came).toBe(soon);
    const before = world.came;
    world.udp(150, 6_400);
    world.nodes.run(0.5);
    expect(world.came - before).toBe(150);
    expect(world.hits).toBeLessThan(3 * 3_150);
    expect(world.nodes.a.router.nextDeadlineUs()).toBeGreaterThanOrEqual(world.nodes.a.nowUs);
  });

  it.each([
    ["is strict about it", ONLY_L0],
    ["has one path", BY_L0],
  ])("and %s has what is lost sent again on that line alone", (_, rule) => {
    const world = new World(rule);
    world.nodes.lines[0]!.ab.options.loss = 0.05;
    world.tcp(1_000, 2_000);
    world.nodes.run(0.5);
    expect(world.repair.repaired).toBeGreaterThan(20);
    expect(world.data[1]).toBe(0);
    expect(world.came).toBe(1_000);
  });

  it("and has one path sends nothing more on another when that carries all that it may", () => {
    const world = new World(BY_L0);
    world.nodes.setPolicies([{ ...NORMAL, sendBytesPerS: 125_000 }, NORMAL]);
    world.udp(500, 2_000);
    world.nodes.run(0.5);
    expect(world.data[1]).toBe(0);
    expect(world.came).toBeGreaterThan(100);
    const [limited] = world.nodes.a.router.drops.snapshot();
    expect(limited).toMatchObject({ reason: "rate-limit", packets: 500 - world.came });
  });

  it("and is strict about it has nothing rescued on another line", () => {
    const world = new World(ONLY_L0);
    world.tcp(200, 1_000);
    world.cut(0);
    world.tcp(200, 1_000);
    world.nodes.run(1);
    expect(world.repair.rescued).toBe(0);
    expect(world.data[1]).toBe(0);
  });

  it("and is strict about it refuses packets that are too large for it", () => {
    const world = new World(ONLY_L0, [{ ...LINE, mtuBytes: 1300 }, LINE]);
    world.nodes.run(30);
    world.udp(50, 1_000, 1_350);
    expect(world.data).toEqual([0, 0]);
    expect(world.nodes.a.router.drops.snapshot()).toContainEqual(
      expect.objectContaining({ reason: "too-big", packets: 50 }),
    );
  });
});

describe("what is sent again", () => {
  it("takes no path that is too small for it", () => {
    const world = new World({ route: "throughput" }, [
      { ...LINE, loss: 0.05 },
      { delayUs: 20_000, mtuBytes: 1000 },
    ]);
    world.nodes.run(30);
    let largest = 0;
    world.nodes.onDatagram = (from, link, { bytes }) => {
      if (from === "a" && link === 1) largest = Math.max(largest, bytes.length);
    };
    world.tcp(300, 1_000, 1300);
    world.cut(0);
    world.tcp(300, 1_000, 1300);
    world.nodes.run(1);
    expect(world.repair.repaired).toBeGreaterThan(5);
    expect(largest).toBeLessThanOrEqual(1000 - 28);
  });
});

describe("repair: off", () => {
  it.each(["tcp", "udp"] as const)(
    "holds for what was under way on a line that fails, too: %s",
    (protocol) => {
      const [on, off] = (["auto", "off"] as const).map((repair) => {
        const world = new World({ ...BY_L0, repair });
        world[protocol](200, 1_000);
        world.cut(0);
        world[protocol](300, 1_000);
        world.nodes.run(1);
        return world.repair.rescued;
      });
      expect(on).toBeGreaterThan(10);
      expect(off).toBe(0);
    },
  );
});

describe("a rule about a port", () => {
  const RULE: Rule = { ports: [{ from: 22, to: 22 }], route: "responsiveness" };

  it("holds for a TCP session that is older than what is known of it, whoever sends first", () => {
    for (const first of ["client", "server"] as const) {
      const world = new World(RULE);
      const { a, b } = world.nodes;
      b.router.setRules([{ name: "rule", ...RULE }]);
      const options = { flags: TCP_FLAG.ack, sourcePort: 40_000, destinationPort: 22 };
      const client = () => a.inject(tcpPacket(A, B, 0, new Uint8Array(SIZE), options));
      const server = () =>
        b.inject(
          tcpPacket(B, A, 0, new Uint8Array(SIZE), { ...options, sourcePort: 22, destinationPort: 40_000 }),
        );
      for (const send of first === "client" ? [client, server] : [server, client]) {
        send();
        world.nodes.run(0.1);
      }
      expect([world.hits, b.router.rules.hitPackets[0]]).toEqual([1, 1]);
    }
  });

  it("is not about the number of a ping", () => {
    const world = new World({ ...RULE, ports: [{ from: 0, to: 0xffff }] });
    const header = ipv4Header({ protocol: 1, totalLength: 28, source: A, destination: B });
    world.nodes.a.inject(Uint8Array.from([...header, 8, 0, 0, 0, 0, 22, 0, 1]));
    world.udp(1, 1_000);
    world.nodes.run(0.1);
    expect([world.came, world.hits]).toEqual([2, 1]);
  });
});
