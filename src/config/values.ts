import { isIP } from "node:net";
import type { PortRange, Prefix } from "../core/dispatch/rule-spec.ts";
import { PROTOCOL_NUMBERS } from "../core/dispatch/rule-spec.ts";
import { isSameAddress } from "../core/wire/address.ts";
import { familyOf, formatAddress, parseAddress } from "../io/address.ts";

/** Values of the configuration as people write them. What makes no sense is a Wrong that says what to write instead. */

export class Wrong extends Error {}

/** Six bytes, as the wire has them: the first 16 bits and the other 32. */
export interface NodeId {
  readonly high: number;
  readonly low: number;
}

/** Where a peer can be reached; `host` is an address or a name. */
export interface Endpoint {
  readonly host: string;
  readonly port: number | undefined;
}

/** Interfaces by a name in which `*` and `?` stand for others, or one address. */
export type InterfaceSelector =
  | { readonly pattern: string; readonly address?: undefined }
  | { readonly address: Int32Array };

export function parseNodeId(value: unknown): NodeId {
  const text = typeof value === "string" ? value.replaceAll(/[:-]/g, "").toLowerCase() : "";
  if (!/^[0-9a-f]{12}$/.test(text)) {
    throw new Wrong(
      `${shown(value)} is no node ID; write twelve hexadecimal digits, like "02:00:00:00:00:01"`,
    );
  }
  const id = { high: Number.parseInt(text.slice(0, 4), 16), low: Number.parseInt(text.slice(4), 16) };
  if (id.high === 0 && id.low === 0) throw new Wrong("no node has the ID 0; write another one");
  return id;
}

export function formatNodeId({ high, low }: NodeId): string {
  const digits = high.toString(16).padStart(4, "0") + (low >>> 0).toString(16).padStart(8, "0");
  return digits.match(/../g)!.join(":");
}

/** A network: no bit is set behind the prefix. An address alone is the network of that address. */
export function parsePrefix(value: unknown): Prefix {
  const prefix = parseInterfaceAddress(value);
  const bare = networkOf(prefix);
  if (!isSameAddress(bare.address, 0, prefix.address, 0)) {
    throw new Wrong(`${shown(value)} has bits set behind /${prefix.bits}; write ${formatPrefix(bare)}`);
  }
  return prefix;
}

/** An address of ours with the length of its network's prefix. */
export function parseInterfaceAddress(value: unknown): Prefix {
  const example = "write an address and a prefix length, like 10.77.0.1/24";
  const [host = "", length, more] = typeof value === "string" ? value.split("/") : [];
  if (isIP(host) === 0 || host.includes("%") || more !== undefined) {
    throw new Wrong(`${shown(value)} is no IP prefix; ${example}`);
  }
  const address = parseAddress(host);
  const family = familyOf(address);
  const most = family === 4 ? 32 : 128;
  const bits = length === undefined ? most : Number(length);
  if (length === "" || !Number.isInteger(bits) || bits < 0 || bits > most) {
    throw new Wrong(`${shown(value)} has no prefix length from 0 to ${most}; ${example}`);
  }
  return { family, address, bits };
}

/** An address that a host can have on a device that others are behind, with the length of its network's prefix. */
export function parseTunAddress(value: unknown): Prefix {
  const prefix = parseInterfaceAddress(value);
  const { family, address, bits } = prefix;
  const example = "write one of this node inside the tunnel, like 10.77.0.1/24";
  if (
    UNFIT_NETWORKS.some((unfit) =>
      isSameAddress(networkOf({ ...unfit, address }).address, 0, unfit.address, 0),
    )
  ) {
    throw new Wrong(`${shown(value)} is no address that a host can have; ${example}`);
  }
  // A prefix of all bits or all but one has no address for the network itself (RFC 3021, RFC 6164).
  const hostBits = (family === 4 ? 32 : 128) - bits;
  if (hostBits > 1 && isSameAddress(networkOf(prefix).address, 0, address, 0)) {
    throw new Wrong(`${shown(value)} is the address of the network itself; ${example}`);
  }
  if (family === 4 && hostBits > 1 && isSameAddress(filled(prefix, 1).address, 0, address, 0)) {
    throw new Wrong(`${shown(value)} is the broadcast address of its network; ${example}`);
  }
  return prefix;
}

/** Nobody, the host itself, and groups. */
const UNFIT_NETWORKS = [
  "0.0.0.0/32",
  "127.0.0.0/8",
  "224.0.0.0/4",
  "255.255.255.255/32",
  "::/127",
  "ff00::/8",
].map(parseInterfaceAddress);

export function formatPrefix({ address, bits }: Prefix): string {
  return `${formatAddress(address)}/${bits}`;
}

export function networkOf(prefix: Prefix): Prefix {
  return filled(prefix, 0);
}

/** With all bits behind the prefix set, or none. */
function filled({ family, address, bits }: Prefix, bit: 0 | 1): Prefix {
  const bytes = new Uint8Array(address.slice().buffer);
  for (let i = bits + (family === 4 ? 96 : 0); i < 128; i++) {
    const mask = 0x80 >> (i & 7);
    bytes[i >> 3] = bit ? bytes[i >> 3]! | mask : bytes[i >> 3]! & ~mask;
  }
  return { family, address: new Int32Array(bytes.buffer), bits };
}

/** `host`, `host:port`, `address`, `address:port` or `[address]:port`. */
export function parseEndpoint(value: unknown): Endpoint {
  const text = typeof value === "string" ? value : "";
  const example = 'write an address or a host name, with a port or without, like "203.0.113.5:7000"';
  if (isIP(text) !== 0 && !text.includes("%")) return { host: text, port: undefined };
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? "";
  const isHost = bracketed === undefined ? isHostName(host) : isIP(host) === 6 && !host.includes("%");
  if (!isHost) throw new Wrong(`${shown(value)} is no endpoint; ${example}`);
  return { host, port: port === undefined ? undefined : parsePort(/^\d+$/.test(port) ? Number(port) : port) };
}

function isHostName(text: string): boolean {
  if (isIP(text) === 4) return true;
  // A name of digits and dots alone is an address that somebody has mistyped.
  return (
    text.length <= 253 &&
    /[a-z]/i.test(text) &&
    text.split(".").every((part) => /^[a-z0-9_-]{1,63}$/i.test(part))
  );
}

export function parsePort(value: unknown): number {
  return parseWhole(value, 1, 65535, "port");
}

/** One port, or a range like "5000-5100". */
export function parsePortRange(value: unknown): PortRange {
  const [, from, to] = typeof value === "string" ? (/^(\d+) *- *(\d+)$/.exec(value) ?? []) : [];
  if (from === undefined) {
    const port = parsePort(typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value);
    return { from: port, to: port };
  }
  const range = { from: parsePort(Number(from)), to: parsePort(Number(to)) };
  if (range.from > range.to) {
    throw new Wrong(`${shown(value)} ends before it begins; write ${range.to}-${range.from}`);
  }
  return range;
}

export function parseProtocol(value: unknown): string | number {
  if (typeof value === "string") {
    const name = value.toLowerCase();
    if (Object.hasOwn(PROTOCOL_NUMBERS, name)) return name;
  } else if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 255) {
    return value as number;
  }
  const names = Object.keys(PROTOCOL_NUMBERS).join(", ");
  throw new Wrong(`${shown(value)} is no protocol; write a number from 0 to 255 or one of ${names}`);
}

export function parseDscp(value: unknown): number {
  if (typeof value === "string" && Object.hasOwn(DSCP_NUMBERS, value.toLowerCase())) {
    return DSCP_NUMBERS[value.toLowerCase()]!;
  }
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 63) return value as number;
  throw new Wrong(`${shown(value)} is no DSCP; write a number from 0 to 63 or a name like ef, af41 or cs5`);
}

/** RFC 2474, 2597, 3246, 5865, 8622. */
const DSCP_NUMBERS: Readonly<Record<string, number>> = {
  be: 0,
  le: 1,
  "voice-admit": 44,
  ef: 46,
  ...Object.fromEntries(Array.from({ length: 8 }, (_, k) => [`cs${k}`, 8 * k])),
  ...Object.fromEntries(
    [1, 2, 3, 4].flatMap((k) => [1, 2, 3].map((drop) => [`af${k}${drop}`, 8 * k + 2 * drop])),
  ),
};

/** Of a device, which the kernel lets have no "/" and no ":" in its name. */
const INTERFACE_PATTERN = /^[!-.0-9;-~]{1,15}$/;

export function parseInterfacePattern(value: unknown): string {
  if (typeof value === "string" && INTERFACE_PATTERN.test(value)) return value;
  throw new Wrong(`${shown(value)} is no interface; write a name or a pattern like "wwan*"`);
}

export function parseInterfaceSelector(value: unknown): InterfaceSelector {
  if (typeof value === "string") {
    if (isIP(value) !== 0 && !value.includes("%")) return { address: parseAddress(value) };
    if (INTERFACE_PATTERN.test(value)) return { pattern: value };
  }
  throw new Wrong(
    `${shown(value)} is no interface; write a name, a pattern like "wwan*" or an address of this host`,
  );
}

/** Which destinations are meant: all, none, or those in prefixes. */
export function parseDestinations(value: unknown): readonly Prefix[] | boolean {
  if (typeof value === "boolean") return value;
  const list = Array.isArray(value) ? value : [value];
  if (list.length === 0) throw new Wrong("the list is empty; write true, or prefixes like 203.0.113.0/24");
  return list.map(parsePrefix);
}

/** An address that a service is asked at. */
export function parseServer(value: unknown): string {
  if (typeof value === "string" && isIP(value) !== 0 && !value.includes("%")) return value;
  throw new Wrong(`${shown(value)} is no address; write the IP address of a name server, like 10.77.0.1`);
}

export function parseWhole(value: unknown, least: number, most: number, what = "number"): number {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most)
    return value as number;
  throw new Wrong(`${shown(value)} is no ${what}; write a whole number from ${least} to ${most}`);
}

/** An amount of data like "10 GB", by powers of 1000 as those are counted that are paid for, or "10 GiB". */
export function parseBytes(value: unknown): number {
  const [, digits, prefix = "", binary] =
    (typeof value === "string" && /^(\d+(?:\.\d+)?) *([kMGT]?)(i?)B$/.exec(value)) || [];
  const bytes = Number(digits) * (binary === "i" ? 1024 : 1000) ** " kMGT".indexOf(prefix || " ");
  if (bytes >= 1 && !(binary === "i" && prefix === "")) return Math.round(bytes);
  throw new Wrong(`${shown(value)} is no amount of data; write a number and a unit, like 10 GB or 500 MB`);
}

export function parseNumber(value: unknown, least: number, most: number): number {
  if (typeof value === "number" && value >= least && value <= most) return value;
  throw new Wrong(`${shown(value)} is out of range; write a number from ${least} to ${most}`);
}

/** A limit that something can be below. */
export function parseLimit(value: unknown, most: number): number {
  if (typeof value === "number" && value > 0 && value <= most) return value;
  throw new Wrong(`${shown(value)} is out of range; write a number above 0, up to ${most}`);
}

export function parseFlag(value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw new Wrong(`${shown(value)} is neither true nor false; write one of them`);
}

export function parseChoice<T extends string>(value: unknown, choices: readonly T[]): T {
  if (choices.includes(value as T)) return value as T;
  throw new Wrong(`${shown(value)} is not known; write one of ${choices.join(", ")}`);
}

export function parseName(value: unknown): string {
  if (typeof value === "string" && /^[!-~]{1,63}$/.test(value)) return value;
  throw new Wrong(`${shown(value)} is no name; write 1 to 63 ASCII characters without spaces`);
}

/** As `openTun` takes it. */
export function parseDeviceName(value: unknown): string {
  if (typeof value === "string" && /^[A-Za-z0-9_.-]{1,15}$/.test(value) && !/^\.\.?$/.test(value)) {
    if (!value.startsWith("-")) return value;
    throw new Wrong(`${shown(value)} begins with "-" and would be taken for an option; write another name`);
  }
  throw new Wrong(`${shown(value)} is no device name; write 1 to 15 letters, digits, "_", "-" or "."`);
}

export function shown(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  // JSON has no infinity, which YAML has.
  const text = typeof value === "number" ? String(value) : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
