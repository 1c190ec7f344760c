import { describe, expect, it } from "vitest";
import {
  ControlBlock,
  compareNodeIds,
  FLAG_SEQUENCED,
  KIND_HEARTBEAT,
  TrailerWriter,
} from "../../../../src/core/wire/control-block.ts";
import { fromHex, toHex, viewOf } from "../../../vectors/load.ts";

const BLOCK = "02005e100001 80000007 c0000201 06 01 02 00000001 ffffff6a";

describe("the control block", () => {
  it("is not read from a datagram that is too short, and the record stays as it was", () => {
    const bytes = fromHex(BLOCK);
    const block = new ControlBlock();
    for (let length = 0; length < 25; length++) {
      expect(block.read(viewOf(bytes.subarray(25 - length)), 0, length)).toBe(false);
    }
    expect(block).toEqual(new ControlBlock());
    expect(block.read(viewOf(bytes), 0, 25)).toBe(true);
    expect(block.kind).toBe(KIND_HEARTBEAT);
  });

  it("says that there is a sequence word only where it has room", () => {
    const bytes = fromHex(`0badcafe ${BLOCK}`);
    bytes[4 + 14]! |= FLAG_SEQUENCED;
    const block = new ControlBlock();
    for (let length = 25; length < 29; length++) {
      expect(block.read(viewOf(bytes.subarray(29 - length)), 0, length)).toBe(false);
    }
    expect(block.read(viewOf(bytes), 0, 29)).toBe(true);
    expect(block).toMatchObject({ sequence: 0x0badcafe, userBytes: 0, kind: KIND_HEARTBEAT });
  });

  it("leaves nothing of the one before in the record", () => {
    const block = new ControlBlock();
    const sequenced = fromHex(`ffffffff ${BLOCK}`.replace(" 06 ", " ff "));
    block.read(viewOf(sequenced), 0, sequenced.length);
    const plain = new Uint8Array(25);
    block.read(viewOf(plain), 0, 25);
    expect(block).toEqual(new ControlBlock());
  });

  it("is the same for each datagram of a run but for the sequence number and the time", () => {
    const writer = new TrailerWriter(0x0200, 0x5e10_0001);
    writer.prepare(FLAG_SEQUENCED | KIND_HEARTBEAT, 0x8000_0007 | 0, 1, 0, 2, -150);
    const bytes = new Uint8Array(3 * 29).fill(0xa5);
    const view = viewOf(bytes);
    writer.write(view, 0, 0x7fff_ffff, -1);
    writer.write(view, 29, 0x8000_0000 | 0, 0);
    writer.prepare(KIND_HEARTBEAT, 7, 3, 0, 0, 0);
    expect(writer.write(view, 58, 9, 1)).toBe(25);
    expect(toHex(bytes)).toBe(
      [
        "7fffffff 02005e100001 80000007 00000000 16 01 02 ffffffff ffffff6a",
        "80000000 02005e100001 80000007 00000000 16 01 02 00000000 ffffff6a",
        "02005e100001 00000007 00000000 06 03 00 00000001 00000000 a5a5a5a5",
      ]
        .join("")
        .replaceAll(" ", ""),
    );
  });
});

describe("node IDs", () => {
  it("are compared as numbers of 48 bits", () => {
    const ascending = [
      [0, 0],
      [0, 1],
      [0, 0x7fff_ffff],
      [0, 0x8000_0000 | 0],
      [0, -1],
      [1, 0],
      [0xffff, -1],
    ] as const;
    ascending.forEach(([highA, lowA], i) => {
      ascending.forEach(([highB, lowB], k) => {
        expect(Math.sign(compareNodeIds(highA, lowA, highB, lowB))).toBe(Math.sign(i - k));
      });
    });
  });
});
