/**
 * Serial numbers modulo 2^32 (RFC 1982): TCP sequence numbers, path sequence numbers, timestamps. They may be given as
 * int32 or as uint32. Two of them are in order as long as they are less than 2^31 apart.
 */

/** How far `to` lies behind `from`, as int32: negative where it lies before. */
export function sequenceDistance(from: number, to: number): number {
  return (to - from) | 0;
}

export function sequenceBefore(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}

export function sequenceAfter(a: number, b: number): boolean {
  return ((b - a) | 0) < 0;
}

/** The later one of two, as int32. */
export function sequenceLater(a: number, b: number): number {
  return ((a - b) | 0) < 0 ? b | 0 : a | 0;
}
