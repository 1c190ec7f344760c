/**
 * Datagrams of the call, like RTP in what they tell: 24 bytes, big-endian, then what is sent.
 *
 *     0 u8 kind   1 u8 flags   2 u16 place in the frame   4 u32 sequence number   8 f64 time of sending, ms
 *     16 u32 frame   20 u16 packets in the frame   22 u16 unused
 */
export const HEADER_BYTES = 24;

export const AUDIO = 0;
export const VIDEO = 1;
/** From the receiver: JSON behind the kind. */
export const FEEDBACK = 2;

export const KEY_FRAME = 1;

/** Both ends are on one machine, so that the times of one can be compared with those of the other. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export interface MediaPacket {
  kind: number;
  isKey: boolean;
  place: number;
  sequence: number;
  sentMs: number;
  frame: number;
  packets: number;
}

export function writeMedia(packet: MediaPacket, bytes: number): Buffer {
  const buffer = Buffer.alloc(Math.max(HEADER_BYTES, bytes));
  buffer[0] = packet.kind;
  buffer[1] = packet.isKey ? KEY_FRAME : 0;
  buffer.writeUInt16BE(packet.place, 2);
  buffer.writeUInt32BE(packet.sequence, 4);
  buffer.writeDoubleBE(packet.sentMs, 8);
  buffer.writeUInt32BE(packet.frame, 16);
  buffer.writeUInt16BE(packet.packets, 20);
  return buffer;
}

export function readMedia(buffer: Buffer): MediaPacket {
  return {
    kind: buffer[0]!,
    isKey: buffer[1] === KEY_FRAME,
    place: buffer.readUInt16BE(2),
    sequence: buffer.readUInt32BE(4),
    sentMs: buffer.readDoubleBE(8),
    frame: buffer.readUInt32BE(16),
    packets: buffer.readUInt16BE(20),
  };
}

/** What the receiver says every 100 ms, and at once when packets are missing. */
export interface Feedback {
  /** Of the time since the last report; none in one about missing packets only. */
  report?: { bitsPerS: number; lost: number; delayMs: number };
  /** Sequence numbers of video that are wanted again. */
  missing: number[];
  /** Nothing can be shown before a key frame comes. */
  wantsKey: boolean;
}

export function writeFeedback(feedback: Feedback): Buffer {
  return Buffer.concat([Buffer.of(FEEDBACK), Buffer.from(JSON.stringify(feedback))]);
}

export function readFeedback(buffer: Buffer): Feedback {
  return JSON.parse(buffer.toString("utf8", 1)) as Feedback;
}
