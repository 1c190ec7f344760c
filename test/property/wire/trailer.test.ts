import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ControlBlock, TrailerWriter, writeTrailer } from "../../../src/core/wire/control-block.ts";
import { check } from "../../helpers/property.ts";
import { decodeTrailer, encodeTrailer } from "../../naive/trailer.ts";
import { blockFrom, plainBlock } from "../../vectors/convert.ts";
import { toHex, viewOf } from "../../vectors/load.ts";
import { block } from "./arbitrary.ts";

describe("the end of a datagram", () => {
  it("is written as the slow twin writes it, and read back", () => {
    check(
      fc.property(block, fc.uint8Array({ maxLength: 40 }), (plain, user) => {
        const expected = Buffer.concat([user, encodeTrailer(plain)]);
        const bytes = new Uint8Array(expected.length).fill(0xa5);
        bytes.set(user);
        const length = writeTrailer(viewOf(bytes), user.length, blockFrom(plain));
        expect(user.length + length).toBe(expected.length);
        expect(toHex(bytes)).toBe(toHex(expected));
        const read = new ControlBlock();
        expect(read.read(viewOf(bytes), 0, bytes.length)).toBe(true);
        expect(plainBlock(read)).toEqual(plain);
        expect(read.userBytes).toBe(user.length);
      }),
      500,
    );
  });

  it("is written alike for a run of datagrams", () => {
    const packet = fc.tuple(fc.nat(2 ** 32 - 1), fc.nat(2 ** 32 - 1));
    check(
      fc.property(block, fc.array(packet, { minLength: 1, maxLength: 5 }), (plain, packets) => {
        const common = blockFrom(plain);
        const writer = new TrailerWriter(common.nodeHigh, common.nodeLow);
        writer.prepare(
          common.flags,
          common.session,
          common.path,
          common.address,
          common.feedbackPath,
          common.delayUs,
        );
        const bytes = new Uint8Array(29 * packets.length).fill(0xa5);
        let at = 0;
        const expected = packets.map(([sequence, timestampUs]) =>
          encodeTrailer({ ...plain, sequence, timestampUs }),
        );
        for (const [sequence, timestampUs] of packets)
          at += writer.write(viewOf(bytes), at, sequence, timestampUs);
        expect(toHex(bytes.subarray(0, at))).toBe(toHex(Buffer.concat(expected)));
        expect(bytes.subarray(at).every((byte) => byte === 0xa5)).toBe(true);
      }),
    );
  });

  it("is read from any bytes as the slow twin reads it", () => {
    check(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const read = new ControlBlock();
        const found = read.read(viewOf(bytes), 0, bytes.length);
        const plain = decodeTrailer(bytes);
        expect(found).toBe(plain !== null);
        if (plain) expect({ block: plainBlock(read), userBytes: read.userBytes }).toEqual(plain);
      }),
      1000,
    );
  });
});
