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

  of(place: Place): LinePolicy {
    const entry = this.entryOf(place);
    if (entry === undefined) return NORMAL;
    const usedUp = this.quotas.usedUp(place.device);
    const policy = { bits: BITS[entry.policy], ...entry.rateMbit };
    if (usedUp === undefined) return policy;
    return { ...policy, bits: policy.bits | BITS[usedUp], reason: "its quota is used up" };
  }

  /** Looks at the quotas of the lines; answers whether a policy has changed by that. */
  count(places: readonly Place[]): boolean {
    const quotas = new Map<string, QuotaConfig>();
    for (const place of places) {
      const quota = this.entryOf(place)?.quota;
      if (quota !== undefined) quotas.set(place.device, quota);
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

  private entryOf(place: Place): InterfaceConfig | undefined {
    return this.entries[
      selectorOf(
        this.entries.map(({ name }) => name),
        place,
      )
    ];
  }
}
