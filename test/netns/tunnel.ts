import type { PathView, StatusView } from "../../src/control/views.ts";
import {
  type IperfOptions,
  type IperfResult,
  iperf3,
  Lab,
  type LinkDescription,
  waitFor,
} from "../../tools/lab/index.ts";
import { LabDaemon, twoHostsConfig } from "./daemon-lab.ts";

export const LINKS = ["l0", "l1"] as const;

/** The far end of the tunnel, as the first host knows it. */
export const FAR = "10.77.0.2";
export const FAR6 = "fd77::2";

/** one ==l0, l1== two, with a daemon on each that has both links. */
export class Tunnel implements AsyncDisposable {
  readonly lab: Lab;
  readonly one: LabDaemon;
  readonly two: LabDaemon;
  private rules = 0;

  static async up(
    l0: Omit<LinkDescription, "between">,
    l1: Omit<LinkDescription, "between">,
    more = { one: "", two: "" },
  ): Promise<Tunnel> {
    const between: [string, string] = ["one", "two"];
    const lab = await Lab.up({
      hosts: { one: {}, two: {} },
      links: { l0: { between, subnet6: "none", ...l0 }, l1: { between, subnet6: "none", ...l1 } },
    });
    const tunnel = new Tunnel(lab, more);
    try {
      await tunnel.begin();
    } catch (error) {
      await tunnel[Symbol.asyncDispose]();
      throw error;
    }
    return tunnel;
  }

  private constructor(lab: Lab, more: { one: string; two: string }) {
    this.lab = lab;
    this.one = new LabDaemon(lab.host("one"), twoHostsConfig(1, lab.host("two"), more.one));
    this.two = new LabDaemon(lab.host("two"), twoHostsConfig(2, lab.host("one"), more.two));
  }

  private async begin(): Promise<void> {
    await Promise.all([this.one.up(), this.two.up()]);
    await waitFor(async () => (await this.readyPaths()).length === 2, { what: "both paths" });
  }

  /** Of the first host. */
  async readyPaths(): Promise<PathView[]> {
    return (await this.one.ask<PathView[]>("paths")).filter(({ state }) => state === "ready");
  }

  /** Has both daemons follow a rule, written as in the configuration without its name; none without one. */
  async setRule(rule = ""): Promise<void> {
    const name = `set-${++this.rules}`;
    // A port that nobody uses: the rule only shows that the file has been read.
    const rules = [
      ...(rule === "" ? [] : [`  - { ${rule} }\n`]),
      `  - { name: ${name}, port: 1, priority: throughput }\n`,
    ];
    const more = `rules:\n${rules.join("")}`;
    this.one.write(twoHostsConfig(1, this.two.host, more));
    this.two.write(twoHostsConfig(2, this.one.host, more));
    for (const daemon of [this.one, this.two]) {
      daemon.process!.signal("SIGHUP");
      const isRead = async () =>
        (await daemon.ask<StatusView>("status")).rules.some((shown) => shown.name === name);
      await waitFor(isRead, { what: "the new rules" });
    }
  }

  /** iperf3 through the tunnel. */
  through(options: Omit<IperfOptions, "to">): Promise<IperfResult> {
    return iperf3(this.one.host, this.two.host, { to: FAR, ...options });
  }

  /** iperf3 over one of the links, beside the tunnel. */
  alone(link: string, options: Omit<IperfOptions, "to">): Promise<IperfResult> {
    return iperf3(this.one.host, this.two.host, { to: this.two.host.ip(link), ...options });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.one[Symbol.dispose]();
    this.two[Symbol.dispose]();
    await this.lab.down();
  }
}
