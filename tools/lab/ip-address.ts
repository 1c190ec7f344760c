import { isIPv4, isIPv6 } from "node:net";

export type Family = 4 | 6;

export interface Address {
  family: Family;
  value: bigint;
}

export interface Subnet {
  family: Family;
  base: bigint;
  prefix: number;
}

const widthBits = { 4: 32, 6: 128 } as const;

export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { family: 4, value: groupsToValue(text.split(".").map(Number), 8) };
  if (isIPv6(text) && !text.includes("%")) return { family: 6, value: groupsToValue(ipv6Groups(text), 16) };
  return undefined;
}

/** A subnet as `10.0.0.0/24`; undefined when the text is not one or has bits set behind the prefix. */
export function parseSubnet(text: string): Subnet | undefined {
  const [addressText, prefixText, ...rest] = text.split("/");
  if (rest.length > 0 || prefixText === undefined || !/^\d{1,3}$/.test(prefixText)) return undefined;
  const address = parseAddress(addressText!);
  const prefix = Number(prefixText);
  if (address === undefined || prefix > widthBits[address.family]) return undefined;
  const subnet = { family: address.family, base: address.value, prefix };
  return networkOf(subnet, address.value) === address.value ? subnet : undefined;
}

export function formatAddress({ family, value }: Address): string {
  if (family === 4) return valueToGroups(value, 4, 8).join(".");
  const groups = valueToGroups(value, 8, 16).map((group) => group.toString(16));
  return shortenLongestZeroRun(groups);
}

export function formatSubnet(subnet: Subnet): string {
  return `${formatAddress({ family: subnet.family, value: subnet.base })}/${subnet.prefix}`;
}

/** The subnet's n-th address: `nthAddress(10.0.0.0/24, 1)` is 10.0.0.1. */
export function nthAddress(subnet: Subnet, n: number): string {
  return formatAddress({ family: subnet.family, value: subnet.base + BigInt(n) });
}

export function contains(subnet: Subnet, address: Address): boolean {
  return subnet.family === address.family && networkOf(subnet, address.value) === subnet.base;
}

export function overlaps(one: Subnet, other: Subnet): boolean {
  if (one.family !== other.family) return false;
  const wider = one.prefix <= other.prefix ? one : other;
  const narrower = wider === one ? other : one;
  return networkOf(wider, narrower.base) === wider.base;
}

function networkOf(subnet: Subnet, value: bigint): bigint {
  const hostBits = BigInt(widthBits[subnet.family] - subnet.prefix);
  return (value >> hostBits) << hostBits;
}

function ipv6Groups(text: string): number[] {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted !== null) {
    const [a, b, c, d] = dotted[2]!.split(".").map(Number);
    const high = (a! * 256 + b!).toString(16);
    const low = (c! * 256 + d!).toString(16);
    return ipv6Groups(`${dotted[1]}${high}:${low}`);
  }
  const [head, tail] = text.split("::");
  const parse = (part: string | undefined) =>
    part === undefined || part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const left = parse(head);
  const right = parse(tail);
  return [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
}

function groupsToValue(groups: number[], groupBits: number): bigint {
  return groups.reduce((value, group) => (value << BigInt(groupBits)) | BigInt(group), 0n);
}

function valueToGroups(value: bigint, count: number, groupBits: number): number[] {
  const mask = (1n << BigInt(groupBits)) - 1n;
  return Array.from({ length: count }, (_, i) =>
    Number((value >> BigInt(groupBits * (count - 1 - i))) & mask),
  );
}

function shortenLongestZeroRun(groups: string[]): string {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let i = 0; i <= groups.length; i++) {
    if (groups[i] === "0") continue;
    if (i - start > best.length) best = { start, length: i - start };
    start = i + 1;
  }
  if (best.length < 2) return groups.join(":");
  return `${groups.slice(0, best.start).join(":")}::${groups.slice(best.start + best.length).join(":")}`;
}
