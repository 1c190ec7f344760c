import { build } from "./build.ts";
import { checkedDescription, type Description } from "./description.ts";
import { Host } from "./host.ts";
import { Link } from "./link.ts";
import { Nat } from "./nat.ts";
import { planTopology } from "./plan-topology.ts";
import { kernelRequirement, requireRoot, requireTools } from "./requirements.ts";
import { claimRunId, isOwnerAlive } from "./run-id.ts";
import { RunState } from "./run-state.ts";
import { destroyOwn, knownRuns, own, sweep } from "./teardown.ts";
import type { Topology } from "./topology.ts";

/** A network that exists: hosts, links and what runs on them. */
export class Lab implements AsyncDisposable {
  readonly id: string;
  readonly #state: RunState;
  readonly #hosts: Map<string, Host>;
  readonly #links: Map<string, Link>;

  private constructor(state: RunState) {
    const { topology } = state.read();
    this.id = state.runId;
    this.#state = state;
    this.#hosts = new Map(topology.hosts.map(({ name }) => [name, new Host(name, state)]));
    this.#links = new Map(topology.links.map(({ name }) => [name, new Link(name, state)]));
  }

  /** Builds a network, after removing what killed processes left of theirs. `source` names the description to people. */
  static async up(description: Description, source = "description"): Promise<Lab> {
    const topology = planTopology(checkedDescription(description));
    requireRoot();
    requireTools(...toolsFor(topology));
    sweep();
    const runId = claimRunId();
    own(runId);
    try {
      const backend = await build(runId, topology);
      return new Lab(
        RunState.create(runId, { source, topology, ...(backend === undefined ? {} : { backend }) }),
      );
    } catch (error) {
      destroyOwn(runId);
      throw kernelRequirement(error);
    }
  }

  /** A lab that another process keeps up; without an ID the only one there is. */
  static attach(id?: string): Lab {
    const running = Lab.running();
    const ids = running.map((lab) => lab.id).join(", ");
    if (id === undefined && running.length !== 1) {
      throw new Error(
        running.length === 0 ? "no lab is running" : `several labs are running, choose one: ${ids}`,
      );
    }
    const found = running.find((lab) => id === undefined || lab.id === id);
    if (found === undefined)
      throw new Error(`no lab ${id} is running${ids === "" ? "" : `; running: ${ids}`}`);
    return found;
  }

  /** All labs that are up, of this process and of others. */
  static running(): Lab[] {
    return knownRuns()
      .filter(isOwnerAlive)
      .flatMap((runId) => {
        try {
          return [new Lab(new RunState(runId))];
        } catch {
          // Still being built, or already being torn down.
          return [];
        }
      });
  }

  get source(): string {
    return this.#state.read().source;
  }

  /** What the lab is at the moment. */
  get topology(): Topology {
    return this.#state.read().topology;
  }

  get hosts(): Host[] {
    return [...this.#hosts.values()];
  }

  get links(): Link[] {
    return [...this.#links.values()];
  }

  host(name: string): Host {
    return named(this.#hosts, name, "host");
  }

  link(name: string): Link {
    return named(this.#links, name, "link");
  }

  nat(hostName: string): Nat {
    return new Nat(this.host(hostName), this.#state);
  }

  /** Removes everything of the lab. One that this process did not make is left alone. */
  async down(): Promise<void> {
    destroyOwn(this.id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }
}

function toolsFor(topology: Topology): string[] {
  const tools = ["ip", "sysctl"];
  if (topology.links.some((link) => link.emulated)) tools.push("ethtool", "tc");
  if (topology.hosts.some((host) => host.nat !== undefined)) tools.push("conntrack");
  if (topology.hosts.some((host) => host.nat !== undefined || host.firewall.length > 0)) tools.push("nft");
  return tools;
}

function named<T>(entries: ReadonlyMap<string, T>, name: string, what: string): T {
  const entry = entries.get(name);
  if (entry === undefined) throw new Error(`no ${what} ${name}; ${what}s: ${[...entries.keys()].join(", ")}`);
  return entry;
}
