import { readFileSync } from "node:fs";
import type { InterfaceSelector } from "../config/values.ts";
import { matchesPattern } from "../core/base/pattern.ts";
import { formatAddress } from "../io/address.ts";
import type { HostAddress } from "./interfaces.ts";
import { parseDeviceBytes } from "./quotas.ts";

/** A line that is named in the configuration, and why it is not used. */
export interface IdleLine {
  /** Of the device, or as the configuration has it where there is none. */
  readonly name: string;
  readonly why: "no such interface" | "no such address" | "is down" | "has no carrier" | "has no address";
}

const FLAG_UP = 0x1;
const LOOPBACK = "lo";

/** What is named and not among the lines in use. */
export function idleLines(
  used: readonly Pick<HostAddress, "device" | "address">[],
  selectors: readonly InterfaceSelector[],
): IdleLine[] {
  const devices = [...parseDeviceBytes(readFileSync("/proc/net/dev", "utf8")).keys()];
  return selectors.flatMap((selector): IdleLine[] => {
    if (selector.address !== undefined) {
      const name = formatAddress(selector.address);
      const isUsed = used.some(({ address }) => formatAddress(address) === name);
      return isUsed ? [] : [{ name, why: "no such address" }];
    }
    const { pattern } = selector;
    const meant = devices.filter((device) => device !== LOOPBACK && matchesPattern(pattern, device));
    if (meant.length === 0) return [{ name: pattern, why: "no such interface" }];
    return meant
      .filter((name) => !used.some(({ device }) => device === name))
      .map((name) => ({ name, why: whyIdle(name) }));
  });
}

function whyIdle(device: string): IdleLine["why"] {
  if ((Number(ofDevice(device, "flags")) & FLAG_UP) === 0) return "is down";
  return ofDevice(device, "carrier") === "1" ? "has no address" : "has no carrier";
}

/** A device that is down has no file for its carrier that can be read. */
function ofDevice(device: string, file: string): string | undefined {
  try {
    return readFileSync(`/sys/class/net/${device}/${file}`, "utf8").trim();
  } catch {
    return undefined;
  }
}
