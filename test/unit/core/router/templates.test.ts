import { describe, expect, it } from "vitest";
import type { SessionSlot } from "../../../../src/core/base/ids.ts";
import { ControlBlock, KIND_DATA_COMPACT, KIND_DATA_FULL } from "../../../../src/core/wire/control-block.ts";
import { TCP_FLAG } from "../../../helpers/packets.ts";
import { transportChecksum } from "../../../naive/checksum.ts";
import type { Datagram } from "../../../sim/node.ts";
import { ADDRESS_A as A, ADDRESS_B as B, tcpPacket, udpPacket } from "../../../sim/packets.ts";
import { TwoNodes } from "../../../sim/two-nodes.ts";

const TTL = 8;
const TOS = 1;

/** Two nodes with a path, and the forms in which each has sent data. */
function watched(links = [{}]): { nodes: TwoNodes; forms: Record<string, string[]> } {
  const nodes = new TwoNodes(links);
  const forms: Record<string, string[]> = { a: [], b: [] };
  nodes.onDatagram = (sender, _, { bytes }: Datagram) => {
    const block = new ControlBlock();
    block.read(new DataView(bytes.buffer, bytes.byteOffset), 0, bytes.length);
    if (block.kind === KIND_DATA_COMPACT) forms[sender]!.push("compact");
    if (block.kind === KIND_DATA_FULL) forms[sender]!.push("full");
  };
  nodes.run(1);
  return { nodes, forms };
}

const ab = (payload: number[]) => udpPacket(A, B, Uint8Array.from(payload), [5000, 6000]);
const ba = (payload: number[]) => udpPacket(B, A, Uint8Array.from(payload), [6000, 5000]);

/** With another header field. */
function changed(packet: Uint8Array, at: number, value: number): Uint8Array {
  const copy = packet.slice();
  copy[at] = value;
  return copy;
}

const payloads = (packets: readonly Uint8Array[]) => packets.map((packet) => packet[28]);

describe("templates", () => {
  it("let both sides leave the headers out once each has heard that the other has them", () => {
    const { nodes, forms } = watched();
    for (let i = 0; i < 4; i++) {
      nodes.a.inject(ab([i]));
      nodes.run(0.05);
      nodes.b.inject(ba([i]));
      nodes.run(0.05);
    }
    expect(forms).toEqual({
      a: ["full", "compact", "compact", "compact"],
      b: ["full", "compact", "compact", "compact"],
    });
    expect(payloads(nodes.b.delivered)).toEqual([0, 1, 2, 3]);
    expect(payloads(nodes.a.delivered)).toEqual([0, 1, 2, 3]);
  });

  it("are not taken to be those of an earlier session in the same place", () => {
    const { nodes } = watched();
    nodes.a.inject(ab([1]));
    nodes.run(0.05);
    nodes.b.inject(ba([2]));
    // Until both have forgotten the session.
    nodes.run(200);
    expect(nodes.a.router.sessions.slab.size).toBe(0);
    nodes.b.inject(ba([3]));
    nodes.run(0.05);
    nodes.a.inject(ab([4]));
    nodes.run(0.05);
    expect(payloads(nodes.a.delivered)).toEqual([2, 3]);
    expect(payloads(nodes.b.delivered)).toEqual([1, 4]);
  });

  it("are not needed for what differs from the session's first packet, which is lost", () => {
    const { nodes } = watched();
    const line = nodes.lines[0]!.ab;
    line.isCut = true;
    nodes.a.inject(ab([1]));
    nodes.run(0.05);
    line.isCut = false;
    nodes.a.inject(changed(ab([2]), TTL, 3));
    nodes.run(0.05);
    nodes.b.inject(ba([3]));
    nodes.run(0.05);
    nodes.a.inject(ab([4]));
    nodes.a.inject(changed(ab([5]), TTL, 3));
    nodes.run(0.05);
    expect(nodes.b.delivered.map((packet) => [packet[28], packet[TTL]])).toEqual([
      [2, 3],
      [4, 64],
      [5, 3],
    ]);
  });

  it("leave every packet its own TTL and DSCP", () => {
    const { nodes } = watched();
    nodes.a.inject(ab([1]));
    nodes.run(0.05);
    nodes.b.inject(ba([1]));
    nodes.run(0.05);
    nodes.a.inject(ab([2]));
    nodes.a.inject(changed(ab([3]), TTL, 3));
    nodes.a.inject(changed(ab([4]), TOS, 0xb8));
    nodes.a.inject(ab([5]));
    nodes.run(0.05);
    expect(nodes.b.delivered.map((packet) => [packet[28], packet[TTL], packet[TOS]])).toEqual([
      [1, 64, 0],
      [2, 64, 0],
      [3, 3, 0],
      [4, 64, 0xb8],
      [5, 64, 0],
    ]);
  });

  it("leave TCP segments their own DSCP, also those that waited for others", () => {
    const { nodes } = watched([{ delayUs: 1000 }, { delayUs: 20_000 }]);
    const segment = (sequence: number, byte: number) => tcpPacket(A, B, sequence, Uint8Array.of(byte));
    const marked = (sequence: number, byte: number) => changed(segment(sequence, byte), TOS, 0x48);
    const syn = { flags: TCP_FLAG.syn | TCP_FLAG.ack, sourcePort: 2000, destinationPort: 1000 };
    nodes.a.router.setRules([
      { name: "marked", dscps: [0x48 >> 2], route: { mode: "selected-paths", interfaces: ["l0"] } },
      { name: "others", route: { mode: "selected-paths", interfaces: ["l1"] } },
    ]);
    nodes.a.inject(tcpPacket(A, B, 9, new Uint8Array(0), { flags: TCP_FLAG.syn }));
    nodes.run(0.05);
    nodes.b.inject(tcpPacket(B, A, 9, new Uint8Array(0), syn));
    nodes.run(0.05);
    nodes.a.inject(segment(10, 1));
    nodes.a.inject(marked(11, 2));
    nodes.run(0.05);
    for (const packet of [segment(12, 3), marked(13, 4), segment(14, 5), marked(15, 6)])
      nodes.a.inject(packet);
    nodes.run(0.5);
    const data = nodes.b.delivered.filter((packet) => packet.length > 40);
    expect(data.map((packet) => [packet[40], packet[TOS]])).toEqual([
      [1, 0],
      [2, 0x48],
      [3, 0],
      [4, 0x48],
      [5, 0],
      [6, 0x48],
    ]);
    expect(nodes.b.router.reordering.held).toBeGreaterThan(1);
  });

  it("give packets that may be fragmented numbers of their own", () => {
    const { nodes } = watched();
    const mayFragment = (packet: Uint8Array) => changed(packet, 6, 0);
    for (let i = 0; i < 4; i++) {
      nodes.a.inject(mayFragment(ab([i])));
      nodes.run(0.05);
      nodes.b.inject(ba([i]));
      nodes.run(0.05);
    }
    const numbers = nodes.b.delivered.map((packet) => (packet[4]! << 8) | packet[5]!);
    expect(new Set(numbers).size).toBe(4);
  });

  it("make no wrong checksum right", () => {
    const { nodes, forms } = watched();
    const exchange = (packet: Uint8Array, isVerified: boolean) => {
      nodes.a.inject(packet, 0, isVerified);
      nodes.run(0.05);
      nodes.b.inject(ba([0]));
      nodes.run(0.05);
    };
    const right = ab([3]);
    new DataView(right.buffer).setUint16(26, transportChecksum(right));
    const wrong = changed(right, 26, right[26]! ^ 1);
    for (const packet of [ab([1]), ab([2])]) exchange(packet, true);
    exchange(wrong, false);
    exchange(right, false);
    expect(forms.a).toEqual(["full", "compact", "full", "compact"]);
    expect(nodes.b.delivered[2]).toEqual(wrong);
    expect(payloads(nodes.b.delivered)).toEqual([1, 2, 3, 3]);
  });

  it("are found where both sides open the session at once, and the packets that did so are lost in either direction", () => {
    for (const lost of ["ab", "ba", "none"] as const) {
      const { nodes, forms } = watched();
      if (lost !== "none") nodes.lines[0]![lost].isCut = true;
      nodes.a.inject(ab([0]));
      nodes.b.inject(ba([0]));
      nodes.run(0.05);
      nodes.lines[0]!.ab.isCut = nodes.lines[0]!.ba.isCut = false;
      for (let i = 1; i < 6; i++) {
        nodes.a.inject(ab([i]));
        nodes.b.inject(ba([i]));
        nodes.run(0.05);
      }
      const [first, all] = [
        [1, 2, 3, 4, 5],
        [0, 1, 2, 3, 4, 5],
      ];
      expect(payloads(nodes.b.delivered)).toEqual(lost === "ab" ? first : all);
      expect(payloads(nodes.a.delivered)).toEqual(lost === "ba" ? first : all);
      expect([forms.a!.at(-1), forms.b!.at(-1)]).toEqual(["compact", "compact"]);
    }
  });

  it("are sent again after a pause, in which the other side may have forgotten them", () => {
    const { nodes } = watched();
    nodes.a.inject(ab([1]));
    nodes.run(0.05);
    nodes.b.inject(ba([1]));
    nodes.run(0.05);
    nodes.a.inject(ab([2]));
    nodes.run(12);
    const { sessions } = nodes.b.router;
    sessions.close(sessions.first() as SessionSlot);
    nodes.a.inject(ab([3]));
    nodes.run(0.05);
    expect(payloads(nodes.b.delivered)).toEqual([1, 2, 3]);
  });
});
