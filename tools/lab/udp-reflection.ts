import type { LabProcess } from "./command.ts";
import type { Host } from "./host.ts";
import { scriptCommand } from "./own-files.ts";
import { type Endpoint, endpointText, parseEndpoint } from "./udp-endpoint.ts";

/** Starts a server that tells everyone who asks which address and port it sees. */
export async function startReflector(host: Host, endpoints: readonly Endpoint[]): Promise<LabProcess> {
  const [program, ...args] = scriptCommand("udp-reflector", ...endpoints.map(endpointText));
  const reflector = host.spawn(program, args);
  await reflector.output(/^ready$/m);
  return reflector;
}

/** Asks reflectors, all from one UDP socket, as whom they see it; undefined where no answer came. */
export async function reflections(
  host: Host,
  localPort: number,
  targets: readonly Endpoint[],
  timeoutMs = 1000,
): Promise<(Endpoint | undefined)[]> {
  const [program, ...args] = scriptCommand("udp-prober", localPort, timeoutMs, ...targets.map(endpointText));
  const { stdout } = await host.exec(program, args);
  const lines = stdout.split("\n").slice(0, -1);
  return lines.map((line) => (line === "" ? undefined : parseEndpoint(line)));
}
