import { describe, expect, it } from "vitest";
import { pathReports } from "../../../../src/core/tables/path-report.ts";
import {
  ControlBlock,
  KIND_CONFIRM,
  KIND_PROBE,
  KIND_PROBE_ANSWER,
} from "../../../../src/core/wire/control-block.ts";
import type { Datagram, SimNode } from "../../../sim/node.ts";
import { ADDRESS_A as A, ADDRESS_B as B, udpPacket } from "../../../sim/packets.ts";
import { ipv4, type LinkOptions, TwoNodes } from "../../../sim/two-nodes.ts";

const STEP_S = 0.01;

/** Datagrams both ways, a hundred a second; answers the longest time without one, each way, in seconds. */
function stream(nodes: TwoNodes, seconds: number): { ab: number; ba: number } {
  const gap = { ab: 0, ba: 0 };
  const since = { ab: nodes.clock.nowUs, ba: nodes.clock.nowUs };
  const note = (way: "ab" | "ba") => () => {
    gap[way] = Math.max(gap[way], (nodes.clock.nowUs - since[way]) / 1e6);
    since[way] = nodes.clock.nowUs;
  };
  nodes.b.onDelivered = note("ab");
  nodes.a.onDelivered = note("ba");
  for (let k = 0; k < seconds / STEP_S; k++) {
    nodes.a.inject(udpPacket(A, B, new Uint8Array(100)));
    nodes.b.inject(udpPacket(B, A, new Uint8Array(100), [6000, 5000]));
    nodes.run(STEP_S);
  }
  note("ab")();
  note("ba")();
  return gap;
}

const up = (...links: LinkOptions[]) => {
  const nodes = new TwoNodes(links);
  nodes.run(2);
  return nodes;
};

/** Address and port of the far ends, of paths that work. */
const working = ({ router }: SimNode) =>
  pathReports(router.paths)
    .filter(({ use }) => use === "yes")
    .map(({ remote, port }) => `${remote}:${port}`)
    .sort();

/** Paths to behind the NAT. */
const hidden = ({ router }: SimNode) =>
  pathReports(router.paths).filter(({ remote }) => remote.endsWith(".3"));

const kinds: [string, { perDestination: boolean }][] = [
  ["port for all destinations", { perDestination: false }],
  ["port for each destination", { perDestination: true }],
];

describe.each(kinds)("behind a NAT with one %s", (_, nat) => {
  it("a node is reached, over all lines, though its own addresses are of no use", () => {
    const nodes = up({ nat }, { nat }, {});
    expect(working(nodes.b)).toEqual(["10.0.0.3:20000", "10.1.0.3:20000", "10.2.0.1:7000"]);
    expect(stream(nodes, 2)).toEqual({ ab: expect.closeTo(STEP_S, 2), ba: expect.closeTo(STEP_S, 2) });
  });

  it("a path moves with the mapping in the middle of traffic, and stays the same path", () => {
    const nodes = up({ nat, delayUs: 20_000 });
    stream(nodes, 2);
    const before = hidden(nodes.b)[0]!;
    nodes.nats[0]!.rebind();
    const { ab, ba } = stream(nodes, 2);
    // A round trip for the challenge, and one for what was on its way.
    expect(ab).toBeLessThan(0.1);
    expect(ba).toBeLessThan(0.2);
    const after = hidden(nodes.b);
    expect(after).toHaveLength(1);
    expect(after[0]).toMatchObject({ id: before.id, slot: before.slot, port: before.port + 1 });
    expect(after[0]!.sentPackets).toBeGreaterThan(before.sentPackets);
  });

  it("a path moves when only one side has something to say", () => {
    const nodes = up({ nat, delayUs: 20_000 });
    nodes.nats[0]!.rebind();
    nodes.run(1.5);
    let delivered = 0;
    nodes.a.onDelivered = () => delivered++;
    for (let k = 0; k < 10; k++) {
      nodes.b.inject(udpPacket(B, A, Uint8Array.of(k), [6000, 5000]));
      nodes.run(STEP_S);
    }
    nodes.run(0.1);
    expect(delivered).toBe(10);
  });
});

describe("paths and NATs", () => {
  it("two lines that exchange their ports at one NAT exchange their paths' ends", () => {
    const nodes = up({ nat: {}, delayUs: 5_000 });
    nodes.a.setLocals([
      { socket: 0, device: "l0", address: ipv4(10, 0, 0, 1), port: 7000, mtu: 1500 },
      { socket: 0x100, device: "l0", address: ipv4(10, 0, 0, 4), port: 7000, mtu: 1500 },
    ]);
    stream(nodes, 2);
    const before = hidden(nodes.b);
    nodes.nats[0]!.swap();
    expect(stream(nodes, 2).ab).toBeLessThan(0.1);
    const after = hidden(nodes.b);
    expect(after.map(({ slot }) => slot)).toEqual(before.map(({ slot }) => slot));
    expect(after.map(({ port }) => port)).toEqual(before.map(({ port }) => port).reverse());
    expect(after.map(({ duplicates, receivedLost }) => [duplicates, receivedLost < 10])).toEqual([
      [0, true],
      [0, true],
    ]);
  });

  it("forgets where a node was once seen and is no more", () => {
    const nodes = up({ nat: {} }, {});
    expect(hidden(nodes.b)).toHaveLength(1);
    for (const line of [nodes.lines[0]!.ab, nodes.lines[0]!.ba]) line.isCut = true;
    nodes.run(60);
    expect(hidden(nodes.b)).toEqual([]);
    for (const line of [nodes.lines[0]!.ab, nodes.lines[0]!.ba]) line.isCut = false;
    nodes.run(10);
    expect(working(nodes.b)).toEqual(["10.0.0.3:20000", "10.1.0.1:7000"]);
  });

  it("has no more paths after many moves than before", () => {
    const nodes = up({ nat: { perDestination: true } }, {});
    for (let i = 0; i < 30; i++) {
      nodes.nats[0]!.rebind();
      stream(nodes, 0.5);
    }
    stream(nodes, 1);
    expect(working(nodes.b)).toEqual([expect.stringMatching(/^10\.0\.0\.3:/), "10.1.0.1:7000"]);
    expect(hidden(nodes.b)).toHaveLength(1);
    const [node] = nodes.b.router.nodes.snapshot();
    expect(node!.addresses.map(({ address }) => address).sort()).toEqual([
      "10.0.0.1",
      "10.0.0.3",
      "10.1.0.1",
    ]);
  });
});

describe("packets from a wrong place", () => {
  /** Everything that one side sends arrives once more from somewhere else, where nobody answers. */
  function withEcho(sender: "a" | "b") {
    const nodes = new TwoNodes([{ delayUs: 5_000 }, {}]);
    const wrong = { address: ipv4(10, 0, 0, 66), port: 6666 };
    const toWrong = { packets: 0, bytes: 0, kinds: new Set<number>() };
    const echoed = { packets: 0, bytes: 0 };
    const receiver = sender === "a" ? nodes.b : nodes.a;
    nodes.onDatagram = (from, link, datagram) => {
      if (datagram.to.port === wrong.port) {
        const block = new ControlBlock();
        const { buffer, byteOffset, length } = datagram.bytes;
        block.read(new DataView(buffer, byteOffset), 0, length);
        toWrong.packets++;
        toWrong.bytes += length;
        toWrong.kinds.add(block.kind);
      } else if (from === sender && link === 0) {
        echoed.packets++;
        echoed.bytes += datagram.bytes.length;
        // Sooner than the right one, so that it is no duplicate.
        nodes.clock.after(1_000, () => receiver.receive({ ...datagram, from: wrong }));
      }
    };
    return { nodes, receiver, toWrong, echoed };
  }

  it.each(["a", "b"] as const)(
    "make nobody send there anything but less questions (%s is echoed)",
    (sender) => {
      const { nodes, receiver, toWrong, echoed } = withEcho(sender);
      nodes.run(2);
      const { ab, ba } = stream(nodes, 4);
      expect(Math.max(ab, ba)).toBeLessThan(0.05);
      nodes.run(10);
      expect(toWrong.packets).toBeGreaterThan(2);
      expect(toWrong.bytes).toBeLessThan(echoed.bytes);
      const questions = [KIND_CONFIRM, KIND_PROBE, KIND_PROBE_ANSWER];
      expect([...toWrong.kinds].filter((kind) => !questions.includes(kind))).toEqual([]);
      const [node] = receiver.router.nodes.snapshot();
      expect(node!.addresses.map(({ address }) => address)).not.toContain("10.0.0.66");
      expect(working(receiver)).toHaveLength(2);
      expect(working(receiver).join()).not.toContain("10.0.0.66");
    },
  );

  it("are no answers, whatever token they have", () => {
    const nodes = up({ delayUs: 5_000, nat: {} });
    stream(nodes, 1);
    const place = (n: number) => ({ address: ipv4(10, 0, 0, n), port: 6666 });
    const answers: Datagram[] = [];
    nodes.onDatagram = (from, _, datagram) => {
      const kind = datagram.bytes.at(-11)! & 0x0f;
      if (from === "a" && kind === KIND_PROBE_ANSWER) answers.push(datagram);
    };
    // Somebody between the two sends a's packets on from one place, and its answers from another.
    nodes.nats[0]!.rebind();
    stream(nodes, 0.5);
    expect(answers.length).toBeGreaterThan(0);
    for (const answer of answers) {
      nodes.b.receive({ ...answer, from: place(67) });
    }
    nodes.run(0.1);
    expect(working(nodes.b)).toEqual(["10.0.0.3:20001"]);
    expect(nodes.b.router.drops.snapshot().map(({ reason }) => reason)).toContain("unknown-path");
  });
});
