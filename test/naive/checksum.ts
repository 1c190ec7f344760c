/** RFC 1071 in its own words: the complement of the one's complement sum of all 16-bit words. */
export function internetChecksum(bytes: Iterable<number>): number {
  const octets = [...bytes];
  if (octets.length % 2 === 1) octets.push(0);
  let sum = 0;
  for (let i = 0; i < octets.length; i += 2) {
    sum += octets[i]! * 256 + octets[i + 1]!;
    if (sum > 0xffff) sum -= 0xffff;
  }
  return 0xffff - sum;
}

/** The transport checksum of a whole IPv4 packet, whatever stands in its checksum field now. */
export function transportChecksum(packet: Uint8Array): number {
  const ipBytes = (packet[0]! & 0x0f) * 4;
  const protocol = packet[9]!;
  const transport = packet.slice(ipBytes);
  transport.fill(0, checksumOffset(protocol), checksumOffset(protocol) + 2);
  const pseudo = [...packet.subarray(12, 20), 0, protocol, transport.length >> 8, transport.length & 0xff];
  const checksum = internetChecksum([...pseudo, ...transport]);
  // RFC 768: a UDP checksum of 0 means that there is none; in one's complement 0xffff is the same number. TCP has no
  // such rule and takes either.
  return checksum === 0 ? 0xffff : checksum;
}

/** Where the checksum of a TCP (6) or UDP (17) header stands. */
export function checksumOffset(protocol: number): number {
  return protocol === 6 ? 16 : 6;
}
