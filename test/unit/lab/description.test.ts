import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { checkedDescription, checkedLine, DescriptionError } from "../../../tools/lab/description.ts";
import { parseDescription, readDescription } from "../../../tools/lab/description-file.ts";

describe("a description in a file", () => {
  it.each(readdirSync("tools/lab/examples"))("%s is sound", (name) => {
    expect(readDescription(`tools/lab/examples/${name}`).hosts).toHaveProperty("client");
  });

  it("has every problem reported at once, in the order of the file, with line and key", () => {
    const problems = problemsOf(`
hosts:
  client: { nta: { kind: symmetric } }
  home:
    nat: { kind: cone, udpTimeoutS: 0 }
    firewall: [block-udp, block-all]
    sysctls: { kernel.hostname: x }
  Server:
links:
  l0: { between: [client, sever], rateMbit: fast }
  l1: { between: [client, home], lossPercent: 200, queueKb: 10, queueMs: 10, reorderPercent: 1 }
  a-name-that-is-too-long: { between: [client] }
  lo: { between: [client, client] }
  l2: [client, home]
  l3: { between: [client, nobody], subnet4: 10.9.0.1/24 }
speed: 3
`);
    expect(problems).toEqual([
      "net.yaml:3: hosts.client.nta: unknown key; allowed: router, nat, firewall, defaultVia, policyRouting, sysctls",
      'net.yaml:5: hosts.home.nat.kind: must be masquerade, random or symmetric, not "cone"',
      "net.yaml:5: hosts.home.nat.udpTimeoutS: must be a whole number from 1 to 86400, not 0",
      'net.yaml:6: hosts.home.firewall[1]: must be block-udp or block-inbound, not "block-all"',
      "net.yaml:7: hosts.home.sysctls.kernel.hostname: a name must be a key that starts with net.",
      "net.yaml:8: hosts.Server: a name must be at most 31 of a-z, 0-9 and -, starting with a letter",
      'net.yaml:10: links.l0.rateMbit: must be a number from 0.001 to 100000, not "fast"',
      "net.yaml:11: links.l1.lossPercent: must be a number from 0 to 100, not 200",
      "net.yaml:11: links.l1.queueMs: say either queueKb or queueMs, not both",
      "net.yaml:11: links.l1.reorderPercent: needs reorderMs, by how much a frame is late",
      "net.yaml:12: links.a-name-that-is-too-long: a name must be at most 15 of a-z, 0-9 and -, " +
        "starting with a letter, and none of lo, all, default",
      'net.yaml:12: links.a-name-that-is-too-long.between: must be a list of 2, not ["client"]',
      "net.yaml:13: links.lo: a name must be at most 15 of a-z, 0-9 and -, starting with a letter, " +
        "and none of lo, all, default",
      expect.stringMatching(
        /^net.yaml:14: links.l2: must be a mapping of between, rateMbit.*, not \["client","home"\]$/,
      ),
      'net.yaml:15: links.l3.subnet4: must be an IPv4 subnet like 192.168.1.0/24, or none, not "10.9.0.1/24"',
      "net.yaml:16: speed: unknown key; allowed: hosts, links, seed",
    ]);
  });

  it("has its references checked", () => {
    const problems = problemsOf(`
hosts:
  client: { defaultVia: [l9, l2] }
  home: { nat: { kind: random, forwards: [{ protocol: udp, port: 1, to: server }] } }
  server:
links:
  l0: { between: [client, sever] }
  l1: { between: [client, client] }
  l2: { between: [server, home], addresses: { home: [10.8.0.1], client: [10.2.0.7] } }
`);
    expect(problems).toEqual([
      "net.yaml:3: hosts.client.defaultVia[0]: no link l9; links: l0, l1, l2",
      "net.yaml:3: hosts.client.defaultVia[1]: the link l2 does not lead to client",
      "net.yaml:4: hosts.home.nat: needs a link that leads outside: one with home first in between",
      "net.yaml:7: links.l0.between[1]: no host sever; hosts: client, home, server",
      "net.yaml:8: links.l1.between: must be two different hosts",
      "net.yaml:9: links.l2.addresses.home[0]: 10.8.0.1 is not on the link, which is 10.2.0.0/24",
      "net.yaml:9: links.l2.addresses.client: must be server or home",
    ]);
  });

  it("has port forwards only to hosts next to the NAT", () => {
    const problems = problemsOf(`
hosts:
  client:
  home: { nat: { kind: masquerade, forwards: [{ protocol: tcp, port: 80, to: server }, { protocol: tcp, port: 81, to: x }] } }
  server:
links:
  l0: { between: [client, home] }
  l1: { between: [home, server] }
`);
    expect(problems).toEqual([
      "net.yaml:4: hosts.home.nat.forwards[0].to: server is not next to home on the inside: " +
        "no link is between: [server, home]",
      "net.yaml:4: hosts.home.nat.forwards[1].to: no host x; hosts: client, home, server",
    ]);
  });

  it("has addresses that do not clash", () => {
    const problems = problemsOf(`
hosts: { a: , b: , c: , d: }
links:
  l0: { between: [a, b], subnet4: 10.1.0.0/16 }
  l1: { between: [c, d] }
  l2: { between: [a, c], subnet4: 192.168.1.0/24, addresses: { a: [192.168.1.9], c: [192.168.1.9] } }
  l3: { between: [c, d], subnet4: 192.168.1.0/28, subnet6: none }
  l4: { between: [b, d], subnet4: 192.168.1.0/24, subnet6: fd00:9::/64 }
`);
    expect(problems).toEqual([
      "net.yaml:5: links.l1: 10.1.0.0/24 clashes with 10.1.0.0/16 of l0",
      "net.yaml:6: links.l2.addresses.c[0]: 192.168.1.9 is already the address of a",
      "net.yaml:7: links.l3.subnet4: 192.168.1.0/28 clashes with 192.168.1.0/24 of l2 at c",
      "net.yaml:8: links.l4.subnet4: 192.168.1.0/24 clashes with 192.168.1.0/28 of l3 at d",
    ]);
  });

  it("has no name twice", () => {
    const text = "hosts:\n  a:\n  b:\n  a:\nlinks:\n  l0: { between: [a, c] }\n  l0: { between: [a, x] }\n";
    expect(problemsOf(text)).toEqual([
      "net.yaml:4: hosts.a: this name is already used above",
      "net.yaml:7: links.l0: this name is already used above",
      "net.yaml:7: links.l0.between[1]: no host x; hosts: a, b",
    ]);
  });

  it("is YAML", () => {
    expect(problemsOf("hosts: {\n")[0]).toMatch(/^net.yaml:2: /);
    expect(problemsOf("")).toEqual(["net.yaml:1: must be a mapping of hosts, links, seed, not empty"]);
    expect(() => readDescription("nowhere.yaml")).toThrow("cannot read nowhere.yaml: ENOENT");
  });
});

describe("a description in TypeScript", () => {
  it("is checked like a file", () => {
    const description = { hosts: { a: {}, b: null }, links: { l0: { between: ["a", "c"] } } };
    expect(() => checkedDescription(description)).toThrow(
      new DescriptionError(["links.l0.between[1]: no host c; hosts: a, b"]),
    );
  });

  it("may not have too many links for their subnets", () => {
    const links = Object.fromEntries(
      Array.from({ length: 251 }, (_, i) => [`l${i}`, { between: ["a", "b"] }]),
    );
    expect(() => checkedDescription({ hosts: { a: {}, b: {} }, links })).toThrow(
      "links: at most 250 links, not 251",
    );
  });
});

describe("a change of a line", () => {
  it("is checked like a description", () => {
    expect(checkedLine({ rateMbit: 1, silent: true }, "l0")).toEqual({ rateMbit: 1, silent: true });
    const wrong = { rate: 3 } as object;
    expect(() => checkedLine(wrong, "link l0 ab")).toThrow(
      /^link l0 ab: rate: unknown key; allowed: rateMbit, /,
    );
  });
});

function problemsOf(text: string): readonly string[] {
  try {
    parseDescription(text, "net.yaml");
  } catch (error) {
    if (error instanceof DescriptionError) return error.problems;
    throw error;
  }
  return [];
}
