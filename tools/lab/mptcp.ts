import type { Host } from "./host.ts";
import { requireTools } from "./requirements.ts";

/** An address that MPTCP may use, and its interface. */
export interface MptcpAddress {
  address: string;
  device: string;
}

/** The addresses of a host on some links. */
export function linkAddresses(host: Host, links: readonly string[]): MptcpAddress[] {
  return links.map((link) => ({ address: host.ip(link), device: host.interface(link) }));
}

/**
 * Lets connections from the client's first address to the server's first use the others too: the server announces
 * its own, and the client joins from each of its own to each of them (full mesh).
 */
export async function enableMptcp(
  [client, clientAddresses]: [Host, readonly MptcpAddress[]],
  [server, serverAddresses]: [Host, readonly MptcpAddress[]],
): Promise<void> {
  requireTools("mptcpize");
  const limits = ["mptcp", "limits", "set", "subflows", "8", "add_addr_accepted", "8"];
  for (const host of [client, server]) {
    await host.exec("ip", limits);
    await host.exec("ip", ["mptcp", "endpoint", "flush"]);
  }
  const add = (host: Host, { address, device }: MptcpAddress, ...flags: string[]) =>
    host.exec("ip", ["mptcp", "endpoint", "add", address, "dev", device, ...flags]);
  for (const address of serverAddresses.slice(1)) await add(server, address, "signal");
  // Also the first one: by itself it would not join the server's other addresses.
  for (const address of clientAddresses) await add(client, address, "subflow", "fullmesh");
}

export async function disableMptcp(...hosts: readonly Host[]): Promise<void> {
  for (const host of hosts) await host.exec("ip", ["mptcp", "endpoint", "flush"]);
}
