import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, realpath, rm, writeFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import { HostError } from "./error.ts";
import { originalOf, withKept } from "./kept-text.ts";
import type { Action } from "./plan.ts";
import { readSysctl, sysctlName } from "./sysctl.ts";

/** An action that did not work. */
export interface Failure {
  readonly action: Action;
  /** In one line. */
  readonly reason: string;
}

/** Does what can be done; answers what did not work. */
export async function runActions(actions: readonly Action[]): Promise<Failure[]> {
  const failures: Failure[] = [];
  for (let start = 0; start < actions.length; ) {
    const first = actions[start]!;
    let end = start + 1;
    // `ip` takes commands of one family in a batch.
    if (first.kind === "ip") {
      while (end < actions.length && isOfFamily(actions[end]!, first.family)) end++;
      failures.push(...(await runIp(first.family, actions.slice(start, end) as IpAction[])));
    } else if (first.kind === "nft") {
      failures.push(...(await runNft(first)));
    } else if (first.kind === "sysctl") {
      failures.push(...(await writeSysctl(first)));
    } else {
      failures.push(...(await setFile(first)));
    }
    start = end;
  }
  return failures;
}

type IpAction = Action & { kind: "ip" };
type NftAction = Action & { kind: "nft" };
type SysctlAction = Action & { kind: "sysctl" };
type FileAction = Action & { kind: "file" | "restore" };

function isOfFamily(action: Action, family: 4 | 6): boolean {
  return action.kind === "ip" && action.family === family;
}

async function runIp(family: 4 | 6, actions: readonly IpAction[]): Promise<Failure[]> {
  const input = actions.map(({ args }) => `${args.join(" ")}\n`).join("");
  const { code, stderr } = await run("ip", [`-${family}`, "-force", "-batch", "-"], input);
  if (code === 0) return [];
  const failures: Failure[] = [];
  let reasons: string[] = [];
  for (const line of stderr.split("\n")) {
    const number = /^Command failed -:(\d+)/.exec(line)?.[1];
    if (number === undefined) {
      if (line.trim() !== "") reasons.push(line.trim());
      continue;
    }
    const action = actions[Number(number) - 1]!;
    const why = reasons.join(" ") || "failed";
    const advice = why.includes("File exists") ? EXISTS_ADVICE : "";
    failures.push({ action, reason: `ip ${action.args.join(" ")}: ${why}${advice}` });
    reasons = [];
  }
  if (failures.length > 0) return failures;
  const reason = `ip: ${reasons.join(" ") || `ended with code ${code}`}`;
  return actions.map((action) => ({ action, reason }));
}

const EXISTS_ADVICE = "; the host has one already: remove that, or take it out of the configuration";

async function runNft(action: NftAction): Promise<Failure[]> {
  const { code, stderr } = await run("nft", ["-f", "-"], action.text);
  return code === 0 ? [] : [{ action, reason: `nft: ${stderr.trim().split("\n")[0]}` }];
}

async function writeSysctl(action: SysctlAction): Promise<Failure[]> {
  try {
    // In a container they may be for reading only, and right.
    if (readSysctl(action.key) === action.value) return [];
    await writeFile(`/proc/sys/${action.key}`, action.value);
    return [];
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // A device that has gone has taken its settings with it.
    if (code === "ENOENT" && OF_DEVICE.test(action.key)) return [];
    return [{ action, reason: `${sysctlName(action.key)}: ${message}` }];
  }
}

const OF_DEVICE = /\/conf\/(?!all\/|default\/)/;

async function setFile(action: FileAction): Promise<Failure[]> {
  const { kind, path, text } = action;
  try {
    const before = await readText(path);
    const original = originalOf(before);
    const ours = withKept(text, original);
    if (kind === "file") await replaceText(path, ours, before);
    // If it says anything else, somebody has changed it.
    else if (before === ours) await replaceText(path, original, before);
    return [];
  } catch (error) {
    return [{ action, reason: `${path}: ${(error as Error).message}` }];
  }
}

/** On a full disk, what stood there does so again. */
async function replaceText(path: string, text: string | undefined, before: string | undefined) {
  try {
    await writeText(path, text);
  } catch (error) {
    await writeText(path, before).catch(() => {});
    throw error;
  }
}

/** Whatever is in it comes through unchanged. */
const ANY_BYTES = "latin1";

/** Undefined where there is no such file. */
async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, ANY_BYTES);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** In place: the file may be mounted by itself, or be a link, which stays. */
async function writeText(path: string, text: string | undefined): Promise<void> {
  if (text === undefined) await rm(await realpath(path));
  else await writeFile(path, text, ANY_BYTES);
}

export interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `ip` or `nft`; one that is missing is a HostError. */
export async function run(program: string, args: readonly string[], input = ""): Promise<Result> {
  // In a process group of its own, so that Ctrl-C does not end it half-way.
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], detached: true });
  const stdout = collect(child.stdout!);
  const stderr = collect(child.stderr!);
  child.stdin!.on("error", () => {});
  child.stdin!.end(input);
  try {
    const [code] = (await once(child, "close")) as [number | null];
    return { code, stdout: stdout(), stderr: stderr() };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const known: Record<string, string> = { ip: "install iproute2", nft: "install nftables" };
    throw new HostError(
      code === "ENOENT"
        ? `the command ${program} is missing; ${known[program]}`
        : `cannot run ${program}: ${(error as Error).message}`,
    );
  }
}

function collect(stream: Readable): () => string {
  let text = "";
  stream.setEncoding("utf8").on("data", (chunk: string) => {
    if (text.length < OUTPUT_MAX_CHARS) text += chunk;
  });
  return () => text;
}

const OUTPUT_MAX_CHARS = 1 << 24;
