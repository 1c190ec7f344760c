import { native } from "../io/native.ts";

export interface DeviceLink {
  readonly mtu: number;
  /** Another one for each device that there ever was. */
  readonly index: number;
}

/** Where a device says nothing else. */
const ETHERNET_MTU_BYTES = 1500;

/** Undefined where there is no such device. */
export function deviceLink(device: string): DeviceLink | undefined {
  const link = new Int32Array(4);
  return native.linkGet(device, link) < 0 ? undefined : { mtu: link[0]!, index: link[2]! };
}

export function deviceMtu(device: string): number {
  return deviceLink(device)?.mtu ?? ETHERNET_MTU_BYTES;
}
