import type { Logger } from "pino";
import { BATCH_MAX, TUN_RECORD_WORDS } from "../core/batch/layout.ts";
import type { Plan } from "../core/batch/plan.ts";
import { EBUSY, EEXIST, EINVAL, ENODEV, ENXIO, EPERM, IoError } from "./error.ts";
import { native } from "./native.ts";
import type { OnReadable, ReceiveCounters, SendCounters, TunOffloads, TunPort } from "./port.ts";
import { openRing } from "./ring.ts";
import { testTunOffloads } from "./selftest.ts";

/** Packets that one read may return. */
export const TUN_READ_MAX = BATCH_MAX;

const FLAG_VNET_HEADER = 2;
const OFFLOAD_CHECKSUM = 1;
const OFFLOAD_TSO = 2;
const OFFLOAD_USO = 4;

export interface TunOptions {
  name: string;
  mtu: number;
  /** Packets that the kernel keeps for us while we are busy. */
  queueLength?: number;
  /** What to switch off; everything that the kernel has is on. */
  offloads?: Partial<TunOffloads>;
  /** Whether batches may go through an io_uring, where the kernel has it (default: yes). */
  ring?: boolean;
}

/** Opens the device, sets it up, tests its offloads and switches off, with one log line, what does not work. */
export function openTun(options: TunOptions, arena: Uint8Array, log: Logger): TunPort {
  const { name, mtu } = options;
  if (!/^[!-~]{1,15}$/.test(name) || /[/:%]/.test(name) || name === "." || name === "..") {
    throw new IoError(
      `"${name}" is no name for a TUN device: use 1 to 15 ASCII characters without "/", ":", "%" or spaces, and not "." or ".."`,
    );
  }
  const wanted = { checksum: true, tso: true, uso: true, ...options.offloads };
  const fd = open(name, wanted.checksum);
  try {
    const offloads = setOffloads(fd, wanted, log);
    setLink(name, mtu, options.queueLength ?? -1);
    testTunOffloads(fd, name, offloads, log);
    setOffloads(fd, offloads, log);
    const ring = options.ring !== false && openRing(log);
    return new NativeTun(fd, name, offloads, wanted.checksum, ring, arena);
  } catch (error) {
    native.closeDescriptor(fd);
    throw error;
  }
}

function open(name: string, vnet: boolean): number {
  const fd = native.tunOpen(name, vnet ? FLAG_VNET_HEADER : 0);
  if (fd >= 0) return fd;
  const advice: Record<number, string> = {
    [EBUSY]: "another process has it open: choose another name or end that process",
    [EEXIST]: `it was made to stay, and would keep our addresses and routes: remove it with ip link del ${name}, or choose another tun.name`,
    [EINVAL]: "another kind of device has this name: choose another name",
    [EPERM]: "run as root or with CAP_NET_ADMIN",
    [ENODEV]: "the kernel has no TUN driver: load the module tun",
    [ENXIO]: "the kernel has no TUN driver: load the module tun",
    [-2]: "/dev/net/tun is missing: load the module tun",
    [-13]: "run as root or with CAP_NET_ADMIN",
  };
  throw new IoError(`cannot open the TUN device ${name}`, fd, advice[fd]);
}

/** Switches on what is wanted, as far as the kernel has it; answers what is on. */
function setOffloads(fd: number, wanted: TunOffloads, log: Logger): TunOffloads {
  const offloads = { ...wanted };
  if (!offloads.checksum) return { checksum: false, tso: false, uso: false };
  const bits = () =>
    OFFLOAD_CHECKSUM | (offloads.tso ? OFFLOAD_TSO : 0) | (offloads.tso && offloads.uso ? OFFLOAD_USO : 0);
  // Kernels before 6.2 have no USO and refuse the whole set.
  offloads.uso = offloads.uso && offloads.tso;
  if (offloads.uso && native.tunOffload(fd, bits()) < 0) {
    offloads.uso = false;
    log.info(
      "TUN: this kernel has no UDP segmentation offload (it came with Linux 6.2); going on without it",
    );
  }
  const error = native.tunOffload(fd, bits());
  if (error < 0) throw new IoError("cannot set the offloads of the TUN device", error);
  return offloads;
}

function setLink(name: string, mtu: number, queueLength: number): void {
  const error = native.linkSet(name, mtu, 1, queueLength);
  if (error < 0) throw new IoError(`cannot set the MTU of ${name} to ${mtu} and bring it up`, error);
}

class NativeTun implements TunPort {
  readonly name: string;
  readonly offloads: Readonly<TunOffloads>;
  readonly received: ReceiveCounters = { calls: 0, messages: 0 };
  readonly sent: SendCounters = { calls: 0, messages: 0, refused: 0 };
  readonly records = new Int32Array(TUN_READ_MAX * TUN_RECORD_WORDS);
  private fd: number;
  private polling = false;
  private readonly vnet: number;
  private readonly ring: number;
  private readonly arena: Uint8Array;
  /** Packets that the next read tries to get in its first crossing: as many as there were last time, and one more. */
  private tries = 1;

  constructor(
    fd: number,
    name: string,
    offloads: TunOffloads,
    vnet: boolean,
    ring: boolean,
    arena: Uint8Array,
  ) {
    this.fd = fd;
    this.name = name;
    this.offloads = offloads;
    this.vnet = vnet ? 1 : 0;
    this.ring = ring ? 1 : 0;
    this.arena = arena;
  }

  start(onReadable: OnReadable): void {
    const error = native.pollStart(this.fd, onReadable);
    if (error < 0) throw new IoError(`cannot wait for packets of ${this.name}`, error);
    this.polling = true;
  }

  close(): void {
    if (this.fd < 0) return;
    if (this.polling) native.pollStop(this.fd);
    native.closeDescriptor(this.fd);
    this.fd = -1;
  }

  read(start: number, end: number, max: number): number {
    const count = native.tunRead(
      this.fd,
      this.vnet,
      this.arena,
      start,
      end,
      Math.min(max, TUN_READ_MAX),
      this.records,
      this.ring * this.tries,
    );
    this.tries = Math.max(0, count) + 1;
    if (count <= 0) return 0;
    this.received.calls++;
    this.received.messages += count;
    return count;
  }

  write(plan: Plan): number {
    if (plan.count === 0) return 0;
    const taken = Math.max(
      0,
      native.tunWrite(this.fd, this.vnet, this.arena, plan.words, plan.count, this.ring),
    );
    if (taken > 0) this.sent.calls++;
    this.sent.messages += taken;
    this.sent.refused += plan.count - taken;
    return taken;
  }

  setMtu(mtu: number): void {
    setLink(this.name, mtu, -1);
  }
}
