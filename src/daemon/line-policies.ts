import type { Logger } from "pino";
import type { InterfaceConfig, QuotaConfig } from "../config/interface.ts";
import type { Config } from "../config/parse.ts";
import type { QuotaView } from "../control/views.ts";
import { NORMAL } from "../core/router/policies.ts";
import type { LinePolicy } from "../core/router/router.ts";
import { POLICY_BACKUP, POLICY_CLOSED, POLICY_METERED } from "../core/wire/control-body.ts";
import { type HostAddress, selectorOf } from "./interfaces.ts";
import { Quotas } from "./quotas.ts";

const BITS = { normal: 0, backup: POLICY_BACKUP, metered: POLICY_METERED, off: POLICY_CLOSED };

type Place = Pick<HostAddress, "device" | "address">;

/** How each line is to be used: what the configuration says, and what is left of its quota. */
export class LinePolicies {
  private readonly quotas: Quotas;
  private entries: readonly InterfaceConfig[] = [];

  constructor(stateDirectory: string, log: Logger) {
    this.quotas = new Quotas(stateDirectory, log);
  }

  setConfig({ interfaces }: Pick<Config, "interfaces">): void {
    this.entries = interfaces ?? [];
  }

  /** Of a device, `used` being what is used of all. */
  of(device: string, used: readonly Place[]): LinePolicy {
    const entry = this.entryOf(device, used);
    if (entry === undefined) return NORMAL;
    const usedUp = this.quotas.usedUp(device);
    const policy = { bits: BITS[entry.policy], ...entry.rateMbit };
    if (usedUp === undefined) return policy;
    return { ...policy, bits: policy.bits | BITS[usedUp], reason: "its quota is used up" };
  }

  /** Looks at the quotas of the lines; answers whether a policy has changed by that. */
  count(used: readonly Place[]): boolean {
    const quotas = new Map<string, QuotaConfig>();
    for (const { device } of used) {
      const quota = this.entryOf(device, used)?.quota;
      if (quota !== undefined) quotas.set(device, quota);
    }
    return this.quotas.count(quotas, new Date());
  }

  quotaViews(): QuotaView[] {
    return this.quotas.views(new Date());
  }

  /** Keeps what has been counted. */
  close(): void {
    this.quotas.write(Date.now());
  }

  /** All addresses of a device are one line, and have one entry. */
  private entryOf(device: string, used: readonly Place[]): InterfaceConfig | undefined {
    const selectors = this.entries.map(({ name }) => name);
    const addresses = used.filter((place) => place.device === device).map(({ address }) => address);
    return this.entries[selectorOf(selectors, device, addresses)];
  }
}
