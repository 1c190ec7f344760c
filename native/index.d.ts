// The types of the addon, written by hand; layout.h draws the memory that is shared. No function here throws: what
// fails answers a negative errno. Packets are moved in batches through the arena, which every call is handed.

export interface Native {
  /** The numbers of layout.h, compared with src/core/batch/layout.ts when the addon is loaded. */
  readonly layout: Readonly<Record<string, number>>;

  /** A zeroed block of memory, backed by huge pages where the kernel has them; freed when it is collected. */
  arenaOpen(bytes: number): Uint8Array | number;
  closeDescriptor(fd: number): number;
  /** From now on the calls below that are asked to move their batches through an io_uring, in one crossing. */
  ringOpen(): number;

  /** `flags`: 1 = several queues, 2 = packets carry a vnet header. Answers a descriptor. */
  tunOpen(name: string, flags: number): number;
  /** What the kernel may leave to the reader. `bits`: 1 = checksums, 2 = TCP segmentation, 4 = UDP segmentation. */
  tunOffload(fd: number, bits: number): number;
  /**
   * Reads up to `max` packets into [start, end), one behind the other, while the largest possible still fits.
   * `records` gets (offset, length) of each, the vnet header (of zeros where the device has none) included. With
   * `tries` > 0 it reads through the ring, so many packets in the first crossing.
   */
  tunRead(
    fd: number,
    vnet: number,
    arena: Uint8Array,
    start: number,
    end: number,
    max: number,
    records: Int32Array,
    tries?: number,
  ): number;
  /**
   * Writes a plan; answers how many messages were taken, each message's status says what became of it. `ring`: 1 =
   * through the ring.
   */
  tunWrite(
    fd: number,
    vnet: number,
    arena: Uint8Array,
    plan: Int32Array,
    messages: number,
    ring?: number,
  ): number;

  /** A packet socket on the interface that `tunRead` and `tunWrite` can use, from the kernel's side of a TUN device. */
  packetOpen(name: string): number;

  /** `out` gets MTU, up (0 | 1), interface index, transmit queue length. */
  linkGet(name: string, out: Int32Array): number;
  /** A negative value leaves that setting as it is. */
  linkSet(name: string, mtu: number, up: number, queueLength: number): number;

  udpOpen(family: 4 | 6): number;
  /**
   * `option`: 0 mark, 1 receive buffer bytes, 2 send buffer bytes, 3 IP_MTU_DISCOVER, 4 UDP_GRO, 5 receive
   * timestamps, 6 local address of received packets, 7 TOS of received packets, 8 IPv6 only, 9 error queue.
   */
  udpOption(fd: number, family: 4 | 6, option: number, value: number): number;
  udpDevice(fd: number, name: string): number;
  /** `address`: four words as in a plan. Answers the port bound. */
  udpBind(fd: number, address: Int32Array, port: number): number;
  /** Receives up to `max` messages, message i at start + i * slotBytes; `records` gets a receive record for each. */
  udpReceive(
    fd: number,
    arena: Uint8Array,
    start: number,
    slotBytes: number,
    max: number,
    records: Int32Array,
  ): number;
  /** Takes what the network answered to earlier messages off the error queue, as receive records. */
  udpErrors(fd: number, records: Int32Array): number;
  /**
   * Sends a plan in its order; answers how many messages went out whole. By the sockets in `unsegmented` a message
   * leaves datagram by datagram. `ring`: 1 = what leaves by several sockets goes through the ring.
   */
  udpSend(
    arena: Uint8Array,
    plan: Int32Array,
    messages: number,
    unsegmented: Int32Array,
    ring?: number,
  ): number;

  /** A socket that has something to read when the kernel's network tables change; `groups`: RTMGRP_* bits. */
  netlinkOpen(groups: number): number;
  /** Throws away what is to be read; answers how many messages that were. */
  netlinkDrain(fd: number): number;
  /**
   * All rules (RTM_GETRULE), addresses (RTM_GETADDR), or routes (RTM_GETROUTE) into the device or, without one, for
   * everything, of a family as the kernel numbers it: its messages, one after the other. Answers their length.
   */
  netlinkDump(request: number, family: number, answer: Uint8Array, device?: number): number;

  /** Calls back once in each turn of the event loop in which the descriptor has something to read; `turn` counts them. */
  pollStart(fd: number, callback: (turn: number) => void): number;
  /** Before the descriptor is closed; may be called from any callback. */
  pollStop(fd: number): number;
}

export const native: Native;
