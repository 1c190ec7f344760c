import type { Clock } from "./clock.ts";
import { type Endpoint, type Ports, Recent } from "./flow.ts";
import type { SimHost } from "./internet.ts";
import { readStamp, stampedPayload, udpPacket } from "./packets.ts";

const UDP = 17;
const HEADERS = 28;

export interface CbrOptions {
  /** Packets in a second, and bytes of payload in each. */
  perSecond: number;
  bytes: number;
}

/** Datagrams at a constant rate from one host to another, each of which is to come once, and as it was. */
export class CbrFlow implements Endpoint {
  sent = 0;
  received = 0;
  duplicates = 0;
  changed = 0;
  isRunning = true;
  private readonly seen = new Recent();
  private readonly number: number;
  private readonly ports: [number, number];

  constructor(
    clock: Clock,
    number: number,
    [from]: readonly [SimHost, Ports],
    [to, toPorts]: readonly [SimHost, Ports],
    { perSecond, bytes }: CbrOptions,
  ) {
    this.number = number;
    this.ports = [10_000 + (number % 50_000), 9];
    toPorts.add(UDP, from.address, this.ports, this);
    const tick = () => {
      if (!this.isRunning) return;
      const payload = stampedPayload({ flow: number & 0xffff, number: this.sent++ }, bytes);
      from.send(udpPacket(from.address, to.address, payload, this.ports));
      clock.after(1e6 / perSecond, tick);
    };
    clock.after((number % 97) * 1000, tick);
  }

  handlePacket(packet: Uint8Array): void {
    const stamp = readStamp(packet.subarray(HEADERS));
    if (stamp === undefined || stamp.flow !== (this.number & 0xffff)) {
      this.changed++;
      return;
    }
    this.received++;
    if (!this.seen.add(stamp.number)) this.duplicates++;
  }
}
