import { readFileSync } from "node:fs";

/** Of a name below /proc/sys, with slashes; undefined where the kernel has no such setting. */
export function readSysctl(key: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${key}`, "utf8").trim();
  } catch {
    return undefined;
  }
}

/** As people write it. */
export function sysctlName(key: string): string {
  return `sysctl ${key.replaceAll("/", ".")}`;
}

/** Whether the kernel drops what comes in by another device than an answer would leave by (RFC 3704, strict). */
export function isStrict(device: string): boolean {
  const values = ["all", device].map((name) => readSysctl(`net/ipv4/conf/${name}/rp_filter`));
  return Math.max(...values.map(Number)) === 1;
}
