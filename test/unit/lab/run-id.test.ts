import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  formatRunId,
  isOwnerAlive,
  namespaceName,
  ownerPid,
  parseStartTicks,
  runDirectory,
  runIdOf,
} from "../../../tools/lab/run-id.ts";

describe("a run ID", () => {
  it("is found in the names of namespaces and directories", () => {
    const runId = formatRunId(4711, 123_456, 2);
    expect(runId).toBe("4711-2n9c-2");
    expect(namespaceName(runId, "my-host")).toBe("mpip-lab-4711-2n9c-2.my-host");
    expect(runIdOf(namespaceName(runId, "my-host"))).toBe(runId);
    expect(runIdOf(runDirectory(runId).split("/").at(-1)!)).toBe(runId);
    expect(ownerPid(runId)).toBe(4711);
  });

  it.each([
    "mpip-le-a",
    "mpip-lab",
    "mpip-lab-",
    "mpip-lab-1-z",
    "mpip-lab-1-z-0x",
    "x-mpip-lab-1-z-0",
    "mpip-lab-1-z-0-a",
  ])("is not seen in %s", (name) => {
    expect(runIdOf(name)).toBeUndefined();
  });

  it("belongs to one process, not to a later one with the same pid", () => {
    const ticks = parseStartTicks(readFileSync("/proc/self/stat", "latin1"))!;
    expect(isOwnerAlive(formatRunId(process.pid, ticks, 0))).toBe(true);
    expect(isOwnerAlive(formatRunId(process.pid, ticks - 1, 0))).toBe(false);
    expect(isOwnerAlive(formatRunId(2 ** 22 + 1, ticks, 0))).toBe(false);
  });
});

describe("a process's start time", () => {
  const fields = (state: string) =>
    `12 (a b) c) ${state} 1 12 12 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 1 0 98765 100 200`;

  it("is read behind a command of any shape", () => {
    expect(parseStartTicks(fields("S"))).toBe(98_765);
  });

  it("is nothing for a zombie, which has no network any more", () => {
    expect(parseStartTicks(fields("Z"))).toBeUndefined();
  });
});
