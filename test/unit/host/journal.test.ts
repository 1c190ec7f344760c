import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { sweepHost } from "../../../src/host/host.ts";
import { isRunning, Journal } from "../../../src/host/journal.ts";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "mpip-journal-"));
});

afterEach(() => rmSync(directory, { recursive: true }));

it("knows who writes it, and is gone when it is removed", () => {
  const run = join(directory, "run");
  const journal = new Journal(run, "mpip0");
  journal.write([{ kind: "sysctl", key: "net/ipv4/ip_forward", value: "0" }]);
  const entry = journal.read()!;
  expect(entry).toMatchObject({ pid: process.pid, undo: [{ key: "net/ipv4/ip_forward", value: "0" }] });
  expect(isRunning(entry)).toBe(true);
  expect(isRunning({ ...entry, startTime: "1" })).toBe(false);
  expect(statSync(run).mode & 0o777).toBe(0o700);
  journal.remove();
  expect(journal.read()).toBeUndefined();
  expect(readdirSync(run)).toEqual([]);
});

it("knows that a process has ended whose parent has not asked how", async () => {
  // What the shell becomes knows nothing of the child that it had.
  const parent = spawn("sh", ["-c", "sleep 0.2 & echo $!; exec sleep 60"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [text] = await once(parent.stdout, "data");
  const pid = Number(text);
  const stat = () => readFileSync(`/proc/${pid}/stat`, "utf8").split(" ");
  while (stat()[2] !== "Z") await sleep(10);
  expect(isRunning({ pid, startTime: stat()[21]!, undo: [] })).toBe(false);
  parent.kill();
});

it("keeps a second daemon away while the first is running", async () => {
  const journal = new Journal(directory, "mpip0");
  journal.write([]);
  await expect(sweepHost(journal)).rejects.toThrow(`the process ${process.pid} runs it already`);
  expect(journal.read()).toBeDefined();
});

it("is swept when its writer is no more, or when it is unreadable", async () => {
  const journal = new Journal(directory, "mpip0");
  const path = join(directory, "mpip0.json");
  expect(await sweepHost(journal)).toBe(false);
  writeFileSync(path, JSON.stringify({ pid: process.pid, startTime: "1", undo: [] }));
  expect(await sweepHost(journal)).toBe(true);
  writeFileSync(path, "{");
  expect(await sweepHost(journal)).toBe(false);
  expect(readdirSync(directory)).toEqual([]);
});
