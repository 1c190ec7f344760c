import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BodyReader } from "../../../src/core/wire/body-reader.ts";
import { BodyWriter } from "../../../src/core/wire/body-writer.ts";
import { check } from "../../helpers/property.ts";
import { decodeBody, encodeBody, type PlainField } from "../../naive/body.ts";
import { readFields, writeField } from "../../vectors/convert.ts";
import { toHex, viewOf } from "../../vectors/load.ts";
import { body, mutated, mutations } from "./arbitrary.ts";

const AT = 5;

/** What the writer is given: lists next to each other in one. */
function calls(fields: readonly PlainField[]): PlainField[] {
  const joined: PlainField[] = [];
  for (const field of fields) {
    const last = joined.at(-1);
    if (last && "addresses" in last && "addresses" in field) last.addresses.push(...field.addresses);
    else joined.push("addresses" in field ? { addresses: [...field.addresses] } : field);
  }
  return joined;
}

function expectSameAsTwin(bytes: Uint8Array): void {
  const reader = new BodyReader();
  const expected = decodeBody(bytes);
  expect(reader.begin(viewOf(bytes), 0, bytes.length)).toBe(expected !== null);
  expect(readFields(reader)).toEqual(expected ?? []);
}

describe("the body of a control packet", () => {
  it("is written as the slow twin writes it, and read back", () => {
    check(
      fc.property(body, (fields) => {
        const expected = encodeBody(fields);
        const bytes = new Uint8Array(AT + expected.length).fill(0xa5);
        const writer = new BodyWriter();
        writer.begin(viewOf(bytes), AT, bytes.length);
        for (const call of calls(fields)) expect(writeField(writer, call)).toBe(true);
        expect(writer.bytes).toBe(expected.length);
        expect(toHex(bytes.subarray(AT))).toBe(toHex(expected));
        const reader = new BodyReader();
        expect(reader.begin(viewOf(bytes), AT, expected.length)).toBe(true);
        expect(readFields(reader)).toEqual(fields);
      }),
      500,
    );
  });

  it("has whole fields only, and nothing beyond its room, where that is short", () => {
    const notBoth = (fields: readonly PlainField[]) =>
      fields.filter((field) => "addresses" in field).length < 2;
    check(
      fc.property(body.filter(notBoth), fc.double({ min: 0, max: 1, noNaN: true }), (fields, share) => {
        const room = Math.floor(encodeBody(fields).length * share);
        const bytes = new Uint8Array(AT + room + 40).fill(0xa5);
        const writer = new BodyWriter();
        writer.begin(viewOf(bytes), AT, AT + room);
        // Losses are begun and then added to: what fits of them stays.
        const fitted = fields.filter((field) => !("nack" in field) && writeField(writer, field));
        expect(writer.bytes).toBeLessThanOrEqual(room);
        expect(toHex(bytes.subarray(AT, AT + writer.bytes))).toBe(toHex(encodeBody(fitted)));
        expect(bytes.subarray(AT + room).every((byte) => byte === 0xa5)).toBe(true);
      }),
      300,
    );
  });

  it("is read from mutated bytes as the slow twin reads it", () => {
    check(
      fc.property(body, mutations, fc.nat(3), (fields, changes, cut) => {
        expectSameAsTwin(mutated(encodeBody(fields), changes, cut));
      }),
      1000,
    );
  });

  it("is read from any bytes as the slow twin reads it", () => {
    const field = fc
      .tuple(fc.nat(17), fc.nat(24), fc.uint8Array({ minLength: 24, maxLength: 24 }))
      .map(([type, length, value]) => Uint8Array.of(type, 0, length, ...value.subarray(0, length)));
    const almost = fc.array(field, { maxLength: 6 }).map((fields) => new Uint8Array(Buffer.concat(fields)));
    check(fc.property(fc.oneof(almost, fc.uint8Array({ maxLength: 60 })), expectSameAsTwin), 1000);
  });
});
