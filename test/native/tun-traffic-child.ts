import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { parseAddress } from "../../src/io/address.ts";
import { openArena } from "../../src/io/native.ts";
import type { TunOffloads } from "../../src/io/port.ts";
import { openTun } from "../../src/io/tun.ts";
import { openUdpPort } from "../../src/io/udp.ts";
import { ENDPOINT_ARENA_BYTES, Endpoint, type Incoming } from "../helpers/endpoint.ts";
import { pattern } from "../helpers/packets.ts";
import { REFLECTOR_ARENA_BYTES, Reflector } from "../helpers/reflector.ts";
import { serve } from "../helpers/scenarios.ts";

// The host, 10.2.0.1, talks to a neighbour that is its own mirror image: see helpers/reflector.ts.

const HOST = "10.2.0.1";
const NEIGHBOUR = "10.2.0.2";
/** FIN-WAIT-1, LAST-ACK and CLOSING in /proc/net/tcp. */
const TCP_UNANSWERED = new Set(["04", "09", "0B"]);
const log = pino({ level: "silent" });

async function reflecting<T>(
  offloads: Partial<TunOffloads>,
  rebuild: boolean,
  body: () => Promise<T>,
): Promise<T & { seen: Reflector["seen"]; offloads: TunOffloads; badChecksums: number }> {
  const arena = openArena(REFLECTOR_ARENA_BYTES);
  const tun = openTun({ name: "mirror0", mtu: 1400, offloads }, arena, log);
  execFileSync("ip", ["addr", "add", `${HOST}/24`, "dev", "mirror0"]);
  const reflector = new Reflector(tun, arena, rebuild);
  tun.start(() => reflector.handle());
  const before = badChecksums();
  try {
    const result = await body();
    return { ...result, seen: reflector.seen, offloads: tun.offloads, badChecksums: badChecksums() - before };
  } finally {
    tun.close();
  }
}

/** TCP and UDP packets that the kernel threw away for their checksums. */
function badChecksums(): number {
  const rows = readFileSync("/proc/net/snmp", "utf8").split("\n");
  const pairs = rows.flatMap((row, i) => {
    const names = row.split(" ");
    const values = rows[i + 1]?.split(" ") ?? [];
    return names[0] === values[0] ? names.map((name, k) => [name, Number(values[k])] as const) : [];
  });
  return pairs.reduce((sum, [name, value]) => (name === "InCsumErrors" ? sum + value : sum), 0);
}

/**
 * Whether the kernel still waits for an answer to the end of a connection: it would send that again through the device
 * of the next scenario.
 */
function isClosing(): boolean {
  const rows = readFileSync("/proc/net/tcp", "utf8").trim().split("\n").slice(1);
  return rows.some((row) => TCP_UNANSWERED.has(row.trim().split(/\s+/)[3]!));
}

const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** Sends `bytes` and answers the hash of all that comes from the other side until it ends. */
async function exchange(socket: Socket, bytes: Uint8Array): Promise<string> {
  const hash = createHash("sha256");
  socket.on("data", (chunk) => hash.update(chunk));
  socket.end(bytes);
  await once(socket, "close");
  return hash.digest("hex");
}

export const scenarios = {
  /** A TCP connection through the mirror, with `bytes` in each direction. */
  tcp(offloads: Partial<TunOffloads>, rebuild: boolean, bytes: number) {
    return reflecting(offloads, rebuild, async () => {
      const [up, down] = [1, 2].map((seed) => pattern(bytes, seed));
      const accepted = new Promise<string>((resolve, reject) => {
        const server = createServer((socket) => {
          server.close();
          exchange(socket, down!).then(resolve, reject);
        });
        server.listen(5000, HOST);
      });
      const client = connect({ port: 5000, host: NEIGHBOUR, localAddress: HOST });
      const [atClient, atServer] = await Promise.all([exchange(client, up!), accepted]);
      while (isClosing()) await sleep(1);
      return { upWhole: atServer === sha(up!), downWhole: atClient === sha(down!) };
    });
  },

  /** Segmented UDP messages through the mirror. */
  udp(offloads: Partial<TunOffloads>, rebuild: boolean, messages: number) {
    return reflecting(offloads, rebuild, async () => {
      const arena = openArena(ENDPOINT_ARENA_BYTES);
      const endpoint = new Endpoint(openUdpPort(arena, log), arena);
      const from = endpoint.port.open({ address: parseAddress(HOST), port: 0 });
      const to = endpoint.port.open({ address: parseAddress(HOST), port: 0 });
      const sent = Array.from({ length: messages }, (_, i) => pattern(20 * 1000 + 300, i));
      const received: Incoming[] = [];
      for (const bytes of sent) {
        endpoint.send({ socket: from, to: parseAddress(NEIGHBOUR), port: to.port, bytes, segment: 1000 });
        const expected = received.length + 21;
        for (let i = 0; i < 200 && received.length < expected; i++) {
          await sleep(1);
          received.push(...endpoint.receive(to));
        }
      }
      endpoint.port.close();
      return {
        datagrams: received.length,
        sizes: [...new Set(received.map(({ bytes }) => bytes.length))],
        from: [...new Set(received.map((one) => one.from))],
        joined: Math.max(...received.map(({ length }) => length)),
        whole: sha(Buffer.concat(received.map(({ bytes }) => bytes))) === sha(Buffer.concat(sent)),
      };
    });
  },
};

await serve(scenarios);
