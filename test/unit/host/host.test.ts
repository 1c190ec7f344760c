import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { parseInterfaceAddress } from "../../../src/config/values.ts";
import { Host } from "../../../src/host/host.ts";
import { Journal } from "../../../src/host/journal.ts";
import { nftRemoval } from "../../../src/host/nft.ts";
import type { HostState } from "../../../src/host/state.ts";

/** No device is called like that. */
const TUN = "mpip-none";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "mpip-host-"));
  program("ip", "cat >/dev/null");
  program("nft", `cat >${directory}/table`);
  vi.stubEnv("PATH", `${directory}:${process.env.PATH}`);
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

function program(name: string, script: string): void {
  writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(directory, name), 0o755);
}

const table = () => readFileSync(join(directory, "table"), "utf8");

function state(mtu: number): HostState {
  const addresses = [parseInterfaceAddress("10.77.0.1/24")];
  const none = { routes: [], dns: [], lines: [], real: undefined };
  return { tun: TUN, mtu, addresses, forward: false, exit: false, port: 7000, ...none };
}

it("what could not be replaced is still there, and is undone at the end", async () => {
  const journal = new Journal(join(directory, "run"), TUN);
  const host = new Host(TUN, journal);
  const done = { left: [], refused: [] };
  expect(await host.apply(state(1400))).toEqual(done);
  const first = table();
  expect(first).toContain("size set 1360");
  program("nft", "echo broken >&2; exit 1");
  expect((await host.apply(state(1300))).refused).toMatchObject([{ reason: "nft: broken" }]);
  // There is nothing to do, so nothing fails.
  expect(await host.apply(state(1400))).toEqual(done);
  expect(journal.read()?.undo).toEqual([{ kind: "nft", text: nftRemoval(TUN) }]);
  program("nft", `cat >${directory}/table`);
  expect(table()).toBe(first);
  expect(await host.undo()).toEqual([]);
  expect(table()).toBe(nftRemoval(TUN));
});

it("what is new and could not be had is not undone", async () => {
  const host = new Host(TUN, new Journal(join(directory, "run"), TUN));
  program("nft", "echo broken >&2; exit 1");
  expect((await host.apply(state(1400))).refused).toHaveLength(1);
  expect(await host.undo()).toEqual([]);
});
