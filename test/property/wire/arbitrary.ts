import fc from "fast-check";
import type { PlainField } from "../../naive/body.ts";
import type { PlainBlock } from "../../naive/trailer.ts";

/** Numbers of so many bits, with many at the ends of the range. */
export const unsigned = (bits: number) =>
  fc.oneof(fc.constantFrom(0, 2 ** bits - 1, 2 ** (bits - 1)), fc.nat(2 ** bits - 1));

const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((value) => Buffer.from(value).toString("hex"));

const ipv4 = fc.tuple(unsigned(8), unsigned(8), unsigned(8), unsigned(8)).map((parts) => parts.join("."));

const ipv6 = fc
  .array(unsigned(16), { minLength: 8, maxLength: 8 })
  // Not IPv4-mapped, and in the one form that is printed.
  .map((groups) => {
    groups[0] = 0x2001;
    return new URL(`http://[${groups.map((group) => group.toString(16)).join(":")}]`).hostname.slice(1, -1);
  });

export const block: fc.Arbitrary<PlainBlock> = fc
  .record({
    node: hex(6).map((digits) => digits.replace(/..(?!$)/g, "$&:")),
    session: hex(4),
    address: fc.option(
      ipv4.filter((address) => address !== "0.0.0.0"),
      { nil: null },
    ),
    flags: unsigned(8),
    path: unsigned(8),
    feedbackPath: unsigned(8),
    timestampUs: unsigned(32),
    delayUs: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    sequence: unsigned(32),
  })
  .map((plain) => ({ ...plain, sequence: plain.flags & 0x10 ? plain.sequence : 0 }));

const endpoint = <T>(address: fc.Arbitrary<T>) => fc.tuple(address, unsigned(16));

const repeatable: fc.Arbitrary<PlainField> = fc.oneof(
  fc.record({
    received: fc.record({
      path: unsigned(8),
      packets: unsigned(32),
      bytes: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String),
      lost: unsigned(32),
      highest: unsigned(32),
      carries: unsigned(32),
    }),
  }),
  fc.record({ echo: fc.record({ timestampUs: unsigned(32), heldUs: unsigned(32), path: unsigned(8) }) }),
  fc.record({ padding: fc.nat(40) }),
  fc.record({
    nack: fc.record({
      path: unsigned(8),
      ranges: fc.array(fc.tuple(unsigned(32), unsigned(16)), { maxLength: 6 }),
    }),
  }),
);

const name = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 63 })
  .filter((text) => Buffer.byteLength(text) <= 63 && !text.startsWith("\ufeff"));

/** Fields that may stand in one body, lists of both families next to each other, as the writer puts them. */
export const body: fc.Arbitrary<PlainField[]> = fc
  .record({
    single: fc.tuple(
      fc.record({ nonce: hex(8) }),
      fc.record({ instance: hex(8) }),
      fc.record({ asked: hex(8) }),
      fc.record({ token: hex(8) }),
      fc.record({ observed: fc.oneof(endpoint(ipv4), endpoint(ipv6)) }),
      fc.record({ mtu: unsigned(16) }),
      fc.oneof(
        fc.record({ policy: unsigned(8) }),
        fc.record({ policy: unsigned(8), line: unsigned(8), bytesPerS: unsigned(32) }),
      ),
      fc.record({ name }),
      fc.record({ refusal: unsigned(8) }),
      fc.record({ version: unsigned(8) }),
      fc.record({ closed: fc.array(unsigned(8), { minLength: 1, maxLength: 255 }) }),
    ),
    lists: fc.record({
      four: fc.array(endpoint(ipv4), { minLength: 1, maxLength: 5 }),
      six: fc.array(endpoint(ipv6), { minLength: 1, maxLength: 5 }),
    }),
    chosen: fc.nat(0xfff),
    more: fc.array(repeatable, { maxLength: 5 }),
    order: fc.array(fc.nat(1000), { minLength: 20, maxLength: 20 }),
  })
  .map(({ single, lists, chosen, more, order }) => {
    const chunks: PlainField[][] = single.filter((_, i) => chosen & (1 << i)).map((field) => [field]);
    const listed: PlainField[] = [];
    if (chosen & 0x400) listed.push({ addresses: lists.four });
    if (chosen & 0x800) listed.push({ addresses: lists.six });
    chunks.push(listed, ...more.map((field) => [field]));
    return chunks
      .map((fields, i) => ({ fields, key: order[i % order.length]! }))
      .sort((a, b) => a.key - b.key)
      .flatMap(({ fields }) => fields);
  });

/** Changes to bytes: where (as a share of the length) and what. */
export const mutations = fc.array(
  fc.tuple(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.nat(255)),
  {
    maxLength: 4,
  },
);

export function mutated(
  bytes: Uint8Array,
  changes: readonly (readonly [share: number, xor: number])[],
  cut: number,
): Uint8Array {
  const result = bytes.slice(0, Math.max(0, bytes.length - cut));
  for (const [share, xor] of changes) {
    if (result.length > 0) result[Math.floor(share * result.length)]! ^= xor;
  }
  return result;
}
