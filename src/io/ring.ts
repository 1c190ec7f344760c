import type { Logger } from "pino";
import {
  PLAN_HEAD,
  PLAN_STATUS,
  TUN_RECORD_WORDS,
  TUN_SLOT_BYTES,
  VNET_HEADER_BYTES,
} from "../core/batch/layout.ts";
import { Plan } from "../core/batch/plan.ts";
import { parseAddress } from "./address.ts";
import { native, openArena } from "./native.ts";

const MESSAGES = 6;
const MESSAGE_BYTES = 1000;
const READ_AT = MESSAGES * MESSAGE_BYTES;
const ENETUNREACH = -101;

let found: boolean | undefined;

/**
 * Whether batches can go through an io_uring, which crosses into the kernel once for many reads, writes or sends. It is
 * tried first: some messages go through it and come back, and must be the same. Where it does not work, one log line
 * says so; the process asks once.
 */
export function openRing(log: Logger): boolean {
  found ??= tryRing(log);
  return found;
}

function tryRing(log: Logger): boolean {
  if (native.ringOpen() < 0) {
    log.info(
      "no io_uring here (it needs Linux 6.0, and may be forbidden); crossing into the kernel packet by packet",
    );
    return false;
  }
  if (movesMessages()) return true;
  log.warn(
    "io_uring does not move what it is given on this kernel; crossing into the kernel packet by packet",
  );
  return false;
}

function movesMessages(): boolean {
  const loopback = parseAddress("127.0.0.1");
  const sockets = [native.udpOpen(4), native.udpOpen(4), native.udpOpen(4)];
  const [receiver, ...senders] = sockets as [number, number, number];
  try {
    const port = native.udpBind(receiver, loopback, 0);
    const arena = openArena(READ_AT + (MESSAGES + 1) * TUN_SLOT_BYTES);
    const plan = new Plan(MESSAGES * (PLAN_HEAD + 2));
    for (let i = 0; i < MESSAGES; i++) {
      arena.fill(i + 1, i * MESSAGE_BYTES, (i + 1) * MESSAGE_BYTES);
      plan.begin();
      plan.route(senders[i % senders.length]!, loopback, 0, port, 0, 0);
      plan.piece(i * MESSAGE_BYTES, MESSAGE_BYTES - i);
    }
    const sent = native.udpSend(arena, plan.words, MESSAGES, new Int32Array(0), 1);
    // No loopback: nothing can be tried, and the ports notice refusals.
    if (plan.words[PLAN_STATUS] === ENETUNREACH) return true;
    return sent === MESSAGES && readsBack(receiver, arena);
  } finally {
    for (const socket of sockets) native.closeDescriptor(socket);
  }
}

/** A read takes one datagram off a socket, as it takes a packet off a device; the last try finds nothing. */
function readsBack(receiver: number, arena: Uint8Array): boolean {
  const records = new Int32Array((MESSAGES + 1) * TUN_RECORD_WORDS);
  const count = native.tunRead(
    receiver,
    0,
    arena,
    READ_AT,
    arena.length,
    MESSAGES + 1,
    records,
    MESSAGES + 1,
  );
  if (count !== MESSAGES) return false;
  for (let i = 0; i < MESSAGES; i++) {
    const at = records[i * TUN_RECORD_WORDS]! + VNET_HEADER_BYTES;
    const bytes = records[i * TUN_RECORD_WORDS + 1]! - VNET_HEADER_BYTES;
    if (bytes !== MESSAGE_BYTES - i) return false;
    if (arena.subarray(at, at + bytes).some((byte) => byte !== i + 1)) return false;
  }
  return true;
}
