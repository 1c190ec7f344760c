import { isMappedIpv4 } from "./address.ts";
import {
  ADDRESS4_BYTES,
  ADDRESS6_BYTES,
  ECHO_BYTES,
  type Echo,
  FIELD_ADDRESSES4,
  FIELD_ADDRESSES6,
  FIELD_ASKED,
  FIELD_CLOSED,
  FIELD_ECHO,
  FIELD_HEAD_BYTES,
  FIELD_INSTANCE,
  FIELD_MTU,
  FIELD_NACK,
  FIELD_NAME,
  FIELD_NONCE,
  FIELD_OBSERVED,
  FIELD_PADDING,
  FIELD_POLICY,
  FIELD_RECEIVED,
  FIELD_REFUSAL,
  FIELD_TOKEN,
  FIELD_VERSION,
  NACK_HEAD_BYTES,
  NACK_RANGE_BYTES,
  NAME_MAX_BYTES,
  PAIR_BYTES,
  POLICY_RATE_BYTES,
  RECEIVED_BYTES,
  type Received,
} from "./control-body.ts";

const NOTHING = new DataView(new ArrayBuffer(0));

/**
 * Writes the body of a control packet: `begin`, then the fields. What does not fit is left out as a whole: the method
 * answers false and `complete` is false from then on.
 */
export class BodyWriter {
  /** Whether everything since `begin` fitted. */
  complete = true;
  private view: DataView = NOTHING;
  private start = 0;
  private at = 0;
  private end = 0;
  /** The NACK to which `range` adds; -1 where the last field is none. */
  private nackAt = -1;

  /** The body is to lie within [at, end). */
  begin(view: DataView, at: number, end: number): void {
    this.view = view;
    this.start = at;
    this.at = at;
    this.end = end;
    this.nackAt = -1;
    this.complete = true;
  }

  /** The length of what is written. */
  get bytes(): number {
    return this.at - this.start;
  }

  nonce(high: number, low: number): boolean {
    return this.pair(FIELD_NONCE, high, low);
  }

  instance(high: number, low: number): boolean {
    return this.pair(FIELD_INSTANCE, high, low);
  }

  /** The instance of the node that is asked. */
  asked(high: number, low: number): boolean {
    return this.pair(FIELD_ASKED, high, low);
  }

  token(high: number, low: number): boolean {
    return this.pair(FIELD_TOKEN, high, low);
  }

  version(version: number): boolean {
    return this.byte(FIELD_VERSION, version);
  }

  policy(policy: number): boolean {
    return this.byte(FIELD_POLICY, policy);
  }

  /** A policy with what may be sent to us by a line of ours, which all paths by it share. */
  policyRate(policy: number, line: number, bytesPerS: number): boolean {
    const at = this.open(FIELD_POLICY, POLICY_RATE_BYTES);
    if (at < 0) return false;
    this.view.setUint8(at, policy);
    this.view.setUint8(at + 1, line);
    this.view.setUint32(at + 2, bytesPerS);
    return true;
  }

  refusal(code: number): boolean {
    return this.byte(FIELD_REFUSAL, code);
  }

  mtu(mtuBytes: number): boolean {
    const at = this.open(FIELD_MTU, 2);
    if (at >= 0) this.view.setUint16(at, mtuBytes);
    return at >= 0;
  }

  /** A name, cut to NAME_MAX_BYTES between two characters. An empty one is left out. */
  name(name: string): boolean {
    const bytes = new Uint8Array(NAME_MAX_BYTES);
    const length = new TextEncoder().encodeInto(name, bytes).written;
    if (length === 0) return true;
    const at = this.open(FIELD_NAME, length);
    if (at >= 0) for (let i = 0; i < length; i++) this.view.setUint8(at + i, bytes[i]!);
    return at >= 0;
  }

  /**
   * A list of `count` addresses, four words each as plans have them: the IPv4 ones in one field, the others in
   * another. A list of none is an empty ADDRESSES4.
   */
  addresses(words: Int32Array, ports: ArrayLike<number>, count: number): boolean {
    let count4 = 0;
    for (let i = 0; i < count; i++) if (isMappedIpv4(words, 4 * i)) count4++;
    const count6 = count - count4;
    const has4 = count4 > 0 || count === 0;
    const bytes4 = has4 ? FIELD_HEAD_BYTES + count4 * ADDRESS4_BYTES : 0;
    const bytes6 = count6 > 0 ? FIELD_HEAD_BYTES + count6 * ADDRESS6_BYTES : 0;
    if (this.at + bytes4 + bytes6 > this.end) {
      this.complete = false;
      return false;
    }
    if (has4) this.list(FIELD_ADDRESSES4, count4, words, ports, count);
    if (count6 > 0) this.list(FIELD_ADDRESSES6, count6, words, ports, count);
    return true;
  }

  private list(
    type: number,
    listed: number,
    words: Int32Array,
    ports: ArrayLike<number>,
    count: number,
  ): void {
    const view = this.view;
    const is4 = type === FIELD_ADDRESSES4;
    let at = this.open(type, listed * (is4 ? ADDRESS4_BYTES : ADDRESS6_BYTES));
    for (let i = 0; i < count; i++) {
      if (isMappedIpv4(words, 4 * i) !== is4) continue;
      for (let k = is4 ? 3 : 0; k < 4; k++, at += 4) view.setInt32(at, words[4 * i + k]!, true);
      view.setUint16(at, ports[i]!);
      at += 2;
    }
  }

  /** The address at `index` of `words` and its port, as seen from here. */
  observed(words: Int32Array, index: number, port: number): boolean {
    const view = this.view;
    const at = this.open(FIELD_OBSERVED, ADDRESS6_BYTES);
    if (at < 0) return false;
    for (let k = 0; k < 4; k++) view.setInt32(at + 4 * k, words[index + k]!, true);
    view.setUint16(at + 16, port);
    return true;
  }

  received(from: Readonly<Received>): boolean {
    const view = this.view;
    const at = this.open(FIELD_RECEIVED, RECEIVED_BYTES);
    if (at < 0) return false;
    view.setUint8(at, from.path);
    view.setInt32(at + 1, from.packets);
    view.setInt32(at + 5, from.bytesHigh);
    view.setInt32(at + 9, from.bytesLow);
    view.setInt32(at + 13, from.lost);
    view.setInt32(at + 17, from.highest);
    view.setInt32(at + 21, from.carries);
    return true;
  }

  echo(from: Readonly<Echo>): boolean {
    const view = this.view;
    const at = this.open(FIELD_ECHO, ECHO_BYTES);
    if (at < 0) return false;
    view.setInt32(at, from.timestampUs);
    view.setInt32(at + 4, from.heldUs);
    view.setUint8(at + 8, from.path);
    return true;
  }

  /** Begins the losses of one path; `range` adds them. */
  nack(path: number): boolean {
    const at = this.open(FIELD_NACK, NACK_HEAD_BYTES);
    if (at < 0) return false;
    this.view.setUint8(at, path);
    this.nackAt = at;
    return true;
  }

  /** Adds `count` (1 to 65535) path sequence numbers to the NACK that has just been begun. */
  range(first: number, count: number): boolean {
    const view = this.view;
    const { at, nackAt } = this;
    if (nackAt < 0 || at + NACK_RANGE_BYTES > this.end) {
      this.complete = false;
      return false;
    }
    view.setInt32(at, first);
    view.setUint16(at + 4, count);
    this.at = at + NACK_RANGE_BYTES;
    view.setUint16(nackAt - 2, this.at - nackAt);
    return true;
  }

  /** The first `count` of some path IDs, 1 to CLOSED_MAX_BYTES. */
  closed(paths: Uint8Array, count: number): boolean {
    const at = this.open(FIELD_CLOSED, count);
    if (at >= 0) for (let i = 0; i < count; i++) this.view.setUint8(at + i, paths[i]!);
    return at >= 0;
  }

  /** Makes the body at least `bytes` long; padding is no shorter than its own head. */
  padTo(bytes: number): boolean {
    const missing = bytes - this.bytes;
    if (missing <= 0) return true;
    const length = Math.max(0, missing - FIELD_HEAD_BYTES);
    const at = this.open(FIELD_PADDING, length);
    if (at >= 0) for (let i = 0; i < length; i++) this.view.setUint8(at + i, 0);
    return at >= 0;
  }

  private pair(type: number, high: number, low: number): boolean {
    const at = this.open(type, PAIR_BYTES);
    if (at < 0) return false;
    this.view.setInt32(at, high);
    this.view.setInt32(at + 4, low);
    return true;
  }

  private byte(type: number, value: number): boolean {
    const at = this.open(type, 1);
    if (at >= 0) this.view.setUint8(at, value);
    return at >= 0;
  }

  /** Writes a field's head; answers where its value goes, or -1. */
  private open(type: number, valueBytes: number): number {
    const at = this.at;
    const valueAt = at + FIELD_HEAD_BYTES;
    this.nackAt = -1;
    if (valueAt + valueBytes > this.end) {
      this.complete = false;
      return -1;
    }
    this.view.setUint8(at, type);
    this.view.setUint16(at + 1, valueBytes);
    this.at = valueAt + valueBytes;
    return valueAt;
  }
}
