import { IoError } from "./error.ts";
import { native } from "./native.ts";

/** RTMGRP_* of linux/rtnetlink.h: links, and addresses, routes and rules of both families. */
const LINK = 0x1;
const IPV4_ADDRESS = 0x10;
const IPV4_ROUTE = 0x40;
const IPV4_RULE = 0x80;
const IPV6_ADDRESS = 0x100;
const IPV6_ROUTE = 0x400;
const IPV6_RULE = 0x40000;
const GROUPS = LINK | IPV4_ADDRESS | IPV4_ROUTE | IPV4_RULE | IPV6_ADDRESS | IPV6_ROUTE | IPV6_RULE;

/** Calls back when the kernel says that links, addresses or routes have changed: not what has. */
export class NetworkEvents {
  private fd: number;

  constructor(onChange: () => void) {
    const fd = native.netlinkOpen(GROUPS);
    if (fd < 0) throw new IoError("cannot be told of changes in the network", fd);
    this.fd = fd;
    const error = native.pollStart(fd, () => {
      if (native.netlinkDrain(fd) !== 0) onChange();
    });
    if (error < 0) {
      native.closeDescriptor(fd);
      throw new IoError("cannot wait for changes in the network", error);
    }
  }

  close(): void {
    if (this.fd < 0) return;
    native.pollStop(this.fd);
    native.closeDescriptor(this.fd);
    this.fd = -1;
  }
}
