import type { Plan } from "../core/batch/plan.ts";

/**
 * The two interfaces through which packets enter and leave. Both work in batches on one arena, which the caller owns
 * and hands to a port when it is opened.
 *
 * The contract of both:
 * - A call moves what is there and returns at once. 0 from a read means that nothing was there.
 * - What a read left in the arena and in `records` is the caller's until its next read into the same place.
 * - A write takes a plan and returns when the kernel has copied it: its bytes may be reused at once. Each message's
 *   status says what became of it; nothing is queued in the port and nothing is retried.
 * - A message that the kernel does not take is dropped, as a router drops a packet; the port counts it.
 * - `start` calls back once in each turn of the event loop in which there is something to read. Whoever handles it
 *   reads one batch and returns: what is left brings the next call, after timers and the control socket had their turn.
 *   The calls of one turn have its number, so that what was emptied in one of them need not be asked in another.
 * - `close` may be called at any time, also from a callback; afterwards reads and writes answer 0.
 * - No packet and no state of the network makes a method throw.
 */
interface Port {
  start(onReadable: OnReadable): void;
  close(): void;
}

export type OnReadable = (turn: number) => void;

/** The device that the host's own packets come from and go to. Packets start with a vnet header (core/batch/layout). */
export interface TunPort extends Port {
  readonly name: string;
  readonly offloads: Readonly<TunOffloads>;
  readonly received: Readonly<ReceiveCounters>;
  readonly sent: Readonly<SendCounters>;
  /** (offset, length) of each packet of the last read. */
  readonly records: Int32Array;
  /**
   * Reads up to `max` packets into [start, end), one behind the other, while the largest possible still fits. What else
   * was in there may be gone.
   */
  read(start: number, end: number, max: number): number;
  /** Writes one packet for each message; answers how many were taken. */
  write(plan: Plan): number;
  setMtu(mtu: number): void;
}

/**
 * What the device leaves to us, and takes from us. Without `checksum` every packet is complete in both directions;
 * without `tso` (TCP) or `uso` (UDP) there are no super-packets of that kind in either.
 */
export interface TunOffloads {
  checksum: boolean;
  tso: boolean;
  uso: boolean;
}

/** The UDP sockets of one daemon: any number of them, and one place to send by all. */
export interface DatagramPort {
  open(options: SocketOptions): DatagramSocket;
  /**
   * Sends a plan in its order; each message leaves by the socket that it names (`id`), as several datagrams where it
   * has a segment size. Answers how many went out whole.
   */
  send(plan: Plan): number;
  readonly counters: Readonly<SendCounters>;
  close(): void;
}

export interface SocketOptions {
  /** Four words as in a plan. */
  address: Int32Array;
  /** 0: any free one. */
  port: number;
  /** The interface that packets leave and arrive by. */
  device?: string;
  /** The mark that keeps the packets out of our own policy routes. */
  mark?: number;
}

/** A UDP socket on one local address. */
export interface DatagramSocket extends Port {
  /** What plans call it. */
  readonly id: number;
  readonly port: number;
  readonly offloads: Readonly<UdpOffloads>;
  readonly counters: Readonly<ReceiveCounters>;
  /** Receive records (core/batch/layout) of the last call of `receive` or `errors`. */
  readonly records: Int32Array;
  /**
   * Receives up to `max` messages, message i at start + i * slotBytes. A message may hold several datagrams of the
   * record's segment size (the last one shorter).
   */
  receive(start: number, slotBytes: number, max: number): number;
  /** What the network answered to earlier messages: length = -errno, address and port of the destination. */
  errors(): number;
}

/** Without `gso` or `gro` the port crosses into the kernel once per datagram; callers see no difference. */
export interface UdpOffloads {
  gso: boolean;
  gro: boolean;
}

/** Calls that moved something, and what they moved. */
export interface ReceiveCounters {
  calls: number;
  messages: number;
}

export interface SendCounters extends ReceiveCounters {
  /** Messages that were not taken, or not whole. */
  refused: number;
}
