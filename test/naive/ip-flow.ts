import { formatAddress } from "../../src/io/address.ts";

/** What an IP packet says of itself, as people write it. */
export interface PlainFlow {
  version: number;
  source: string;
  destination: string;
  protocol: number;
  sourcePort: number;
  destinationPort: number;
  tos: number;
  ttl: number;
  flowLabel: number;
  dontFragment: boolean;
  isFragment: boolean;
  hasOptions: boolean;
  ipBytes: number;
  transportBytes: number;
  payloadBytes: number;
  compactable: boolean;
}

type Head = Omit<
  PlainFlow,
  "sourcePort" | "destinationPort" | "transportBytes" | "payloadBytes" | "compactable"
>;

/** Reads the packet front to back, cutting off what it has read. Null where there is none. */
export function describePacket(bytes: Uint8Array): PlainFlow | null {
  const version = (bytes[0] ?? 0) >> 4;
  const all = [...bytes];
  const parsed = version === 4 ? ipv4(all) : version === 6 ? ipv6(all) : null;
  if (parsed === null) return null;
  const { head, rest } = parsed;
  const transport = head.isFragment ? null : transportHeader(head, rest);
  const transportBytes = transport?.bytes ?? 0;
  return {
    ...head,
    sourcePort: transport?.ports[0] ?? 0,
    destinationPort: transport?.ports[1] ?? 0,
    transportBytes,
    payloadBytes: rest.length - transportBytes,
    compactable: transportBytes > 0 && transport!.lengthAgrees && !head.hasOptions,
  };
}

interface Parsed {
  head: Head;
  rest: number[];
}

function ipv4(bytes: number[]): Parsed | null {
  const ipBytes = ((bytes[0] ?? 0) % 16) * 4;
  if (bytes.length < 20 || ipBytes < 20 || bytes.length < ipBytes) return null;
  const total = number(bytes.slice(2, 4));
  if (total < ipBytes || total > bytes.length) return null;
  const flags = bytes[6]! >> 5;
  const offset = number(bytes.slice(6, 8)) % 8192;
  const head = {
    version: 4,
    source: bytes.slice(12, 16).join("."),
    destination: bytes.slice(16, 20).join("."),
    protocol: bytes[9]!,
    tos: bytes[1]!,
    ttl: bytes[8]!,
    flowLabel: 0,
    dontFragment: (flags & 2) !== 0,
    isFragment: (flags & 1) !== 0 || offset !== 0,
    hasOptions: ipBytes > 20,
    ipBytes,
  };
  return { head, rest: bytes.slice(ipBytes, total) };
}

function ipv6(bytes: number[]): Parsed | null {
  if (bytes.length < 40) return null;
  const payloadLength = number(bytes.slice(4, 6));
  const source = bytes.slice(8, 24);
  const destination = bytes.slice(24, 40);
  if (payloadLength > bytes.length - 40 || isMapped(source) || isMapped(destination)) return null;
  let rest = bytes.slice(40, 40 + payloadLength);
  let protocol = bytes[6]!;
  let isFragment = false;
  for (let n = 0; n < 8 && !isFragment && [0, 43, 44, 51, 60].includes(protocol) && rest.length >= 8; n++) {
    const length = protocol === 44 ? 8 : protocol === 51 ? (rest[1]! + 2) * 4 : (rest[1]! + 1) * 8;
    if (length > rest.length) break;
    if (protocol === 44) isFragment = rest[2]! !== 0 || (rest[3]! & 0xf9) !== 0;
    protocol = rest[0]!;
    rest = rest.slice(length);
  }
  const ipBytes = 40 + payloadLength - rest.length;
  const head = {
    version: 6,
    source: text(source),
    destination: text(destination),
    protocol,
    tos: (bytes[0]! % 16) * 16 + (bytes[1]! >> 4),
    ttl: bytes[7]!,
    flowLabel: (bytes[1]! % 16) * 65536 + number(bytes.slice(2, 4)),
    dontFragment: true,
    isFragment,
    hasOptions: ipBytes > 40,
    ipBytes,
  };
  return { head, rest };
}

interface Transport {
  ports: number[];
  bytes: number;
  lengthAgrees: boolean;
}

function transportHeader(head: Head, rest: number[]): Transport | null {
  const ports = [number(rest.slice(0, 2)), number(rest.slice(2, 4))];
  if (head.protocol === 6) {
    const bytes = ((rest[12] ?? 0) >> 4) * 4;
    return rest.length >= 20 && bytes >= 20 && bytes <= rest.length
      ? { ports, bytes, lengthAgrees: true }
      : null;
  }
  if (head.protocol === 17) {
    if (rest.length < 8) return null;
    return { ports, bytes: 8, lengthAgrees: number(rest.slice(4, 6)) === rest.length };
  }
  const echoes = head.version === 4 ? { protocol: 1, types: [0, 8] } : { protocol: 58, types: [128, 129] };
  if (head.protocol !== echoes.protocol || rest.length < 8 || !echoes.types.includes(rest[0]!)) return null;
  const id = number(rest.slice(4, 6));
  return { ports: [id, id], bytes: 0, lengthAgrees: false };
}

function isMapped(address: number[]): boolean {
  return address.slice(0, 10).every((byte) => byte === 0) && address[10] === 0xff && address[11] === 0xff;
}

function text(address: number[]): string {
  return formatAddress(new Int32Array(Uint8Array.from(address).buffer));
}

function number(bytes: number[]): number {
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}
