import { createHash } from "node:crypto";
import type { LabProcess } from "./command.ts";
import type { Host } from "./host.ts";
import { scriptCommand } from "./own-files.ts";
import { requireTools } from "./requirements.ts";
import { type TcpChoice, tcpCommand } from "./tcp-command.ts";

export interface Download {
  status: number;
  bytes: number;
  sha256: string;
  seconds: number;
  bitsPerS: number;
}

export interface CurlOptions {
  timeoutMs?: number;
  /** More arguments, as for `--interface` or `--limit-rate`. */
  args?: readonly string[];
  tcp?: TcpChoice;
  /** Bytes that are sent (PUT) instead of asked for. */
  upload?: number;
}

const defaultPort = 8080;
const defaultTimeoutMs = 60_000;

/**
 * Serves N bytes of content (`contentSha256` knows its hash) at http://HOST:PORT/N until it is stopped, and takes what
 * is put there.
 */
export async function startContentServer(
  host: Host,
  port: number = defaultPort,
  tcp: TcpChoice = {},
): Promise<LabProcess> {
  const [program, ...args] = tcpCommand(scriptCommand("content-server", port), tcp);
  const server = host.spawn(program, args);
  await server.output(/^ready$/m);
  return server;
}

export function contentUrl(address: string, bytes: number, port: number = defaultPort): string {
  return `http://${address.includes(":") ? `[${address}]` : address}:${port}/${bytes}`;
}

/** Transfers with curl, and keeps of the content that comes only its size and hash. */
export async function curl(host: Host, url: string, options: CurlOptions = {}): Promise<Download> {
  requireTools("curl");
  const hash = createHash("sha256");
  let bytes = 0;
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
  const command = ["curl", "-sS", "-w", "%{stderr}%{http_code} %{time_total}", ...(options.args ?? []), url];
  if (options.upload !== undefined) command.push("-T", "-");
  const [program, ...args] = tcpCommand(command, options.tcp ?? {});
  const { stderr } = await host.exec(program, args, {
    timeoutMs,
    ...(options.upload === undefined ? {} : { input: "x".repeat(options.upload) }),
    onStdout: (chunk) => {
      bytes += chunk.length;
      hash.update(chunk);
    },
  });
  const [status, seconds] = stderr.trim().split(" ").map(Number);
  return {
    status: status!,
    bytes,
    sha256: hash.digest("hex"),
    seconds: seconds!,
    bitsPerS: ((options.upload ?? bytes) * 8) / seconds!,
  };
}
