import type { Config } from "../config/parse.ts";
import { TRAILER_BYTES } from "../core/wire/control-block.ts";
import { IPV4_MIN_BYTES } from "../core/wire/ipv4.ts";
import { IPV6_BYTES, IPV6_MIN_MTU_BYTES } from "../core/wire/ipv6.ts";
import { UDP_BYTES } from "../core/wire/udp.ts";
import type { HostAddress } from "./interfaces.ts";

const ETHERNET_MTU_BYTES = 1500;
/** Both the largest packet of a TUN device and the largest message of a socket stay above it. */
const MTU_MAX_BYTES = 65_000;

/** The MTU of the TUN device with which every packet, wrapped up, fits through every line, as far as is known. */
export function tunMtu(addresses: readonly HostAddress[]): number {
  const rooms = addresses.map(({ mtu, family }) => mtu - (family === 4 ? IPV4_MIN_BYTES : IPV6_BYTES));
  const room = rooms.length > 0 ? Math.min(...rooms) : ETHERNET_MTU_BYTES - IPV6_BYTES;
  return Math.min(room - UDP_BYTES - TRAILER_BYTES, MTU_MAX_BYTES);
}

/** The nearest that the TUN device can have: IPv6 is not to be had below 1280, nor IPv4 as a rule below 576. */
export function possibleMtu(packetBytes: number, hasIpv6: boolean): number {
  return Math.min(Math.max(packetBytes, hasIpv6 ? IPV6_MIN_MTU_BYTES : 576), MTU_MAX_BYTES);
}

/** What the TUN device has by a configuration, where packets of so many bytes fit through all paths. */
export function deviceMtu(config: Config, packetBytes: number): number {
  const { mtu } = config.tun;
  return mtu === "auto" ? possibleMtu(packetBytes, mayHaveIpv6(config)) : mtu;
}

function mayHaveIpv6({ tun, peers, realAddresses }: Config): boolean {
  const prefixes = [...tun.address, ...peers.flatMap(({ routes }) => routes)];
  return realAddresses !== false || prefixes.some(({ family }) => family === 6);
}
