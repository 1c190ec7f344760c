import {
  BATCH_MAX,
  MESSAGE_MAX_BYTES,
  RECORD_ADDRESS,
  RECORD_AGE_US,
  RECORD_LENGTH,
  RECORD_LOCAL,
  RECORD_PORT,
  RECORD_SEGMENT,
  RECORD_TOS,
  RECORD_WORDS,
  SEGMENTS_MAX,
} from "../../src/core/batch/layout.ts";
import type { Plan } from "../../src/core/batch/plan.ts";
import { familyOf, formatAddress } from "../../src/io/address.ts";
import {
  EADDRINUSE,
  EADDRNOTAVAIL,
  EBADF,
  EINVAL,
  EMSGSIZE,
  ENETUNREACH,
  IoError,
} from "../../src/io/error.ts";
import type {
  DatagramPort,
  DatagramSocket,
  OnReadable,
  ReceiveCounters,
  SendCounters,
  SocketOptions,
  UdpOffloads,
} from "../../src/io/port.ts";
import { Readiness } from "./fake-readiness.ts";
import { datagrams, gather, type PlanMessage, planMessages } from "./plan-messages.ts";

const ECONNREFUSED = -111;

export interface FakeNetworkOptions {
  /** Where sockets can be opened. */
  addresses: readonly Int32Array[];
  mtuBytes?: number;
  /** Datagrams that a socket keeps; further ones are lost, as at a full receive buffer. */
  queueMax?: number;
  /** Receivers with GRO get consecutive datagrams of one sender and size as one message, as behind a real interface. */
  rejoin?: boolean;
}

/** Connects fake ports by address and port: what one sends, the other has at once. Time stands still unless moved. */
export class FakeNetwork {
  nowUs = 0;
  mtuBytes: number;
  readonly queueMax: number;
  readonly rejoin: boolean;
  /** Decides which messages the sender's kernel refuses: answers a negative errno, or 0. */
  refusal: (message: PlanMessage) => number = () => 0;
  private readonly addresses: Set<string>;
  private readonly sockets = new Map<string, FakeSocket>();
  private lastPort = 32768;

  constructor({ addresses, mtuBytes = 65536, queueMax = 4096, rejoin = false }: FakeNetworkOptions) {
    this.addresses = new Set(addresses.map((address) => formatAddress(address)));
    this.mtuBytes = mtuBytes;
    this.queueMax = queueMax;
    this.rejoin = rejoin;
  }

  /** The port under which `socket` can be reached from now on, or a negative errno. */
  bind(socket: FakeSocket, address: Int32Array, port: number): number {
    if (!this.addresses.has(formatAddress(address))) return EADDRNOTAVAIL;
    const chosen = port === 0 ? ++this.lastPort : port;
    if (this.at(address, chosen) !== undefined) return EADDRINUSE;
    this.sockets.set(key(address, chosen), socket);
    return chosen;
  }

  release(address: Int32Array, port: number): void {
    this.sockets.delete(key(address, port));
  }

  at(address: Int32Array, port: number): FakeSocket | undefined {
    return this.sockets.get(key(address, port));
  }

  has(address: Int32Array): boolean {
    return this.addresses.has(formatAddress(address));
  }
}

const key = (address: Int32Array, port: number) => `${formatAddress(address)} ${port}`;

/** The datagram port of one host of a fake network. */
export class FakeDatagramPort implements DatagramPort {
  readonly counters: SendCounters = { calls: 0, messages: 0, refused: 0 };
  private readonly network: FakeNetwork;
  private readonly arena: Uint8Array;
  private readonly offloads: UdpOffloads;
  private readonly sockets = new Map<number, FakeSocket>();
  private lastId = 100;

  constructor(network: FakeNetwork, arena: Uint8Array, offloads: Partial<UdpOffloads> = {}) {
    this.network = network;
    this.arena = arena;
    this.offloads = { gso: true, gro: true, ...offloads };
  }

  open(options: SocketOptions): FakeSocket {
    const id = ++this.lastId;
    const socket = new FakeSocket(id, this.network, this.arena, options, { ...this.offloads }, () =>
      this.sockets.delete(id),
    );
    this.sockets.set(id, socket);
    return socket;
  }

  send(plan: Plan): number {
    if (plan.count === 0) return 0;
    let whole = 0;
    for (const message of planMessages(plan)) {
      if (message.status === 0) plan.words[message.head] = this.sendMessage(message);
      if (plan.status(message.head) === plan.bytes(message.head)) whole++;
    }
    if (whole > 0) this.counters.calls++;
    this.counters.messages += whole;
    this.counters.refused += plan.count - whole;
    return whole;
  }

  close(): void {
    for (const socket of [...this.sockets.values()]) socket.close();
  }

  /** Bytes that went out, or a negative errno. */
  private sendMessage(message: PlanMessage): number {
    const { network } = this;
    const sender = this.sockets.get(message.socket);
    if (sender === undefined) return EBADF;
    const refusal = network.refusal(message);
    if (refusal < 0) return refusal;
    const bytes = gather(this.arena, message);
    const all = datagrams(bytes, message.segment);
    const headerBytes = familyOf(message.address) === 4 ? 28 : 48;
    if (all[0]!.length + headerBytes > network.mtuBytes) return EMSGSIZE;
    if (sender.offloads.gso && bytes.length > MESSAGE_MAX_BYTES) return EMSGSIZE;
    if (sender.offloads.gso && all.length > SEGMENTS_MAX) return EINVAL;
    if (!network.has(message.address)) return ENETUNREACH;
    const receiver = network.at(message.address, message.port);
    if (receiver === undefined) {
      sender.fail(message, ECONNREFUSED);
    } else if (sender.offloads.gso && receiver.offloads.gro) {
      receiver.take(sender, message.tos, bytes, all[0]!.length);
    } else {
      for (const datagram of all) receiver.take(sender, message.tos, datagram, datagram.length);
    }
    return bytes.length;
  }
}

interface Queued {
  bytes: Uint8Array;
  segment: number;
  from: Int32Array;
  port: number;
  tos: number;
  atUs: number;
}

/** A socket of a fake network. */
export class FakeSocket implements DatagramSocket {
  readonly id: number;
  readonly port: number;
  readonly offloads: UdpOffloads;
  readonly counters: ReceiveCounters = { calls: 0, messages: 0 };
  readonly records = new Int32Array(BATCH_MAX * RECORD_WORDS);
  /** What it was opened with. */
  readonly options: SocketOptions;
  private readonly network: FakeNetwork;
  private readonly arena: Uint8Array;
  private readonly onClose: () => void;
  private readonly queue: Queued[] = [];
  private readonly failures: { to: Int32Array; port: number; errno: number }[] = [];
  private readonly readiness = new Readiness(() => this.queue.length + this.failures.length > 0);

  constructor(
    id: number,
    network: FakeNetwork,
    arena: Uint8Array,
    options: SocketOptions,
    offloads: UdpOffloads,
    onClose: () => void,
  ) {
    const port = network.bind(this, options.address, options.port);
    if (port < 0)
      throw new IoError(`cannot listen on ${formatAddress(options.address)} port ${options.port}`, port);
    this.id = id;
    this.port = port;
    this.network = network;
    this.arena = arena;
    this.options = { ...options, address: options.address.slice() };
    this.offloads = offloads;
    this.onClose = onClose;
  }

  start(onReadable: OnReadable): void {
    this.readiness.start(onReadable, `UDP port ${this.port}`);
  }

  close(): void {
    if (this.readiness.closed) return;
    this.readiness.close();
    this.network.release(this.options.address, this.port);
    this.onClose();
  }

  /** Bytes from the network: one datagram, or several of `segment` bytes. */
  take(sender: FakeSocket, tos: number, bytes: Uint8Array, segment: number): void {
    if (this.queue.length >= this.network.queueMax) return;
    const { address } = sender.options;
    const queued = { bytes, segment, from: address, port: sender.port, tos, atUs: this.network.nowUs };
    const last = this.queue.at(-1);
    if (this.network.rejoin && this.offloads.gro && last !== undefined && joins(last, queued)) {
      last.bytes = new Uint8Array(Buffer.concat([last.bytes, bytes]));
    } else {
      this.queue.push(queued);
    }
    this.readiness.changed();
  }

  /** The network's answer to an earlier message. */
  fail({ address, port }: PlanMessage, errno: number): void {
    this.failures.push({ to: address, port, errno });
    this.readiness.changed();
  }

  receive(start: number, slotBytes: number, max: number): number {
    if (this.readiness.closed) return 0;
    const batch = this.queue.splice(0, Math.min(max, BATCH_MAX));
    batch.forEach((queued, i) => {
      const { bytes, segment, from, port, tos, atUs } = queued;
      this.arena.set(bytes.subarray(0, slotBytes), start + i * slotBytes);
      this.record(i, bytes.length > slotBytes ? EMSGSIZE : bytes.length, segment, from, port);
      this.records[i * RECORD_WORDS + RECORD_TOS] = tos;
      this.records[i * RECORD_WORDS + RECORD_AGE_US] = this.network.nowUs - atUs;
      this.records.set(this.options.address, i * RECORD_WORDS + RECORD_LOCAL);
    });
    if (batch.length > 0) this.counters.calls++;
    this.counters.messages += batch.length;
    return batch.length;
  }

  errors(): number {
    if (this.readiness.closed) return 0;
    const batch = this.failures.splice(0, BATCH_MAX);
    batch.forEach(({ to, port, errno }, i) => {
      this.record(i, errno, 0, to, port);
    });
    return batch.length;
  }

  private record(index: number, length: number, segment: number, address: Int32Array, port: number): void {
    const at = index * RECORD_WORDS;
    this.records.fill(0, at, at + RECORD_WORDS);
    this.records[at + RECORD_LENGTH] = length;
    this.records[at + RECORD_SEGMENT] = segment;
    this.records[at + RECORD_PORT] = port;
    this.records.set(address, at + RECORD_ADDRESS);
  }
}

/** Whether the kernel's GRO would add the datagram to the message: the first ones all have one size. */
function joins(last: Queued, next: Queued): boolean {
  return (
    last.bytes.length % last.segment === 0 &&
    next.bytes.length <= last.segment &&
    last.bytes.length < last.segment * SEGMENTS_MAX &&
    last.bytes.length + next.bytes.length <= MESSAGE_MAX_BYTES &&
    last.port === next.port &&
    last.tos === next.tos &&
    formatAddress(last.from) === formatAddress(next.from)
  );
}
