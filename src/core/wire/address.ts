/**
 * Addresses as plans and records hold them: four int32 words that are the sixteen bytes in network order, IPv4 as
 * ::ffff:a.b.c.d.
 */

/** The third word of an IPv4 address, 00 00 ff ff in memory; the two before it are 0. */
export const MAPPED_WORD = 0xffff_0000 | 0;

export function isMappedIpv4(words: Int32Array, index: number): boolean {
  return words[index] === 0 && words[index + 1] === 0 && words[index + 2] === MAPPED_WORD;
}

export function isSameAddress(
  one: Int32Array,
  index: number,
  other: Int32Array,
  otherIndex: number,
): boolean {
  for (let i = 0; i < 4; i++) if (one[index + i] !== other[otherIndex + i]) return false;
  return true;
}

/** Puts the IPv4 address at `at` into four words. */
export function readIpv4Address(view: DataView, at: number, into: Int32Array, index: number): void {
  into[index] = 0;
  into[index + 1] = 0;
  into[index + 2] = MAPPED_WORD;
  into[index + 3] = view.getInt32(at, true);
}

/** Puts the IPv6 address at `at` into four words. */
export function readIpv6Address(view: DataView, at: number, into: Int32Array, index: number): void {
  into[index] = view.getInt32(at, true);
  into[index + 1] = view.getInt32(at + 4, true);
  into[index + 2] = view.getInt32(at + 8, true);
  into[index + 3] = view.getInt32(at + 12, true);
}

/** The address in four words, as people write it. */
export function addressText(words: Int32Array, index: number): string {
  const view = new DataView(new ArrayBuffer(16));
  for (let i = 0; i < 4; i++) view.setInt32(4 * i, words[index + i]!, true);
  return isMappedIpv4(words, index) ? ipv4Text(view, 12) : ipv6Text(view, 0);
}

export function ipv4Text(view: DataView, at: number): string {
  return [0, 1, 2, 3].map((i) => view.getUint8(at + i)).join(".");
}

/** The form of RFC 5952: the first longest run of at least two groups of zeros is left out. */
export function ipv6Text(view: DataView, at: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(at + 2 * i));
  let runStart = 0;
  let runLength = 1;
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && groups[end] === 0) end++;
    if (end - start <= runLength) continue;
    runStart = start;
    runLength = end - start;
  }
  const text = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(":");
  return runLength === 1 ? text(0, 8) : `${text(0, runStart)}::${text(runStart + runLength, 8)}`;
}
