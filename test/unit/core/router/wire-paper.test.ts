import { expect, it } from "vitest";
import { pathReports } from "../../../../src/core/tables/path-report.ts";
import {
  ControlBlock,
  FLAG_SEQUENCED,
  KIND_DATA_COMPACT,
  KIND_NACK,
  PATH_NONE,
} from "../../../../src/core/wire/control-block.ts";
import { ADDRESS_A as A, ADDRESS_B as B, tcpPacket } from "../../../sim/packets.ts";
import { TwoNodes } from "../../../sim/two-nodes.ts";

const SIZE = 1000;
/** Of a compact segment: TCP's header, and nothing but the paper's block behind the payload. */
const PAPER_BYTES = 20 + SIZE + 25;

it("a node that speaks the paper's wire format sends its control block and no word more, and takes both", () => {
  const nodes = new TwoNodes([{ delayUs: 10_000, loss: 0.05 }, { delayUs: 25_000 }], 1, {
    wires: { a: "paper" },
  });
  const block = new ControlBlock();
  const numbered = { a: 0, b: 0 };
  const nacks = { a: 0, b: 0 };
  const dataBytes = { a: new Set<number>(), b: new Set<number>() };
  nodes.onDatagram = (sender, _link, { bytes }) => {
    expect(block.read(new DataView(bytes.buffer, bytes.byteOffset), 0, bytes.length)).toBe(true);
    const from = sender as "a" | "b";
    if (block.path !== PATH_NONE && block.flags & FLAG_SEQUENCED) numbered[from]++;
    if (block.kind === KIND_NACK) nacks[from]++;
    if (block.kind === KIND_DATA_COMPACT) dataBytes[from].add(bytes.length);
  };
  nodes.run(2);
  const counts = () => {
    const [sent, received] = [nodes.a, nodes.b].map(({ router }) =>
      pathReports(router.paths).find(({ name }) => name.startsWith("l1/10.1.")),
    );
    return [sent!.sentPackets, received!.receivedPackets];
  };
  const [leftBefore, arrivedBefore] = counts();
  const came = { a: 0, b: 0 };
  nodes.a.onDelivered = () => came.a++;
  nodes.b.onDelivered = () => came.b++;
  for (let i = 0; i < 1000; i++) {
    nodes.a.inject(tcpPacket(A, B, i * SIZE, new Uint8Array(SIZE), { sourcePort: 1, destinationPort: 2 }));
    nodes.b.inject(tcpPacket(B, A, i * SIZE, new Uint8Array(SIZE), { sourcePort: 2, destinationPort: 1 }));
    nodes.run(0.001);
  }
  nodes.run(1);
  expect(numbered.a).toBe(0);
  expect(numbered.b).toBeGreaterThan(1000);
  expect([...dataBytes.a]).toEqual([PAPER_BYTES]);
  expect([...dataBytes.b]).toEqual([PAPER_BYTES + 4]);
  // What has numbers is missed, asked for and sent again; what has none is lost.
  expect(nacks.a).toBeGreaterThan(0);
  expect(nacks.b).toBe(0);
  expect(came.a).toBe(1000);
  expect(came.b).toBeGreaterThan(900);
  expect(came.b).toBeLessThan(1000);
  // Control packets count, too: by the line without loss as many have come as have left.
  const [left, arrived] = counts();
  expect(arrived! - arrivedBefore!).toBe(left! - leftBefore!);
  expect(left! - leftBefore!).toBeGreaterThan(10);
});
