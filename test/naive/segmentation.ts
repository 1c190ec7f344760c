import { checksumOffset, internetChecksum, transportChecksum } from "./checksum.ts";

/**
 * What the kernel makes of a message written to a TUN device: the vnet header off, super-packets cut (RFC 9293, and
 * UDP datagrams of one size), every length and checksum set anew.
 */
export function wirePackets(message: Uint8Array): Uint8Array[] {
  const packet = message.slice(10);
  const gsoType = message[1]! & 0x7f;
  const gsoSize = message[4]! + 256 * message[5]!;
  const ipBytes = (packet[0]! & 0x0f) * 4;
  const isTcp = packet[9] === 6;
  const headerBytes = ipBytes + (isTcp ? (packet[ipBytes + 12]! >> 4) * 4 : 8);
  const payload = packet.subarray(headerBytes);
  const size = gsoType === 0 ? Math.max(1, payload.length) : gsoSize;
  const packets: Uint8Array[] = [];
  for (let offset = 0; offset === 0 || offset < payload.length; offset += size) {
    const piece = payload.subarray(offset, offset + size);
    const segment = new Uint8Array(headerBytes + piece.length);
    segment.set(packet.subarray(0, headerBytes));
    segment.set(piece, headerBytes);
    const view = new DataView(segment.buffer);
    if (isTcp) {
      view.setUint32(ipBytes + 4, view.getUint32(ipBytes + 4) + offset);
      // FIN and PSH belong to the last segment.
      if (offset + size < payload.length) segment[ipBytes + 13]! &= ~0x09;
    } else {
      view.setUint16(ipBytes + 4, 8 + piece.length);
    }
    packets.push(withChecksums(segment));
  }
  return packets;
}

/** The packet with its total length and both checksums set. */
export function withChecksums(packet: Uint8Array): Uint8Array {
  const result = packet.slice();
  const view = new DataView(result.buffer);
  const ipBytes = (result[0]! & 0x0f) * 4;
  view.setUint16(2, result.length);
  view.setUint16(10, 0);
  view.setUint16(10, internetChecksum(result.subarray(0, ipBytes)));
  view.setUint16(ipBytes + checksumOffset(result[9]!), transportChecksum(result));
  return result;
}
