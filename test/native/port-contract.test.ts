import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runScenario } from "../helpers/child.ts";
import { datagramContract } from "../helpers/datagram-contract.ts";
import { TestNamespace } from "../helpers/namespace.ts";
import { tunContract } from "../helpers/tun-contract.ts";
import type { scenarios } from "./port-contract-child.ts";

type Scenarios = typeof scenarios;

let namespace: TestNamespace;

beforeAll(async () => {
  namespace = await TestNamespace.create("contract", [
    "link set lo mtu 1500",
    "addr add 10.1.0.1/32 dev lo",
    "addr add 10.1.0.2/32 dev lo",
    "-6 addr add fd01::1/128 dev lo nodad",
    "-6 addr add fd01::2/128 dev lo nodad",
    "route add unreachable 10.1.0.9/32",
    "-6 route add unreachable fd01::9/128",
  ]);
  await namespace.quiet();
});
afterAll(() => namespace?.remove());

const runs = [
  { port: "the UDP port over IPv4", cases: datagramContract, run: () => child("datagrams", [4]) },
  { port: "the UDP port over IPv6", cases: datagramContract, run: () => child("datagrams", [6]) },
  {
    port: "the UDP port without io_uring",
    cases: datagramContract,
    run: () => child("datagrams", [4, false]),
  },
  { port: "the TUN device", cases: tunContract, run: () => child("tun", [{}]) },
  { port: "the TUN device without io_uring", cases: tunContract, run: () => child("tun", [{}, false]) },
  {
    port: "the TUN device without offloads",
    cases: tunContract,
    run: () => child("tun", [{ checksum: false }]),
  },
];

function child<Name extends keyof Scenarios>(name: Name, args: Parameters<Scenarios[Name]>) {
  return runScenario<Scenarios, Name>("test/native/port-contract-child.ts", name, args, {
    namespace: namespace.name,
  });
}

describe.each(runs)("$port", ({ cases, run }) => {
  let verdicts: Record<string, string | null>;
  beforeAll(async () => {
    verdicts = await run();
  });

  it.each(cases.map(({ name }) => name))("%s", (name) => {
    expect(verdicts[name]).toBeNull();
  });
});
