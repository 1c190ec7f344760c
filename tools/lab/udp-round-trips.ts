import type { Host } from "./host.ts";
import { scriptCommand } from "./own-files.ts";

const setupTimeoutMs = 20_000;

/** Round-trip times in µs of small UDP datagrams, one at a time, to an address of `server`; lost ones have none. */
export async function udpRoundTripsUs(
  client: Host,
  server: Host,
  { to, port, durationS, bytes = 64 }: { to: string; port: number; durationS: number; bytes?: number },
): Promise<number[]> {
  const serving = server.spawn(...command("serve", to, port));
  try {
    await serving.output(/^ready$/m);
    const { stdout } = await client.exec(...command("ask", to, port, durationS, bytes), {
      timeoutMs: durationS * 1000 + setupTimeoutMs,
    });
    return JSON.parse(stdout) as number[];
  } finally {
    await serving.stop("SIGKILL");
  }
}

function command(...words: (string | number)[]): [string, string[]] {
  const [program, ...args] = scriptCommand("udp-ping-pong", ...words);
  return [program, args];
}
