import type { Logger } from "pino";
import { BATCH_MAX, PLAN_SOCKET, PLAN_STATUS, RECORD_WORDS } from "../core/batch/layout.ts";
import type { Plan } from "../core/batch/plan.ts";
import { familyOf, formatAddress } from "./address.ts";
import { EADDRINUSE, EADDRNOTAVAIL, EIO, ENODEV, EPERM, IoError } from "./error.ts";
import { native } from "./native.ts";
import type {
  DatagramPort,
  DatagramSocket,
  OnReadable,
  ReceiveCounters,
  SendCounters,
  SocketOptions,
  UdpOffloads,
} from "./port.ts";
import { openRing } from "./ring.ts";
import { testUdpOffloads } from "./selftest.ts";

/** Messages that one receive may return. */
export const UDP_RECEIVE_MAX = BATCH_MAX;

/** The options of native/index.d.ts. */
const MARK = 0;
const RECEIVE_BUFFER = 1;
const SEND_BUFFER = 2;
const MTU_DISCOVER = 3;
const GRO = 4;
const TIMESTAMP = 5;
const LOCAL_ADDRESS = 6;
const TOS = 7;
const ONLY_IPV6 = 8;
const ERRORS = 9;

/** Do not fragment, and do not believe ICMP about the path's MTU: paths measure it themselves. */
const MTU_DISCOVER_PROBE = 3;

/** A few milliseconds at 10 Gbit/s; wireguard-go asks for 7 MB. */
const BUFFER_BYTES = 8 << 20;

export interface UdpPortOptions {
  /** Of each socket, in both directions. */
  bufferBytes?: number;
  /** What to switch off; everything that the kernel has is on. */
  offloads?: Partial<UdpOffloads>;
  /** Whether batches may go through an io_uring, where the kernel has it (default: yes). */
  ring?: boolean;
}

/** The real sockets. Offloads that do not work here are switched off with one log line. */
export function openUdpPort(arena: Uint8Array, log: Logger, options: UdpPortOptions = {}): DatagramPort {
  const ring = options.ring !== false && openRing(log);
  const offloads = { gso: true, gro: true, ...options.offloads };
  return new UdpPort(arena, log, options.bufferBytes ?? BUFFER_BYTES, ring, offloads);
}

class UdpPort implements DatagramPort {
  readonly counters: SendCounters = { calls: 0, messages: 0, refused: 0 };
  private readonly arena: Uint8Array;
  private readonly log: Logger;
  private readonly bufferBytes: number;
  private readonly ring: number;
  private readonly wanted: UdpOffloads;
  private readonly tested = new Map<4 | 6, UdpOffloads>();
  private readonly sockets = new Map<number, UdpSocket>();
  /** The sockets without UDP_SEGMENT, as the last plan was sent. */
  private unsegmented = new Int32Array(0);

  constructor(arena: Uint8Array, log: Logger, bufferBytes: number, ring: boolean, wanted: UdpOffloads) {
    this.arena = arena;
    this.log = log;
    this.bufferBytes = bufferBytes;
    this.ring = ring ? 1 : 0;
    this.wanted = wanted;
  }

  open(options: SocketOptions): DatagramSocket {
    const family = familyOf(options.address);
    const name = `${formatAddress(options.address)} port ${options.port}`;
    const offloads = { ...this.offloadsOf(family) };
    const fd = native.udpOpen(family);
    if (fd < 0) throw new IoError(`cannot open a UDP socket for ${name}`, fd);
    try {
      configure(fd, family, options, offloads, this.bufferBytes);
      const socket = new UdpSocket(fd, bind(fd, options, name), offloads, this.arena, () => this.forget(fd));
      this.sockets.set(fd, socket);
      this.findUnsegmented();
      return socket;
    } catch (error) {
      native.closeDescriptor(fd);
      throw error;
    }
  }

  send(plan: Plan): number {
    if (plan.count === 0) return 0;
    let sent = this.sendOnce(plan);
    if (sent < plan.count && this.endSegmentation(plan)) sent = this.sendOnce(plan);
    if (sent > 0) this.counters.calls++;
    this.counters.messages += sent;
    this.counters.refused += plan.count - sent;
    return sent;
  }

  close(): void {
    for (const socket of [...this.sockets.values()]) socket.close();
  }

  private offloadsOf(family: 4 | 6): UdpOffloads {
    let offloads = this.tested.get(family);
    if (offloads === undefined) {
      offloads = { ...this.wanted };
      testUdpOffloads(family, offloads, this.log);
      this.tested.set(family, offloads);
    }
    return offloads;
  }

  private sendOnce(plan: Plan): number {
    return Math.max(0, native.udpSend(this.arena, plan.words, plan.count, this.unsegmented, this.ring));
  }

  /**
   * The kernel says EIO where the device below a socket cannot checksum what UDP_SEGMENT would make: such sockets go
   * on without, and the messages concerned are made ready to be sent again. Answers whether there are any.
   */
  private endSegmentation(plan: Plan): boolean {
    let found = false;
    for (let i = 0, head = 0; i < plan.count; i++, head = plan.after(head)) {
      if (plan.status(head) !== EIO) continue;
      const socket = this.sockets.get(plan.words[head + PLAN_SOCKET]!);
      if (socket === undefined || this.unsegmented.includes(socket.id)) continue;
      if (socket.offloads.gso) {
        socket.offloads.gso = false;
        this.log.warn(
          `UDP: no segmentation offload on the path of port ${socket.port} (EIO); going on without it`,
        );
      }
      plan.words[head + PLAN_STATUS] = 0;
      found = true;
    }
    if (found) this.findUnsegmented();
    return found;
  }

  private findUnsegmented(): void {
    const sockets = [...this.sockets.values()].filter((socket) => !socket.offloads.gso);
    this.unsegmented = Int32Array.from(sockets, (socket) => socket.id);
  }

  private forget(fd: number): void {
    this.sockets.delete(fd);
    this.findUnsegmented();
  }
}

function configure(
  fd: number,
  family: 4 | 6,
  options: SocketOptions,
  offloads: UdpOffloads,
  bufferBytes: number,
): void {
  const set = (option: number, value: number, what: string, advice?: string) => {
    const error = native.udpOption(fd, family, option, value);
    if (error < 0) throw new IoError(`cannot set ${what} on a UDP socket`, error, advice);
  };
  set(RECEIVE_BUFFER, bufferBytes, "the receive buffer");
  set(SEND_BUFFER, bufferBytes, "the send buffer");
  set(MTU_DISCOVER, MTU_DISCOVER_PROBE, "path MTU probing");
  set(TIMESTAMP, 1, "receive timestamps");
  set(LOCAL_ADDRESS, 1, "the local address of packets");
  set(TOS, 1, "the TOS of packets");
  set(ERRORS, 1, "the error queue");
  if (family === 6) set(ONLY_IPV6, 1, "IPv6 only");
  if (offloads.gro) set(GRO, 1, "UDP_GRO");
  if (options.mark !== undefined) set(MARK, options.mark, "the mark", "run as root or with CAP_NET_ADMIN");
  if (options.device !== undefined) {
    const error = native.udpDevice(fd, options.device);
    const advice: Record<number, string> = {
      [ENODEV]: "there is no such interface",
      [EPERM]: "run as root or with CAP_NET_RAW",
    };
    if (error < 0) throw new IoError(`cannot bind a UDP socket to ${options.device}`, error, advice[error]);
  }
}

function bind(fd: number, options: SocketOptions, name: string): number {
  const port = native.udpBind(fd, options.address, options.port);
  const advice: Record<number, string> = {
    [EADDRINUSE]: "another process uses this port: choose another one or end that process",
    [EADDRNOTAVAIL]: "no interface has this address",
  };
  if (port < 0) throw new IoError(`cannot listen on ${name}`, port, advice[port]);
  return port;
}

class UdpSocket implements DatagramSocket {
  readonly port: number;
  readonly offloads: UdpOffloads;
  readonly counters: ReceiveCounters = { calls: 0, messages: 0 };
  readonly records = new Int32Array(UDP_RECEIVE_MAX * RECORD_WORDS);
  private fd: number;
  private polling = false;
  private readonly arena: Uint8Array;
  private readonly onClose: () => void;

  constructor(fd: number, port: number, offloads: UdpOffloads, arena: Uint8Array, onClose: () => void) {
    this.fd = fd;
    this.port = port;
    this.offloads = offloads;
    this.arena = arena;
    this.onClose = onClose;
  }

  get id(): number {
    return this.fd;
  }

  start(onReadable: OnReadable): void {
    const error = native.pollStart(this.fd, onReadable);
    if (error < 0) throw new IoError(`cannot wait for packets on UDP port ${this.port}`, error);
    this.polling = true;
  }

  close(): void {
    if (this.fd < 0) return;
    if (this.polling) native.pollStop(this.fd);
    native.closeDescriptor(this.fd);
    this.onClose();
    this.fd = -1;
  }

  receive(start: number, slotBytes: number, max: number): number {
    const batch = Math.min(max, UDP_RECEIVE_MAX);
    const count = native.udpReceive(this.fd, this.arena, start, slotBytes, batch, this.records);
    if (count <= 0) return 0;
    this.counters.calls++;
    this.counters.messages += count;
    return count;
  }

  errors(): number {
    return Math.max(0, native.udpErrors(this.fd, this.records));
  }
}
