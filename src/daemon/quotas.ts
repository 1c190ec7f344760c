import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import type { QuotaConfig } from "../config/interface.ts";
import type { QuotaView } from "../control/views.ts";
import { makeDirectory, writeWhole } from "../host/files.ts";
import { deviceLink } from "../io/device.ts";
import { periodEnd, periodStart } from "./quota-period.ts";

const WRITE_INTERVAL_MS = 60_000;
/** Part of a quota at which the log says so. */
const WARN_PART = 0.8;

/** What has gone over a device in the period, and where its counter stood when that was last looked at. */
interface Usage {
  /** When the period began, as an ISO date. */
  since: string;
  bytes: number;
  counter: number;
  /** Of the device; another one has a counter of its own. */
  index: number;
  /** Since when the counter counts: the kernel's boot ID. */
  boot: string;
}

/** The counter of a device: everything that went through it in either direction, since it is there. */
export interface DeviceCounter {
  readonly index: number;
  readonly bytes: number;
}

/**
 * How much of the quotas is used up: what goes through the devices, whoever sends it. It is kept in a file, and the
 * kernel goes on counting while no daemon is running, so nothing is forgotten but at a reboot what came after the last
 * look.
 */
export class Quotas {
  private readonly path: string;
  private readonly directory: string;
  private readonly log: Logger;
  private readonly boot: string;
  private readonly usages: Map<string, Usage>;
  private quotas = new Map<string, QuotaConfig>();
  private writtenMs = Number.NEGATIVE_INFINITY;

  constructor(stateDirectory: string, log: Logger, boot = bootId()) {
    this.directory = stateDirectory;
    this.path = join(stateDirectory, "quotas.json");
    this.log = log;
    this.boot = boot;
    this.usages = readUsages(this.path);
  }

  /** Counts what has gone over the devices; answers whether that of one is used up now and was not, or not any more. */
  count(
    quotas: ReadonlyMap<string, QuotaConfig>,
    now: Date,
    counters: ReadonlyMap<string, DeviceCounter> = deviceCounters(),
  ): boolean {
    this.quotas = new Map(quotas);
    let changed = false;
    for (const [device, quota] of quotas) {
      const counter = counters.get(device);
      if (counter === undefined) continue;
      const before = this.partOf(device);
      this.note(device, quota, now, counter);
      const after = this.partOf(device);
      if (before < WARN_PART && after >= WARN_PART && after < 1) {
        this.log.warn(`${device}: ${Math.floor(100 * after)} % of its quota is used up`);
      }
      if (before >= 1 === after >= 1) continue;
      changed = true;
      const until = periodEnd(quota, now).toDateString();
      if (after >= 1)
        this.log.warn(`${device}: its quota is used up until ${until}; it is ${quota.usedUp} now`);
      else this.log.info(`${device}: has a new quota until ${until}`);
    }
    const nowMs = now.getTime();
    if (changed || Math.abs(nowMs - this.writtenMs) >= WRITE_INTERVAL_MS) this.write(nowMs);
    return changed;
  }

  /** What a device is to be once its quota is used up; undefined before. */
  usedUp(device: string): QuotaConfig["usedUp"] | undefined {
    return this.partOf(device) >= 1 ? this.quotas.get(device)!.usedUp : undefined;
  }

  views(now: Date): QuotaView[] {
    return [...this.quotas].map(([device, quota]) => ({
      device,
      usedBytes: this.usages.get(device)?.bytes ?? 0,
      bytes: quota.bytes,
      until: periodEnd(quota, now).toISOString(),
      usedUp: quota.usedUp,
    }));
  }

  /** Keeps what has been counted. */
  write(nowMs: number): void {
    if (this.quotas.size === 0) return;
    this.writtenMs = nowMs;
    try {
      makeDirectory(this.directory);
      writeWhole(this.path, `${JSON.stringify(Object.fromEntries(this.usages), undefined, 2)}\n`);
    } catch (error) {
      this.log.warn(`quotas cannot be kept: ${(error as Error).message}`);
    }
  }

  private partOf(device: string): number {
    const quota = this.quotas.get(device);
    return quota === undefined ? 0 : (this.usages.get(device)?.bytes ?? 0) / quota.bytes;
  }

  private note(
    device: string,
    quota: QuotaConfig,
    now: Date,
    { index, bytes: counter }: DeviceCounter,
  ): void {
    const { boot } = this;
    const known = this.usages.get(device);
    const since = periodStart(quota, now).toISOString();
    const isSame = known?.boot === boot && known.index === index && counter >= known.counter;
    // What a device carried before it was first seen is nobody's.
    const fresh = known === undefined ? 0 : counter - (isSame ? known.counter : 0);
    const bytes = (known?.since === since ? known.bytes : 0) + fresh;
    this.usages.set(device, { since, bytes, counter, index, boot });
  }
}

function readUsages(path: string): Map<string, Usage> {
  try {
    return new Map(Object.entries(JSON.parse(readFileSync(path, "utf8")) as Record<string, Usage>));
  } catch {
    return new Map();
  }
}

function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

function deviceCounters(): Map<string, DeviceCounter> {
  const counters = new Map<string, DeviceCounter>();
  for (const [device, bytes] of parseDeviceBytes(readFileSync("/proc/net/dev", "utf8"))) {
    const index = deviceLink(device)?.index;
    if (index !== undefined) counters.set(device, { index, bytes });
  }
  return counters;
}

/** Columns: device, received bytes, seven more, sent bytes (dev_seq_printf_stats in the kernel). */
export function parseDeviceBytes(text: string): Map<string, number> {
  const lines = [...text.matchAll(/^\s*([^\s:]+):\s*(.*)$/gm)];
  return new Map(
    lines.map(([, device, values]) => {
      const fields = values!.trim().split(/\s+/).map(Number);
      return [device!, fields[0]! + fields[8]!];
    }),
  );
}
