import { describe, expect, it } from "vitest";
import { ConfigError, parseConfig, readConfig } from "../../../src/config/parse.ts";
import { formatPrefix } from "../../../src/config/values.ts";

const SMALLEST = `
tun:
  address: 10.77.0.1/24
peers:
  - name: office
    endpoints: 203.0.113.5
    routes: 10.77.0.2/32
`;

function problems(text: string): readonly string[] {
  try {
    parseConfig(text, "f.yaml");
  } catch (error) {
    if (error instanceof ConfigError) return error.lines;
    throw error;
  }
  return [];
}

/** What is wrong with a file that is sound but for these lines, without the position. */
function problem(...lines: string[]): string {
  return problems(`${SMALLEST}${lines.join("\n")}\n`)
    .map((line) => line.replace(/^f\.yaml:\d+: /, ""))
    .join(" | ");
}

describe("a configuration file", () => {
  it("needs an address and a peer, and has defaults for the rest", () => {
    const config = parseConfig(SMALLEST, "f.yaml");
    expect(config).toMatchObject({
      port: 7000,
      tun: { name: "mpip0", mtu: "auto" },
      rules: [],
      forward: false,
      exit: false,
      dns: [],
      log: "info",
      offloads: { checksum: true, tso: true, uso: true, gso: true, gro: true, ring: true },
    });
    expect(config.name).toBeUndefined();
    expect(config.interfaces).toBeUndefined();
    expect(config.tun.address.map(formatPrefix)).toEqual(["10.77.0.1/24"]);
    expect(config.peers[0]!.endpoints).toEqual([{ host: "203.0.113.5", port: undefined }]);
  });

  it("takes a line by its name alone, or with what is to be done with it", () => {
    const { interfaces } = parseConfig(
      `${SMALLEST}
interfaces:
  - eth0
  - { name: 192.0.2.7, policy: backup, rateMbit: 8 }
  - name: "wwan*"
    policy: metered
    rateMbit: { receive: 20 }
    quota: { bytes: 1.5 GiB, resetDay: 15, usedUp: off }
`,
      "f.yaml",
    );
    const unlimited = { sendBytesPerS: Infinity, receiveBytesPerS: Infinity };
    expect(interfaces).toEqual([
      { name: { pattern: "eth0" }, policy: "normal", rateMbit: unlimited },
      {
        name: { address: expect.any(Int32Array) },
        policy: "backup",
        rateMbit: { sendBytesPerS: 1e6, receiveBytesPerS: 1e6 },
      },
      {
        name: { pattern: "wwan*" },
        policy: "metered",
        rateMbit: { ...unlimited, receiveBytesPerS: 2.5e6 },
        quota: { bytes: 1.5 * 2 ** 30, every: "month", resetDay: 15, usedUp: "off" },
      },
    ]);
    expect(parseConfig(`${SMALLEST}interfaces: eth1\n`, "f.yaml").interfaces).toHaveLength(1);
  });

  it("gives rules to the core as it takes them", () => {
    const { rules } = parseConfig(
      `${SMALLEST}
rules:
  - { port: [22, 5000-5100], protocol: TCP, priority: responsiveness }
  - name: calls
    dscp: [ef, 10]
    sizeFrom: 100
    sizeBelow: 300
    mode: protected-path
  - { destination: 2001:db8::/32, mode: selected-paths, interfaces: eth0, lossBelow: 0.02, strict: true }
  - { withoutData: true, mode: single-path, path: wwan0, dwellMs: 100 }
  - { mode: all-paths, reorder: on, repair: off }
`,
      "f.yaml",
    );
    expect(rules).toEqual([
      {
        name: "rule-1",
        ports: [
          { from: 22, to: 22 },
          { from: 5000, to: 5100 },
        ],
        protocols: ["tcp"],
        route: "responsiveness",
      },
      {
        name: "calls",
        dscps: [46, 10],
        sizeFrom: 100,
        sizeBelow: 300,
        route: { mode: "protected-path", copies: 2 },
      },
      {
        name: "rule-3",
        destinations: [expect.objectContaining({ family: 6, bits: 32 })],
        route: { mode: "selected-paths", interfaces: ["eth0"], lossBelow: 0.02, strict: true },
      },
      { name: "rule-4", withoutData: true, route: { mode: "single-path", path: "wwan0", dwellMs: 100 } },
      { name: "rule-5", route: { mode: "all-paths" }, reorder: "on", repair: "off" },
    ]);
  });

  it("is told all its mistakes at once, in the order of its lines", () => {
    const text = `name: a b
port: 99999
tun:
  adress: 10.77.0.1/24
peers:
  - name: office
    endpoints: ["1.2.3", "[::1]:x"]
    routes: [10.77.0.2/24, 10.77.0.3]
  - name: office
    routes: 10.77.0.3/32
    node: 01
rules:
  - prot: tcp
  - priority: fast
    copies: 3
log: loud
`;
    expect(problems(text)).toEqual([
      'f.yaml:1: name: "a b" is no name; write 1 to 63 ASCII characters without spaces',
      "f.yaml:2: port: 99999 is no port; write a whole number from 1 to 65535",
      "f.yaml:3: tun.address: is missing; add it",
      "f.yaml:4: tun.adress: is not known; see docs/configuration.md",
      'f.yaml:7: peers[0].endpoints[0]: "1.2.3" is no endpoint; write an address or a host name, with a port or without, like "203.0.113.5:7000"',
      'f.yaml:7: peers[0].endpoints[1]: "x" is no port; write a whole number from 1 to 65535',
      'f.yaml:8: peers[0].routes[0]: "10.77.0.2/24" has bits set behind /24; write 10.77.0.0/24',
      "f.yaml:9: peers[1].name: another peer is called office; use another name",
      "f.yaml:10: peers[1].routes: 10.77.0.3/32 is behind the peer office already; take it out of one of the two",
      'f.yaml:11: peers[1].node: 1 is no node ID; write twelve hexadecimal digits, like "02:00:00:00:00:01"',
      "f.yaml:13: rules[0].prot: is not known; see docs/configuration.md",
      "f.yaml:13: rules[0]: does not say what to do; add priority or mode",
      'f.yaml:14: rules[1].priority: "fast" is not known; write one of throughput, responsiveness',
      "f.yaml:15: rules[1].copies: belongs to the mode protected-path; add mode: protected-path or take it out",
      'f.yaml:16: log: "loud" is not known; write one of debug, info, warn, error',
    ]);
  });

  it("is told when it is no YAML, empty, or something else altogether", () => {
    expect(problems("tun: [}\n")[0]).toMatch(/^f\.yaml:1: .*; correct the YAML$/);
    expect(problems(`${SMALLEST}---\nport: 7001\n`)).toEqual([
      "f.yaml:8: --- begins another document, and a file has one; take that line out",
    ]);
    expect(problems("")).toEqual(["f.yaml:1: tun.address: is missing; add it"]);
    expect(problems("- a\n")).toEqual(['f.yaml:1: ["a"] is not a mapping of keys; write one']);
    expect(problem("rules: x")).toBe('rules: "x" is not a list; write one');
    expect(problem("rules: [3]")).toBe("rules[0]: 3 is not a mapping of keys; write one");
    expect(problem("port:")).toBe("");
    expect(problem("port: 1", "port: 2")).toBe("port: stands twice; take one of them out");
    expect(() => readConfig("/nowhere/f.yaml")).toThrow(
      "/nowhere/f.yaml: cannot be read: there is no such file; name one with -c",
    );
  });

  it("may name things once and use them often, but what is named must be there and have an end", () => {
    expect(problem("interfaces:", "  - eth0", "  - *wan")).toBe(
      '*wan stands for nothing; write "*wan" in quotes',
    );
    expect(problems("a: 1\ninterfaces: [*wan]\n")).toEqual([
      'f.yaml:2: *wan stands for nothing; write "*wan" in quotes',
    ]);
    expect(problem("rules: &all", "  - *all")).toBe("*all is part of itself; write it out");
    const rules = (count: number) =>
      Array.from({ length: count }, (_, i) => `  - { port: ${i + 1}, mode: *m }`);
    const named = ["rules:", "  - { port: 999, mode: &m all-paths }"];
    expect(problem(...named, ...rules(150))).toBe("");
    const tenfold = (name: string, of: string) => `x${name}: &${name} [${Array(10).fill(of).join(", ")}]`;
    const many = [
      tenfold("a", "1"),
      tenfold("b", "*a"),
      tenfold("c", "*b"),
      tenfold("d", "*c"),
      tenfold("e", "*d"),
      tenfold("f", "*e"),
    ];
    expect(problems(`${many.join("\n")}\n`)).toEqual([
      "f.yaml: aliases stand for more than 10000 values; write some of them out",
    ]);
  });

  it.each([
    ["node: 020000000001", "20000000001 is no node ID"],
    ['node: "00:00:00:00:00:00"', "no node has the ID 0"],
    ["port: 0", "0 is no port"],
    ["interfaces: []", "the list is empty"],
    ['interfaces: ["a/b"]', '"a/b" is no interface'],
    ["interfaces: [eth0, { name: eth1, polic: backup }]", "interfaces[1].polic: is not known"],
    ["interfaces: { policy: backup }", "interfaces.name: is missing; add it"],
    [
      "interfaces: [{ name: eth0, policy: spare }]",
      '"spare" is not known; write one of normal, backup, metered',
    ],
    ["interfaces: [{ name: eth0, rateMbit: 0 }]", "interfaces[0].rateMbit: 0 is out of range"],
    [
      "interfaces: [{ name: eth0, rateMbit: { up: 1 } }]",
      "is no rate; write a number, or { send: 5, receive: 20 }",
    ],
    [
      "interfaces: [{ name: eth0, quota: { bytes: 10 } }]",
      "10 is no amount of data; write a number and a unit",
    ],
    ["interfaces: [{ name: eth0, quota: { bytes: 5 kiB, resetDay: 32 } }]", "32 is no day of the month"],
    [
      "interfaces: { name: eth0, quota: { bytes: 1 GB, every: day, resetDay: 2 } }",
      "interfaces.quota.resetDay: a quota of every day has no day of the month",
    ],
    ["forward: 1", "1 is neither true nor false"],
    ["offloads: { tso: maybe }", '"maybe" is neither true nor false'],
    ["offloads: { tsoo: true }", "offloads.tsoo: is not known"],
    ["dns: [10.77.0.1, dns.example]", '"dns.example" is no address; write the IP address of a name server'],
    ["rules: [{ priority: throughput, port: 9-3 }]", '"9-3" ends before it begins; write 3-9'],
    ["rules: [{ priority: throughput, protocol: foo }]", '"foo" is no protocol'],
    ["rules: [{ priority: throughput, dscp: 64 }]", "64 is no DSCP"],
    ["rules: [{ priority: throughput, destination: 10.0.0.0/33 }]", "has no prefix length from 0 to 32"],
    ["rules: [{ priority: throughput, destination: host }]", '"host" is no IP prefix'],
    ["rules: [{ priority: throughput, mode: all-paths }]", "a rule has a priority or a mode"],
    ["rules: [{ priority: throughput, sizeFrom: 9, sizeBelow: 9 }]", "no size is from 9 on and below 9"],
    ["rules: [{ priority: throughput, withoutData: true, protocol: udp }]", "is about TCP"],
    [
      "rules: [{ mode: selected-paths, lossBelow: 0, strict: true }]",
      "0 is out of range; write a number above 0",
    ],
    ["rules: [{ mode: selected-paths, delayBelowMs: 0 }]", "0 is out of range; write a number above 0"],
    ["rules: [{ priority: throughput, sizeFrom: .inf }]", "Infinity is no size in bytes"],
    [
      "rules: [{ name: a, priority: throughput }, { name: a, priority: throughput }]",
      "rules[1].name: rules[0] is called a, too; use another name",
    ],
    [
      "rules: [{ name: rule-2, priority: throughput }, { priority: throughput }]",
      "rules[0].name: rules[1] is called rule-2, too; use another name",
    ],
    ["algorithm1: { step: 5 }", "is about the paper's scheduler; add scheduler: paper or take it out"],
    ["scheduler: paper\nalgorithm1: { weightMax: 5, weightMin: 7 }", "no weight is from 7 to 5"],
    ["scheduler: paper\nalgorithm1: { weightMin: 1001 }", "no weight is from 1001 to 1000"],
    ["scheduler: paper\nalgorithm1: { intervalMs: 0 }", "0 is no interval in ms"],
    ["wire: 25", "25"],
    [
      "wire: paper\nrules: [{ priority: throughput, repair: on }]",
      "needs the numbers that wire: paper leaves out",
    ],
    ["wire: paper\nrules: [{ mode: selected-paths, lossBelow: 0.1 }]", "needs the numbers that wire: paper"],
    ["rules: [{ priority: throughput, dscp: ef, reorder: on }]", "goes for whole sessions; take dscp out"],
    [
      "rules: [{ priority: throughput, sizeBelow: 300, repair: on }]",
      "goes for whole sessions; take sizeBelow out",
    ],
    ["rules: [{ priority: throughput, protocol: gre, port: 22 }]", "is about TCP and UDP; add one of them"],
    ["rules: [{ mode: protected-path, repair: on }]", "is not for copies"],
    ["rules: [{ mode: selected-paths, interfaces: [eth0/1] }]", "is no interface; write a name or a pattern"],
    ["rules: [{ mode: selected-paths, copies: 2 }]", "belongs to the mode protected-path"],
    ["rules: [{ mode: selected-paths, lossBelow: 2 }]", "2 is out of range; write a number above 0, up to 1"],
    [
      `rules: [{ priority: throughput, port: [${Array.from({ length: 40 }, (_, i) => i + 1)}], dscp: [${Array.from({ length: 40 }, (_, i) => i)}] }]`,
      "more than 1024 combinations",
    ],
  ])("does not say %s", (line, message) => {
    const told = problem(line);
    expect(told).toContain(message);
    expect(told).toContain("; ");
    // One mistake, one line.
    expect(told).not.toContain(" | ");
  });

  it.each([
    [
      "10.77.0.0/24",
      'tun.address: "10.77.0.0/24" is the address of the network itself; write one of this node',
    ],
    ['"fd77::/64"', "is the address of the network itself"],
    [
      "10.77.0.255/24",
      'tun.address: "10.77.0.255/24" is the broadcast address of its network; write one of this node',
    ],
    ["[10.77.0.1/24, 224.0.0.1/24]", 'tun.address[1]: "224.0.0.1/24" is no address that a host can have'],
    ["127.0.0.1/8", "is no address that a host can have"],
    ["0.0.0.0/0", "is no address that a host can have"],
    ["255.255.255.255/32", "is no address that a host can have"],
    ['"::1/128"', "is no address that a host can have"],
    ['"ff02::1/64"', "is no address that a host can have"],
    [
      "[10.77.0.1/24, 10.78.0.1/24, 10.77.0.1/32]",
      "tun.address[2]: 10.77.0.1 stands twice; take one of them out",
    ],
  ])("has no address %s", (address, message) => {
    const told = problems(`tun: { address: ${address} }\n`);
    expect(told).toEqual([expect.stringContaining(message)]);
  });

  it.each([
    ["-x", 'tun.name: "-x" begins with "-" and would be taken for an option; write another name'],
    ["..", 'tun.name: ".." is no device name'],
    ["a/b", 'tun.name: "a/b" is no device name'],
  ])("has no device %s", (name, message) => {
    const told = problems(`tun: { name: "${name}", address: 10.77.0.1/24 }\n`);
    expect(told).toEqual([expect.stringContaining(message)]);
  });

  it("has the first address of a prefix in which that is no network's", () => {
    expect(problems('tun: { address: [10.77.0.0/31, 10.78.0.0/32, "fd77::/127"] }\n')).toEqual([]);
  });

  it.each([
    ["name: x\n    routes: 10.9.0.1", "nothing says how to know or to reach it"],
    ["name: x\n    endpoints: a.b\n    routes: 10.77.0.1", "is our own address on the TUN device"],
    ['name: x\n    endpoints: "300.1.1.1"\n    routes: 10.9.0.1', "is no endpoint"],
    ['name: x\n    endpoints: "a:0"\n    routes: 10.9.0.1', "0 is no port"],
    ["name: x\n    endpoints: a.b", "routes: is missing"],
  ])("has no peer with %s", (peer, message) => {
    expect(problems(`tun: { address: 10.77.0.1/24 }\npeers:\n  - ${peer}\n`).join()).toContain(message);
  });

  it("has one node for each node ID", () => {
    const peer = (name: string) => `  - { name: ${name}, node: "02-00-00-00-00-01", routes: [] }\n`;
    const told = problems(
      `node: "020000000001"\ntun: { address: 10.77.0.1/24 }\npeers:\n${peer("a")}${peer("b")}`,
    );
    expect(told.filter((line) => line.includes("has this node ID too"))).toEqual([
      "f.yaml:4: peers[0].node: this node has this node ID too; each node has its own",
      "f.yaml:5: peers[1].node: this node has this node ID too; each node has its own",
    ]);
  });
});

describe("an MTU with which the kernel has no IPv6", () => {
  const lines = (...more: string[]) => problems(["tun:", "  mtu: 1279", ...more].join("\n"));
  const advice = "write at least 1280, or auto";

  it("is refused where there may be some", () => {
    expect(lines('  address: [10.77.0.1/24, "fd77::1/64"]')).toEqual([
      `f.yaml:2: tun.mtu: 1279 is too small for IPv6, which fd77::1/64 needs; ${advice}`,
    ]);
    expect(
      lines("  address: 10.77.0.1", 'peers: [{ name: b, endpoints: 192.0.2.1, routes: "::/0" }]'),
    ).toEqual([`f.yaml:2: tun.mtu: 1279 is too small for IPv6, which ::/0 needs; ${advice}`]);
    expect(lines("realAddresses: true")).toEqual([
      `f.yaml:2: tun.mtu: 1279 is too small for IPv6, which realAddresses may carry; ${advice}`,
    ]);
  });

  it("is as good as any other where there is none, and 1280 is enough", () => {
    expect(lines("  address: 10.77.0.1/24")).toEqual([]);
    expect(problems('tun: { mtu: 1280, address: "fd77::1/64" }')).toEqual([]);
  });
});
