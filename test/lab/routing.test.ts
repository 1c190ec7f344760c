import { describe, expect, it } from "vitest";
import { type Host, Lab, ping, reflections, startReflector } from "../../tools/lab/index.ts";

describe("routing", () => {
  // laptop -- gateway == field router, home NAT == core -- server
  //                                                 core -- exit NAT -- web
  it("leads from a LAN behind a gateway with two lines to servers, and back where no NAT is", async () => {
    await using lab = await Lab.up({
      hosts: {
        laptop: {},
        gateway: { router: true },
        home: { nat: { kind: "masquerade" } },
        field: { router: true },
        core: { router: true },
        server: {},
        exit: { nat: { kind: "masquerade" } },
        web: {},
      },
      links: {
        lan: { between: ["laptop", "gateway"] },
        wan1: { between: ["gateway", "field"] },
        wan2: { between: ["gateway", "home"] },
        up1: { between: ["field", "core"] },
        up2: { between: ["home", "core"] },
        front: { between: ["server", "core"] },
        out: { between: ["exit", "core"] },
        dmz: { between: ["web", "exit"] },
      },
    });
    const [laptop, server, web] = [lab.host("laptop"), lab.host("server"), lab.host("web")];
    expect(await answers(laptop, server.ip("front"))).toBe(true);
    expect(await answers(laptop, server.ip("front", 6))).toBe(true);
    expect(await answers(lab.host("gateway"), server.ip("front"), "wan2"), "through the NAT").toBe(true);
    expect(await answers(web, server.ip("front"))).toBe(true);
    expect(await answers(server, laptop.ip("lan")), "through the field router").toBe(true);
    expect(await answers(server, web.ip("dmz")), "behind a NAT").toBe(false);
  });

  it("follows the source address only with policy routing", async () => {
    for (const policyRouting of [false, true]) {
      await using lab = await Lab.up({
        hosts: { client: { policyRouting }, r1: { router: true }, r2: { router: true } },
        links: { l1: { between: ["client", "r1"] }, l2: { between: ["client", "r2"] } },
      });
      const client = lab.host("client");
      for (const [family, target] of [
        [4, "198.51.100.1"],
        [6, "2001:db8::1"],
      ] as const) {
        const { stdout } = await client.exec("ip", ["route", "get", target, "from", client.ip("l2", family)]);
        expect(stdout).toContain(policyRouting ? `via ${lab.host("r2").ip("l2", family)} dev l2` : "dev l1");
      }
    }
  });

  it("can be left out, or lead over chosen links", async () => {
    await using lab = await Lab.up({
      hosts: { a: { defaultVia: ["l1", "l0"] }, b: { defaultVia: [] }, r: { router: true } },
      links: {
        l0: { between: ["a", "r"] },
        l1: { between: ["b", "a"] },
        l2: { between: ["b", "r"], subnet6: "none" },
      },
    });
    const shown = async (host: string) =>
      (await lab.host(host).exec("ip", ["route", "show", "default"])).stdout;
    expect((await shown("a")).trim().split(/ *\n/)).toEqual([
      "default via 10.1.0.1 dev l1 metric 100",
      "default via 10.0.0.2 dev l0 metric 200",
    ]);
    expect(await shown("b")).toBe("");
    const { stdout } = await lab
      .host("b")
      .exec("ip", ["-6", "address", "show", "dev", "l2", "scope", "global"]);
    expect(stdout).toBe("");
  });

  it("passes IPv6 through a NAT untranslated, but only outwards", async () => {
    await using lab = await Lab.up({
      hosts: { client: {}, home: { nat: { kind: "symmetric" } }, server: {} },
      links: { lan: { between: ["client", "home"] }, wan: { between: ["home", "server"] } },
    });
    const [client, server] = [lab.host("client"), lab.host("server")];
    const endpoints = [client.ip("lan", 6), server.ip("wan", 6)].map((address) => ({ address, port: 9000 }));
    await startReflector(client, [endpoints[0]!]);
    await startReflector(server, [endpoints[1]!]);
    expect(await reflections(client, 5555, [endpoints[1]!])).toEqual([
      { address: client.ip("lan", 6), port: 5555 },
    ]);
    expect(await reflections(server, 5555, [endpoints[0]!], 300)).toEqual([undefined]);
  });

  it("goes on over the new address of a next hop", async () => {
    await using lab = await Lab.up({
      hosts: { client: { policyRouting: true }, r: { router: true }, server: {} },
      links: { l0: { between: ["client", "r"] }, l1: { between: ["server", "r"] } },
    });
    const [client, r, server] = [lab.host("client"), lab.host("r"), lab.host("server")];
    for (const family of [4, 6] as const) {
      const [next, own] = family === 4 ? ["10.0.0.77", "10.0.0.78"] : ["fd00::77", "fd00::78"];
      await r.setAddress("l0", next!);
      await client.setAddress("l0", own!);
      expect(r.ip("l0", family)).toBe(next);
      expect(await answers(client, server.ip("l1", family))).toBe(true);
      const { stdout } = await client.exec("ip", ["route", "get", server.ip("l1", family), "from", own!]);
      expect(stdout).toContain(`via ${next} dev l0`);
      const option = `-${family}`;
      const rules = (await client.exec("ip", [option, "rule"])).stdout;
      expect(rules.match(/^1000:.*$/gm)).toEqual([expect.stringContaining(`from ${own} lookup 100`)]);
      expect(
        (await client.exec("ip", [option, "-brief", "address", "show", "dev", "l0"])).stdout,
      ).not.toMatch(/::1\/|\.1\//);
    }
    await expect(client.setAddress("l0", "10.9.0.1")).rejects.toThrow("10.9.0.1 is not on the link l0");
  });
});

async function answers(from: Host, target: string, via?: string): Promise<boolean> {
  const { received } = await ping(from, target, {
    count: 1,
    waitMs: 500,
    ...(via === undefined ? {} : { via }),
  });
  return received === 1;
}
