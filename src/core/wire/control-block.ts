/**
 * The end of every MPIP datagram (paper §3.1, Table 1): user data, or the body of a control packet, then the path
 * sequence word where SEQUENCED is set, then the control block. All fields are big-endian.
 *
 *      0       1       2       3       4       5       6       7
 *   +-------+-------+-------+-------+
 *   | path sequence (SEQUENCED)     |                                 -4
 *   +-------+-------+-------+-------+-------+-------+-------+-------+
 *   | source node ID                                | session ID ...   0
 *   +-------+-------+-------+-------+-------+-------+-------+-------+
 *   | ... session ID| local IPv4 address            | flags |  path |  8
 *   +-------+-------+-------+-------+-------+-------+-------+-------+
 *   |feedbk.| packet timestamp, µs          | path delay, µs ...      16
 *   +-------+-------+-------+-------+-------+-------+-------+-------+
 *   | ...   |                                                         24
 *   +-------+
 *
 * Fields of 32 bits are int32 numbers here, so that the engine never boxes them. The address is a word as plans have
 * them: its bytes in network order.
 */
export const CONTROL_BLOCK_BYTES = 25;
export const PATH_SEQUENCE_BYTES = 4;
/** The path sequence word and the control block. */
export const TRAILER_BYTES = PATH_SEQUENCE_BYTES + CONTROL_BLOCK_BYTES;

export const BLOCK_NODE_HIGH = 0;
export const BLOCK_NODE_LOW = 2;
export const BLOCK_SESSION = 6;
export const BLOCK_ADDRESS = 10;
export const BLOCK_FLAGS = 14;
export const BLOCK_PATH = 15;
export const BLOCK_FEEDBACK_PATH = 16;
export const BLOCK_TIMESTAMP = 17;
export const BLOCK_DELAY = 21;

/** Flags: what kind of datagram it is. The paper's names: Enable, Enabled, IP_Change, HS. */
export const KIND_MASK = 0x0f;
export const KIND_DATA_COMPACT = 0;
export const KIND_DATA_FULL = 1;
export const KIND_QUERY = 2;
export const KIND_CONFIRM = 3;
export const KIND_PROBE = 4;
export const KIND_PROBE_ANSWER = 5;
export const KIND_HEARTBEAT = 6;
export const KIND_ADDRESSES = 7;
export const KIND_IP_CHANGE = 8;
export const KIND_HANDSHAKE = 9;
export const KIND_NACK = 10;
/** Kinds from here on are not known. */
export const KIND_COUNT = 11;

/** Flags: the path sequence word is present. */
export const FLAG_SEQUENCED = 0x10;
/** Flags: the inner transport checksum was left out, and whoever hands the packet on completes it. */
export const FLAG_NO_CHECKSUM = 0x20;
/** Flags: one of several copies of a packet. */
export const FLAG_COPY = 0x40;
/** Flags: encrypted. */
export const FLAG_SEALED = 0x80;

/** The session ID of packets that belong to no session. */
export const SESSION_NONE = 0;
/** Set in a session ID that the side with the higher node ID has chosen. */
export const SESSION_CHOSEN_BY_HIGHER = 0x8000_0000 | 0;
/** The path ID, and the feedback path ID, that names none. */
export const PATH_NONE = 0;

/** Negative, 0 or positive as the first node ID is lower, the same or higher. */
export function compareNodeIds(highA: number, lowA: number, highB: number, lowB: number): number {
  return highA - highB || (lowA >>> 0) - (lowB >>> 0);
}

/** What follows the user data of one datagram, in one record that is used over and over. */
export class ControlBlock {
  /** The first 16 bits of the source node ID, and the other 32 as int32. */
  nodeHigh = 0;
  nodeLow = 0;
  session = 0;
  /** One of the sender's IPv4 addresses, in network order; 0 = none. */
  address = 0;
  flags = 0;
  path = 0;
  feedbackPath = 0;
  timestampUs = 0;
  /** Of the feedback path; means nothing where that is PATH_NONE. */
  delayUs = 0;
  /** The path sequence number; 0 where the datagram has none. */
  sequence = 0;
  /** Bytes of user data, or of a control packet's body, in front of all this. */
  userBytes = 0;

  get kind(): number {
    return this.flags & KIND_MASK;
  }

  /** Reads the end of the datagram of `length` bytes at `at`; false, and nothing read, where it is too short. */
  read(view: DataView, at: number, length: number): boolean {
    const userBytes = length - CONTROL_BLOCK_BYTES;
    if (userBytes < 0) return false;
    const blockAt = at + userBytes;
    const flags = view.getUint8(blockAt + BLOCK_FLAGS);
    if ((flags & FLAG_SEQUENCED) === 0) {
      this.sequence = 0;
      this.userBytes = userBytes;
    } else {
      if (userBytes < PATH_SEQUENCE_BYTES) return false;
      this.sequence = view.getInt32(blockAt - PATH_SEQUENCE_BYTES);
      this.userBytes = userBytes - PATH_SEQUENCE_BYTES;
    }
    this.nodeHigh = view.getUint16(blockAt + BLOCK_NODE_HIGH);
    this.nodeLow = view.getInt32(blockAt + BLOCK_NODE_LOW);
    this.session = view.getInt32(blockAt + BLOCK_SESSION);
    this.address = view.getInt32(blockAt + BLOCK_ADDRESS, true);
    this.flags = flags;
    this.path = view.getUint8(blockAt + BLOCK_PATH);
    this.feedbackPath = view.getUint8(blockAt + BLOCK_FEEDBACK_PATH);
    this.timestampUs = view.getInt32(blockAt + BLOCK_TIMESTAMP);
    this.delayUs = view.getInt32(blockAt + BLOCK_DELAY);
    return true;
  }
}

/** Writes the 25 bytes of the control block. */
export function writeControlBlock(view: DataView, at: number, block: Readonly<ControlBlock>): void {
  view.setUint16(at + BLOCK_NODE_HIGH, block.nodeHigh);
  view.setInt32(at + BLOCK_NODE_LOW, block.nodeLow);
  view.setInt32(at + BLOCK_SESSION, block.session);
  view.setInt32(at + BLOCK_ADDRESS, block.address, true);
  view.setUint8(at + BLOCK_FLAGS, block.flags);
  view.setUint8(at + BLOCK_PATH, block.path);
  view.setUint8(at + BLOCK_FEEDBACK_PATH, block.feedbackPath);
  view.setInt32(at + BLOCK_TIMESTAMP, block.timestampUs);
  view.setInt32(at + BLOCK_DELAY, block.delayUs);
}

/** Writes the path sequence word, where the flags say that there is one, and the control block; answers their length. */
export function writeTrailer(view: DataView, at: number, block: Readonly<ControlBlock>): number {
  if ((block.flags & FLAG_SEQUENCED) === 0) {
    writeControlBlock(view, at, block);
    return CONTROL_BLOCK_BYTES;
  }
  view.setInt32(at, block.sequence);
  writeControlBlock(view, at + PATH_SEQUENCE_BYTES, block);
  return TRAILER_BYTES;
}

/**
 * The trailers of a node's datagrams, for the hot path: what a run of datagrams has in common is put into words once,
 * by `prepare`, and `write` stores them with what differs. 8 ns a trailer, where field by field from a record costs 13
 * and a template copied with `copyWords` and patched 17 (tools/bench/micro/control-block.ts).
 */
export class TrailerWriter {
  // The block's words, as they stand there; the second begins with the end of the node ID.
  private readonly firstWord: number;
  private readonly nodeEnd: number;
  private secondWord = 0;
  private thirdWord = 0;
  private fourthWord = 0;
  private feedbackPath = 0;
  private delayUs = 0;
  private sequenced = false;

  constructor(nodeHigh: number, nodeLow: number) {
    this.firstWord = (nodeHigh << 16) | (nodeLow >>> 16);
    this.nodeEnd = nodeLow << 16;
  }

  /** Begins a run of datagrams of one session on one path. `address` is a word in network order, as in ControlBlock. */
  prepare(
    flags: number,
    session: number,
    path: number,
    address: number,
    feedbackPath: number,
    delayUs: number,
  ): void {
    const swapped =
      (address << 24) | ((address & 0xff00) << 8) | ((address >>> 8) & 0xff00) | (address >>> 24);
    this.secondWord = this.nodeEnd | (session >>> 16);
    this.thirdWord = (session << 16) | (swapped >>> 16);
    this.fourthWord = (swapped << 16) | (flags << 8) | path;
    this.feedbackPath = feedbackPath;
    this.delayUs = delayUs;
    this.sequenced = (flags & FLAG_SEQUENCED) !== 0;
  }

  /** Writes one trailer at `at`; answers its length. `sequence` is not used where the flags lack SEQUENCED. */
  write(view: DataView, at: number, sequence: number, timestampUs: number): number {
    let blockAt = at;
    if (this.sequenced) {
      view.setInt32(at, sequence);
      blockAt = at + PATH_SEQUENCE_BYTES;
    }
    view.setInt32(blockAt, this.firstWord);
    view.setInt32(blockAt + 4, this.secondWord);
    view.setInt32(blockAt + 8, this.thirdWord);
    view.setInt32(blockAt + 12, this.fourthWord);
    view.setUint8(blockAt + BLOCK_FEEDBACK_PATH, this.feedbackPath);
    view.setInt32(blockAt + BLOCK_TIMESTAMP, timestampUs);
    view.setInt32(blockAt + BLOCK_DELAY, this.delayUs);
    return blockAt + CONTROL_BLOCK_BYTES - at;
  }
}
