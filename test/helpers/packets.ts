/** Headers as the RFCs draw them, for tests: written byte by byte, with nothing from the code under test. */

export const TCP_FLAG = {
  fin: 0x01,
  syn: 0x02,
  rst: 0x04,
  psh: 0x08,
  ack: 0x10,
  urg: 0x20,
  ece: 0x40,
  cwr: 0x80,
};

export interface Ipv4Fields {
  protocol: number;
  totalLength?: number;
  /** Flags and fragment offset. */
  fragment?: number;
  source?: readonly number[];
  destination?: readonly number[];
  /** A multiple of four bytes. */
  options?: readonly number[];
}

/** An IPv4 header with a checksum of 0. */
export function ipv4Header(fields: Ipv4Fields): Uint8Array {
  const options = fields.options ?? [];
  const length = fields.totalLength ?? 0;
  const fragment = fields.fragment ?? 0x4000;
  return Uint8Array.from([
    ...[0x45 + options.length / 4, 0, length >> 8, length & 0xff],
    ...[0x12, 0x34, fragment >> 8, fragment & 0xff],
    ...[64, fields.protocol, 0, 0],
    ...(fields.source ?? [10, 0, 0, 1]),
    ...(fields.destination ?? [10, 0, 0, 2]),
    ...options,
  ]);
}

export interface TcpFields {
  sourcePort?: number;
  destinationPort?: number;
  sequence?: number;
  acknowledgement?: number;
  flags?: number;
  window?: number;
  /** A multiple of four bytes. */
  options?: readonly number[];
}

/** A TCP header with a checksum of 0. */
export function tcpHeader(fields: TcpFields = {}): Uint8Array {
  const options = fields.options ?? [];
  return Uint8Array.from([
    ...big16(fields.sourcePort ?? 1000),
    ...big16(fields.destinationPort ?? 2000),
    ...big32(fields.sequence ?? 1),
    ...big32(fields.acknowledgement ?? 1),
    ...[(5 + options.length / 4) << 4, fields.flags ?? TCP_FLAG.ack],
    ...big16(fields.window ?? 500),
    ...[0, 0, 0, 0],
    ...options,
  ]);
}

/** A UDP header with a checksum of 0. */
export function udpHeader(length = 0, sourcePort = 1000, destinationPort = 2000): Uint8Array {
  return Uint8Array.from([...big16(sourcePort), ...big16(destinationPort), ...big16(length), 0, 0]);
}

export interface VnetFields {
  flags?: number;
  gsoType?: number;
  headerLength?: number;
  gsoSize?: number;
  checksumStart?: number;
  checksumOffset?: number;
}

/** A struct virtio_net_hdr. */
export function vnetHeader(fields: VnetFields = {}): Uint8Array {
  return Uint8Array.from([
    fields.flags ?? 0,
    fields.gsoType ?? 0,
    ...little16(fields.headerLength ?? 0),
    ...little16(fields.gsoSize ?? 0),
    ...little16(fields.checksumStart ?? 0),
    ...little16(fields.checksumOffset ?? 0),
  ]);
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Bytes that differ between neighbours and between seeds. */
export function pattern(length: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) * 13 + seed * 29) & 0xff);
}

const big16 = (value: number) => [(value >> 8) & 0xff, value & 0xff];
const big32 = (value: number) => [...big16(value >>> 16), ...big16(value & 0xffff)];
const little16 = (value: number) => [value & 0xff, value >> 8];
