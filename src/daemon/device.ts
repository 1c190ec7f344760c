import { native } from "../io/native.ts";

/** Undefined where there is no such device. */
export function deviceMtu(device: string): number | undefined {
  const link = new Int32Array(4);
  return native.linkGet(device, link) < 0 ? undefined : link[0]!;
}
