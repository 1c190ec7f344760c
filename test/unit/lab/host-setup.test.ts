import { describe, expect, it } from "vitest";
import type { Description } from "../../../tools/lab/description.ts";
import {
  hostCommands,
  interfaceCommands,
  readdressCommands,
  splitSysctls,
} from "../../../tools/lab/host-setup.ts";
import { planTopology } from "../../../tools/lab/plan-topology.ts";
import { hostPlan, interfacePlan, moveAddress } from "../../../tools/lab/topology.ts";

const description: Description = {
  hosts: {
    client: { policyRouting: true, sysctls: { "net.ipv4.conf.usb.rp_filter": 1, "net.ipv4.tcp_ecn": 1 } },
    home: { nat: { kind: "masquerade", udpTimeoutS: 5 } },
    server: {},
  },
  links: { usb: { between: ["client", "home"] }, up: { between: ["home", "server"], subnet6: "none" } },
};

describe("the ip commands of a host", () => {
  it("bring up its interfaces, addresses and routes", () => {
    expect(hostCommands(hostPlan(planTopology(description), "server"))).toEqual([
      "link set lo up",
      "link set up up",
      "address replace 10.1.0.2/24 dev up",
    ]);
  });

  it("give every interface a table of its own with policy routing", () => {
    const client = hostPlan(planTopology(description), "client");
    const interfaceLines = [
      "link set usb up",
      "address replace 10.0.0.1/24 dev usb",
      "address replace fd00::1/64 dev usb nodad",
      "route replace 0.0.0.0/0 via 10.0.0.2 dev usb metric 100",
      "route replace ::/0 via fd00::2 dev usb metric 100",
      "route replace 10.0.0.0/24 dev usb table 100",
      "route replace fd00::/64 dev usb table 100",
      "route replace 0.0.0.0/0 via 10.0.0.2 dev usb table 100",
      "route replace ::/0 via fd00::2 dev usb table 100",
    ];
    expect(interfaceCommands(client, client.interfaces[0]!)).toEqual(interfaceLines);
    expect(hostCommands(client)).toEqual([
      "link set lo up",
      ...interfaceLines,
      "rule add preference 1000 from 10.0.0.1 table 100",
      "-6 rule add preference 1000 from fd00::1 table 100",
    ]);
  });

  it("replace an address so that one is always there", () => {
    const topology = planTopology(description);
    const old = moveAddress(topology, "client", "usb", "10.0.0.9");
    const client = hostPlan(topology, "client");
    const plan = interfacePlan(client, "usb");
    const commands = readdressCommands(client, plan, plan.addresses[0]!, old);
    expect(commands.slice(0, 2)).toEqual([
      "address replace 10.0.0.9/24 dev usb",
      "address delete 10.0.0.1/24 dev usb",
    ]);
    expect(commands.slice(-2)).toEqual([
      "rule delete preference 1000 from 10.0.0.1 table 100",
      "rule add preference 1000 from 10.0.0.9 table 100",
    ]);
  });
});

describe("the sysctls of a host", () => {
  it("wait for what they belong to", () => {
    const topology = planTopology(description);
    expect(splitSysctls(hostPlan(topology, "client")).late).toEqual(["net.ipv4.conf.usb.rp_filter=1"]);
    expect(splitSysctls(hostPlan(topology, "client")).early).toContain("net.ipv4.tcp_ecn=1");
    expect(splitSysctls(hostPlan(topology, "home")).late).toEqual([
      "net.netfilter.nf_conntrack_udp_timeout=5",
      "net.netfilter.nf_conntrack_udp_timeout_stream=5",
    ]);
  });

  it("begin with forwarding, which resets others", () => {
    expect(splitSysctls(hostPlan(planTopology(description), "home")).early[0]).toBe("net.ipv4.ip_forward=1");
  });
});
