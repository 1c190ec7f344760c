import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PathView, StatusView } from "../../src/control/views.ts";
import { Lab, ping, waitFor } from "../../tools/lab/index.ts";
import { hostSetup, LabDaemon, twoHostsConfig } from "./daemon-lab.ts";

// one ==l0, l1== two
describe("a daemon whose surroundings change", () => {
  let lab: Lab;
  let one: LabDaemon;
  let two: LabDaemon;
  let before: string;

  beforeAll(async () => {
    lab = await Lab.up({
      hosts: { one: {}, two: {} },
      links: {
        l0: { between: ["one", "two"], subnet6: "none" },
        l1: { between: ["one", "two"], subnet6: "none", mtu: 1400 },
      },
    });
    const [hostOne, hostTwo] = [lab.host("one"), lab.host("two")];
    before = await hostSetup(hostOne);
    one = new LabDaemon(hostOne, twoHostsConfig(1, hostTwo));
    two = new LabDaemon(hostTwo, twoHostsConfig(2, hostOne));
    await Promise.all([one.up(), two.up()]);
    await one.process!.output(/host2: reached/);
  });

  afterAll(async () => {
    one?.[Symbol.dispose]();
    two?.[Symbol.dispose]();
    await lab?.down();
  });

  const status = () => one.ask<StatusView>("status");

  it("makes packets fit through the narrowest line that is there", async () => {
    expect((await status()).tun.mtu).toBe(1343);
    await lab.link("l1").cut("admin", "a");
    await one.process!.output(/l1 10\.1\.0\.1: no longer used/);
    expect((await status()).tun.mtu).toBe(1443);
    expect((await one.host.exec("ip", ["link", "show", "mpip0"])).stdout).toContain("mtu 1443");
    expect((await one.host.exec("nft", ["list", "table", "inet", "mpip0"])).stdout).toContain(
      "size set 1403",
    );
  });

  it("goes on over the lines that are left, and uses one that is back", async () => {
    expect((await ping(one.host, "10.77.0.2", { count: 3 })).received).toBe(3);
    await lab.link("l1").restore();
    const isBack = async () => {
      const paths = await one.ask<PathView[]>("paths");
      return paths.some(({ device, state }) => device === "l1" && state === "ready");
    };
    await waitFor(isBack, { what: "a path over l1" });
    expect((await status()).tun.mtu).toBe(1343);
  });

  it("says why none of those that are named is used", async () => {
    using idle = new LabDaemon(
      one.host,
      "port: 7007\ntun: { name: mpidle, address: 10.78.0.1/24 }\ninterfaces: [nope0, 192.0.2.1]\n",
    );
    await idle.up();
    expect(idle.messages).toContain(
      "there is no interface to use yet: nope0 (no such interface), 192.0.2.1 (no such address); each is used once it can be",
    );
    await idle.run("down");
  });

  it("uses an address that has a label of its own by the name of its device", async () => {
    const ip = (words: string) => one.host.exec("ip", words.split(" "));
    await ip("link add v0 type veth peer name v1");
    for (const device of ["v0", "v1"]) await ip(`link set ${device} up`);
    await ip("address add 192.0.2.1/24 dev v0 label v0:1");
    using labelled = new LabDaemon(
      one.host,
      "port: 7007\ntun: { name: mplabel, address: 10.78.0.1/24 }\ninterfaces: v0\n",
    );
    await labelled.up();
    const { sockets } = await labelled.ask<StatusView>("status");
    expect(sockets).toMatchObject([{ device: "v0", address: "192.0.2.1" }]);
    await labelled.run("down");
    await ip("link del v0");
  });

  it("follows an address that changes", async () => {
    await one.host.setAddress("l0", "10.0.0.77");
    await one.process!.output(/l0 10\.0\.0\.77: used/);
    const isFollowed = async () => {
      const ready = (await two.ask<PathView[]>("paths")).filter(({ state }) => state === "ready");
      const remotes = new Set(ready.map(({ remote }) => remote));
      return remotes.has("10.0.0.77") && !remotes.has("10.0.0.1");
    };
    await waitFor(isFollowed, { what: "a path to the new address instead of the old one" });
    expect((await ping(one.host, "10.77.0.2", { count: 3 })).received).toBe(3);
  });

  it("adds and removes routes and addresses with the file", async () => {
    const config = twoHostsConfig(1, two.host).replace("10.77.0.2,", "10.77.0.2, 192.168.7.0/24,");
    one.write(config.replace("10.77.0.1/24", "10.77.0.1/24, 10.78.0.1/24"));
    await one.process!.output(/read and in use/);
    const shown = await hostSetup(one.host);
    expect(shown).toContain("192.168.7.0/24 dev mpip0");
    expect(shown).toContain("inet 10.78.0.1/24");
    one.process!.stderr = "";
    one.write(twoHostsConfig(1, two.host));
    one.process!.signal("SIGHUP");
    await one.process!.output(/read and in use/);
    expect(await hostSetup(one.host)).not.toMatch(/192\.168\.7\.0|10\.78\.0\.1/);
    expect((await ping(one.host, "10.77.0.2", { count: 3 })).received).toBe(3);
  });

  it("ends when somebody deletes its device", async () => {
    await one.host.exec("ip", ["link", "del", "mpip0"]);
    expect(await one.process!.exited).toMatchObject({ code: 1 });
    expect(one.messages).toContain("mpip0 was deleted; ending");
    expect((await hostSetup(one.host)).replaceAll("10.0.0.77", "10.0.0.1")).toBe(before);
  });
});
