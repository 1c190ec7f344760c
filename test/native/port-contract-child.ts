import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { parseAddress } from "../../src/io/address.ts";
import { EHOSTUNREACH } from "../../src/io/error.ts";
import { native, openArena } from "../../src/io/native.ts";
import type { DatagramPort, TunOffloads } from "../../src/io/port.ts";
import { openTun } from "../../src/io/tun.ts";
import { openUdpPort } from "../../src/io/udp.ts";
import { type ContractCase, type DatagramHarness, datagramContract } from "../helpers/datagram-contract.ts";
import { ENDPOINT_ARENA_BYTES, Endpoint } from "../helpers/endpoint.ts";
import { serve } from "../helpers/scenarios.ts";
import {
  HOST_PORT,
  NEIGHBOUR_PORT,
  TUN_CONTRACT_ARENA_BYTES,
  type TunHarness,
  tunContract,
} from "../helpers/tun-contract.ts";

// The contract of the ports over the kernel's, in a namespace whose loopback has an MTU of 1500 and the addresses below.

const log = pino({ level: "silent" });
const families = {
  4: {
    addresses: ["10.1.0.1", "10.1.0.2"],
    foreign: "198.51.100.1",
    unreachable: "10.1.0.9",
    headerBytes: 28,
  },
  6: { addresses: ["fd01::1", "fd01::2"], foreign: "2001:db8::1", unreachable: "fd01::9", headerBytes: 48 },
};

/** What each case says: nothing, or what went wrong. */
type Verdicts = Record<string, string | null>;

async function judge<Harness>(
  cases: readonly ContractCase<Harness>[],
  use: (body: (harness: Harness) => Promise<void>) => Promise<void>,
): Promise<Verdicts> {
  const verdicts: Verdicts = {};
  for (const one of cases) {
    try {
      await use(async (harness) => await one.run(harness));
      verdicts[one.name] = null;
    } catch (error) {
      verdicts[one.name] = (error as Error).stack ?? String(error);
    }
  }
  return verdicts;
}

async function withDatagrams(
  family: 4 | 6,
  ring: boolean,
  body: (harness: DatagramHarness) => Promise<void>,
): Promise<void> {
  const { addresses, foreign, unreachable, headerBytes } = families[family];
  const ports: DatagramPort[] = [];
  try {
    await body({
      endpoint(offloads = {}) {
        const arena = openArena(ENDPOINT_ARENA_BYTES);
        const port = openUdpPort(arena, log, { ring, offloads });
        ports.push(port);
        return new Endpoint(port, arena);
      },
      addresses: addresses.map(parseAddress) as [Int32Array, Int32Array],
      foreign: parseAddress(foreign),
      unreachable: { address: parseAddress(unreachable), errno: EHOSTUNREACH },
      payloadMax: 1500 - headerBytes,
      wait: (ms) => sleep(ms),
    });
  } finally {
    for (const port of ports) port.close();
  }
}

async function withTun(
  offloads: Partial<TunOffloads>,
  ring: boolean,
  body: (harness: TunHarness) => Promise<void>,
): Promise<void> {
  const name = "contract0";
  const arena = openArena(TUN_CONTRACT_ARENA_BYTES);
  const port = openTun({ name, mtu: 1400, ring, offloads }, arena, log);
  execFileSync("ip", ["addr", "add", "10.2.0.1/24", "dev", name]);
  const socket = createSocket("udp4").bind(HOST_PORT, "10.2.0.1");
  const received: Uint8Array[] = [];
  socket.on("message", (bytes) => received.push(new Uint8Array(bytes)));
  await once(socket, "listening");
  const link = new Int32Array(4);
  try {
    await body({
      port,
      arena,
      host: [10, 2, 0, 1],
      neighbour: [10, 2, 0, 2],
      hostSends: (payload) =>
        new Promise((resolve, reject) => {
          const done = (error: Error | null) => (error ? reject(error) : resolve());
          socket.send(payload, NEIGHBOUR_PORT, "10.2.0.2", done);
        }),
      hostReceived: () => received,
      mtu: () => (native.linkGet(name, link) === 0 ? link[0]! : 0),
      wait: (ms) => sleep(ms),
    });
  } finally {
    socket.close();
    port.close();
  }
}

export const scenarios = {
  datagrams: (family: 4 | 6, ring = true) =>
    judge(datagramContract, (body) => withDatagrams(family, ring, body)),
  tun: (offloads: Partial<TunOffloads>, ring = true) =>
    judge(tunContract, (body) => withTun(offloads, ring, body)),
};

await serve(scenarios);
