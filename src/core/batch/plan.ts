import {
  PIECES_MAX,
  PLAN_ADDRESS,
  PLAN_HEAD,
  PLAN_PIECES,
  PLAN_PORT,
  PLAN_SEGMENT,
  PLAN_SOCKET,
  PLAN_STATUS,
  PLAN_TOS,
} from "./layout.ts";

/**
 * Messages to be sent or written in one call, as pieces of the arena (layout in layout.ts). Used over and over:
 * `clear`, then for each message `begin` and `piece`. Invariant: words[0, end) is a whole plan at any time.
 */
export class Plan {
  readonly words: Int32Array;
  /** Messages in the plan. */
  count = 0;
  /** Words in use. */
  end = 0;
  /** Where the message begun last stands; -1 when there is none. */
  private head = -1;

  constructor(capacityWords: number) {
    this.words = new Int32Array(capacityWords);
  }

  clear(): void {
    this.count = 0;
    this.end = 0;
    this.head = -1;
  }

  /** Whether another message of `pieces` pieces has room. */
  fits(pieces: number): boolean {
    return this.end + PLAN_HEAD + 2 * pieces <= this.words.length;
  }

  /** Starts a message without pieces; answers where it stands, for `bytes`, `status` and the address words. */
  begin(): number {
    const head = this.end;
    const words = this.words;
    words[head + PLAN_STATUS] = 0;
    words[head + PLAN_PIECES] = 0;
    this.head = head;
    this.end = head + PLAN_HEAD;
    this.count++;
    return head;
  }

  /**
   * For UDP: the socket by which the message begun last leaves, where it goes, and how it is cut (`segment` = 0 for
   * one datagram).
   */
  route(socket: number, to: Int32Array, toIndex: number, port: number, segment: number, tos: number): void {
    const words = this.words;
    const head = this.head;
    words[head + PLAN_SOCKET] = socket;
    words[head + PLAN_PORT] = port;
    words[head + PLAN_SEGMENT] = segment;
    words[head + PLAN_TOS] = tos;
    words[head + PLAN_ADDRESS] = to[toIndex]!;
    words[head + PLAN_ADDRESS + 1] = to[toIndex + 1]!;
    words[head + PLAN_ADDRESS + 2] = to[toIndex + 2]!;
    words[head + PLAN_ADDRESS + 3] = to[toIndex + 3]!;
  }

  /** Adds bytes to the message begun last; bytes that follow the piece before in the arena make it longer instead. */
  piece(offset: number, length: number): void {
    const words = this.words;
    const end = this.end;
    if (words[this.head + PLAN_PIECES] !== 0 && words[end - 2]! + words[end - 1]! === offset) {
      words[end - 1] = words[end - 1]! + length;
      return;
    }
    words[end] = offset;
    words[end + 1] = length;
    words[this.head + PLAN_PIECES] = words[this.head + PLAN_PIECES]! + 1;
    this.end = end + 2;
  }

  /** Pieces that the message begun last may still get. */
  piecesLeft(): number {
    const room = (this.words.length - this.end) >> 1;
    return Math.min(room, PIECES_MAX - this.words[this.head + PLAN_PIECES]!);
  }

  /** What became of the message at `head`: bytes taken by the kernel, or a negative errno. */
  status(head: number): number {
    return this.words[head + PLAN_STATUS]!;
  }

  /** The length of the message at `head`. */
  bytes(head: number): number {
    const end = head + PLAN_HEAD + 2 * this.words[head + PLAN_PIECES]!;
    let bytes = 0;
    for (let at = head + PLAN_HEAD; at < end; at += 2) bytes += this.words[at + 1]!;
    return bytes;
  }

  /** Where the message behind the one at `head` stands. */
  after(head: number): number {
    return head + PLAN_HEAD + 2 * this.words[head + PLAN_PIECES]!;
  }
}
