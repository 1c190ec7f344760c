import assert from "node:assert/strict";
import {
  PLAN_HEAD,
  TUN_ALIGN_BYTES,
  TUN_READ_MAX_BYTES,
  TUN_RECORD_WORDS,
} from "../../src/core/batch/layout.ts";
import { Plan } from "../../src/core/batch/plan.ts";
import { EINVAL } from "../../src/io/error.ts";
import type { TunPort } from "../../src/io/port.ts";
import { withChecksums } from "../naive/segmentation.ts";
import type { ContractCase } from "./datagram-contract.ts";
import { concat, ipv4Header, pattern, udpHeader, vnetHeader } from "./packets.ts";

/** What src/io/port.ts promises of TUN devices, as cases for any implementation (see datagram-contract.ts). */
export interface TunHarness {
  readonly port: TunPort;
  /** 1 MiB of it may be written by the cases; reads go behind that. */
  readonly arena: Uint8Array;
  /** The host's address on the device and its neighbour's, as four bytes. */
  readonly host: readonly number[];
  readonly neighbour: readonly number[];
  /** The host sends a UDP datagram to the neighbour; resolved when the packet is at the device. */
  hostSends(payload: Uint8Array): Promise<void>;
  /** The payloads of UDP datagrams to the host's HOST_PORT that have come in so far. */
  hostReceived(): Uint8Array[];
  /** MTU of the device. */
  mtu(): number;
  wait(ms: number): Promise<void>;
}

export const HOST_PORT = 2000;
export const NEIGHBOUR_PORT = 1000;

const READ_AT = 1 << 20;
/** Room for as many packets as a read may return. */
const READ_BYTES = 64 * TUN_READ_MAX_BYTES;
export const TUN_CONTRACT_ARENA_BYTES = READ_AT + READ_BYTES;

const hex = (all: readonly Uint8Array[]) => all.map((bytes) => Buffer.from(bytes).toString("hex"));

/** The messages of a plan, as the arena's bytes at the places given. */
class PlanWriter {
  readonly plan = new Plan(4096);
  private at = 1;
  private readonly heads: number[] = [];
  private readonly harness: TunHarness;

  constructor(harness: TunHarness) {
    this.harness = harness;
  }

  /** A message in pieces, cut at `cuts`. */
  add(bytes: Uint8Array, ...cuts: number[]): this {
    this.heads.push(this.plan.begin());
    const places = [0, ...cuts, bytes.length];
    for (let i = 0; i + 1 < places.length; i++) {
      const piece = bytes.subarray(places[i], places[i + 1]);
      this.harness.arena.set(piece, this.at);
      this.plan.piece(this.at, piece.length);
      this.at += piece.length + 1;
    }
    return this;
  }

  write(): { taken: number; statuses: number[] } {
    const taken = this.harness.port.write(this.plan);
    return { taken, statuses: this.heads.map((head) => this.plan.status(head)) };
  }
}

/** A complete UDP packet from the neighbour to the host, with a vnet header of zeros. */
function toHost({ host, neighbour }: TunHarness, payload: Uint8Array): Uint8Array {
  const header = ipv4Header({ protocol: 17, source: neighbour, destination: host });
  const udp = udpHeader(8 + payload.length, NEIGHBOUR_PORT, HOST_PORT);
  return concat(vnetHeader(), withChecksums(concat(header, udp, payload)));
}

/** Payloads of the UDP packets of the last read; whatever else the kernel sends by itself is left out. */
function payloadsRead({ port, arena }: TunHarness, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => {
    const at = port.records[i * TUN_RECORD_WORDS]!;
    return arena.slice(at, at + port.records[i * TUN_RECORD_WORDS + 1]!);
  })
    .filter((bytes) => bytes[10] === 0x45 && bytes[19] === 17)
    .map((bytes) => bytes.subarray(38));
}

function read(harness: TunHarness, max = 64): Uint8Array[] {
  return payloadsRead(harness, harness.port.read(READ_AT, READ_AT + READ_BYTES, max));
}

async function settle(harness: TunHarness, done: () => boolean): Promise<void> {
  for (let i = 0; i < 100 && !done(); i++) await harness.wait(5);
}

const reading: ContractCase<TunHarness>[] = [
  {
    name: "packets of the host are read in their order, each behind a vnet header",
    async run(harness) {
      const sent = [10, 1000, 3].map((length, i) => pattern(length, i));
      for (const payload of sent) await harness.hostSends(payload);
      harness.arena.fill(0xa5);
      assert.deepEqual(hex(read(harness)), hex(sent));
      // Segmentation type and size: none, whether the device has such a header or not.
      const at = harness.port.records[0]!;
      assert.deepEqual([...harness.arena.subarray(at + 1, at + 6)], [0, 0, 0, 0, 0]);
      assert.deepEqual(read(harness), []);
    },
  },
  {
    name: "packets of a read lie inside of its region, aligned, one behind the other, and nothing outside of it is touched",
    async run(harness) {
      const { arena, port } = harness;
      for (let i = 0; i < 20; i++) await harness.hostSends(pattern(50 * i, i));
      arena.fill(0xa5);
      const end = READ_AT + 5 * TUN_READ_MAX_BYTES;
      const count = port.read(READ_AT, end, 64);
      assert.ok(count >= 20, `${count}`);
      let free = READ_AT;
      for (let i = 0; i < count; i++) {
        const at = port.records[i * TUN_RECORD_WORDS]!;
        const length = port.records[i * TUN_RECORD_WORDS + 1]!;
        assert.equal((at - READ_AT) % TUN_ALIGN_BYTES, 0);
        assert.ok(
          at >= free && at < free + TUN_ALIGN_BYTES,
          `packet ${i} at ${at}, the last ended at ${free}`,
        );
        free = at + length;
      }
      assert.equal(
        arena.subarray(0, READ_AT).findIndex((byte) => byte !== 0xa5),
        -1,
      );
      assert.equal(
        arena.subarray(end).findIndex((byte) => byte !== 0xa5),
        -1,
      );
    },
  },
  {
    name: "a read stops while the largest packet still fits, and the rest is there for the next one",
    async run(harness) {
      const { port } = harness;
      for (let i = 0; i < 3; i++) await harness.hostSends(pattern(100, i));
      assert.equal(port.read(READ_AT, READ_AT + TUN_READ_MAX_BYTES - 1, 64), 0);
      const one = port.read(READ_AT, READ_AT + TUN_READ_MAX_BYTES, 64);
      assert.equal(one, 1);
      const first = payloadsRead(harness, one);
      const two = port.read(READ_AT, READ_AT + TUN_READ_MAX_BYTES + 2 * TUN_ALIGN_BYTES + 63, 64);
      assert.equal(two, 1);
      const rest = [...payloadsRead(harness, two), ...read(harness)];
      assert.deepEqual(hex([...first, ...rest]), hex([0, 1, 2].map((i) => pattern(100, i))));
    },
  },
  {
    name: "a read takes no more packets than it was asked for",
    async run(harness) {
      for (let i = 0; i < 5; i++) await harness.hostSends(pattern(10, i));
      assert.equal(read(harness, 2).length, 2);
      assert.equal(read(harness).length, 3);
    },
  },
  {
    name: "counters say how many calls moved how many packets",
    async run(harness) {
      const { port } = harness;
      read(harness);
      const { calls, messages } = port.received;
      await harness.hostSends(pattern(1));
      await harness.hostSends(pattern(2));
      const count = port.read(READ_AT, READ_AT + READ_BYTES, 64);
      port.read(READ_AT, READ_AT + READ_BYTES, 64);
      assert.deepEqual(port.received, { calls: calls + 1, messages: messages + count });
    },
  },
];

const writing: ContractCase<TunHarness>[] = [
  {
    name: "packets that are written in pieces reach the host whole and in their order",
    async run(harness) {
      const payloads = [0, 1, 500, 1300].map((length, i) => pattern(length, i));
      const writer = new PlanWriter(harness);
      for (const payload of payloads) writer.add(toHost(harness, payload), 38);
      writer.add(toHost(harness, pattern(700)), 10, 30, 38, 200);
      const { taken, statuses } = writer.write();
      assert.deepEqual([taken, statuses], [5, [38, 39, 538, 1338, 738]]);
      await settle(harness, () => harness.hostReceived().length >= 5);
      assert.deepEqual(hex(harness.hostReceived()), hex([...payloads, pattern(700)]));
    },
  },
  {
    name: "what is no packet is refused, and those around it are delivered",
    async run(harness) {
      const before = { ...harness.port.sent };
      const { taken, statuses } = new PlanWriter(harness)
        .add(toHost(harness, pattern(5)))
        .add(concat(vnetHeader(), new Uint8Array(40)))
        .add(vnetHeader().subarray(0, 9))
        .add(toHost(harness, pattern(6)))
        .write();
      assert.deepEqual([taken, statuses], [2, [43, EINVAL, EINVAL, 44]]);
      await settle(harness, () => harness.hostReceived().length >= 2);
      assert.deepEqual(hex(harness.hostReceived()), hex([pattern(5), pattern(6)]));
      assert.deepEqual(harness.port.sent, {
        calls: before.calls + 1,
        messages: before.messages + 2,
        refused: before.refused + 2,
      });
    },
  },
  {
    name: "a plan without messages, or with none that is taken, moves nothing",
    run(harness) {
      const before = { ...harness.port.sent };
      assert.equal(harness.port.write(new Plan(PLAN_HEAD)), 0);
      assert.deepEqual(harness.port.sent, before);
      assert.equal(new PlanWriter(harness).add(vnetHeader().subarray(0, 4)).write().taken, 0);
      assert.deepEqual(harness.port.sent, { ...before, refused: before.refused + 1 });
    },
  },
  {
    name: "bytes that were written may be written over at once",
    async run(harness) {
      new PlanWriter(harness).add(toHost(harness, pattern(9, 4)), 38).write();
      harness.arena.fill(0);
      await settle(harness, () => harness.hostReceived().length > 0);
      assert.deepEqual(hex(harness.hostReceived()), hex([pattern(9, 4)]));
    },
  },
  {
    name: "the MTU can be changed while it is open",
    run(harness) {
      harness.port.setMtu(1280);
      assert.equal(harness.mtu(), 1280);
    },
  },
];

const calling: ContractCase<TunHarness>[] = [
  {
    name: "a started device calls back as long as packets are left, and not without any",
    async run(harness) {
      const { port } = harness;
      const payloads: Uint8Array[] = [];
      let calls = 0;
      let counts = 0;
      port.start(() => {
        calls++;
        const count = port.read(READ_AT, READ_AT + READ_BYTES, 1);
        counts += count;
        payloads.push(...payloadsRead(harness, count));
      });
      assert.throws(() => port.start(() => {}), /cannot wait for packets/);
      for (let i = 0; i < 6; i++) await harness.hostSends(pattern(10, i));
      await settle(harness, () => payloads.length === 6);
      assert.deepEqual(hex(payloads), hex([0, 1, 2, 3, 4, 5].map((i) => pattern(10, i))));
      await harness.wait(20);
      assert.equal(calls, counts);
    },
  },
  {
    name: "a device closed in its own callback calls back no more, and answers 0 to everything",
    async run(harness) {
      const { port } = harness;
      let calls = 0;
      port.start(() => {
        calls++;
        port.close();
      });
      await harness.hostSends(pattern(1));
      await settle(harness, () => calls > 0);
      await harness.wait(20);
      assert.equal(calls, 1);
      assert.equal(port.read(READ_AT, READ_AT + READ_BYTES, 64), 0);
      assert.equal(new PlanWriter(harness).add(toHost(harness, pattern(1))).write().taken, 0);
      port.close();
    },
  },
];

export const tunContract: readonly ContractCase<TunHarness>[] = [...reading, ...writing, ...calling];
