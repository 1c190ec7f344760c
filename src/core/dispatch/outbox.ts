import { MESSAGE_MAX_BYTES, PIECES_MAX, PLAN_HEAD, SEGMENTS_MAX } from "../batch/layout.ts";
import { Plan } from "../batch/plan.ts";

/** Pieces that a datagram may have: headers, payload, control block. */
const DATAGRAM_PIECES = 3;

/** The number of a destination that has none. */
export const NOBODY = -1;

/**
 * The datagrams that leave in one call, in their order. Datagrams of one size to one destination that follow each other
 * become one message (UDP_SEGMENT), the last of which may be shorter. An empty one is a message of its own: in another
 * it would vanish.
 */
export class Outbox {
  readonly plan: Plan;
  /** Whom the message begun last goes to, as the caller numbers its destinations; NOBODY when none is open. */
  private destination = NOBODY;
  private tos = 0;
  private segmentBytes = 0;
  private messageBytes = 0;
  private segments = 0;
  private shorter = false;

  constructor(capacityWords: number) {
    this.plan = new Plan(capacityWords);
  }

  clear(): void {
    this.plan.clear();
    this.destination = NOBODY;
  }

  /** Whether the plan has room for another datagram. */
  fits(): boolean {
    return this.plan.fits(DATAGRAM_PIECES);
  }

  /**
   * Begins a datagram of `bytes` bytes; its pieces follow through `plan.piece`. `to` and `toIndex` are the address
   * words that belong to `destination`; one that has no number is NOBODY, and its datagram a message of its own.
   */
  datagram(
    destination: number,
    socket: number,
    to: Int32Array,
    toIndex: number,
    port: number,
    tos: number,
    bytes: number,
  ): void {
    if (
      destination === this.destination &&
      destination !== NOBODY &&
      tos === this.tos &&
      !this.shorter &&
      bytes > 0 &&
      bytes <= this.segmentBytes &&
      this.segments < SEGMENTS_MAX &&
      this.messageBytes + bytes <= MESSAGE_MAX_BYTES &&
      this.plan.piecesLeft() >= DATAGRAM_PIECES
    ) {
      this.segments++;
      this.messageBytes += bytes;
      this.shorter = bytes < this.segmentBytes;
      return;
    }
    this.destination = destination;
    this.tos = tos;
    this.segmentBytes = bytes;
    this.messageBytes = bytes;
    this.segments = 1;
    this.shorter = false;
    this.plan.begin();
    this.plan.route(socket, to, toIndex, port, bytes, tos);
  }
}

/** Words that a plan needs for the longest message. */
export const OUTBOX_MIN_WORDS = PLAN_HEAD + 2 * PIECES_MAX;
