import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ask } from "../../../src/cli/connect.ts";
import { Journal } from "../../../src/host/journal.ts";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "mpip-connect-"));
});

afterEach(() => rmSync(directory, { recursive: true }));

it("a daemon without a socket is not there, or not ready", async () => {
  const said = (tun?: string) => ask({ tun, "run-dir": directory }, "status").catch(({ message }) => message);
  expect(await said()).toBe("no daemon is running; start one with mpip up -c FILE");
  expect(await said("mpip0")).toBe("no daemon is running for mpip0; start one with mpip up -c FILE");
  new Journal(directory, "mpip0").write([]);
  const notReady = `the daemon (process ${process.pid}) is not ready yet; see its log`;
  expect([await said(), await said("mpip0")]).toEqual([notReady, notReady]);
  expect(await said("mpip1")).toMatch(/^no daemon is running for mpip1/);
});
