import {
  BATCH_MAX,
  TUN_ALIGN_BYTES,
  TUN_READ_MAX_BYTES,
  TUN_RECORD_WORDS,
  VNET_HEADER_BYTES,
} from "../../src/core/batch/layout.ts";
import type { Plan } from "../../src/core/batch/plan.ts";
import { EBADF, EINVAL } from "../../src/io/error.ts";
import type { OnReadable, ReceiveCounters, SendCounters, TunOffloads, TunPort } from "../../src/io/port.ts";
import { Readiness } from "./fake-readiness.ts";
import { gather, planMessages } from "./plan-messages.ts";

export interface FakeTunOptions {
  name?: string;
  mtu?: number;
  offloads?: Partial<TunOffloads>;
}

/** A TUN device whose host is the test: it sends by `hostSends` and finds in `hostReceived` what was written. */
export class FakeTun implements TunPort {
  readonly name: string;
  readonly offloads: TunOffloads;
  readonly received: ReceiveCounters = { calls: 0, messages: 0 };
  readonly sent: SendCounters = { calls: 0, messages: 0, refused: 0 };
  readonly records = new Int32Array(BATCH_MAX * TUN_RECORD_WORDS);
  /** Messages written and taken, vnet header included. */
  readonly hostReceived: Uint8Array[] = [];
  /** Decides which messages the kernel refuses: answers a negative errno, or 0. */
  refusal: (bytes: Uint8Array) => number = () => 0;
  mtu: number;
  private readonly arena: Uint8Array;
  private readonly queue: Uint8Array[] = [];
  private readonly readiness = new Readiness(() => this.queue.length > 0);

  constructor(arena: Uint8Array, { name = "fake0", mtu = 1400, offloads = {} }: FakeTunOptions = {}) {
    this.arena = arena;
    this.name = name;
    this.mtu = mtu;
    this.offloads = { checksum: true, tso: true, uso: true, ...offloads };
  }

  /** A packet for the reader, vnet header included. */
  hostSends(packet: Uint8Array): void {
    if (this.readiness.closed) return;
    this.queue.push(packet.slice());
    this.readiness.changed();
  }

  start(onReadable: OnReadable): void {
    this.readiness.start(onReadable, this.name);
  }

  close(): void {
    this.readiness.close();
    this.queue.length = 0;
  }

  read(start: number, end: number, max: number): number {
    let count = 0;
    let at = start;
    while (count < Math.min(max, BATCH_MAX) && end - at >= TUN_READ_MAX_BYTES) {
      const packet = this.queue.shift();
      if (packet === undefined) break;
      this.arena.set(packet, at);
      this.records[count * TUN_RECORD_WORDS] = at;
      this.records[count * TUN_RECORD_WORDS + 1] = packet.length;
      count++;
      at += Math.ceil(packet.length / TUN_ALIGN_BYTES) * TUN_ALIGN_BYTES;
    }
    if (count > 0) this.received.calls++;
    this.received.messages += count;
    return count;
  }

  write(plan: Plan): number {
    if (plan.count === 0) return 0;
    let taken = 0;
    for (const message of planMessages(plan)) {
      const bytes = gather(this.arena, message);
      const error = this.readiness.closed ? EBADF : this.refusal(bytes) || (isPacket(bytes) ? 0 : EINVAL);
      plan.words[message.head] = error || bytes.length;
      if (error < 0) continue;
      this.hostReceived.push(bytes);
      taken++;
    }
    if (taken > 0) this.sent.calls++;
    this.sent.messages += taken;
    this.sent.refused += plan.count - taken;
    return taken;
  }

  setMtu(mtu: number): void {
    this.mtu = mtu;
  }
}

/** What the driver looks at: there must be an IP version behind the vnet header. */
function isPacket(bytes: Uint8Array): boolean {
  const version = bytes.length > VNET_HEADER_BYTES ? bytes[VNET_HEADER_BYTES]! >> 4 : 0;
  return version === 4 || version === 6;
}
