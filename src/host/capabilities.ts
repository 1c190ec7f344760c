import { readFileSync } from "node:fs";

/** Bits of CapEff: capabilities(7). */
export const CAP_NET_ADMIN = 12;
export const CAP_NET_RAW = 13;

/** Of this process, now. */
export function hasCapability(bit: number): boolean {
  const digits = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  return ((BigInt(`0x${digits}`) >> BigInt(bit)) & 1n) === 1n;
}
