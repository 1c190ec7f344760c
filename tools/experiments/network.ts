import { type Host, Lab, type Link } from "../lab/index.ts";
import type { Line } from "./profiles.ts";

/** A client and a server with several ways between them. */
export interface Network extends AsyncDisposable {
  lab: Lab;
  client: Host;
  server: Host;
  /** The lines between them that matter. */
  links: readonly Link[];
  /** Names of the links that each host may use, the one that plain IP takes first. */
  clientLinks: readonly string[];
  serverLinks: readonly string[];
  /** Paths that mpip finds. */
  paths: number;
}

/** Lines that lead directly from the client to the server. */
export async function upNetwork(lines: readonly Line[]): Promise<Network> {
  const between: [string, string] = ["client", "server"];
  const links = lines.map((line, i) => [`l${i}`, { between, subnet6: "none", ...line }] as const);
  const lab = await Lab.up(
    { hosts: { client: null, server: null }, links: Object.fromEntries(links) },
    "experiment",
  );
  const names = links.map(([name]) => name);
  return networkOf(lab, { clientLinks: names, serverLinks: names, paths: lines.length });
}

/** The part of a lab with a client and a server; its emulated links are those that matter. */
export function networkOf(lab: Lab, parts: Pick<Network, "clientLinks" | "serverLinks" | "paths">): Network {
  return {
    lab,
    client: lab.host("client"),
    server: lab.host("server"),
    links: lab.links.filter(({ plan }) => plan.emulated),
    ...parts,
    [Symbol.asyncDispose]: () => lab.down(),
  };
}
