import { expect, it } from "vitest";
import { fuzzDaemon } from "../fuzz/daemon.ts";

it("a daemon takes mutated datagrams: it goes on, does not grow, and its transfers arrive unchanged (tools/fuzz daemon sends more)", async () => {
  const report = await fuzzDaemon({ datagrams: 60_000, seed: 1 });
  expect(report.problems).toEqual([]);
  expect(report.received).toBeGreaterThanOrEqual(60_000);
  // They came as far as they should.
  expect(Object.keys(report.drops)).toEqual(
    expect.arrayContaining(["malformed-datagram", "unknown-node", "unknown-path"]),
  );
});
