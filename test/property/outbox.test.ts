import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MESSAGE_MAX_BYTES, PIECES_MAX, SEGMENTS_MAX } from "../../src/core/batch/layout.ts";
import { Outbox } from "../../src/core/dispatch/outbox.ts";
import { datagrams, gather, planMessages } from "../helpers/plan-messages.ts";
import { check } from "../helpers/property.ts";

const ADDRESSES = Int32Array.of(0, 0, -65536, 1, 0, 0, -65536, 2, 7, 7, 7, 3);

const datagram = fc.record({
  destination: fc.constantFrom(0, 0, 0, 0, 1, 2),
  tos: fc.constantFrom(0, 0, 0, 0, 8),
  bytes: fc.constantFrom(0, 1, 700, 1200, 1200, 1200, 1200, 1201, 9000),
});

describe("the outbox", () => {
  it("lets out exactly the datagrams that were put in, in their order, within the kernel's limits", () => {
    check(
      fc.property(fc.array(datagram, { maxLength: 200 }), (given) => {
        const arena = Uint8Array.from({ length: 1 << 15 }, (_, i) => (i * 31) ^ (i >> 8));
        const outbox = new Outbox(1 << 14);
        given.forEach(({ destination, tos, bytes }, i) => {
          expect(outbox.fits()).toBe(true);
          outbox.datagram(
            destination,
            10 + destination,
            ADDRESSES,
            4 * destination,
            7000 + destination,
            tos,
            bytes,
          );
          const first = Math.min(bytes, 20);
          if (first > 0) outbox.plan.piece(i, first);
          if (bytes > first) outbox.plan.piece(1000 + i, bytes - first);
        });
        const messages = planMessages(outbox.plan);
        const sent = messages.flatMap((message) =>
          datagrams(gather(arena, message), message.segment).map((bytes) => ({ message, bytes })),
        );
        expect(sent.length).toBe(given.length);
        given.forEach(({ destination, tos, bytes }, i) => {
          const { message, bytes: out } = sent[i]!;
          expect(message).toMatchObject({ socket: 10 + destination, port: 7000 + destination, tos });
          expect(message.address).toEqual(ADDRESSES.slice(4 * destination, 4 * destination + 4));
          const first = Math.min(bytes, 20);
          const expected = [
            ...arena.subarray(i, i + first),
            ...arena.subarray(1000 + i, 1000 + i + bytes - first),
          ];
          expect(Buffer.compare(out, Uint8Array.from(expected))).toBe(0);
        });
        for (const message of messages) {
          const bytes = outbox.plan.bytes(message.head);
          expect(bytes).toBeLessThanOrEqual(MESSAGE_MAX_BYTES);
          expect(message.pieces.length).toBeLessThanOrEqual(PIECES_MAX);
          if (message.segment > 0)
            expect(Math.ceil(bytes / message.segment)).toBeLessThanOrEqual(SEGMENTS_MAX);
        }
      }),
      100,
    );
  });
});
