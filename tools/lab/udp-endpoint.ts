import { isIPv6 } from "node:net";

export interface Endpoint {
  address: string;
  port: number;
}

/** `10.0.0.1:4500` or `[fd00::1]:4500` */
export function endpointText({ address, port }: Endpoint): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}

export function parseEndpoint(text: string): Endpoint {
  const [, inBrackets, plain, port] = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(text) ?? [];
  if (port === undefined) throw new Error(`${text} is not ADDRESS:PORT`);
  return { address: (inBrackets ?? plain)!, port: Number(port) };
}

export function socketType({ address }: Endpoint): "udp4" | "udp6" {
  return isIPv6(address) ? "udp6" : "udp4";
}
