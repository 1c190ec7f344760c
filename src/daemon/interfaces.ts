import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import type { InterfaceSelector } from "../config/values.ts";
import { matchesPattern } from "../core/base/pattern.ts";
import { isSameAddress } from "../core/wire/address.ts";
import { familyOf, parseAddress } from "../io/address.ts";
import { deviceLink } from "../io/device.ts";
import { defaultRouteDevices } from "../io/network-tables.ts";

/** An address of the host. */
export interface HostAddress {
  readonly device: string;
  readonly family: 4 | 6;
  /** Four words as in plans. */
  readonly address: Int32Array;
  /** Only programs of the host itself can be reached by it. */
  readonly internal: boolean;
  /** Of the device: its number, another one when it was removed and is there again, and its MTU. */
  readonly index: number;
  readonly mtu: number;
  /** Of several addresses on one device the one with the lowest is used. */
  readonly rank: number;
}

/** The numbers of devices that lead anywhere, by family. */
export type DefaultDevices = Readonly<Record<4 | 6, ReadonlySet<number>>>;

/**
 * The addresses that the daemon is to have a socket on: those that are selected; without a selection one of each family
 * on every device with a default route of that family.
 */
export function selectAddresses(
  addresses: readonly HostAddress[],
  selectors: readonly InterfaceSelector[] | undefined,
  defaults: DefaultDevices,
  tun: string,
): HostAddress[] {
  const taken = new Set<string>();
  return addresses
    .toSorted((one, other) => one.rank - other.rank)
    .filter((candidate) => {
      const { device, family, internal, index } = candidate;
      if (device === tun) return false;
      const selector = selectors?.[selectorOf(selectors, candidate.device, [candidate.address])];
      if (selector?.address !== undefined) return true;
      if (internal) return false;
      const isWanted = selectors === undefined ? defaults[family].has(index) : selector !== undefined;
      // Further addresses of a device would be other names for the same line.
      const key = `${device} ${family}`;
      if (!isWanted || taken.has(key)) return false;
      taken.add(key);
      return true;
    });
}

/** All addresses that packets can be sent from: of devices that are up and have a carrier. */
export function hostAddresses(): HostAddress[] {
  const states = addressStates6(readIfThere("/proc/net/if_inet6"));
  return Object.entries(networkInterfaces()).flatMap(([label, infos]) => {
    // An address may have a label of its own, like eth0:1.
    const device = label.split(":")[0]!;
    const link = deviceLink(device);
    if (link === undefined) return [];
    return (infos ?? []).flatMap(({ address: text, family, scopeid, internal }) => {
      const address = parseAddress(text);
      const { isUsable, rank } = states.get(`${device} ${address}`) ?? { isUsable: true, rank: 0 };
      if (!isUsable || (family === "IPv6" && scopeid !== 0)) return [];
      return [{ device, family: familyOf(address), address, internal, ...link, rank }];
    });
  });
}

/** What the kernel knows of an IPv6 address. */
interface AddressState {
  /** False until it is certain that nobody else has it, and when somebody has. */
  readonly isUsable: boolean;
  readonly rank: number;
}

const FLAG_TEMPORARY = 0x01;
const FLAG_DAD_FAILED = 0x08;
const FLAG_DEPRECATED = 0x20;
const FLAG_TENTATIVE = 0x40;

/**
 * Columns: address, index of the device, length of the prefix, scope, flags, device (if6_seq_show in the kernel). By
 * device and address. An address that stays is better than one that will be another tomorrow, and one that leads
 * everywhere is better than one of the site (fc00::/7) only; one that is about to go is the last resort.
 */
export function addressStates6(text: string): Map<string, AddressState> {
  const rows = text.split("\n").map((line) => line.trim().split(/\s+/));
  return new Map(
    rows
      .filter((row) => row.length === 6)
      .map(([digits, , , , flagDigits, device]) => {
        const address = new Int32Array(Uint8Array.from(Buffer.from(digits!, "hex")).buffer);
        const flags = Number.parseInt(flagDigits!, 16);
        const isOfSite = /^f[cd]/.test(digits!);
        const rank =
          (flags & FLAG_DEPRECATED ? 4 : 0) + (isOfSite ? 2 : 0) + (flags & FLAG_TEMPORARY ? 1 : 0);
        return [
          `${device} ${address}`,
          { isUsable: (flags & (FLAG_TENTATIVE | FLAG_DAD_FAILED)) === 0, rank },
        ];
      }),
  );
}

export function defaultDevices(): DefaultDevices {
  return { 4: defaultRouteDevices(4), 6: defaultRouteDevices(6) };
}

/** A kernel without IPv6 has no such file. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** The place of the selector that means a device, by one of its addresses before by its name; -1 where none does. */
export function selectorOf(
  selectors: readonly InterfaceSelector[],
  device: string,
  addresses: readonly Int32Array[],
): number {
  const byAddress = selectors.findIndex(({ address: wanted }) =>
    addresses.some((address) => wanted !== undefined && isSameAddress(wanted, 0, address, 0)),
  );
  if (byAddress >= 0) return byAddress;
  return selectors.findIndex((one) => one.address === undefined && matchesPattern(one.pattern, device));
}
