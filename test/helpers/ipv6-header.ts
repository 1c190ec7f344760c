/** An IPv6 header with a payload length of 0, written byte by byte, with nothing from the code under test. */
export function ipv6Header(nextHeader: number): Uint8Array {
  return Uint8Array.from([
    ...[0x60, 0, 0, 0, 0, 0, nextHeader, 64],
    ...[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    ...[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
  ]);
}
