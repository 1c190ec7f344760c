import { PLAN_HEAD } from "../../src/core/batch/layout.ts";
import { TunWriter, type WriterOffloads } from "../../src/core/deliver/tun-writer.ts";
import { ipv4Header, pattern, type TcpFields, tcpHeader, udpHeader } from "./packets.ts";
import { gather, type PlanMessage, planMessages } from "./plan-messages.ts";

export const ALL_OFFLOADS: WriterOffloads = { checksum: true, tso: true, uso: true };
export const NO_OFFLOADS: WriterOffloads = { checksum: false, tso: false, uso: false };

export interface Segment extends TcpFields {
  flow?: number;
  payload?: number | Uint8Array;
  /** Of the IPv4 header. */
  ipOptions?: readonly number[];
}

const SCRATCH_BYTES = 1 << 18;
const ARENA_BYTES = 1 << 22;

/** A TunWriter with an arena of 0xa5 for it to work in, so that a byte that it forgets shows. */
export class WriterBench {
  readonly arena = new Uint8Array(ARENA_BYTES).fill(0xa5);
  readonly writer: TunWriter;
  /** Where the next header or payload is put; they never touch one another. */
  private at = SCRATCH_BYTES + 1;

  constructor(offloads: WriterOffloads = ALL_OFFLOADS, capacityWords = 1 << 16) {
    this.writer = new TunWriter(this.arena, 0, SCRATCH_BYTES, capacityWords, offloads);
  }

  /** Puts bytes in the arena; answers where. */
  put(bytes: Uint8Array): number {
    const at = this.at;
    this.arena.set(bytes, at);
    this.at += bytes.length + 3;
    return at;
  }

  tcp({ flow = 1, payload = 100, ipOptions = [], ...fields }: Segment): void {
    const ip = ipv4Header({ protocol: 6, options: ipOptions });
    const tcp = tcpHeader(fields);
    const bytes = typeof payload === "number" ? pattern(payload, fields.sequence) : payload;
    const [ipAt, tcpAt, payloadAt] = [this.put(ip), this.put(tcp), this.put(bytes)];
    this.writer.tcp(flow, ipAt, ip.length, tcpAt, tcp.length, payloadAt, bytes.length);
  }

  udp({ flow = 1, payload = 100 }: { flow?: number; payload?: number | Uint8Array }): void {
    const ip = ipv4Header({ protocol: 17 });
    const bytes = typeof payload === "number" ? pattern(payload, flow) : payload;
    const [ipAt, udpAt, payloadAt] = [this.put(ip), this.put(udpHeader()), this.put(bytes)];
    this.writer.udp(flow, ipAt, ip.length, udpAt, payloadAt, bytes.length);
  }

  /** Ends the open packet and answers the plan's messages. */
  messages(): PlanMessage[] {
    this.writer.finish();
    return planMessages(this.writer.plan);
  }

  /** The bytes of each message. */
  written(): Uint8Array[] {
    return this.messages().map((message) => gather(this.arena, message));
  }

  /** Payload bytes of each message of TCP or UDP segments without options. */
  payloads(): number[] {
    return this.written().map(
      (bytes) => bytes.length - 10 - 20 - (bytes[19] === 6 ? (bytes[42]! >> 4) * 4 : 8),
    );
  }
}

/** Words of a plan for one message of so many pieces. */
export const wordsFor = (pieces: number) => PLAN_HEAD + 2 * pieces;
