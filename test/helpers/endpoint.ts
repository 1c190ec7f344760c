import {
  RECORD_ADDRESS,
  RECORD_AGE_US,
  RECORD_LENGTH,
  RECORD_LOCAL,
  RECORD_PORT,
  RECORD_SEGMENT,
  RECORD_TOS,
  RECORD_WORDS,
} from "../../src/core/batch/layout.ts";
import { Plan } from "../../src/core/batch/plan.ts";
import { formatAddress } from "../../src/io/address.ts";
import type { DatagramPort, DatagramSocket } from "../../src/io/port.ts";
import { datagrams } from "./plan-messages.ts";

/** Bytes to be sent lie in front of this place of the arena, received ones behind it. */
const RECEIVE_AT = 1 << 20;
const SLOT_BYTES = 1 << 16;
const SLOTS = 16;
export const ENDPOINT_ARENA_BYTES = RECEIVE_AT + SLOTS * SLOT_BYTES;

/** A message as a test writes it down. */
export interface Outgoing {
  socket: Pick<DatagramSocket, "id">;
  to: Int32Array;
  port: number;
  bytes: Uint8Array;
  /** Bytes of each datagram but the last; 0 = one datagram. */
  segment?: number;
  tos?: number;
}

/** One datagram of a received message, and its record. */
export interface Incoming {
  bytes: Uint8Array;
  /** Of the message it came in. */
  length: number;
  segment: number;
  from: string;
  port: number;
  tos: number;
  ageUs: number;
  local: string;
}

export interface NetworkError {
  errno: number;
  to: string;
  port: number;
  mtu: number;
}

/** A datagram port and its arena, with a test's words for plans and records. */
export class Endpoint {
  readonly port: DatagramPort;
  readonly arena: Uint8Array;
  private readonly plan = new Plan(1 << 15);

  /** `arena` has ENDPOINT_ARENA_BYTES. */
  constructor(port: DatagramPort, arena: Uint8Array) {
    this.port = port;
    this.arena = arena;
  }

  /** Sends messages in one plan, each in three pieces where it is long enough. */
  send(...messages: Outgoing[]): { sent: number; statuses: number[] } {
    const { plan } = this;
    plan.clear();
    let at = 1;
    const heads = messages.map(({ socket, to, port, bytes, segment = 0, tos = 0 }) => {
      const head = plan.begin();
      plan.route(socket.id, to, 0, port, segment, tos);
      const cuts = bytes.length < 10 ? [0, bytes.length] : [0, 3, bytes.length - 2, bytes.length];
      for (let i = 0; i + 1 < cuts.length; i++) {
        this.arena.set(bytes.subarray(cuts[i], cuts[i + 1]), at);
        plan.piece(at, cuts[i + 1]! - cuts[i]!);
        // A gap, so that the plan keeps the pieces apart.
        at += cuts[i + 1]! - cuts[i]! + 1;
      }
      return head;
    });
    if (at > RECEIVE_AT) throw new Error("more bytes to send than the endpoint has room for");
    const sent = this.port.send(plan);
    return { sent, statuses: heads.map((head) => plan.status(head)) };
  }

  /** Takes everything that is there, datagram by datagram. */
  receive(socket: DatagramSocket, slotBytes = SLOT_BYTES): Incoming[] {
    const all: Incoming[] = [];
    // A socket may say 0 once because it hands out the network's answer to an earlier message instead.
    for (let empty = 0; empty < 2; ) {
      const count = socket.receive(RECEIVE_AT, slotBytes, SLOTS);
      if (count === 0) empty++;
      for (let i = 0; i < count; i++) all.push(...this.incoming(socket.records, i, slotBytes));
    }
    return all;
  }

  /** Takes what the network answered. */
  errors(socket: DatagramSocket): NetworkError[] {
    const count = socket.errors();
    const { records } = socket;
    return Array.from({ length: count }, (_, i) => ({
      errno: records[i * RECORD_WORDS + RECORD_LENGTH]!,
      to: formatAddress(records, i * RECORD_WORDS + RECORD_ADDRESS),
      port: records[i * RECORD_WORDS + RECORD_PORT]!,
      mtu: records[i * RECORD_WORDS + RECORD_SEGMENT]!,
    }));
  }

  private incoming(records: Int32Array, index: number, slotBytes: number): Incoming[] {
    const at = index * RECORD_WORDS;
    const length = records[at + RECORD_LENGTH]!;
    const segment = records[at + RECORD_SEGMENT]!;
    const from = RECEIVE_AT + index * slotBytes;
    const bytes = this.arena.slice(from, from + Math.max(0, length));
    return datagrams(bytes, segment).map((datagram) => ({
      bytes: datagram.slice(),
      length,
      segment,
      from: formatAddress(records, at + RECORD_ADDRESS),
      port: records[at + RECORD_PORT]!,
      tos: records[at + RECORD_TOS]!,
      ageUs: records[at + RECORD_AGE_US]!,
      local: formatAddress(records, at + RECORD_LOCAL),
    }));
  }
}
