import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PathView } from "../../src/control/views.ts";
import {
  contentSha256,
  contentUrl,
  curl,
  type Host,
  Lab,
  startContentServer,
  waitFor,
} from "../../tools/lab/index.ts";
import { ipBatch } from "../../tools/lab/namespace.ts";
import { LabDaemon } from "./daemon-lab.ts";

/** Two downloads, by the client's port: one as fast as it can, and one whose reader is slower than the lines. */
const FAST = { port: 40_001, bytes: 16_000_000, args: [] as string[] };
const SLOW = { port: 40_002, bytes: 1_000_000, args: ["--limit-rate", "150K"] };
/** How long there is no network. Longer, what a TCP does of itself would take longer: docs/testing.md. */
const OUTAGE_MS = 1000 * Number(process.env.MPIP_TEST_OUTAGE_S ?? 4);
const TIMEOUT_MS = 60_000 + 3 * OUTAGE_MS;

// client ==l0, l1== home, phone (NATs) ==w0, w1== core ==wan== server
describe("a client that loses all its networks and comes back from elsewhere", () => {
  let lab: Lab;
  let client: LabDaemon;
  let server: LabDaemon;

  beforeAll(async () => {
    lab = await Lab.up({
      hosts: {
        client: {},
        home: { nat: { kind: "masquerade" } },
        phone: { nat: { kind: "symmetric" } },
        core: { router: true },
        server: {},
      },
      links: {
        l0: { between: ["client", "home"], subnet6: "none" },
        l1: { between: ["client", "phone"], subnet6: "none" },
        w0: { between: ["home", "core"], rateMbit: 20, delayMs: 5, subnet6: "none" },
        w1: { between: ["phone", "core"], rateMbit: 10, delayMs: 20, subnet6: "none" },
        wan: { between: ["server", "core"], subnet6: "none" },
      },
    });
    const endpoint = lab.host("server").ip("wan");
    client = new LabDaemon(
      lab.host("client"),
      `name: client
node: "02:00:00:00:00:01"
tun: { address: 10.77.0.1/24 }
peers: [{ name: server, endpoints: ${endpoint}, routes: 10.77.0.2 }]
`,
    );
    server = new LabDaemon(
      lab.host("server"),
      `name: server
tun: { address: 10.77.0.2/24 }
peers: [{ name: client, node: "02:00:00:00:00:01", routes: 10.77.0.1 }]
`,
    );
    await Promise.all([client.up(), server.up()]);
    await client.process!.output(/server: reached/);
    await startContentServer(server.host);
  });

  afterAll(async () => {
    client?.[Symbol.dispose]();
    server?.[Symbol.dispose]();
    await lab?.down();
  });

  const download = ({ port, bytes, args }: typeof FAST) =>
    curl(client.host, contentUrl("10.77.0.2", bytes), {
      args: ["--local-port", String(port), ...args],
      timeoutMs: TIMEOUT_MS,
    });

  /** A number that the kernel tells of a connection; 0 where it tells none. */
  const told = async (host: Host, filter: readonly string[], pattern: RegExp) =>
    Number(pattern.exec((await host.exec("ss", ["-tinHO", ...filter])).stdout)?.[1] ?? 0);

  const received = ({ port }: typeof FAST) =>
    told(client.host, ["sport", "=", `:${port}`], / bytes_received:(\d+)/);

  /** How often the server's TCP has doubled the time that it waits until it sends again. */
  const doublings = () => told(server.host, ["dport", "=", `:${FAST.port}`], / backoff:(\d+)/);

  it(
    "goes on with what it was downloading, as soon as there is a network",
    async () => {
      const downloads = [FAST, SLOW].map(download);
      await waitFor(async () => (await received(FAST)) > 2e6, { what: "a download", timeoutMs: 20_000 });
      await ipBatch(["addr flush dev l0", "addr flush dev l1"], client.host.namespace);
      await client.process!.output(/server: not reached any more/);
      await sleep(OUTAGE_MS / 2);
      const half = await doublings();
      await sleep(OUTAGE_MS / 2);
      expect(half).toBeGreaterThan(0);
      expect(await doublings()).toBeLessThanOrEqual(half);
      const before = await Promise.all([FAST, SLOW].map(received));
      await ipBatch(
        [
          "addr add 10.0.0.77/24 dev l0",
          "route add default via 10.0.0.2 dev l0 metric 100",
          "addr add 10.1.0.88/24 dev l1",
          "route add default via 10.1.0.2 dev l1 metric 200",
        ],
        client.host.namespace,
      );
      const backMs = performance.now();
      const waits = [FAST, SLOW].map(async (one, i) => {
        await waitFor(async () => (await received(one)) > before[i]!, {
          what: "more",
          timeoutMs: TIMEOUT_MS,
        });
        return performance.now() - backMs;
      });
      for (const waitMs of await Promise.all(waits)) expect(waitMs).toBeLessThan(0.75 * OUTAGE_MS);
      const [fast, slow] = await Promise.all(downloads);
      expect(fast!.sha256).toBe(contentSha256(FAST.bytes));
      expect(slow!.sha256).toBe(contentSha256(SLOW.bytes));
      const paths = await client.ask<PathView[]>("paths");
      const used = paths.filter(({ state }) => state === "ready").map(({ local }) => local);
      expect(used.sort()).toEqual(["10.0.0.77", "10.1.0.88"]);
    },
    TIMEOUT_MS,
  );
});
