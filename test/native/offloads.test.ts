import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runScenario } from "../helpers/child.ts";
import { compileLibrary, temporaryDirectory } from "../helpers/compile.ts";
import { datagramContract } from "../helpers/datagram-contract.ts";
import { TestNamespace } from "../helpers/namespace.ts";
import type { scenarios } from "./offloads-child.ts";
import type { scenarios as contract } from "./port-contract-child.ts";
import type { scenarios as traffic } from "./tun-traffic-child.ts";

type Scenarios = typeof scenarios;

let namespace: TestNamespace;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let library: string;

beforeAll(async () => {
  directory = await temporaryDirectory();
  library = await compileLibrary("test/native/kernel-faults.c", directory.path);
  namespace = await TestNamespace.create("offloads", [
    "link set lo mtu 1500",
    ...["10.1.0.1/32", "10.1.0.2/32"].map((address) => `addr add ${address} dev lo`),
    ...["fd01::1/128", "fd01::2/128"].map((address) => `-6 addr add ${address} dev lo nodad`),
    "route add unreachable 10.1.0.9/32",
  ]);
  await namespace.quiet();
});
afterAll(async () => {
  await namespace?.remove();
  await directory?.remove();
});

/** Where a system call goes wrong; no fault: the real kernel. */
const where = (fault?: string) => ({
  namespace: namespace.name,
  ...(fault === undefined ? {} : { env: { LD_PRELOAD: library, MPIP_FAULT: fault } }),
});

function child<Name extends keyof Scenarios>(name: Name, args: Parameters<Scenarios[Name]>, fault?: string) {
  return runScenario<Scenarios, Name>("test/native/offloads-child.ts", name, args, where(fault));
}

const DATAGRAMS = [0, 1, 2, 3].flatMap((more) => [1000, 1000, 1000, 1000, 1000, ...(more > 0 ? [more] : [])]);
const ALL_SENT = { sent: 4, statuses: [5000, 5001, 5002, 5003], datagrams: DATAGRAMS, whole: true };
const OFF = { gso: false, gro: false };
const ON = { gso: true, gro: true };

const LINES = {
  refused:
    "warn: UDP: segmentation offload is refused by this kernel; sending and receiving datagram by datagram",
  corrupted:
    "warn: UDP: segmentation offload is corrupted by this kernel; sending and receiving datagram by datagram",
  noReceive:
    "info: UDP: this kernel has no receive offload (UDP_GRO came with Linux 5.0); receiving datagram by datagram",
  noRing:
    "info: no io_uring here (it needs Linux 6.0, and may be forbidden); crossing into the kernel packet by packet",
  brokenRing:
    "warn: io_uring does not move what it is given on this kernel; crossing into the kernel packet by packet",
  tso: "warn: TUN: TCP segmentation offload corrupts or refuses packets on this kernel; switched off",
  uso: "warn: TUN: UDP segmentation offload corrupts or refuses packets on this kernel; switched off",
  noUso:
    "info: TUN: this kernel has no UDP segmentation offload (it came with Linux 6.2); going on without it",
};

describe.each([4, 6] as const)("the self-test of the UDP offloads over IPv%d", (family) => {
  it("passes on this kernel and says nothing", async () => {
    expect(await child("udp", [family])).toMatchObject({ offloads: ON, lines: [], ...ALL_SENT });
  });

  it.each([
    ["refuses segmentation", "udp-send-refused", OFF, LINES.refused],
    ["corrupts what it segments", "udp-send-corrupted", OFF, LINES.corrupted],
    ["does not know segmentation and sends one datagram", "udp-send-unknown", OFF, LINES.corrupted],
    ["corrupts what it joins", "udp-receive-corrupted", OFF, LINES.corrupted],
    ["forgets to say what it has joined", "udp-receive-unmarked", OFF, LINES.corrupted],
    ["does not know joining", "udp-receive-unknown", { gso: true, gro: false }, LINES.noReceive],
  ])(
    "on a kernel that %s, switches off what is wrong with one line, and all is sent",
    async (_, fault, offloads, line) => {
      expect(await child("udp", [family], fault)).toMatchObject({ offloads, lines: [line], ...ALL_SENT });
    },
  );

  it("does not test what is not wanted", async () => {
    expect(await child("udp", [family, OFF], "udp-send-corrupted")).toMatchObject({
      offloads: OFF,
      lines: [],
      ...ALL_SENT,
    });
  });
});

describe("the self-test of io_uring", () => {
  const through = (fault?: string) => child("udp", [4, {}, true], fault);

  it("passes on this kernel and says nothing, and what leaves by several sockets arrives in order", async () => {
    expect(await through()).toMatchObject({ offloads: ON, lines: [], ...ALL_SENT });
  });

  it.each([
    ["has none", "ring-unknown", LINES.noRing],
    ["does nothing with what is in it", "ring-refused", LINES.brokenRing],
  ])("on a kernel that %s, goes on without it, with one line", async (_, fault, line) => {
    expect(await through(fault)).toMatchObject({ offloads: ON, lines: [line], ...ALL_SENT });
  });
});

describe("a path whose device cannot segment", () => {
  it("is noticed when the kernel says so: each socket goes on without, and nothing is lost", async () => {
    const { offloads, after, lines, ...rest } = await child("udp", [4], "udp-send-refused-later");
    expect([offloads, after]).toEqual([ON, { gso: false, gro: true }]);
    expect(rest).toMatchObject({ ...ALL_SENT, calls: { calls: 1, messages: 4, refused: 0 } });
    expect(lines).toHaveLength(2);
    for (const line of lines) {
      expect(line).toMatch(
        /^warn: UDP: no segmentation offload on the path of port \d+ \(EIO\); going on without it$/,
      );
    }
  });
});

describe("a message that goes datagram by datagram", () => {
  it("ends at the first one that is refused, and the next message goes out", async () => {
    expect(await child("oneByOne", [[2, 10, 3]], "udp-send-drops-one")).toEqual({
      sent: 2,
      statuses: [200, 200, 300],
      received: [2, 2, 3],
    });
  });

  it("ends there also where it is longer than a call to the kernel", async () => {
    expect(await child("oneByOne", [[200, 3]], "udp-send-drops-one")).toEqual({
      sent: 1,
      statuses: [400, 300],
      received: [4, 3],
    });
  });

  it("may be longer than a call to the kernel", async () => {
    expect(await child("oneByOne", [[200, 3]])).toEqual({
      sent: 2,
      statuses: [20_000, 300],
      received: [200, 3],
    });
  });
});

describe("the self-test of the TUN offloads", () => {
  const all = { checksum: true, tso: true, uso: true };

  it("passes on this kernel and says nothing", async () => {
    expect(await child("tun", [])).toEqual({ offloads: all, lines: [], arenaUntouched: true });
  });

  it.each([
    ["corrupts TCP super-packets", "tun-tso-corrupted", { tso: false, uso: false }, LINES.tso],
    ["refuses TCP super-packets", "tun-tso-refused", { tso: false, uso: false }, LINES.tso],
    ["corrupts UDP super-packets", "tun-uso-corrupted", { uso: false }, LINES.uso],
    ["refuses UDP super-packets", "tun-uso-refused", { uso: false }, LINES.uso],
    ["does not know UDP super-packets", "tun-uso-unknown", { uso: false }, LINES.noUso],
  ])("on a kernel that %s, switches off what is wrong with one line", async (_, fault, off, line) => {
    expect(await child("tun", [], fault)).toMatchObject({ offloads: { ...all, ...off }, lines: [line] });
  });

  it("switches on no more than was asked for", async () => {
    expect(await child("tun", [{ uso: false }])).toMatchObject({
      offloads: { ...all, uso: false },
      lines: [],
    });
    expect(await child("tun", [{ tso: false }])).toMatchObject({
      offloads: { checksum: true, tso: false, uso: false },
      lines: [],
    });
    expect(await child("tun", [{ checksum: false }])).toMatchObject({
      offloads: { checksum: false, tso: false, uso: false },
      lines: [],
    });
  });
});

describe("over a kernel with broken segmentation", () => {
  it.each([
    ["tcp", "tun-tso-refused", 1 << 19],
    ["tcp", "tun-tso-corrupted", 1 << 19],
    ["udp", "tun-uso-refused", 3],
    ["udp", "tun-uso-corrupted", 3],
    ["udp", "tun-uso-unknown", 3],
  ] as const)(
    "no super-packets of %s come from the device, and all arrives whole (%s)",
    async (kind, fault, amount) => {
      const program = "test/native/tun-traffic-child.ts";
      const { seen, badChecksums, ...result } = await runScenario<typeof traffic, "tcp" | "udp">(
        program,
        kind,
        [{}, true, amount],
        where(fault),
      );
      expect(seen).toMatchObject({ superPackets: 0, merged: 0, refused: 0 });
      expect(badChecksums).toBe(0);
      expect(result).toMatchObject(kind === "tcp" ? { upWhole: true, downWhole: true } : { whole: true });
    },
  );

  it.each(["udp-send-refused", "udp-send-corrupted", "udp-receive-unknown", "udp-send-refused-later"])(
    "the whole contract of the UDP port holds (%s)",
    async (fault) => {
      const verdicts = await runScenario<typeof contract, "datagrams">(
        "test/native/port-contract-child.ts",
        "datagrams",
        [4, false],
        where(fault),
      );
      expect(Object.keys(verdicts).sort()).toEqual(datagramContract.map(({ name }) => name).sort());
      expect(Object.entries(verdicts).filter(([, verdict]) => verdict !== null)).toEqual([]);
    },
  );
});
