import assert from "node:assert/strict";
import { Plan } from "../../src/core/batch/plan.ts";
import { formatAddress } from "../../src/io/address.ts";
import { EBADF, EMSGSIZE } from "../../src/io/error.ts";
import type { DatagramSocket, UdpOffloads } from "../../src/io/port.ts";
import type { Endpoint, Incoming, NetworkError, Outgoing } from "./endpoint.ts";
import { pattern } from "./packets.ts";

/**
 * What src/io/port.ts promises of datagram ports, as cases that run over any implementation: in the unit tests over
 * the fake network, in a child process with a namespace of its own over the kernel's sockets. So they use no test
 * runner, only assertions.
 */
export interface DatagramHarness {
  /** A port of its own host; closed by the harness. */
  endpoint(offloads?: Partial<UdpOffloads>): Endpoint;
  /** Two addresses at which sockets can be opened, and one at which they cannot; all of one family. */
  readonly addresses: readonly [Int32Array, Int32Array];
  readonly foreign: Int32Array;
  /** Messages to here are refused with this errno. */
  readonly unreachable: { address: Int32Array; errno: number };
  /** The largest UDP payload. */
  readonly payloadMax: number;
  /** Lets time pass. */
  wait(ms: number): Promise<void>;
}

export interface ContractCase<Harness> {
  name: string;
  run(harness: Harness): Promise<void> | void;
}

const ECONNREFUSED = -111;

/** Two sockets on two hosts, and what to write to send from the one to the other. */
function pair(harness: DatagramHarness, offloads: Partial<UdpOffloads> = {}, receiving = offloads) {
  const a = harness.endpoint(offloads);
  const b = harness.endpoint(receiving);
  const from = a.port.open({ address: harness.addresses[0], port: 0 });
  const to = b.port.open({ address: harness.addresses[1], port: 0 });
  const message = (bytes: Uint8Array, more: Partial<Outgoing> = {}): Outgoing => ({
    socket: from,
    to: harness.addresses[1],
    port: to.port,
    bytes,
    ...more,
  });
  return { a, b, from, to, message };
}

const lengths = (all: readonly { bytes: Uint8Array }[]) => all.map(({ bytes }) => bytes.length);
const payloads = (all: readonly { bytes: Uint8Array }[]) =>
  all.map(({ bytes }) => Buffer.from(bytes).toString("hex"));

/** The datagrams that a message of `segment` bytes each should arrive as. */
function cut(bytes: Uint8Array, segment: number): { bytes: Uint8Array }[] {
  const count = Math.ceil(bytes.length / segment);
  return Array.from({ length: count }, (_, i) => ({ bytes: bytes.slice(i * segment, (i + 1) * segment) }));
}

/** Waits until `done` or for so long that it should have been. */
async function settle(harness: DatagramHarness, done: () => boolean): Promise<void> {
  for (let i = 0; i < 100 && !done(); i++) await harness.wait(5);
}

/** Counts turns of the event loop in which a socket called back. */
function counting(socket: DatagramSocket, handle: (call: number) => void): () => number {
  let calls = 0;
  socket.start(() => handle(++calls));
  return () => calls;
}

const moving: ContractCase<DatagramHarness>[] = [
  {
    name: "a datagram arrives with its bytes, its sender, its TOS and the address it was sent to",
    run(harness) {
      const { a, b, from, to, message } = pair(harness);
      const { sent, statuses } = a.send(message(pattern(700), { tos: 0xb8 }), message(pattern(3), {}));
      assert.deepEqual([sent, statuses], [2, [700, 3]]);
      const [first, second, ...rest] = b.receive(to) as [Incoming, Incoming];
      assert.deepEqual(
        payloads([first, second, ...rest]),
        payloads([{ bytes: pattern(700) }, { bytes: pattern(3) }]),
      );
      assert.deepEqual([first.from, first.port], [formatAddress(harness.addresses[0]), from.port]);
      assert.equal(first.local, formatAddress(harness.addresses[1]));
      assert.deepEqual([first.tos, second.tos], [0xb8, 0]);
      assert.deepEqual([first.length, first.segment, second.length, second.segment], [700, 700, 3, 3]);
    },
  },
  ...[
    { sending: {}, receiving: {} },
    { sending: { gso: false }, receiving: {} },
    { sending: {}, receiving: { gro: false } },
    { sending: { gso: false }, receiving: { gro: false } },
  ].map(({ sending, receiving }) => ({
    name: `a message with a segment size arrives as datagrams of it, the last one shorter (${JSON.stringify({ ...sending, ...receiving })})`,
    run(harness: DatagramHarness) {
      const { a, b, to, message } = pair(harness, sending, receiving);
      const bytes = pattern(9 * 1000 + 300);
      const { sent, statuses } = a.send(message(bytes, { segment: 1000 }));
      assert.deepEqual([sent, statuses], [1, [9300]]);
      const received = b.receive(to);
      assert.deepEqual(lengths(received), [...new Array(9).fill(1000), 300]);
      assert.deepEqual(payloads(received), payloads(cut(bytes, 1000)));
    },
  })),
  {
    name: "a message no longer than its segment size is one datagram",
    run(harness) {
      const { a, b, to, message } = pair(harness);
      a.send(message(pattern(100), { segment: 100 }), message(pattern(100), { segment: 1200 }));
      assert.deepEqual(lengths(b.receive(to)), [100, 100]);
    },
  },
  {
    name: "an empty datagram arrives as one",
    run(harness) {
      const { a, b, to, message } = pair(harness);
      assert.deepEqual(a.send(message(new Uint8Array(0))), { sent: 1, statuses: [0] });
      assert.deepEqual(lengths(b.receive(to)), [0]);
    },
  },
  {
    name: "the messages of a plan leave in its order, by the sockets that they name",
    run(harness) {
      const { a, b, from, to, message } = pair(harness);
      const other = a.port.open({ address: harness.addresses[0], port: 0 });
      const sockets = Array.from({ length: 90 }, (_, i) => (i % 3 === 0 ? other : from));
      const { sent } = a.send(...sockets.map((socket, i) => message(Uint8Array.of(i, 7), { socket })));
      assert.equal(sent, 90);
      const received = b.receive(to);
      assert.deepEqual(
        received.map(({ bytes, port }) => [bytes[0], port]),
        sockets.map((socket, i) => [i, socket.port]),
      );
    },
  },
  {
    name: "opening a socket leaves the arena alone, where packets may live",
    run(harness) {
      const { port, arena } = harness.endpoint();
      arena.fill(0xa5);
      port.open({ address: harness.addresses[0], port: 0 });
      assert.equal(
        arena.findIndex((byte) => byte !== 0xa5),
        -1,
      );
    },
  },
  {
    name: "bytes that were sent may be written over at once",
    run(harness) {
      const { a, b, to, message } = pair(harness);
      a.send(message(pattern(500, 1)));
      a.arena.fill(0);
      assert.deepEqual(payloads(b.receive(to)), payloads([{ bytes: pattern(500, 1) }]));
    },
  },
  {
    name: "a read takes no more messages than it was asked for, and the rest is there for the next one",
    run(harness) {
      const { a, b, to, message } = pair(harness);
      a.send(...Array.from({ length: 5 }, (_, i) => message(Uint8Array.of(i))));
      assert.equal(to.receive(1 << 20, 2000, 3), 3);
      assert.deepEqual(
        [0, 1, 2].map((i) => b.arena[(1 << 20) + i * 2000]),
        [0, 1, 2],
      );
      assert.equal(to.receive(1 << 20, 2000, 3), 2);
      assert.equal(to.receive(1 << 20, 2000, 3), 0);
    },
  },
  {
    name: "a message that is longer than the slot is marked and does not reach into the next slot",
    run(harness) {
      const { a, b, to, message } = pair(harness);
      a.send(message(pattern(1000)), message(pattern(10)));
      b.arena.fill(0xa5, 1 << 20);
      assert.equal(to.receive(1 << 20, 600, 2), 2);
      assert.deepEqual([to.records[0], to.records[16]], [EMSGSIZE, 10]);
      assert.deepEqual(b.arena.subarray((1 << 20) + 600, (1 << 20) + 610), pattern(10));
      assert.equal(b.arena[(1 << 20) + 610], 0xa5);
    },
  },
  {
    name: "a message is as old as the reader let it wait",
    async run(harness) {
      const { a, b, to, message } = pair(harness);
      a.send(message(pattern(1)));
      await harness.wait(30);
      a.send(message(pattern(2)));
      const [old, young] = b.receive(to) as [Incoming, Incoming];
      assert.ok(young.ageUs >= 0, `${young.ageUs}`);
      assert.ok(old.ageUs - young.ageUs >= 20_000, `${old.ageUs} against ${young.ageUs}`);
    },
  },
  {
    name: "counters say how many calls moved how many messages",
    run(harness) {
      const { a, b, to, message } = pair(harness);
      assert.equal(a.port.send(new Plan(16)), 0);
      a.send(message(pattern(1)), message(pattern(2)));
      a.send(message(pattern(harness.payloadMax + 1)));
      assert.deepEqual(a.port.counters, { calls: 1, messages: 2, refused: 1 });
      b.receive(to);
      assert.deepEqual(to.counters, { calls: 1, messages: 2 });
    },
  },
];

const refusing: ContractCase<DatagramHarness>[] = [
  {
    name: "a message that is too long is refused, and those around it go out",
    run(harness) {
      const { a, b, to, message } = pair(harness);
      const { sent, statuses } = a.send(
        message(pattern(1)),
        message(pattern(harness.payloadMax + 1)),
        message(pattern(harness.payloadMax)),
        message(pattern(3 * (harness.payloadMax + 1)), { segment: harness.payloadMax + 1 }),
        message(pattern(2)),
      );
      assert.deepEqual([sent, statuses], [3, [1, EMSGSIZE, harness.payloadMax, EMSGSIZE, 2]]);
      assert.deepEqual(lengths(b.receive(to)), [1, harness.payloadMax, 2]);
    },
  },
  ...[true, false].map((gso) => ({
    name: `a message to where nothing goes is refused, and those around it go out (gso ${gso})`,
    run(harness: DatagramHarness) {
      const { a, b, to, message } = pair(harness, { gso });
      const { address, errno } = harness.unreachable;
      const { sent, statuses } = a.send(
        message(pattern(10)),
        message(pattern(20), { to: address }),
        message(pattern(3000), { to: address, segment: 1000 }),
        message(pattern(3000), { segment: 1000 }),
      );
      assert.deepEqual([sent, statuses], [2, [10, errno, errno, 3000]]);
      assert.deepEqual(lengths(b.receive(to)), [10, 1000, 1000, 1000]);
      assert.deepEqual(a.port.counters, { calls: 1, messages: 2, refused: 2 });
    },
  })),
  {
    name: "a message by a socket that is closed is refused, and those around it go out",
    run(harness) {
      const { a, b, to, message } = pair(harness);
      const closed = a.port.open({ address: harness.addresses[0], port: 0 });
      closed.close();
      const { sent, statuses } = a.send(
        message(pattern(1)),
        message(pattern(2), { socket: closed }),
        message(pattern(3)),
      );
      assert.deepEqual([sent, statuses], [2, [1, EBADF, 3]]);
      assert.deepEqual(lengths(b.receive(to)), [1, 3]);
    },
  },
  {
    name: "a port that another socket has, or an address that is not ours, is refused with its reason",
    run(harness) {
      const { a, to } = pair(harness);
      assert.throws(() => a.port.open({ address: harness.addresses[1], port: to.port }), {
        code: "EADDRINUSE",
      });
      assert.throws(() => a.port.open({ address: harness.foreign, port: 0 }), { code: "EADDRNOTAVAIL" });
      to.close();
      const again = a.port.open({ address: harness.addresses[1], port: to.port });
      assert.equal(again.port, to.port);
    },
  },
];

const answering: ContractCase<DatagramHarness>[] = [
  {
    name: "where nobody listens the network's answer names the destination, and no other message fails or is lost",
    async run(harness) {
      const { a, b, from, to, message } = pair(harness);
      const gone = harness.endpoint().port.open({ address: harness.addresses[1], port: 0 });
      const { port } = gone;
      gone.close();
      for (let round = 0; round < 3; round++) {
        const { statuses } = a.send(
          message(Uint8Array.of(1)),
          message(Uint8Array.of(2), { port }),
          message(Uint8Array.of(3)),
          message(Uint8Array.of(4), { port }),
          message(Uint8Array.of(5)),
        );
        assert.deepEqual(statuses, [1, 1, 1, 1, 1]);
      }
      assert.deepEqual(
        b.receive(to).map(({ bytes }) => bytes[0]),
        [1, 3, 5, 1, 3, 5, 1, 3, 5],
      );
      const answers: NetworkError[] = [];
      await settle(harness, () => {
        answers.push(...a.errors(from));
        return answers.length > 0;
      });
      assert.ok(answers.length <= 6, `${answers.length} answers`);
      for (const answer of answers) {
        assert.deepEqual(answer, {
          errno: ECONNREFUSED,
          to: formatAddress(harness.addresses[1]),
          port,
          mtu: 0,
        });
      }
      assert.deepEqual(a.errors(from), []);
    },
  },
  {
    name: "an answer of the network does not keep a socket from receiving, nor keeps it calling back once it was read",
    async run(harness) {
      const { a, b, from, to, message } = pair(harness);
      const gone = harness.endpoint().port.open({ address: harness.addresses[1], port: 0 });
      const { port } = gone;
      gone.close();
      const received: Incoming[] = [];
      let answers = 0;
      const calls = counting(from, () => {
        received.push(...a.receive(from));
        answers += a.errors(from).length;
      });
      const back = { socket: to, to: harness.addresses[0], port: from.port };
      for (let i = 0; i < 5; i++) {
        a.send(message(pattern(9), { port }));
        await settle(harness, () => answers > i);
        b.send({ ...back, bytes: Uint8Array.of(i) });
        await settle(harness, () => received.length > i);
      }
      assert.deepEqual([answers, received.map(({ bytes }) => bytes[0])], [5, [0, 1, 2, 3, 4]]);
      const before = calls();
      await harness.wait(50);
      assert.equal(calls(), before);
    },
  },
];

const calling: ContractCase<DatagramHarness>[] = [
  {
    name: "a started socket calls back as long as something is left to read, once in each turn",
    async run(harness) {
      const { a, to, message } = pair(harness);
      let turns = 0;
      let running = true;
      const turn = () => {
        turns++;
        if (running) setImmediate(turn);
      };
      turn();
      const calls = counting(to, () => to.receive(1 << 20, 2000, 1));
      a.send(...Array.from({ length: 10 }, (_, i) => message(Uint8Array.of(i))));
      await settle(harness, () => to.counters.messages === 10);
      await harness.wait(20);
      running = false;
      assert.equal(to.counters.messages, 10);
      assert.ok(calls() >= 10 && calls() <= 11, `${calls()} calls for 10 messages`);
      assert.ok(turns >= calls(), `${calls()} calls in ${turns} turns`);
    },
  },
  {
    name: "a socket with nothing to read does not call back",
    async run(harness) {
      const { to } = pair(harness);
      const calls = counting(to, () => {});
      await harness.wait(30);
      assert.equal(calls(), 0);
    },
  },
  {
    name: "a socket is started once",
    run(harness) {
      const { to } = pair(harness);
      to.start(() => {});
      assert.throws(() => to.start(() => {}), /cannot wait for packets/);
    },
  },
  {
    name: "a socket closed in its own callback calls back no more and reads nothing",
    async run(harness) {
      const { a, to, message } = pair(harness);
      const calls = counting(to, () => to.close());
      a.send(message(pattern(1)), message(pattern(2)));
      await settle(harness, () => calls() > 0);
      await harness.wait(20);
      assert.equal(calls(), 1);
      assert.deepEqual([to.receive(1 << 20, 2000, 4), to.errors()], [0, 0]);
    },
  },
  {
    name: "a socket closed in another one's callback calls back no more, both being readable",
    async run(harness) {
      const { a, b, to, message } = pair(harness);
      const second = b.port.open({ address: harness.addresses[1], port: 0 });
      const called = new Set<DatagramSocket>();
      const closing = (self: DatagramSocket, other: DatagramSocket) => () => {
        called.add(self);
        other.close();
      };
      to.start(closing(to, second));
      second.start(closing(second, to));
      a.send(message(pattern(1)), message(pattern(1), { port: second.port }));
      await settle(harness, () => called.size > 0);
      await harness.wait(20);
      assert.equal(called.size, 1);
    },
  },
  {
    name: "after it was closed, a socket answers 0 to everything and can be closed again",
    run(harness) {
      const { a, to, message } = pair(harness);
      a.send(message(pattern(1)));
      to.close();
      to.close();
      assert.deepEqual([to.receive(1 << 20, 2000, 4), to.errors()], [0, 0]);
      assert.deepEqual(to.counters, { calls: 0, messages: 0 });
    },
  },
  {
    name: "after it was closed, a port has no sockets and sends nothing",
    run(harness) {
      const { a, b, from, to, message } = pair(harness);
      const stale = message(pattern(1), { socket: { id: from.id } });
      a.port.close();
      a.port.close();
      assert.deepEqual(a.send(stale), { sent: 0, statuses: [EBADF] });
      assert.deepEqual(b.receive(to), []);
      assert.equal(from.receive(1 << 20, 2000, 4), 0);
    },
  },
];

export const datagramContract: readonly ContractCase<DatagramHarness>[] = [
  ...moving,
  ...refusing,
  ...answering,
  ...calling,
];
