import { ipv4Header, TCP_FLAG, tcpHeader } from "../helpers/packets.ts";

/** Packets for simulations, whose payload says to which flow they belong and which number they have. */

export const ADDRESS_A = [10, 99, 0, 1] as const;
export const ADDRESS_B = [10, 99, 0, 2] as const;
/** Flow and number, at the start of the payload; what follows depends on both. */
const STAMP_BYTES = 6;

export interface Stamp {
  flow: number;
  number: number;
}

export function udpPacket(
  source: readonly number[],
  destination: readonly number[],
  payload: Uint8Array,
  [from, to]: readonly [number, number] = [5000, 6000],
): Uint8Array {
  const length = 8 + payload.length;
  const header = ipv4Header({ protocol: 17, totalLength: 20 + length, source, destination });
  const udpHeader = [from >> 8, from & 0xff, to >> 8, to & 0xff, length >> 8, length & 0xff, 0, 0];
  return Uint8Array.from([...header, ...udpHeader, ...payload]);
}

export function tcpPacket(
  source: readonly number[],
  destination: readonly number[],
  sequence: number,
  payload: Uint8Array,
  { flags = TCP_FLAG.ack, sourcePort = 1000, destinationPort = 2000 } = {},
): Uint8Array {
  const header = tcpHeader({ sequence, flags, sourcePort, destinationPort });
  const totalLength = 20 + header.length + payload.length;
  return Uint8Array.from([
    ...ipv4Header({ protocol: 6, totalLength, source, destination }),
    ...header,
    ...payload,
  ]);
}

/** A payload of `length` bytes that only this flow and number have. */
export function stampedPayload({ flow, number }: Stamp, length: number): Uint8Array {
  const payload = Uint8Array.from({ length }, (_, i) => (flow * 31 + number * 7 + i) & 0xff);
  new DataView(payload.buffer).setUint16(0, flow);
  new DataView(payload.buffer).setUint32(2, number);
  return payload;
}

/** Whose payload it is; undefined where a byte is not what it should be. */
export function readStamp(payload: Uint8Array): Stamp | undefined {
  if (payload.length < STAMP_BYTES) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset);
  const stamp = { flow: view.getUint16(0), number: view.getUint32(2) };
  const expected = stampedPayload(stamp, payload.length);
  return payload.every((byte, i) => byte === expected[i]) ? stamp : undefined;
}
