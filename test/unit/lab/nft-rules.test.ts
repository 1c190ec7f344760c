import { describe, expect, it } from "vitest";
import type { FirewallRule, HostDescription, NatDescription } from "../../../tools/lab/description.ts";
import { ingressAcceptRules, ingressDropRules, nftRules } from "../../../tools/lab/nft-rules.ts";
import { planTopology } from "../../../tools/lab/plan-topology.ts";
import { hostPlan } from "../../../tools/lab/topology.ts";

describe("the rules of a NAT", () => {
  it("keep ports where they can as masquerade", () => {
    const rules = natRules({ kind: "masquerade" });
    expect(rules).toContain('oifname { "wan" } meta nfproto ipv4 meta l4proto { tcp, udp } masquerade\n');
    expect(rules).not.toMatch(/random|:61000/);
  });

  it("take random ports, one per internal socket, as random", () => {
    expect(natRules({ kind: "random" })).toContain("{ tcp, udp } masquerade to :61000-65535\n");
  });

  it("take random ports, one per connection, as symmetric", () => {
    expect(natRules({ kind: "symmetric" })).toContain("{ tcp, udp } masquerade fully-random\n");
  });

  it("move to other ports with every rebind", () => {
    expect(natRules({ kind: "masquerade" }, 1)).toContain("masquerade to :61000-61499\n");
    expect(natRules({ kind: "random" }, 2)).toContain("masquerade to :61500-61999\n");
    expect(natRules({ kind: "symmetric" }, 9)).toContain("masquerade to :65000-65499 fully-random\n");
    expect(natRules({ kind: "symmetric" }, 10)).toContain("masquerade to :61000-61499 fully-random\n");
  });

  it("forward ports from outside", () => {
    const forwards: NatDescription["forwards"] = [
      { protocol: "udp", port: 7000, to: "client", toPort: 7 },
      { protocol: "tcp", port: 80, to: "home" },
    ];
    const rules = natRules({ kind: "masquerade", forwards });
    expect(rules).toContain('iifname { "wan" } meta nfproto ipv4 udp dport 7000 dnat ip to 10.0.0.1:7\n');
    expect(rules).toContain('iifname { "wan" } tcp dport 80 accept\n');
    expect(rules).not.toContain("dport 80 dnat");
    expect(rules).not.toContain("fib daddr");
  });

  it("forward ports from inside too with hairpin", () => {
    const rules = natRules({
      kind: "masquerade",
      hairpin: true,
      forwards: [{ protocol: "udp", port: 1, to: "client" }],
    });
    expect(rules).toContain("fib daddr type local meta nfproto ipv4 udp dport 1 dnat ip to 10.0.0.1:1\n");
    expect(rules).toContain('iifname { "lan" } oifname { "lan" } ct status dnat masquerade\n');
  });

  it("replace the ones before as a whole", () => {
    expect(natRules({ kind: "masquerade" })).toMatch(
      /^table inet lab\ndelete table inet lab\ntable inet lab \{\n/,
    );
  });
});

describe("the rules of a firewall", () => {
  it("are none for an ordinary host", () => {
    expect(hostRules({})).toBeUndefined();
  });

  it("drop UDP in every direction but within the host", () => {
    const rules = firewallRules("block-udp");
    expect(rules).toContain('iifname != "lo" meta l4proto udp drop\n');
    expect(rules).toContain('oifname != "lo" meta l4proto udp drop\n');
    expect(rules).toMatch(/chain forwarding \{\n.*\n\s+meta l4proto udp drop\n/);
  });

  it("drop what nobody asked for from outside of a router", () => {
    const rules = firewallRules("block-inbound");
    expect(rules).toContain(
      'ct state established,related accept\n    ct status dnat accept\n    iifname { "wan" } drop',
    );
    expect(rules).not.toContain("icmp,");
  });

  it("drop it at every interface of a host that forwards nothing", () => {
    const rules = hostRules({ firewall: ["block-inbound"] }, "client");
    expect(rules).toMatch(/chain input \{[^}]*nd-neighbor-advert \} accept\n {4}drop\n {2}\}/);
  });
});

describe("the rules that cut a bare link", () => {
  it("can be set and taken away", () => {
    expect(ingressDropRules("l0")).toContain('hook ingress device "l0" priority -500; policy drop;');
    expect(ingressAcceptRules("l0")).toBe("table netdev cut-l0\ndelete table netdev cut-l0\n");
  });
});

function natRules(nat: NatDescription, rebinds = 0): string {
  return hostRules({ nat }, "home", rebinds)!;
}

function firewallRules(rule: FirewallRule): string {
  return hostRules({ router: true, firewall: [rule] })!;
}

function hostRules(host: HostDescription, name = "home", rebinds = 0): string | undefined {
  const topology = planTopology({
    hosts: { client: {}, home: {}, server: {}, [name]: host },
    links: { lan: { between: ["client", "home"] }, wan: { between: ["home", "server"] } },
  });
  return nftRules({ ...hostPlan(topology, name), rebinds }, topology);
}
