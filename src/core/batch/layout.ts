/**
 * The memory shared with the native addon: native/layout.h draws it, and src/io/native.ts compares these numbers with
 * the addon's when it is loaded.
 *
 * The arena is one block of bytes that holds everything that is received, built or kept. A piece is an (offset,
 * length) pair into it, so payload is never copied in user space: plans point at where it was received.
 */

/** Another number whenever a function of the addon is added or changed. */
const FUNCTIONS_VERSION = 3;

/** Words of a plan's message. */
export const PLAN_STATUS = 0;
export const PLAN_PIECES = 1;
export const PLAN_SOCKET = 2;
export const PLAN_PORT = 3;
export const PLAN_SEGMENT = 4;
export const PLAN_TOS = 5;
export const PLAN_ADDRESS = 6;
export const PLAN_HEAD = 10;

/** Words of a receive record. */
export const RECORD_LENGTH = 0;
export const RECORD_SEGMENT = 1;
export const RECORD_PORT = 2;
export const RECORD_TOS = 3;
export const RECORD_AGE_US = 4;
export const RECORD_ADDRESS = 5;
export const RECORD_LOCAL = 9;
export const RECORD_WORDS = 16;

/** Words of a TUN record: offset and length of a packet, its vnet header included. */
export const TUN_RECORD_WORDS = 2;
export const TUN_READ_MAX_BYTES = 65545;
export const TUN_ALIGN_BYTES = 64;
/** How far apart packets lie that were read in one crossing, before their lengths were known. */
export const TUN_SLOT_BYTES = 65600;

/** Messages in one call to the kernel. */
export const BATCH_MAX = 64;
/** Pieces of one message. */
export const PIECES_MAX = 1024;
/** Datagrams of one message. */
export const SEGMENTS_MAX = 64;
/** Bytes of one message: the largest UDP payload over IPv4. */
export const MESSAGE_MAX_BYTES = 65507;

/** The header in front of every packet of the TUN device: struct virtio_net_hdr, little-endian on our machines. */
export const VNET_HEADER_BYTES = 10;
export const VNET_FLAGS = 0;
export const VNET_GSO_TYPE = 1;
export const VNET_HEADER_LENGTH = 2;
export const VNET_GSO_SIZE = 4;
export const VNET_CHECKSUM_START = 6;
export const VNET_CHECKSUM_OFFSET = 8;
export const VNET_NEEDS_CHECKSUM = 1;
/** Whoever received the packet has verified its checksum. */
export const VNET_CHECKSUM_VALID = 2;
export const VNET_GSO_NONE = 0;
export const VNET_GSO_TCP4 = 1;
export const VNET_GSO_TCP6 = 4;
export const VNET_GSO_UDP = 5;
/** Set in the GSO type where a segment but the first may carry CWR. */
export const VNET_GSO_ECN = 0x80;

/** What native/addon.cc must state alike; names as there. */
export const SHARED_LAYOUT: Readonly<Record<string, number>> = {
  functionsVersion: FUNCTIONS_VERSION,
  planStatus: PLAN_STATUS,
  planPieces: PLAN_PIECES,
  planSocket: PLAN_SOCKET,
  planPort: PLAN_PORT,
  planSegment: PLAN_SEGMENT,
  planTos: PLAN_TOS,
  planAddress: PLAN_ADDRESS,
  planHead: PLAN_HEAD,
  recordLength: RECORD_LENGTH,
  recordSegment: RECORD_SEGMENT,
  recordPort: RECORD_PORT,
  recordTos: RECORD_TOS,
  recordAgeUs: RECORD_AGE_US,
  recordAddress: RECORD_ADDRESS,
  recordLocal: RECORD_LOCAL,
  recordWords: RECORD_WORDS,
  tunRecordWords: TUN_RECORD_WORDS,
  vnetHeaderBytes: VNET_HEADER_BYTES,
  tunReadMaxBytes: TUN_READ_MAX_BYTES,
  tunAlignBytes: TUN_ALIGN_BYTES,
  tunSlotBytes: TUN_SLOT_BYTES,
  batchMax: BATCH_MAX,
  piecesMax: PIECES_MAX,
  segmentsMax: SEGMENTS_MAX,
  messageMaxBytes: MESSAGE_MAX_BYTES,
};

/** The names of what differs between the two sides; empty when they agree. */
export function layoutDifferences(shared: Readonly<Record<string, number>>): string[] {
  const names = new Set([...Object.keys(SHARED_LAYOUT), ...Object.keys(shared)]);
  return [...names].filter((name) => SHARED_LAYOUT[name] !== shared[name]);
}
