import { readdirSync } from "node:fs";
import { ControlClient } from "../control/client.ts";
import { controlPath } from "../control/path.ts";
import { INVALID_PARAMS, type Params, type RpcError } from "../control/protocol.ts";
import { isRunning, Journal, type JournalEntry } from "../host/journal.ts";
import { CliError, EXIT_FAILED, EXIT_USAGE } from "./error.ts";
import type { DaemonArguments } from "./options.ts";

/** Connects to the daemon of a TUN device, or to the only one there is. */
export async function connect({ tun, "run-dir": runDir }: DaemonArguments): Promise<ControlClient> {
  const name = tun ?? onlyDaemon(runDir);
  const path = controlPath(runDir, name);
  try {
    return await ControlClient.connect(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EACCES") throw noAccess();
    if (code === "ENOENT" || code === "ECONNREFUSED") throw notListening(tun, running(runDir, name));
    throw new CliError(`cannot talk to the daemon of ${name}: ${message}`);
  }
}

/** One answer of a daemon. */
export async function ask<T>(daemon: DaemonArguments, method: string, params: Params = {}): Promise<T> {
  const client = await connect(daemon);
  try {
    return await call<T>(client, method, params);
  } finally {
    client.close();
  }
}

/** An answer, or in one line why there is none. */
export async function call<T>(client: ControlClient, method: string, params: Params = {}): Promise<T> {
  try {
    return await client.call<T>(method, params);
  } catch (error) {
    const { code, message } = error as RpcError;
    throw new CliError(message, code === INVALID_PARAMS ? EXIT_USAGE : EXIT_FAILED);
  }
}

function onlyDaemon(runDir: string): string {
  const names = daemons(runDir).filter((name) => running(runDir, name) !== undefined);
  if (names.length === 0) throw notRunning(undefined);
  if (names.length > 1) {
    throw new CliError(`several daemons are running; choose one with --tun: ${names.join(", ")}`, EXIT_USAGE);
  }
  return names[0]!;
}

/** The TUN devices of daemons that are running or were killed. */
export function daemons(runDir: string): string[] {
  try {
    return readdirSync(runDir)
      .flatMap((name) => /^(.*)\.json$/.exec(name)?.[1] ?? [])
      .sort();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return [];
    throw code === "EACCES" ? noAccess() : new CliError(`cannot read ${runDir}: ${message}`);
  }
}

/** The daemon of a TUN device; undefined where none is running. */
export function running(runDir: string, tun: string): JournalEntry | undefined {
  const entry = new Journal(runDir, tun).read();
  return isRunning(entry) ? entry : undefined;
}

function notListening(tun: string | undefined, daemon: JournalEntry | undefined): CliError {
  if (daemon === undefined) return notRunning(tun);
  return new CliError(`the daemon (process ${daemon.pid}) is not ready yet; see its log`);
}

export function notRunning(tun: string | undefined): CliError {
  return new CliError(
    `no daemon is running${tun === undefined ? "" : ` for ${tun}`}; start one with mpip up -c FILE`,
  );
}

function noAccess(): CliError {
  return new CliError("only root may talk to the daemon; run it with sudo", EXIT_USAGE);
}
