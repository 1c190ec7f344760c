import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Plan } from "../../../src/core/batch/plan.ts";
import { parseAddress } from "../../../src/io/address.ts";
import { EHOSTUNREACH, ENETUNREACH, ENOBUFS } from "../../../src/io/error.ts";
import { type DatagramHarness, datagramContract } from "../../helpers/datagram-contract.ts";
import { ENDPOINT_ARENA_BYTES, Endpoint } from "../../helpers/endpoint.ts";
import { FakeDatagramPort, FakeNetwork, type FakeNetworkOptions } from "../../helpers/fake-datagrams.ts";
import { FakeTun } from "../../helpers/fake-tun.ts";
import { concat, ipv4Header, pattern, udpHeader, vnetHeader } from "../../helpers/packets.ts";
import { planMessages } from "../../helpers/plan-messages.ts";
import {
  HOST_PORT,
  NEIGHBOUR_PORT,
  TUN_CONTRACT_ARENA_BYTES,
  type TunHarness,
  tunContract,
} from "../../helpers/tun-contract.ts";

const families = {
  4: { addresses: ["192.0.2.1", "192.0.2.2"], foreign: "198.51.100.1", headerBytes: 28 },
  6: { addresses: ["2001:db8::1", "2001:db8::2"], foreign: "2001:db8:1::1", headerBytes: 48 },
};

function fakeDatagrams(family: 4 | 6): DatagramHarness {
  const { addresses, foreign, headerBytes } = families[family];
  const [one, two] = addresses.map(parseAddress) as [Int32Array, Int32Array];
  const network = new FakeNetwork({ addresses: [one, two], mtuBytes: 1500 });
  return {
    endpoint(offloads) {
      const arena = new Uint8Array(ENDPOINT_ARENA_BYTES);
      return new Endpoint(new FakeDatagramPort(network, arena, offloads), arena);
    },
    addresses: [one, two],
    foreign: parseAddress(foreign),
    unreachable: { address: parseAddress(foreign), errno: ENETUNREACH },
    payloadMax: 1500 - headerBytes,
    async wait(ms) {
      network.nowUs += 1000 * ms;
      await sleep(1);
    },
  };
}

function fakeTun(): TunHarness {
  const arena = new Uint8Array(TUN_CONTRACT_ARENA_BYTES);
  const host = [10, 0, 0, 1];
  const neighbour = [10, 0, 0, 2];
  const port = new FakeTun(arena);
  return {
    port,
    arena,
    host,
    neighbour,
    async hostSends(payload) {
      const header = ipv4Header({ protocol: 17, source: host, destination: neighbour });
      const udp = udpHeader(8 + payload.length, HOST_PORT, NEIGHBOUR_PORT);
      port.hostSends(concat(vnetHeader(), header, udp, payload));
    },
    hostReceived: () => port.hostReceived.map((bytes) => bytes.subarray(38)),
    mtu: () => port.mtu,
    wait: () => sleep(1),
  };
}

describe.each([4, 6] as const)("a fake datagram port over IPv%d", (family) => {
  it.each(datagramContract.map((one) => [one.name, one] as const))("%s", async (_, one) => {
    await one.run(fakeDatagrams(family));
  });
});

describe("a fake TUN device", () => {
  it.each(tunContract.map((one) => [one.name, one] as const))("%s", async (_, one) => {
    await one.run(fakeTun());
  });

  it("has the offloads and refuses the messages that the test says", () => {
    const arena = new Uint8Array(100);
    const tun = new FakeTun(arena, { offloads: { uso: false } });
    expect(tun.offloads).toEqual({ checksum: true, tso: true, uso: false });
    tun.refusal = (bytes) => (bytes.length > 40 ? ENOBUFS : 0);
    arena.set(concat(vnetHeader(), ipv4Header({ protocol: 17 }), udpHeader(8)));
    const plan = new Plan(64);
    for (const length of [38, 41, 38]) {
      plan.begin();
      plan.piece(0, length);
    }
    expect(tun.write(plan)).toBe(2);
    expect(planMessages(plan).map(({ status }) => status)).toEqual([38, ENOBUFS, 38]);
    expect(tun.hostReceived.map(({ length }) => length)).toEqual([38, 38]);
  });
});

describe("a fake network", () => {
  const [one, two] = ["192.0.2.1", "192.0.2.2"].map(parseAddress) as [Int32Array, Int32Array];

  function pair(options: Partial<FakeNetworkOptions> = {}) {
    const network = new FakeNetwork({ addresses: [one, two], ...options });
    const [a, b] = [0, 1].map(() => {
      const arena = new Uint8Array(ENDPOINT_ARENA_BYTES);
      return new Endpoint(new FakeDatagramPort(network, arena), arena);
    }) as [Endpoint, Endpoint];
    const from = a.port.open({ address: one, port: 7000 });
    const to = b.port.open({ address: two, port: 7000 });
    const message = (bytes: Uint8Array) => ({ socket: from, to: two, port: 7000, bytes });
    return { network, a, b, from, to, message };
  }

  it("refuses each message with the error that the test chose for it", () => {
    const { network, a, b, to, message } = pair();
    network.refusal = ({ pieces }) => ({ 1: ENOBUFS, 2: EHOSTUNREACH })[pieces[0]![1]] ?? 0;
    const { sent, statuses } = a.send(...[1, 2, 3].map((length) => message(pattern(length))));
    expect([sent, statuses]).toEqual([1, [ENOBUFS, EHOSTUNREACH, 3]]);
    expect(b.receive(to)).toHaveLength(1);
  });

  it("loses what a full receiver cannot keep, without telling the sender", () => {
    const { a, b, to, message } = pair({ queueMax: 2 });
    expect(a.send(...[1, 2, 3].map((length) => message(pattern(length)))).sent).toBe(3);
    expect(b.receive(to).map(({ bytes }) => bytes.length)).toEqual([1, 2]);
  });

  it("re-joins datagrams of one size for a receiver with GRO where it is asked to", () => {
    const { a, b, to, message } = pair({ rejoin: true });
    a.send(...[100, 100, 60, 60, 100].map((length) => message(pattern(length))));
    expect(b.receive(to).map(({ bytes, length }) => [bytes.length, length])).toEqual([
      [100, 260],
      [100, 260],
      [60, 260],
      [60, 60],
      [100, 100],
    ]);
  });
});
