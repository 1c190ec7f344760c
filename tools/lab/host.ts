import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { loadNftRules } from "./build.ts";
import { type ExecOptions, type ExecResult, LabProcess, run, type SpawnOptions } from "./command.ts";
import { readdressCommands, routeCommands } from "./host-setup.ts";
import type { Family } from "./ip-address.ts";
import { ipBatch, namespaced } from "./namespace.ts";
import { namespaceName, runDirectory } from "./run-id.ts";
import type { RunState } from "./run-state.ts";
import { type HostPlan, hostPlan, interfaceAddress, interfacePlan, moveAddress } from "./topology.ts";

/** A host of a running lab: a network namespace. */
export class Host {
  readonly name: string;
  readonly namespace: string;
  readonly #state: RunState;

  constructor(name: string, state: RunState) {
    this.name = name;
    this.namespace = namespaceName(state.runId, name);
    this.#state = state;
  }

  get plan(): HostPlan {
    return hostPlan(this.#state.read().topology, this.name);
  }

  /** Name of the interface at this end of a link. */
  interface(link: string): string {
    return interfacePlan(this.plan, link).link;
  }

  /** First address of this end of a link. */
  ip(link: string, family: Family = 4): string {
    const address = interfaceAddress(interfacePlan(this.plan, link), family);
    if (address === undefined) throw new Error(`host ${this.name} has no IPv${family} address on ${link}`);
    return address;
  }

  /** A new directory for files of this host, which goes with the lab however that ends. */
  makeDirectory(): string {
    return mkdtempSync(join(runDirectory(this.#state.runId), `${this.name}-`));
  }

  exec(command: string, args: readonly string[] = [], options: ExecOptions = {}): Promise<ExecResult> {
    return run([command, ...args], { ...options, host: this.name, prefix: namespaced(this.namespace) });
  }

  /** Starts a process, which is killed with the lab if it is not stopped before. */
  spawn(command: string, args: readonly string[] = [], options: SpawnOptions = {}): LabProcess {
    return new LabProcess([command, ...args], {
      ...options,
      host: this.name,
      prefix: namespaced(this.namespace),
    });
  }

  /** Runs nft with text as from a file. */
  async nft(text: string): Promise<string> {
    return (await this.exec("nft", ["-f", "-"], { input: text })).stdout;
  }

  /** Reads a sysctl or, with a value, sets it. */
  async sysctl(key: string, value?: string | number): Promise<string> {
    if (value !== undefined) await this.exec("sysctl", ["-q", "-w", `${key}=${value}`]);
    return (await this.exec("sysctl", ["-n", key])).stdout.trim();
  }

  /**
   * Replaces the first address of a link's end by another one of its subnet, as a new lease does. Next hops and port
   * forwards that lead to the address follow it.
   */
  async setAddress(link: string, address: string): Promise<void> {
    const { old, topology } = this.#state.change((changed) => ({
      old: moveAddress(changed, this.name, link, address),
      topology: changed,
    }));
    const own = hostPlan(topology, this.name);
    const plan = interfacePlan(own, link);
    const moved = plan.addresses.find((candidate) => candidate.address === address)!;
    await ipBatch(readdressCommands(own, plan, moved, old), this.namespace);
    for (const host of topology.hosts) {
      const nextHopMoved = host.routes.some((route) => route.link === link && route.via === address);
      const namespace = namespaceName(this.#state.runId, host.name);
      if (nextHopMoved) await ipBatch(routeCommands(host, interfacePlan(host, link)), namespace);
      if (host.nat?.forwards?.some(({ to }) => to === this.name)) {
        await loadNftRules(this.#state.runId, topology, host);
      }
    }
  }
}
