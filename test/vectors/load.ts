import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Known bytes, as JSON: `why` says what a vector is there for, `hex` has a group for each part. They were put together
 * field by field, with nothing from the code under test.
 */
export function vectors<T extends { why: string; hex: string }>(name: string): T[] {
  return readTestJson("vectors", `${name}.json`);
}

/** A JSON file under test/, from the sources and from what is compiled to dist/ alike. */
export function readTestJson<T>(...path: string[]): T {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, "package.json"))) directory = dirname(directory);
  return JSON.parse(readFileSync(join(directory, "test", ...path), "utf8"));
}

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.replaceAll(" ", "").match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Exactly these bytes: reading in front of them or behind them throws. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
