import { readdirSync } from "node:fs";
import { run } from "../../tools/lab/command.ts";
import { ipBatch } from "../../tools/lab/namespace.ts";

const PREFIX = "mpip-t";

/** A network namespace of a test file, with its loopback up. */
export class TestNamespace {
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  /** `lines` are for ip. */
  static async create(label: string, lines: readonly string[] = []): Promise<TestNamespace> {
    await removeLeftovers();
    const namespace = new TestNamespace(`${PREFIX}${process.pid}-${label}`);
    await run(["ip", "netns", "add", namespace.name]);
    try {
      await namespace.ip("link set lo up", ...lines);
    } catch (error) {
      await namespace.remove();
      throw error;
    }
    return namespace;
  }

  async ip(...lines: string[]): Promise<void> {
    await ipBatch(lines, this.name);
  }

  /** Devices made from now on have no IPv6, so that the kernel sends nothing of its own accord. */
  async quiet(): Promise<void> {
    await this.exec("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1");
  }

  /** Runs a command inside; answers what it printed. */
  async exec(...argv: string[]): Promise<string> {
    return (await run(argv, { prefix: ["ip", "netns", "exec", this.name] })).stdout;
  }

  async remove(): Promise<void> {
    await run(["ip", "netns", "del", this.name], { allowFailure: true });
  }
}

/** Namespaces of test processes that were killed before they could clean up. */
async function removeLeftovers(): Promise<void> {
  for (const name of namespaces()) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1]);
    if (Number.isInteger(pid) && !isRunning(pid))
      await run(["ip", "netns", "del", name], { allowFailure: true });
  }
}

function namespaces(): string[] {
  try {
    return readdirSync("/run/netns");
  } catch {
    return [];
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
