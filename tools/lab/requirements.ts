import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Something that the machine lacks: what it is, and what to do. */
export class RequirementError extends Error {
  override readonly name = "RequirementError";
}

const packages: Record<string, string> = {
  chromium: "chromium",
  conntrack: "conntrack",
  curl: "curl",
  ethtool: "ethtool",
  ip: "iproute2",
  iperf3: "iperf3",
  mptcpize: "mptcpize",
  nft: "nftables",
  ping: "iputils-ping",
  squid: "squid",
  sysctl: "procps",
  tc: "iproute2",
};

export function requireRoot(): void {
  if (process.geteuid?.() !== 0) {
    throw new RequirementError("a lab needs root for its network namespaces: run the command with sudo");
  }
}

export function requireTools(...tools: string[]): void {
  for (const tool of tools) {
    if (!isInPath(tool)) {
      throw new RequirementError(`${tool} is not installed: install the package ${packages[tool] ?? tool}`);
    }
  }
}

const kernelLacks: readonly { symptom: RegExp; advice: string }[] = [
  {
    symptom: /Unknown device type/,
    advice: "the kernel has no veth devices: load the module veth, or use a kernel with CONFIG_VETH",
  },
  {
    symptom:
      /mount --make-shared .* failed|Failed to create a new network namespace|setting the network namespace/,
    advice:
      "network namespaces are not permitted here: run as root of the machine, or in a container with CAP_SYS_ADMIN",
  },
  {
    symptom:
      /Could not process rule: (Operation not supported|No such file or directory|Protocol not supported)/,
    advice:
      "the kernel lacks a part of nftables that the lab needs: CONFIG_NFT_MASQ, _NFT_NAT, _NFT_CT and _NETDEV",
  },
  {
    symptom: /\/net\/ipv6\/conf\/all\/forwarding: No such file/,
    advice: "the kernel has no IPv6: boot it without ipv6.disable=1",
  },
];

/** Turns the failure of a command into what the kernel lacks, where the message tells. */
export function kernelRequirement(error: unknown): unknown {
  const message = error instanceof Error ? error.message : "";
  const lack = kernelLacks.find(({ symptom }) => symptom.test(message));
  return lack === undefined ? error : new RequirementError(`${lack.advice} (${message})`, { cause: error });
}

export function isInPath(tool: string): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
