import { isIPv4, isIPv6 } from "node:net";
import { IoError } from "./error.ts";

/**
 * An address as plans and records hold it: four int32 words that are the sixteen bytes in network order, IPv4 as
 * ::ffff:a.b.c.d.
 */
export type AddressWords = Int32Array;

export function parseAddress(text: string): AddressWords {
  if (isIPv4(text)) return parseAddress(`::ffff:${text}`);
  // A zone ("%eth0") has no place in the words.
  if (!isIPv6(text) || text.includes("%")) throw new IoError(`"${text}" is not an IP address`);
  const bytes = new Uint8Array(16);
  const [head = "", tail] = text.split("::");
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  bytes.set(front);
  bytes.set(back, 16 - back.length);
  return new Int32Array(bytes.buffer);
}

function groups(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (group.includes(".")) return group.split(".").map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

/** The address in `words` from `at` on, as people write it. */
export function formatAddress(words: Int32Array, at = 0): string {
  const bytes = new Uint8Array(words.slice(at, at + 4).buffer);
  if (familyOf(words, at) === 4) return bytes.subarray(12).join(".");
  const view = new DataView(bytes.buffer);
  const parts = Array.from({ length: 8 }, (_, i) => view.getUint16(2 * i).toString(16));
  // URL knows the shortest form (RFC 5952).
  return new URL(`http://[${parts.join(":")}]`).hostname.slice(1, -1);
}

export function familyOf(words: Int32Array, at = 0): 4 | 6 {
  return words[at] === 0 && words[at + 1] === 0 && words[at + 2] === MAPPED_PREFIX ? 4 : 6;
}

/** 00 00 ff ff, read as the machine reads it. */
const MAPPED_PREFIX = new Int32Array(new Uint8Array([0, 0, 0xff, 0xff]).buffer)[0]!;
