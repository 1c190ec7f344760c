import { type Host, Lab, type Link } from "../lab/index.ts";
import type { Line } from "./profiles.ts";

/** A client and a server with some lines between them. */
export interface Network extends AsyncDisposable {
  lab: Lab;
  client: Host;
  server: Host;
  links: readonly Link[];
}

export async function upNetwork(lines: readonly Line[]): Promise<Network> {
  const between: [string, string] = ["client", "server"];
  const links = lines.map((line, i) => [`l${i}`, { between, subnet6: "none", ...line }] as const);
  const lab = await Lab.up({
    hosts: { client: null, server: null },
    links: Object.fromEntries(links),
  });
  return {
    lab,
    client: lab.host("client"),
    server: lab.host("server"),
    links: lab.links,
    [Symbol.asyncDispose]: () => lab.down(),
  };
}
