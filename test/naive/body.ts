import { formatAddress, parseAddress } from "../../src/io/address.ts";
import { toHex } from "../vectors/load.ts";

type Endpoint = [address: string, port: number];

/** One field of a control packet's body as people write it. Numbers are unsigned; `bytes` may be longer than a number. */
export type PlainField =
  | { nonce: string }
  | { instance: string }
  | { asked: string }
  | { token: string }
  /** All of one family. */
  | { addresses: Endpoint[] }
  | {
      received: {
        path: number;
        packets: number;
        bytes: string;
        lost: number;
        highest: number;
        carries: number;
      };
    }
  | { echo: { timestampUs: number; heldUs: number; path: number } }
  | { observed: Endpoint }
  | { mtu: number }
  | { policy: number; line?: number; bytesPerS?: number }
  | { name: string }
  | { padding: number }
  | { refusal: number }
  | { version: number }
  | { nack: { path: number; ranges: [first: number, count: number][] } }
  | { closed: number[] };

/** A list of none is one of IPv4 addresses. */
export function encodeBody(fields: readonly PlainField[]): Uint8Array {
  return Uint8Array.from(
    fields.flatMap((field) => {
      const [type, value] = encodeField(field);
      return [type, ...big(value.length, 2), ...value];
    }),
  );
}

function encodeField(field: PlainField): [type: number, value: number[]] {
  if ("nonce" in field) return [1, octets(field.nonce)];
  if ("instance" in field) return [2, octets(field.instance)];
  if ("asked" in field) return [17, octets(field.asked)];
  if ("token" in field) return [5, octets(field.token)];
  if ("addresses" in field) {
    const is6 = field.addresses.some(([address]) => address.includes(":"));
    const entries = field.addresses.flatMap(([address, port]) => [
      ...addressOctets(address).slice(is6 ? 0 : 12),
      ...big(port, 2),
    ]);
    return [is6 ? 4 : 3, entries];
  }
  if ("received" in field) {
    const { path, packets, bytes, lost, highest, carries } = field.received;
    const words = [lost, highest, carries].flatMap((word) => big(word, 4));
    return [6, [path, ...big(packets, 4), ...big(BigInt(bytes), 8), ...words]];
  }
  if ("echo" in field) {
    const { timestampUs, heldUs, path } = field.echo;
    return [7, [...big(timestampUs, 4), ...big(heldUs, 4), path]];
  }
  if ("observed" in field) return [8, [...addressOctets(field.observed[0]), ...big(field.observed[1], 2)]];
  if ("mtu" in field) return [9, big(field.mtu, 2)];
  if ("policy" in field) {
    const { policy, line, bytesPerS } = field;
    return [10, line === undefined ? [policy] : [policy, line, ...big(bytesPerS!, 4)]];
  }
  if ("name" in field) return [11, [...Buffer.from(field.name, "utf8")]];
  if ("padding" in field) return [12, new Array(field.padding).fill(0)];
  if ("refusal" in field) return [13, [field.refusal]];
  if ("version" in field) return [14, [field.version]];
  if ("closed" in field) return [16, field.closed];
  const { path, ranges } = field.nack;
  return [15, [path, ...ranges.flatMap(([first, count]) => [...big(first, 4), ...big(count, 2)])]];
}

/** Null where the body is to be rejected. */
export function decodeBody(body: Uint8Array): PlainField[] | null {
  const fields: PlainField[] = [];
  const seen = new Set<number>();
  let rest = [...body];
  while (rest.length > 0) {
    if (rest.length < 3) return null;
    const type = rest[0]!;
    const length = 256 * rest[1]! + rest[2]!;
    const value = rest.slice(3, 3 + length);
    if (value.length < length) return null;
    rest = rest.slice(3 + length);
    if (type < 1 || type > 17) continue;
    const mayRepeat = [6, 7, 12, 15].includes(type);
    if (seen.has(type) && !mayRepeat) return null;
    seen.add(type);
    const field = decodeField(type, value);
    if (field === null) return null;
    fields.push(field);
  }
  return fields;
}

function decodeField(type: number, value: number[]): PlainField | null {
  const length = value.length;
  const hex = toHex(Uint8Array.from(value));
  const at = (from: number, to: number) => Number(number(value.slice(from, to)));
  switch (type) {
    case 1:
      return length === 8 ? { nonce: hex } : null;
    case 2:
      return length === 8 ? { instance: hex } : null;
    case 3:
      return length % 6 === 0 ? { addresses: chunks(value, 6).map(endpoint) } : null;
    case 4:
      return length % 18 === 0 ? { addresses: chunks(value, 18).map(endpoint) } : null;
    case 5:
      return length === 8 ? { token: hex } : null;
    case 6: {
      if (length !== 25) return null;
      const bytes = number(value.slice(5, 13)).toString();
      const [lost, highest, carries] = [at(13, 17), at(17, 21), at(21, 25)];
      return { received: { path: at(0, 1), packets: at(1, 5), bytes, lost, highest, carries } };
    }
    case 7:
      return length === 9 ? { echo: { timestampUs: at(0, 4), heldUs: at(4, 8), path: at(8, 9) } } : null;
    case 8:
      return length === 18 ? { observed: endpoint(value) } : null;
    case 9:
      return length === 2 ? { mtu: at(0, 2) } : null;
    case 10:
      if (length === 6) return { policy: at(0, 1), line: at(1, 2), bytesPerS: at(2, 6) };
      return length === 1 ? { policy: at(0, 1) } : null;
    case 11:
      return length >= 1 && length <= 63 ? { name: new TextDecoder().decode(Uint8Array.from(value)) } : null;
    case 12:
      return { padding: length };
    case 13:
      return length === 1 ? { refusal: at(0, 1) } : null;
    case 14:
      return length === 1 ? { version: at(0, 1) } : null;
    case 17:
      return length === 8 ? { asked: hex } : null;
    case 16:
      return length >= 1 && length <= 255 ? { closed: value } : null;
    default: {
      if (length % 6 !== 1) return null;
      const ranges = chunks(value.slice(1), 6).map((entry): [number, number] => [
        Number(number(entry.slice(0, 4))),
        Number(number(entry.slice(4))),
      ]);
      return { nack: { path: at(0, 1), ranges } };
    }
  }
}

function endpoint(entry: number[]): Endpoint {
  const address = entry.slice(0, -2);
  const mapped = address.length === 4 ? [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...address] : address;
  const words = new Int32Array(Uint8Array.from(mapped).buffer);
  return [formatAddress(words), Number(number(entry.slice(-2)))];
}

function addressOctets(address: string): number[] {
  return [...new Uint8Array(parseAddress(address).buffer)];
}

function chunks(value: number[], size: number): number[][] {
  return Array.from({ length: value.length / size }, (_, i) => value.slice(i * size, (i + 1) * size));
}

function octets(hex: string): number[] {
  return [...Buffer.from(hex, "hex")];
}

function big(value: number | bigint, bytes: number): number[] {
  return octets(
    BigInt(value)
      .toString(16)
      .padStart(2 * bytes, "0"),
  );
}

function number(bytes: number[]): bigint {
  return bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
}
