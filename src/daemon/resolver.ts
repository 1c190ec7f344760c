import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Logger } from "pino";
import type { PeerConfig } from "../config/schema.ts";
import type { PeerSpec } from "../core/router/router.ts";
import { parseAddress } from "../io/address.ts";

/** Answers the addresses of a host name. */
export type Lookup = (host: string) => Promise<readonly string[]>;

/** Makes peers with addresses out of peers with names. What a name said last is used while it cannot be resolved. */
export class Resolver {
  private readonly known = new Map<string, readonly string[]>();
  /** Names whose failure has been logged. */
  private readonly failing = new Set<string>();
  private readonly log: Logger;
  private readonly lookup: Lookup;

  constructor(log: Logger, lookup: Lookup = systemLookup) {
    this.log = log;
    this.lookup = lookup;
  }

  async resolve(peers: readonly PeerConfig[], defaultPort: number): Promise<PeerSpec[]> {
    const hosts = new Set(peers.flatMap(({ endpoints }) => endpoints.map(({ host }) => host)).filter(isName));
    await Promise.all([...hosts].map((host) => this.ask(host)));
    return peers.map(({ name, node, endpoints, routes }) => ({
      name,
      // As the tables have it: int32.
      ...(node === undefined ? {} : { node: { high: node.high, low: node.low | 0 } }),
      endpoints: endpoints.flatMap(({ host, port = defaultPort }) =>
        this.addressesOf(host).map((address) => ({ address: parseAddress(address), port })),
      ),
      routes,
    }));
  }

  /** Whether nothing is known of a name. */
  isUnresolved(host: string): boolean {
    return this.addressesOf(host).length === 0;
  }

  private addressesOf(host: string): readonly string[] {
    return isName(host) ? (this.known.get(host) ?? []) : [host];
  }

  private async ask(host: string): Promise<void> {
    try {
      this.known.set(host, await this.lookup(host));
      this.failing.delete(host);
    } catch (error) {
      if (this.failing.has(host)) return;
      this.failing.add(host);
      const { code } = error as NodeJS.ErrnoException;
      this.log.warn(`${host} cannot be resolved (${code}); it will be tried again`);
    }
  }
}

/** Whether an answer of the resolver may change. */
export function hasNames({ endpoints }: PeerConfig): boolean {
  return endpoints.some(({ host }) => isName(host));
}

function isName(host: string): boolean {
  return isIP(host) === 0;
}

async function systemLookup(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}
