import { readIpv4Address, readIpv6Address } from "./address.ts";
import {
  ADDRESS4_BYTES,
  ADDRESS6_BYTES,
  type Echo,
  FIELD_ADDRESSES4,
  FIELD_COUNT,
  FIELD_HEAD_BYTES,
  fieldIsRepeatable,
  fieldLengthIsValid,
  NACK_HEAD_BYTES,
  NACK_RANGE_BYTES,
  POLICY_RATE_BYTES,
  type Received,
} from "./control-body.ts";

const NOTHING = new DataView(new ArrayBuffer(0));

/**
 * Reads the body of a control packet field by field: `begin`, then `next` until it is false. In between `type` says
 * which field it is, and the methods read its value, each for the types that it names only.
 */
export class BodyReader {
  /** The type of the field that `next` came to, and where its value stands. */
  type = 0;
  valueAt = 0;
  valueBytes = 0;
  /** One bit for each known type that stands in the body: 1 << type. */
  seen = 0;
  private view: DataView = NOTHING;
  private end = 0;

  /** Checks the body of `bytes` bytes at `at`; false where it is to be rejected. */
  begin(view: DataView, at: number, bytes: number): boolean {
    const end = at + bytes;
    let seen = 0;
    this.seen = 0;
    this.valueAt = at;
    this.valueBytes = 0;
    this.end = at;
    for (let fieldAt = at; fieldAt < end; ) {
      if (end - fieldAt < FIELD_HEAD_BYTES) return false;
      const type = view.getUint8(fieldAt);
      const valueBytes = view.getUint16(fieldAt + 1);
      fieldAt += FIELD_HEAD_BYTES + valueBytes;
      if (fieldAt > end) return false;
      if (!isKnown(type)) continue;
      if (!fieldLengthIsValid(type, valueBytes)) return false;
      const bit = 1 << type;
      if ((seen & bit) !== 0 && !fieldIsRepeatable(type)) return false;
      seen |= bit;
    }
    this.view = view;
    this.seen = seen;
    this.end = end;
    return true;
  }

  /** Goes to the next field of a known type; false behind the last one, and after a `begin` that failed. */
  next(): boolean {
    const view = this.view;
    let at = this.valueAt + this.valueBytes;
    while (at < this.end) {
      const type = view.getUint8(at);
      const valueBytes = view.getUint16(at + 1);
      at += FIELD_HEAD_BYTES;
      if (isKnown(type)) {
        this.type = type;
        this.valueAt = at;
        this.valueBytes = valueBytes;
        return true;
      }
      at += valueBytes;
    }
    this.valueAt = this.end;
    this.valueBytes = 0;
    return false;
  }

  /** The first half of a NONCE, INSTANCE, TOKEN or ASKED, as int32. */
  high(): number {
    return this.view.getInt32(this.valueAt);
  }

  /** The second half. */
  low(): number {
    return this.view.getInt32(this.valueAt + 4);
  }

  /** A POLICY, REFUSAL or VERSION; the path of a NACK. */
  byte(): number {
    return this.view.getUint8(this.valueAt);
  }

  /** Whether a POLICY says what its line may bring. */
  hasRate(): boolean {
    return this.valueBytes === POLICY_RATE_BYTES;
  }

  /** The line of such a POLICY. */
  line(): number {
    return this.view.getUint8(this.valueAt + 1);
  }

  /** In bytes per second. */
  rate(): number {
    return this.view.getUint32(this.valueAt + 2);
  }

  /** An MTU. */
  uint16(): number {
    return this.view.getUint16(this.valueAt);
  }

  received(into: Received): Received {
    const { view, valueAt } = this;
    into.path = view.getUint8(valueAt);
    into.packets = view.getInt32(valueAt + 1);
    into.bytesHigh = view.getInt32(valueAt + 5);
    into.bytesLow = view.getInt32(valueAt + 9);
    into.lost = view.getInt32(valueAt + 13);
    into.highest = view.getInt32(valueAt + 17);
    into.carries = view.getInt32(valueAt + 21);
    return into;
  }

  echo(into: Echo): Echo {
    const { view, valueAt } = this;
    into.timestampUs = view.getInt32(valueAt);
    into.heldUs = view.getInt32(valueAt + 4);
    into.path = view.getUint8(valueAt + 8);
    return into;
  }

  /** How many addresses stand in an ADDRESSES4, ADDRESSES6 or OBSERVED. */
  addressCount(): number {
    return this.valueBytes / (this.type === FIELD_ADDRESSES4 ? ADDRESS4_BYTES : ADDRESS6_BYTES);
  }

  /** Puts one of them into four words as plans have them; answers its port. */
  address(index: number, into: Int32Array, intoIndex: number): number {
    const view = this.view;
    if (this.type === FIELD_ADDRESSES4) {
      const at = this.valueAt + index * ADDRESS4_BYTES;
      readIpv4Address(view, at, into, intoIndex);
      return view.getUint16(at + 4);
    }
    const at = this.valueAt + index * ADDRESS6_BYTES;
    readIpv6Address(view, at, into, intoIndex);
    return view.getUint16(at + 16);
  }

  /** How many ranges stand in a NACK. */
  rangeCount(): number {
    return (this.valueBytes - NACK_HEAD_BYTES) / NACK_RANGE_BYTES;
  }

  /** The first path sequence number of one of them, as int32. */
  rangeFirst(index: number): number {
    return this.view.getInt32(this.valueAt + NACK_HEAD_BYTES + index * NACK_RANGE_BYTES);
  }

  /** How many numbers it has. */
  rangeLength(index: number): number {
    return this.view.getUint16(this.valueAt + NACK_HEAD_BYTES + index * NACK_RANGE_BYTES + 4);
  }

  /** One of the path IDs of a CLOSED, of which there are `valueBytes`. */
  path(index: number): number {
    return this.view.getUint8(this.valueAt + index);
  }

  /** A NAME, with replacement characters for what is not UTF-8. It may hold any other character. */
  text(): string {
    const { buffer, byteOffset } = this.view;
    // A copy, because the decoder takes no shared memory.
    const bytes = new Uint8Array(buffer, byteOffset + this.valueAt, this.valueBytes).slice();
    return new TextDecoder().decode(bytes);
  }
}

function isKnown(type: number): boolean {
  return type > 0 && type < FIELD_COUNT;
}
