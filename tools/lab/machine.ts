import { execFileSync } from "node:child_process";
import { cpus, release } from "node:os";
import { packageRoot } from "../../src/cli/package.ts";

/** What a measurement ran on, for its report. */
export interface Machine {
  cpu: string;
  kernel: string;
  node: string;
  commit: string;
}

export function machine(): Machine {
  const processors = cpus();
  return {
    cpu: `${processors.length} × ${processors[0]?.model ?? "unknown"}`,
    kernel: release(),
    node: process.version,
    commit: commit(),
  };
}

function commit(): string {
  try {
    const args = ["-C", packageRoot(), "describe", "--always", "--dirty"];
    return execFileSync("git", args, { encoding: "utf8", stdio: "pipe" }).trim();
  } catch {
    return "unknown";
  }
}
