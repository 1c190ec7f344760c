import { spawnSync } from "node:child_process";
import { readdirSync, readlinkSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { isOwnerAlive, runDirectory, runIdOf, runParent } from "./run-id.ts";

/**
 * Everything here is synchronous: the last chance to tear a lab down is the exit of its process, in which nothing
 * asynchronous runs any more.
 */

const namespaceDirectory = "/run/netns";
const killTimeoutMs = 5000;
const killPollMs = 5;
const fatalSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

const ownedRuns = new Set<string>();

/** From now on the run is torn down when this process ends, in whatever way it can notice. */
export function own(runId: string): void {
  if (ownedRuns.size === 0) {
    process.on("exit", destroyOwned);
    for (const signal of fatalSignals) process.on(signal, destroyOwnedAndDie);
  }
  ownedRuns.add(runId);
}

/** Tears down one run of this process. */
export function destroyOwn(runId: string): void {
  if (!ownedRuns.delete(runId)) return;
  destroyRuns([runId]);
  if (ownedRuns.size > 0) return;
  process.off("exit", destroyOwned);
  for (const signal of fatalSignals) process.off(signal, destroyOwnedAndDie);
}

/** Removes what the runs of dead processes left behind; returns their IDs. */
export function sweep(): string[] {
  const dead = knownRuns().filter((runId) => !isOwnerAlive(runId));
  destroyRuns(dead);
  return dead;
}

/** IDs of all runs of which anything exists, of the living and the dead. */
export function knownRuns(): string[] {
  const entries = [...namesIn(namespaceDirectory), ...namesIn(runParent)];
  return [...new Set(entries.map(runIdOf).filter((runId) => runId !== undefined))].sort();
}

function destroyOwned(): void {
  const runs = [...ownedRuns];
  ownedRuns.clear();
  destroyRuns(runs);
}

function destroyOwnedAndDie(signal: NodeJS.Signals): void {
  destroyOwned();
  process.off(signal, destroyOwnedAndDie);
  // Whoever else listens for the signal decides about the process; without anyone it dies as if we had not listened.
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
}

function destroyRuns(runIds: readonly string[]): void {
  if (runIds.length === 0) return;
  const doomed = new Set(runIds);
  const ofDoomed = (name: string) => doomed.has(runIdOf(name) ?? "");
  const namespaces = namesIn(namespaceDirectory).filter(ofDoomed);
  killProcessesIn(namespaces);
  if (namespaces.length > 0) {
    spawnSync("ip", ["-force", "-batch", "-"], {
      input: namespaces.map((name) => `netns delete ${name}\n`).join(""),
    });
  }
  for (const runId of runIds) rmSync(runDirectory(runId), { recursive: true, force: true });
  const left = namesIn(namespaceDirectory).filter(ofDoomed);
  if (left.length > 0) throw new Error(`cannot delete the network namespaces ${left.join(", ")}`);
}

function killProcessesIn(namespaces: readonly string[]): void {
  const deadlineMs = Date.now() + killTimeoutMs;
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    const pids = processesIn(namespaces);
    if (pids.length === 0) return;
    if (Date.now() > deadlineMs) throw new Error(`processes ${pids.join(", ")} in the lab do not die`);
    for (const pid of pids) kill(pid);
    Atomics.wait(sleeper, 0, 0, killPollMs);
  }
}

function processesIn(namespaces: readonly string[]): number[] {
  const links = new Set(namespaces.map(namespaceLink));
  // However wrong a leftover is, the network that we are in is never a part of it.
  links.delete(networkOf(process.pid));
  if (links.size === 0) return [];
  const pids = namesIn("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids.filter((pid) => links.has(networkOf(pid) ?? "none"));
}

/** What /proc says of a process's network namespace; undefined for one that has ended. */
function networkOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

function namespaceLink(name: string): string | undefined {
  return `net:[${statSync(join(namespaceDirectory, name), { throwIfNoEntry: false })?.ino}]`;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
