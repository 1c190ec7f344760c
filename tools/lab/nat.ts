import { loadNftRules } from "./build.ts";
import type { Host } from "./host.ts";
import type { RunState } from "./run-state.ts";
import { hostPlan } from "./topology.ts";

/** The address translation of a host. */
export class Nat {
  readonly #host: Host;
  readonly #state: RunState;

  constructor(host: Host, state: RunState) {
    if (host.plan.nat === undefined) throw new Error(`host ${host.name} has no nat`);
    this.#host = host;
    this.#state = state;
  }

  /** Forgets all mappings, as a router that restarts does. A `masquerade` NAT then makes the same ones again. */
  async flush(): Promise<void> {
    await this.#host.exec("conntrack", ["-F"]);
  }

  /** Forgets all mappings and takes the external ports of new ones from a range that was not used before. */
  async rebind(): Promise<void> {
    const topology = this.#state.change((changed) => {
      hostPlan(changed, this.#host.name).rebinds++;
      return changed;
    });
    // First the rules: a packet between the two would get its old port back.
    await loadNftRules(this.#state.runId, topology, hostPlan(topology, this.#host.name));
    await this.flush();
  }
}
