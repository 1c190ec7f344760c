import { describe, expect, it } from "vitest";
import { checkedDescription, type Description } from "../../../tools/lab/description.ts";
import { planTopology } from "../../../tools/lab/plan-topology.ts";
import { hostPlan, linkPlan, moveAddress, outsideLinks, type Topology } from "../../../tools/lab/topology.ts";

const twoLinks = plan({
  hosts: { a: {}, b: null },
  links: { l0: { between: ["a", "b"], rateMbit: 40 }, l1: { between: ["b", "a"] } },
});

describe("automatic addresses", () => {
  it("follow the position of the link and of the host in it", () => {
    expect(addresses(twoLinks, "a", "l0")).toEqual(["10.0.0.1", "fd00::1"]);
    expect(addresses(twoLinks, "b", "l0")).toEqual(["10.0.0.2", "fd00::2"]);
    expect(addresses(twoLinks, "b", "l1")).toEqual(["10.1.0.1", "fd00:1::1"]);
    expect(addresses(twoLinks, "a", "l1")).toEqual(["10.1.0.2", "fd00:1::2"]);
  });

  it("are taken from the given subnets", () => {
    const topology = plan({
      hosts: { a: {}, b: {} },
      links: { l0: { between: ["a", "b"], subnet4: "192.168.9.0/28", subnet6: "none" } },
    });
    expect(addresses(topology, "b", "l0")).toEqual(["192.168.9.2"]);
    expect(linkPlan(topology, "l0").subnets).toEqual([{ family: 4, subnet: "192.168.9.0/28" }]);
  });

  it("make room for given ones", () => {
    const topology = plan({
      hosts: { a: {}, b: {} },
      links: { l0: { between: ["a", "b"], addresses: { b: ["10.0.0.1", "10.0.0.3", "fd00::9"] } } },
    });
    expect(addresses(topology, "a", "l0")).toEqual(["10.0.0.4", "fd00::1"]);
    expect(addresses(topology, "b", "l0")).toEqual(["10.0.0.1", "10.0.0.3", "fd00::9"]);
  });
});

describe("lines", () => {
  it("are emulated when anything is said about them", () => {
    expect(linkPlan(twoLinks, "l0")).toMatchObject({
      emulated: true,
      mtu: 1500,
      line: { ab: { rateMbit: 40 } },
    });
    expect(linkPlan(twoLinks, "l1")).toMatchObject({ emulated: false, line: { ab: {}, ba: {} } });
  });

  it("may differ by direction", () => {
    const links = {
      l0: { between: ["a", "b"] as [string, string], rateMbit: 40, queueKb: 9, ba: { queueMs: 5 } },
    };
    const { line } = linkPlan(plan({ hosts: { a: {}, b: {} }, links }), "l0");
    expect(line).toEqual({ ab: { rateMbit: 40, queueKb: 9 }, ba: { rateMbit: 40, queueMs: 5 } });
  });
});

describe("routes", () => {
  // laptop - gateway = (home NAT | field router) = core - server
  const gatewayed = plan({
    hosts: {
      laptop: {},
      gateway: { router: true },
      home: { nat: { kind: "masquerade" } },
      field: { router: true },
      core: { router: true },
      server: {},
    },
    links: {
      lan: { between: ["laptop", "gateway"] },
      wan1: { between: ["gateway", "home"] },
      wan2: { between: ["gateway", "field"] },
      up1: { between: ["home", "core"] },
      up2: { between: ["field", "core"] },
      front: { between: ["server", "core"] },
    },
  });

  it("lead outside by default, over every link to a host that forwards, the first one preferred", () => {
    expect(routes(twoLinks, "a")).toEqual([]);
    expect(routes(gatewayed, "laptop")).toEqual([
      "0.0.0.0/0 via 10.0.0.2 dev lan metric 100",
      "::/0 via fd00::2 dev lan metric 100",
    ]);
    expect(routes(gatewayed, "gateway")).toEqual([
      "0.0.0.0/0 via 10.1.0.2 dev wan1 metric 100",
      "0.0.0.0/0 via 10.2.0.2 dev wan2 metric 200",
      "::/0 via fd00:1::2 dev wan1 metric 100",
      "::/0 via fd00:2::2 dev wan2 metric 200",
    ]);
  });

  it("lead back inside, but for IPv4 not through a NAT", () => {
    expect(routes(gatewayed, "home")).toContain("10.0.0.0/24 via 10.1.0.1 dev wan1 metric 100");
    const core = routes(gatewayed, "core");
    expect(core).toEqual([
      "10.2.0.0/24 via 10.4.0.1 dev up2 metric 100",
      "10.0.0.0/24 via 10.4.0.1 dev up2 metric 100",
      "fd00:1::/64 via fd00:3::1 dev up1 metric 100",
      "fd00::/64 via fd00:3::1 dev up1 metric 100",
      "fd00:2::/64 via fd00:4::1 dev up2 metric 100",
    ]);
  });

  it("can be chosen", () => {
    const description: Description = {
      hosts: { a: { defaultVia: ["l1"] }, b: {}, c: { defaultVia: [] }, r: { router: true } },
      links: {
        l0: { between: ["a", "b"] },
        l1: { between: ["b", "a"] },
        l2: { between: ["c", "r"] },
        l3: { between: ["a", "r"], subnet6: "none" },
      },
    };
    expect(routes(plan(description), "a")).toEqual([
      "0.0.0.0/0 via 10.1.0.1 dev l1 metric 100",
      "::/0 via fd00:1::1 dev l1 metric 100",
    ]);
    expect(routes(plan(description), "c")).toEqual([]);
  });
});

describe("a host", () => {
  it("forwards as a router or NAT, and counts its outside links by coming first", () => {
    const topology = plan({
      hosts: {
        a: {},
        n: { nat: { kind: "random", udpTimeoutS: 7 }, sysctls: { "net.ipv4.ip_forward": 0 } },
        r: { router: true },
      },
      links: { inside: { between: ["a", "n"] }, outside: { between: ["n", "r"] } },
    });
    expect(topology.hosts.map(({ forwards }) => forwards)).toEqual([false, true, true]);
    expect(outsideLinks(hostPlan(topology, "n"))).toEqual(["outside"]);
    expect(hostPlan(topology, "r").sysctls["net.ipv4.ip_forward"]).toBe("1");
    expect(hostPlan(topology, "n").sysctls).toMatchObject({
      "net.ipv4.ip_forward": "0",
      "net.netfilter.nf_conntrack_udp_timeout_stream": "7",
    });
  });

  it("can move to another address, and the routes over it follow", () => {
    const topology = plan({
      hosts: { a: {}, r: { router: true } },
      links: { l0: { between: ["a", "r"] } },
    });
    expect(moveAddress(topology, "r", "l0", "10.0.0.77")).toBe("10.0.0.2");
    expect(routes(topology, "a")).toContain("0.0.0.0/0 via 10.0.0.77 dev l0 metric 100");
    expect(() => moveAddress(topology, "r", "l0", "10.0.0")).toThrow("10.0.0 is not an IP address");
    expect(() => moveAddress(topology, "r", "l7", "10.0.0.1")).toThrow(
      "host r has no link l7; its links: l0",
    );
  });
});

function plan(description: Description): Topology {
  return planTopology(checkedDescription(description));
}

function addresses(topology: Topology, host: string, link: string): string[] {
  const plans = hostPlan(topology, host).interfaces.filter((candidate) => candidate.link === link);
  return plans.flatMap((candidate) => candidate.addresses.map(({ address }) => address));
}

function routes(topology: Topology, host: string): string[] {
  const planned = hostPlan(topology, host).routes;
  return planned.map(({ to, via, link, metric }) => `${to} via ${via} dev ${link} metric ${metric}`);
}
