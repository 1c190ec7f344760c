import { describe, expect, it } from "vitest";
import { BodyReader } from "../../../../src/core/wire/body-reader.ts";
import { BodyWriter } from "../../../../src/core/wire/body-writer.ts";
import {
  KIND_ADDRESSES,
  KIND_CONFIRM,
  KIND_HANDSHAKE,
  KIND_HEARTBEAT,
  KIND_IP_CHANGE,
  KIND_NACK,
  KIND_PROBE,
  KIND_PROBE_ANSWER,
  KIND_QUERY,
} from "../../../../src/core/wire/control-block.ts";
import { Echo, hasRequiredFields, Received } from "../../../../src/core/wire/control-body.ts";
import { parseAddress } from "../../../../src/io/address.ts";
import { fromHex, toHex, viewOf } from "../../../vectors/load.ts";

/** A writer with room for so many bytes, and what it has written. */
function writerOf(room: number) {
  const bytes = new Uint8Array(3 + room + 3).fill(0xa5);
  const writer = new BodyWriter();
  writer.begin(viewOf(bytes), 3, 3 + room);
  const written = () => {
    const text = toHex(bytes);
    expect(text.slice(0, 6)).toBe("a5a5a5");
    expect(text.slice(6 + 2 * writer.bytes)).toBe("a5".repeat(bytes.length - 3 - writer.bytes));
    return text.slice(6, 6 + 2 * writer.bytes);
  };
  return { writer, written };
}

describe("writing a body", () => {
  const words = Int32Array.of(...parseAddress("10.0.0.1"), ...parseAddress("2001:db8::1"));
  const fields: [name: string, bytes: number, write: (writer: BodyWriter) => boolean][] = [
    ["a nonce", 11, (writer) => writer.nonce(1, 2)],
    ["an instance", 11, (writer) => writer.instance(1, 2)],
    ["a token", 11, (writer) => writer.token(1, 2)],
    ["a version", 4, (writer) => writer.version(1)],
    ["a policy", 4, (writer) => writer.policy(1)],
    ["a policy with a rate", 9, (writer) => writer.policyRate(1, 2, 3)],
    ["a refusal", 4, (writer) => writer.refusal(1)],
    ["an MTU", 5, (writer) => writer.mtu(1500)],
    ["a name", 6, (writer) => writer.name("abc")],
    ["addresses of both families", 30, (writer) => writer.addresses(words, [1, 2], 2)],
    ["an observed address", 21, (writer) => writer.observed(words, 4, 1)],
    ["a report", 28, (writer) => writer.received(new Received())],
    ["an echo", 12, (writer) => writer.echo(new Echo())],
    ["losses", 4, (writer) => writer.nack(1)],
    ["closed paths", 5, (writer) => writer.closed(Uint8Array.of(1, 2, 3), 2)],
    ["padding", 7, (writer) => writer.padTo(writer.bytes + 7)],
  ];

  it.each(fields)("leaves %s out where it has no room for all of it", (_, bytes, write) => {
    for (let room = 0; room < bytes; room++) {
      const { writer, written } = writerOf(room);
      expect(write(writer)).toBe(false);
      expect([writer.bytes, writer.complete]).toEqual([0, false]);
      written();
    }
    const { writer, written } = writerOf(bytes);
    expect(write(writer)).toBe(true);
    expect([writer.bytes, writer.complete]).toEqual([bytes, true]);
    written();
  });

  it("goes on with what fits", () => {
    const { writer, written } = writerOf(5);
    writer.version(1);
    writer.nonce(1, 2);
    writer.version(2);
    expect(writer.complete).toBe(false);
    expect(written()).toBe("0e000101");
    writer.begin(viewOf(new Uint8Array(4)), 0, 4);
    expect([writer.complete, writer.bytes]).toEqual([true, 0]);
  });

  it("adds ranges to losses as long as there is room, and only there", () => {
    const { writer, written } = writerOf(4 + 2 * 6 + 5);
    writer.nack(7);
    expect(writer.range(-1, 2)).toBe(true);
    expect(writer.range(5, 0xffff)).toBe(true);
    expect(writer.range(9, 1)).toBe(false);
    expect(written()).toBe("0f000d07ffffffff000200000005ffff");
  });

  it("adds ranges to nothing but the losses that it has begun last", () => {
    const { writer, written } = writerOf(100);
    expect(writer.range(1, 1)).toBe(false);
    writer.nack(7);
    writer.version(1);
    expect(writer.range(9, 1)).toBe(false);
    expect(writer.complete).toBe(false);
    expect(written()).toBe("0f0001070e000101");
  });

  it("cuts a long name between two characters", () => {
    const { writer, written } = writerOf(100);
    writer.name(`${"n".repeat(62)}ü`);
    expect(written()).toBe(`0b003e${"6e".repeat(62)}`);
  });

  it("leaves an empty name out", () => {
    const { writer } = writerOf(100);
    expect(writer.name("")).toBe(true);
    expect(writer.bytes).toBe(0);
  });

  it("pads to a length, or to the shortest padding", () => {
    const padded = (bytes: number) => {
      const { writer, written } = writerOf(20);
      writer.version(1);
      expect(writer.padTo(bytes)).toBe(true);
      return written();
    };
    expect(padded(0)).toBe("0e000101");
    expect(padded(4)).toBe("0e000101");
    expect(padded(5)).toBe("0e0001010c0000");
    expect(padded(7)).toBe("0e0001010c0000");
    expect(padded(9)).toBe("0e0001010c00020000");
  });
});

describe("reading a body", () => {
  it("finds nothing before it has begun, in a rejected one and behind the last field", () => {
    const reader = new BodyReader();
    expect(reader.next()).toBe(false);
    const body = fromHex("0e 0001 01");
    expect(reader.begin(viewOf(body), 0, 4)).toBe(true);
    expect(reader.seen).toBe(1 << 14);
    expect([reader.next(), reader.next(), reader.next()]).toEqual([true, false, false]);
    expect(reader.begin(viewOf(body), 0, 4)).toBe(true);
    expect(reader.begin(viewOf(body), 0, 3)).toBe(false);
    expect([reader.next(), reader.seen]).toEqual([false, 0]);
  });

  it("may begin in the middle of the arena", () => {
    const bytes = fromHex("ffffff 0a 0001 03 09 0002 05dc ffffff");
    const reader = new BodyReader();
    expect(reader.begin(viewOf(bytes), 3, 9)).toBe(true);
    reader.next();
    expect([reader.type, reader.valueAt, reader.valueBytes, reader.byte()]).toEqual([10, 6, 1, 3]);
    reader.next();
    expect([reader.type, reader.uint16(), reader.next()]).toEqual([9, 1500, false]);
  });
});

describe("what a control packet must have", () => {
  const [NONCE, INSTANCE, LIST4, LIST6, TOKEN, OBSERVED, REFUSAL, VERSION, NACK] = [
    1, 2, 3, 4, 5, 8, 13, 14, 15,
  ] as const;
  const ANY = [6, 7, 9, 10, 11, 12];
  const has = (kind: number, types: readonly number[]) =>
    hasRequiredFields(
      kind,
      [...types, ...ANY].reduce((seen, type) => seen | (1 << type), 0),
    );

  it.each([
    [
      "a query",
      KIND_QUERY,
      [
        [VERSION, NONCE, INSTANCE, LIST4],
        [VERSION, NONCE, INSTANCE, LIST6],
      ],
    ],
    [
      "a confirm",
      KIND_CONFIRM,
      [
        [VERSION, NONCE, INSTANCE, OBSERVED, LIST4],
        [VERSION, NONCE, INSTANCE, OBSERVED, LIST6],
      ],
    ],
    ["a refusal", KIND_CONFIRM, [[VERSION, NONCE, REFUSAL]]],
    ["a probe", KIND_PROBE, [[TOKEN]]],
    ["its answer", KIND_PROBE_ANSWER, [[TOKEN, OBSERVED]]],
    ["an address list", KIND_ADDRESSES, [[LIST4], [LIST6]]],
    ["a change of addresses", KIND_IP_CHANGE, [[LIST4], [LIST6]]],
    ["losses", KIND_NACK, [[NACK]]],
    ["a heartbeat", KIND_HEARTBEAT, [[]]],
    ["a packet of a handshake", KIND_HANDSHAKE, [[]]],
  ] as const)("%s", (_, kind, sets) => {
    for (const types of sets) {
      expect(has(kind, types)).toBe(true);
      for (const left of types)
        expect(
          has(
            kind,
            types.filter((type) => type !== left),
          ),
        ).toBe(false);
    }
  });
});
