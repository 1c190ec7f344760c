import type { Host } from "./host.ts";
import { requireTools } from "./requirements.ts";

/**
 * Lets connections of the client to the server's address on the first link use all of these links: the server announces
 * its other addresses, and the client joins from each of its own to each of them (full mesh).
 */
export async function enableMptcp(client: Host, server: Host, links: readonly string[]): Promise<void> {
  requireTools("mptcpize");
  const limits = ["mptcp", "limits", "set", "subflows", "8", "add_addr_accepted", "8"];
  for (const host of [client, server]) {
    await host.exec("ip", limits);
    await host.exec("ip", ["mptcp", "endpoint", "flush"]);
  }
  for (const link of links.slice(1)) {
    await server.exec("ip", ["mptcp", "endpoint", "add", server.ip(link), "dev", link, "signal"]);
    const flags = ["subflow", "fullmesh"];
    await client.exec("ip", ["mptcp", "endpoint", "add", client.ip(link), "dev", link, ...flags]);
  }
}

export async function disableMptcp(...hosts: readonly Host[]): Promise<void> {
  for (const host of hosts) await host.exec("ip", ["mptcp", "endpoint", "flush"]);
}
