import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  Lab,
  requireTools,
  startContentServer,
  type TcpChoice,
  tcpCommand,
  toolCommand,
  waitFor,
} from "../lab/index.ts";
import { type Network, networkOf } from "./network.ts";
import { type Line, withQueue } from "./profiles.ts";
import type { PlayerOptions, PlayerReport } from "./video/player-report.ts";

/**
 * Adaptive video as in Figures 6 to 8 of the paper: the client has two lines to a host with a proxy, behind which the
 * web server is.
 */

export const PROXY_PORT = 8888;
const WEB_PORT = 8080;

export const CHUNK_S = 5;
export const MOST_BUFFER_S = 60;

/** Passes everything on, and leaves no files. */
const SQUID_CONFIG = `http_port ${PROXY_PORT}
http_access allow all
cache deny all
memory_cache_shared off
pinger_enable off
max_filedescriptors 1024
access_log none
cache_store_log none
cache_log stdio:/dev/stderr
netdb_filename none
pid_filename none
coredump_dir none
visible_hostname lab
`;

/** The two hosts of every experiment, and the web behind the server. */
export async function upVideo(lines: readonly Line[]): Promise<Network> {
  const between: [string, string] = ["client", "server"];
  const links = lines.map((line, i) => [`l${i}`, { between, subnet6: "none", ...withQueue(line) }] as const);
  const lab = await Lab.up({
    hosts: { client: null, server: null, web: null },
    links: { ...Object.fromEntries(links), lan: { between: ["server", "web"], subnet6: "none" } },
  });
  const names = links.map(([name]) => name);
  return networkOf(lab, { clientLinks: names, serverLinks: names, paths: lines.length });
}

/** Starts the web server and the proxy; they end with the lab. Returns the web server's address, for the proxy. */
export async function startWeb({ lab, server }: Network, tcp: TcpChoice): Promise<string> {
  const web = lab.host("web");
  await startContentServer(web, WEB_PORT);
  requireTools("squid");
  const directory = server.makeDirectory();
  const config = join(directory, "squid.conf");
  writeFileSync(config, SQUID_CONFIG);
  const [program, ...args] = tcpCommand(["squid", "-N", "-f", config], tcp);
  const proxy = server.spawn(program, args);
  try {
    await waitFor(
      async () => {
        if (!proxy.running) throw await proxy.failure("ended before it listened");
        return (await server.exec("ss", ["-Hltn", "sport", "=", `:${PROXY_PORT}`])).stdout !== "";
      },
      { what: "squid to listen" },
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
  return `${web.ip("lan")}:${WEB_PORT}`;
}

/** Plays to the end, and returns what it was like. */
export async function play(
  { client }: Network,
  options: PlayerOptions,
  tcp: TcpChoice,
): Promise<PlayerReport> {
  const script = toolCommand(["experiments", "video", "player"], JSON.stringify(options));
  const [program, ...args] = tcpCommand(script, tcp);
  const player = client.spawn(program, args);
  const [line] = await player.output(/^\{.*\}$/m, options.seconds * 1000 + 20_000);
  return JSON.parse(line) as PlayerReport;
}
