import type { HostAddress } from "../daemon/interfaces.ts";
import { run } from "../host/run.ts";
import { SOCKET_MARK } from "../host/state.ts";
import { bad, type Finding, ok, warn } from "./finding.ts";
import { readIfThere } from "./host.ts";
import { type Fate, Ruleset, type Walker } from "./nft-walk.ts";

/** What of the configuration decides which packets must come through. */
export interface Wanted {
  readonly tun: string;
  readonly port: number;
  /** Devices between which and the tunnel the host forwards. */
  readonly forwardDevices: readonly string[];
  /** Whether a peer has no endpoints, so that it is its packets that come first. */
  readonly isCalled: boolean;
  /** Ports of the peers. */
  readonly ports: readonly number[];
}

/** Does the host's firewall let through what is ours? */
export async function firewallFindings(lines: readonly HostAddress[], wanted: Wanted): Promise<Finding[]> {
  const { code, stdout, stderr } = await run("nft", ["-j", "list", "ruleset"]);
  if (code !== 0) {
    const why = stderr.trim().split("\n")[0];
    return [warn("firewall", `the rules cannot be read: ${why}`, "look at them yourself: nft list ruleset")];
  }
  const rules = new Ruleset(stdout);
  const { forwardDevices, tun } = wanted;
  const findings = lines.flatMap((line) => lineFindings(rules, line, wanted));
  if (forwardDevices.length > 0) findings.push(...forwardFindings(rules, forwardDevices, tun));
  const legacy = readIfThere("/proc/net/ip_tables_names");
  if (legacy !== undefined && legacy !== "") {
    findings.push(
      warn(
        "firewall",
        "there are rules of iptables-legacy, which are not looked at here",
        `iptables-legacy-save shows them; let UDP port ${wanted.port} through`,
      ),
    );
  }
  return findings;
}

/** A packet of ours, and what is said where it is dropped. */
interface Trial {
  readonly packet: Walker;
  readonly what: string;
  readonly advice: string;
  /** How bad it is where it does not come through. */
  readonly finding: (check: "firewall", text: string, advice: string) => Finding;
}

function lineFindings(rules: Ruleset, { device, family }: HostAddress, wanted: Wanted): Finding[] {
  const findings = failures(rules, device, lineTrials(device, family, wanted));
  if (findings.length > 0) return findings;
  return [ok("firewall", `${device}: IPv${family} packets of ours are let through, in and out`)];
}

function forwardFindings(rules: Ruleset, devices: readonly string[], tun: string): Finding[] {
  const findings = devices.flatMap((device) => failures(rules, device, forwardTrials(device, tun)));
  if (findings.length > 0) return findings;
  return [ok("firewall", `forwarded packets are let through, out of ${tun} and into it`)];
}

function failures(rules: Ruleset, device: string, trials: readonly Trial[]): Finding[] {
  return trials.flatMap(({ packet, what, advice, finding }): Finding[] => {
    const { verdict, by }: Fate = rules.fate(packet);
    if (verdict === "accept") return [];
    if (verdict === "drop") return [finding("firewall", `${device}: ${what} are dropped by ${by}`, advice)];
    const text = `${device}: it cannot be told whether ${what} are dropped by ${by}`;
    return [warn("firewall", text, `if so: ${advice}`)];
  });
}

function lineTrials(device: string, family: 4 | 6, { port, ports, isCalled }: Wanted): Trial[] {
  const udp = { family, protocol: "udp" } as const;
  const inward = { ...udp, hook: "input", iifname: device, dport: port } as const;
  const letIn = `let them in: nft add rule inet TABLE CHAIN iifname ${device} udp dport ${port} accept`;
  return [
    {
      packet: { ...inward, state: "established" },
      what: "answers of the peers",
      advice: letIn,
      finding: bad,
    },
    {
      packet: { ...inward, state: "new" },
      what: `packets to UDP port ${port} that no packet of ours came before`,
      advice: letIn,
      finding: isCalled ? bad : warn,
    },
    ...[...new Set(ports)].map((dport): Trial => {
      const outward = { ...udp, hook: "output", state: "new", oifname: device, sport: port, dport } as const;
      return {
        packet: { ...outward, mark: SOCKET_MARK },
        what: `packets to UDP port ${dport} of the peers`,
        advice: `let them out: nft add rule inet TABLE CHAIN oifname ${device} udp dport ${dport} accept`,
        finding: bad,
      };
    }),
  ];
}

/** Of what is forwarded, the family makes no difference that people make rules for. */
function forwardTrials(device: string, tun: string): Trial[] {
  const forward = { family: 4, protocol: "tcp", hook: "forward" } as const;
  const advice = `let them through: nft insert rule ip TABLE CHAIN iifname ${tun} accept, and the same with oifname`;
  return [
    {
      packet: { ...forward, state: "new", iifname: tun, oifname: device },
      what: `forwarded packets out of ${tun}`,
      advice,
      finding: bad,
    },
    {
      packet: { ...forward, state: "established", iifname: device, oifname: tun },
      what: `forwarded packets into ${tun}`,
      advice,
      finding: bad,
    },
  ];
}
