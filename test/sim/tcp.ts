import { ipv4Header, TCP_FLAG, tcpHeader } from "../helpers/packets.ts";
import type { Clock } from "./clock.ts";
import { contentByte, type Endpoint, type Ports, Recent } from "./flow.ts";
import type { SimHost } from "./internet.ts";

const TCP = 6;
/** Headers with a timestamp option. */
const HEADERS = 52;
const IP_BYTES = 20;
const SEQUENCE = IP_BYTES + 4;
const ACKNOWLEDGEMENT = IP_BYTES + 8;
const FLAGS = IP_BYTES + 13;
const STAMP = IP_BYTES + 24;

const MSS = 536;
const WINDOW = 128 * 1024;
/** Segments that are given to the device at once. */
const SEGMENTS_MAX = 4;
const DUPLICATES_MAX = 3;
const RTO_START_US = 1_000_000;
const RTO_MIN_US = 200_000;
const RTO_MAX_US = 10_000_000;

/**
 * A stream of bytes from one host to another by a simple TCP: a window that grows and is halved at losses (RFC 5681),
 * fast retransmit with NewReno's partial acknowledgements (RFC 6582), and a retransmission timer (RFC 6298). Every
 * segment has a stamp of its own in its timestamp option, so that one which the router hands on twice is seen.
 */
export class TcpFlow {
  /** Bytes that have come in order, and as they were sent. */
  received = 0;
  changed = 0;
  /** Segments that came twice. */
  duplicates = 0;
  retransmissions = 0;
  timeouts = 0;
  isRunning = true;
  private readonly clock: Clock;
  private readonly number: number;
  private readonly sender: Side;
  private readonly receiver: Side;
  private stamps = 0;

  // The sender: offsets from the first byte.
  private acknowledged = 0;
  private next = 0;
  private window = 4 * MSS;
  private threshold = WINDOW;
  private repeated = 0;
  /** Until this is acknowledged, a loss has been reacted to. */
  private recoverTo = -1;
  private isEstablished = false;
  private smoothedUs = 0;
  private varianceUs = 0;
  private timeoutUs = RTO_START_US;
  private timedOffset = -1;
  private timedUs = 0;
  private deadlineUs = Number.POSITIVE_INFINITY;

  // The receiver: segments behind a gap, by offset.
  private readonly waiting = new Map<number, number>();
  private readonly seen = new Recent();

  constructor(
    clock: Clock,
    number: number,
    [from, fromPorts]: readonly [SimHost, Ports],
    [to, toPorts]: readonly [SimHost, Ports],
  ) {
    this.clock = clock;
    this.number = number;
    const port = 10_000 + (number % 50_000);
    this.sender = new Side(from, to, [port, 80], (packet) => this.handleAcknowledgement(packet));
    this.receiver = new Side(to, from, [80, port], (packet) => this.handleData(packet));
    // Some wrap around soon.
    this.sender.first = (0xffff_0000 + number * 977) >>> 0;
    this.receiver.first = number * 7;
    fromPorts.add(TCP, to.address, [80, port], this.sender);
    toPorts.add(TCP, from.address, [port, 80], this.receiver);
    clock.after((number % 89) * 1000, () => this.open());
  }

  private open(): void {
    if (this.isEstablished || !this.isRunning) return;
    this.emit(this.sender, TCP_FLAG.syn, -1, 0, 0, 0);
    this.arm();
  }

  private handleAcknowledgement(packet: Uint8Array): void {
    const view = viewOf(packet);
    if ((packet[FLAGS]! & TCP_FLAG.ack) === 0) return;
    const upTo = this.sender.offsetOf(view.getUint32(ACKNOWLEDGEMENT), this.acknowledged);
    if (!this.isEstablished) {
      if ((packet[FLAGS]! & TCP_FLAG.syn) === 0) return;
      this.isEstablished = true;
      this.emit(this.sender, TCP_FLAG.ack, 0, 0, 0, 0);
    } else if (upTo > this.next) {
      this.changed++;
      return;
    } else if (upTo > this.acknowledged) {
      this.handleProgress(upTo);
    } else if (this.next > this.acknowledged) {
      this.handleRepeated();
    }
    this.fill();
  }

  private handleProgress(upTo: number): void {
    if (this.timedOffset >= 0 && upTo > this.timedOffset) {
      this.noteRoundTrip(this.clock.nowUs - this.timedUs);
      this.timedOffset = -1;
    }
    const bytes = upTo - this.acknowledged;
    this.acknowledged = upTo;
    this.repeated = 0;
    if (this.recoverTo >= 0) {
      if (upTo < this.recoverTo) {
        this.resend();
        this.arm();
        return;
      }
      this.recoverTo = -1;
      this.window = this.threshold;
    } else {
      this.window += this.window < this.threshold ? bytes : (MSS * bytes) / this.window;
    }
    if (this.acknowledged === this.next) this.deadlineUs = Number.POSITIVE_INFINITY;
    else this.arm();
  }

  private handleRepeated(): void {
    if (++this.repeated !== DUPLICATES_MAX || this.recoverTo >= 0) return;
    this.threshold = Math.max((this.next - this.acknowledged) / 2, 2 * MSS);
    this.window = this.threshold;
    this.recoverTo = this.next;
    this.resend();
  }

  private resend(): void {
    this.retransmissions++;
    this.timedOffset = -1;
    this.emit(
      this.sender,
      TCP_FLAG.ack,
      this.acknowledged,
      0,
      Math.min(MSS, this.next - this.acknowledged),
      0,
    );
  }

  /** Sends what the window allows. */
  private fill(): void {
    if (!this.isRunning) return;
    const end = this.acknowledged + Math.min(this.window, WINDOW);
    while (this.next + MSS <= end) {
      const segments = Math.min(SEGMENTS_MAX, Math.floor((end - this.next) / MSS));
      if (this.timedOffset < 0) {
        this.timedOffset = this.next;
        this.timedUs = this.clock.nowUs;
      }
      this.emit(this.sender, TCP_FLAG.ack, this.next, 0, segments * MSS, segments > 1 ? MSS : 0);
      this.next += segments * MSS;
      if (this.deadlineUs === Number.POSITIVE_INFINITY) this.arm();
    }
  }

  private noteRoundTrip(us: number): void {
    if (this.smoothedUs === 0) {
      this.smoothedUs = us;
      this.varianceUs = us / 2;
    } else {
      this.varianceUs += (Math.abs(us - this.smoothedUs) - this.varianceUs) / 4;
      this.smoothedUs += (us - this.smoothedUs) / 8;
    }
    this.timeoutUs = Math.min(RTO_MAX_US, Math.max(RTO_MIN_US, this.smoothedUs + 4 * this.varianceUs));
  }

  private arm(): void {
    const dueUs = this.clock.nowUs + this.timeoutUs;
    this.deadlineUs = dueUs;
    this.clock.after(this.timeoutUs, () => {
      if (this.deadlineUs === dueUs) this.handleTimeout();
    });
  }

  private handleTimeout(): void {
    this.deadlineUs = Number.POSITIVE_INFINITY;
    if (!this.isRunning) return;
    this.timeouts++;
    this.timeoutUs = Math.min(RTO_MAX_US, 2 * this.timeoutUs);
    if (!this.isEstablished) {
      this.open();
      return;
    }
    this.threshold = Math.max((this.next - this.acknowledged) / 2, 2 * MSS);
    this.window = MSS;
    this.repeated = 0;
    this.recoverTo = this.next;
    this.resend();
    this.arm();
  }

  private handleData(packet: Uint8Array): void {
    const view = viewOf(packet);
    if (packet[FLAGS]! & TCP_FLAG.syn) {
      this.emit(this.receiver, TCP_FLAG.syn | TCP_FLAG.ack, -1, 0, 0, 0);
      return;
    }
    const offset = this.sender.offsetOf(view.getUint32(SEQUENCE), this.received);
    const bytes = packet.length - HEADERS;
    if (bytes === 0) return;
    // What was given to the device at once has one stamp, however it was cut.
    const most = SEGMENTS_MAX * MSS;
    if (!this.seen.add(view.getUint32(STAMP) * most + (offset % most))) this.duplicates++;
    for (let i = 0; i < bytes; i++) {
      if (packet[HEADERS + i] === contentByte(this.number, offset + i)) continue;
      this.changed++;
      return;
    }
    this.take(offset, bytes);
    this.emit(this.receiver, TCP_FLAG.ack, 0, this.received, 0, 0);
  }

  private take(offset: number, bytes: number): void {
    if (offset > this.received) {
      this.waiting.set(offset, Math.max(bytes, this.waiting.get(offset) ?? 0));
      return;
    }
    this.received = Math.max(this.received, offset + bytes);
    for (const [start, length] of this.waiting) {
      // In the order in which they came: one that fits only now is looked at again with the next segment.
      if (start > this.received) continue;
      this.received = Math.max(this.received, start + length);
      this.waiting.delete(start);
    }
  }

  /** `offset` -1 is the SYN's place. */
  private emit(
    side: Side,
    flags: number,
    offset: number,
    acknowledged: number,
    bytes: number,
    segmentBytes: number,
  ): void {
    const other = side === this.sender ? this.receiver : this.sender;
    const packet = new Uint8Array(HEADERS + bytes);
    packet.set(side.header(flags, offset, other.sequenceOf(acknowledged), packet.length));
    viewOf(packet).setUint32(STAMP, ++this.stamps);
    for (let i = 0; i < bytes; i++) packet[HEADERS + i] = contentByte(this.number, offset + i);
    side.host.send(packet, segmentBytes);
  }
}

/** One of the two ends. */
class Side implements Endpoint {
  /** Its first sequence number, which its SYN has. */
  first = 0;
  readonly host: SimHost;
  private readonly to: SimHost;
  private readonly ports: readonly [number, number];
  private readonly handle: (packet: Uint8Array) => void;

  constructor(
    host: SimHost,
    to: SimHost,
    ports: readonly [number, number],
    handle: (packet: Uint8Array) => void,
  ) {
    this.host = host;
    this.to = to;
    this.ports = ports;
    this.handle = handle;
  }

  handlePacket(packet: Uint8Array): void {
    this.handle(packet);
  }

  sequenceOf(offset: number): number {
    return (this.first + 1 + offset) >>> 0;
  }

  /** The offset next to `near` that has this sequence number. */
  offsetOf(sequence: number, near: number): number {
    return near + ((sequence - this.sequenceOf(near)) | 0);
  }

  header(flags: number, offset: number, acknowledgement: number, totalLength: number): Uint8Array {
    const [sourcePort, destinationPort] = this.ports;
    const { address: source } = this.host;
    return Uint8Array.from([
      ...ipv4Header({ protocol: TCP, totalLength, source, destination: this.to.address }),
      ...tcpHeader({
        sourcePort,
        destinationPort,
        sequence: this.sequenceOf(offset),
        acknowledgement,
        flags,
        options: [1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0],
      }),
    ]);
  }
}

function viewOf(packet: Uint8Array): DataView {
  return new DataView(packet.buffer, packet.byteOffset, packet.length);
}
