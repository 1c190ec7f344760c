import {
  KIND_ADDRESSES,
  KIND_CONFIRM,
  KIND_IP_CHANGE,
  KIND_NACK,
  KIND_PROBE,
  KIND_PROBE_ANSWER,
  KIND_QUERY,
} from "./control-block.ts";

/**
 * The body of a control packet, which stands where a data packet has its user data: fields of
 *
 *      0       1       2       3
 *   +-------+-------+-------+-------+------ - -
 *   | type  | length        | value, `length` bytes
 *   +-------+-------+-------+-------+------ - -
 *
 * one behind the other, in any order, big-endian. Fields of an unknown type are skipped. A body in which a field runs
 * over the end, has a length that its type cannot have, or stands twice where once is allowed is rejected as a whole.
 */
export const FIELD_HEAD_BYTES = 3;

export const FIELD_NONCE = 1;
export const FIELD_INSTANCE = 2;
export const FIELD_ADDRESSES4 = 3;
export const FIELD_ADDRESSES6 = 4;
export const FIELD_TOKEN = 5;
export const FIELD_RECEIVED = 6;
export const FIELD_ECHO = 7;
export const FIELD_OBSERVED = 8;
export const FIELD_MTU = 9;
export const FIELD_POLICY = 10;
export const FIELD_NAME = 11;
export const FIELD_PADDING = 12;
export const FIELD_REFUSAL = 13;
export const FIELD_VERSION = 14;
export const FIELD_NACK = 15;
export const FIELD_CLOSED = 16;
export const FIELD_ASKED = 17;
/** Types from here on, and 0, are not known. */
export const FIELD_COUNT = 18;

export const PROTOCOL_VERSION = 1;
/** No node speaks it: who asks with it wants to know whether anybody is there, and is refused by all. */
export const VERSION_NONE = 0;

export const REFUSAL_NODE_ID_CLASH = 1;
export const REFUSAL_NOT_CONFIGURED = 2;
export const REFUSAL_BUSY = 3;
export const REFUSAL_VERSION = 4;

/** Policy: carry data on this path only while no other works. */
export const POLICY_BACKUP = 0x01;
/** Policy: bytes on this path cost money. */
export const POLICY_METERED = 0x02;
/** Policy: carry no data on this path. */
export const POLICY_CLOSED = 0x04;
export const POLICY_BYTES = 1;
/** With the line that the path is by, and what it may bring. */
export const POLICY_RATE_BYTES = 6;

export const NAME_MAX_BYTES = 63;

/** Lengths of values, and of the entries of lists. */
export const PAIR_BYTES = 8;
export const ADDRESS4_BYTES = 6;
export const ADDRESS6_BYTES = 18;
export const RECEIVED_BYTES = 25;
export const ECHO_BYTES = 9;
/** One byte for each path that there may be. */
export const CLOSED_MAX_BYTES = 255;
export const NACK_HEAD_BYTES = 1;
export const NACK_RANGE_BYTES = 6;

/** By type: the shortest value, the longest, and by what its length grows in between. */
const LENGTHS: readonly (readonly [min: number, max: number, step: number])[] = [
  [0, 0xffff, 1],
  [PAIR_BYTES, PAIR_BYTES, 1],
  [PAIR_BYTES, PAIR_BYTES, 1],
  [0, 0xffff, ADDRESS4_BYTES],
  [0, 0xffff, ADDRESS6_BYTES],
  [PAIR_BYTES, PAIR_BYTES, 1],
  [RECEIVED_BYTES, RECEIVED_BYTES, 1],
  [ECHO_BYTES, ECHO_BYTES, 1],
  [ADDRESS6_BYTES, ADDRESS6_BYTES, 1],
  [2, 2, 1],
  [POLICY_BYTES, POLICY_RATE_BYTES, POLICY_RATE_BYTES - POLICY_BYTES],
  [1, NAME_MAX_BYTES, 1],
  [0, 0xffff, 1],
  [1, 1, 1],
  [1, 1, 1],
  [NACK_HEAD_BYTES, 0xffff, NACK_RANGE_BYTES],
  [1, CLOSED_MAX_BYTES, 1],
  [PAIR_BYTES, PAIR_BYTES, 1],
];
const MIN_BYTES = Int32Array.from(LENGTHS, ([min]) => min);
const MAX_BYTES = Int32Array.from(LENGTHS, ([, max]) => max);
const STEP_BYTES = Int32Array.from(LENGTHS, ([, , step]) => step);

/** Whether the value of a known type may be so long. */
export function fieldLengthIsValid(type: number, valueBytes: number): boolean {
  const min = MIN_BYTES[type]!;
  return valueBytes >= min && valueBytes <= MAX_BYTES[type]! && (valueBytes - min) % STEP_BYTES[type]! === 0;
}

const REPEATABLE = (1 << FIELD_RECEIVED) | (1 << FIELD_ECHO) | (1 << FIELD_PADDING) | (1 << FIELD_NACK);

/** Whether fields of a known type may stand in one body more than once. */
export function fieldIsRepeatable(type: number): boolean {
  return (REPEATABLE & (1 << type)) !== 0;
}

const INTRODUCTION = (1 << FIELD_VERSION) | (1 << FIELD_NONCE);
const LISTS = (1 << FIELD_ADDRESSES4) | (1 << FIELD_ADDRESSES6);

/** Whether a control packet of a kind has what it must have, given one bit for each type of field: 1 << type. */
export function hasRequiredFields(kind: number, seen: number): boolean {
  switch (kind) {
    case KIND_QUERY:
      return hasAll(seen, INTRODUCTION | (1 << FIELD_INSTANCE)) && (seen & LISTS) !== 0;
    case KIND_CONFIRM:
      if (!hasAll(seen, INTRODUCTION)) return false;
      if (hasAll(seen, 1 << FIELD_REFUSAL)) return true;
      return hasAll(seen, (1 << FIELD_INSTANCE) | (1 << FIELD_OBSERVED)) && (seen & LISTS) !== 0;
    case KIND_PROBE:
      return hasAll(seen, 1 << FIELD_TOKEN);
    case KIND_PROBE_ANSWER:
      return hasAll(seen, (1 << FIELD_TOKEN) | (1 << FIELD_OBSERVED));
    case KIND_ADDRESSES:
    case KIND_IP_CHANGE:
      return (seen & LISTS) !== 0;
    case KIND_NACK:
      return hasAll(seen, 1 << FIELD_NACK);
    default:
      return true;
  }
}

function hasAll(seen: number, fields: number): boolean {
  return (seen & fields) === fields;
}

/** Parts of `Received.carries`. */
export const CARRIES_MASK = 0x7fff_ffff;
export const CARRIES_FASTER = 0x8000_0000;

/**
 * What a node has received on one path of its peer's: everything since the path was made, packets, bytes and losses
 * modulo 2^32, 2^64 and 2^32. As int32.
 */
export class Received {
  path = 0;
  packets = 0;
  bytesHigh = 0;
  bytesLow = 0;
  lost = 0;
  /** The highest path sequence number. */
  highest = 0;
  /**
   * Bits 0 to 30: what the path carries, in bytes per ms, by packets that had to wait behind others on it since the last
   * report; 0 where none had to. Bit 31: they had been sent faster than they came in, so a queue grew.
   */
  carries = 0;
}

/** The timestamp that a node saw last on one path of its peer's, and how long ago that was. As int32. */
export class Echo {
  timestampUs = 0;
  heldUs = 0;
  path = 0;
}
