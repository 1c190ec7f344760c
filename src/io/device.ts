import { native } from "./native.ts";

export interface DeviceLink {
  readonly mtu: number;
  readonly isUp: boolean;
  /** Another one for each device that there ever was. */
  readonly index: number;
}

/** Undefined where there is no such device. */
export function deviceLink(device: string): DeviceLink | undefined {
  const link = new Int32Array(4);
  if (native.linkGet(device, link) < 0) return undefined;
  return { mtu: link[0]!, isUp: link[1] === 1, index: link[2]! };
}
