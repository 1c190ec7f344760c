import { native } from "../io/native.ts";

export interface DeviceLink {
  readonly mtu: number;
  /** Another one for each device that there ever was. */
  readonly index: number;
}

/** Undefined where there is no such device. */
export function deviceLink(device: string): DeviceLink | undefined {
  const link = new Int32Array(4);
  return native.linkGet(device, link) < 0 ? undefined : { mtu: link[0]!, index: link[2]! };
}
