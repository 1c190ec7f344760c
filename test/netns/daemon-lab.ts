import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Host, LabProcess } from "../../tools/lab/index.ts";

const PROGRAM = resolve("dist/src/cli/main.js");

/** A daemon on a host of the lab, with files of its own. */
export class LabDaemon implements Disposable {
  readonly host: Host;
  readonly directory: string;
  readonly configPath: string;
  process: LabProcess | undefined;

  constructor(host: Host, config: string) {
    this.host = host;
    this.directory = mkdtempSync(join(tmpdir(), `mpip-${host.name}-`));
    this.configPath = join(this.directory, "mpip.yaml");
    this.write(config);
  }

  write(config: string): void {
    writeFileSync(this.configPath, config);
  }

  /** Arguments of node. */
  get upCommand(): string[] {
    return [PROGRAM, "up", "-c", this.configPath, "--state-dir", this.directory, ...this.where()];
  }

  /** Starts the daemon, and waits until it is up. */
  async up(): Promise<LabProcess> {
    this.process = this.host.spawn("node", this.upCommand);
    await this.process.output(/ is up: /);
    return this.process;
  }

  /** A verb of the command line, with its JSON answer. */
  async ask<T>(verb: string, ...args: string[]): Promise<T> {
    return JSON.parse(await this.run(verb, "--json", ...args));
  }

  async run(verb: string, ...args: string[]): Promise<string> {
    return (await this.host.exec("node", [PROGRAM, verb, ...args, ...this.where()])).stdout;
  }

  /** What it said in its log. */
  get messages(): string[] {
    return (this.process?.stderr ?? "")
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line).msg);
  }

  private where(): string[] {
    return ["--run-dir", join(this.directory, "run")];
  }

  [Symbol.dispose](): void {
    this.process?.signal("SIGKILL");
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Everything that a daemon may change on a host, as text. */
export async function hostSetup(host: Host): Promise<string> {
  const commands = [
    "ip -4 address; ip -6 address",
    "ip -4 rule; ip -6 rule",
    "ip -4 route show table all; ip -6 route show table all",
    "nft list ruleset",
    "sysctl net.ipv4.ip_forward net.ipv4.conf.all.src_valid_mark net.ipv6.conf.all.forwarding",
  ];
  const shown = commands.map(async (command) => (await host.exec("sh", ["-c", command])).stdout);
  const lines = (await Promise.all(shown)).join("\n").split("\n");
  // Link-local addresses come a while after their interface.
  const lasting = lines.filter((line) => !/\bfe80:/.test(line));
  return lasting.join("\n").replaceAll(/(valid_lft|preferred_lft|expires) \w+/g, "");
}

/** The configuration of one of two hosts with the links l0 and l1 between them. */
export function twoHostsConfig(own: number, peer: Host, more = ""): string {
  const other = 3 - own;
  return `name: host${own}
node: "02:00:00:00:00:0${own}"
tun: { address: [10.77.0.${own}/24, "fd77::${own}/64"] }
interfaces: [l0, l1]
peers:
  - name: host${other}
    endpoints: [${peer.ip("l0")}, ${peer.ip("l1")}]
    routes: [10.77.0.${other}, "fd77::${other}"]
${more}`;
}
