import { mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { formatPrefix, networkOf, parseInterfaceAddress } from "../../src/config/values.ts";
import type { StatusView } from "../../src/control/views.ts";
import { type Host, Lab, ping, waitFor } from "../../tools/lab/index.ts";
import { hostSetup, LabDaemon } from "./daemon-lab.ts";

interface Choice {
  addresses?: string[];
  routes?: string[];
  mtu?: number | "auto";
}

// one ==l0, l1== two
describe("a daemon whose configuration or host is changed while it runs", () => {
  let lab: Lab;
  let one: LabDaemon;
  let two: LabDaemon;
  let before: string;

  /** The file of the first one: the TUN device is in line 2, the routes are in line 6. */
  function config({ addresses = ["10.77.0.1/24", "fd77::1/64"], routes = [], mtu = "auto" }: Choice = {}) {
    const all = ["10.77.0.2", "fd77::2", "0.0.0.0/0", "10.99.0.0/16", "2001:db8:99::/48", ...routes];
    return `node: "02:00:00:00:00:01"
tun: { address: ${JSON.stringify(addresses)}, mtu: ${mtu} }
interfaces: [l0, l1]
peers:
  - { name: host2, node: "02:00:00:00:00:02", endpoints: [${two.host.ip("l0")}, ${two.host.ip("l1")}],
      routes: ${JSON.stringify(all)} }
`;
  }

  /** Routes of ours, and those of the kernel that come with addresses. */
  async function routes(host: Host): Promise<string[]> {
    const show = ["-4", "-6"].map((family) =>
      host.exec("ip", [family, "route", "show", "table", "all", "dev", "mpip0"]),
    );
    const lines = (await Promise.all(show)).flatMap(({ stdout }) => stdout.split("\n"));
    return lines
      .map((line) => line.trim().replaceAll(/ +/g, " "))
      .filter((line) => /^[0-9a-f.:]+\/|^[0-9a-f.:]+ |^default/.test(line) && !/fe80|table local/.test(line))
      .map((line) => line.replace(/table \d+/, "table T").replace(/ proto .*| scope .*| metric .*/, ""))
      .sort();
  }

  const ours = ["10.77.0.2", "10.99.0.0/16", "2001:db8:99::/48", "default table T", "fd77::2"];

  /** With those of the addresses that it has at first. */
  const whole = [...ours, "10.77.0.0/24", "fd77::/64"].sort();

  /** The file says something else; answers what the daemon makes of it. */
  async function change(choice: Choice, outcome: RegExp): Promise<string[]> {
    const from = one.messages.length;
    one.write(config(choice));
    const news = () => one.messages.slice(from);
    await waitFor(async () => news().some((line) => outcome.test(line)), { what: String(outcome) });
    return news();
  }

  beforeAll(async () => {
    lab = await Lab.up({
      hosts: { one: {}, two: {} },
      links: {
        l0: { between: ["one", "two"], subnet6: "none" },
        l1: { between: ["one", "two"], subnet6: "none" },
      },
    });
    two = new LabDaemon(
      lab.host("two"),
      `name: host2
node: "02:00:00:00:00:02"
tun: { address: [10.77.0.2/16, "fd77::2/64"] }
interfaces: [l0, l1]
peers: [{ name: host1, node: "02:00:00:00:00:01", routes: [10.77.0.1, 10.77.0.7, "fd77::1"] }]
`,
    );
    one = new LabDaemon(lab.host("one"), "");
    before = await hostSetup(one.host);
    // What hosts do that nobody has told otherwise: with an address, others of its network go.
    await one.host.sysctl("net.ipv4.conf.all.promote_secondaries", 0);
    await one.host.sysctl("net.ipv4.conf.default.promote_secondaries", 0);
    await two.up();
  });

  beforeEach(async () => {
    one.process?.signal("SIGKILL");
    await one.process?.exited;
    one.write(config());
    await one.up();
  });

  afterAll(async () => {
    one?.[Symbol.dispose]();
    two?.[Symbol.dispose]();
    await lab?.down();
  });

  it("keeps every route when its address becomes another one", async () => {
    await one.host.exec("ip", ["route", "add", "10.98.0.0/16", "dev", "mpip0"]);
    const all = [...ours, "10.98.0.0/16"];
    // The log would say no more often that the file is in use.
    for (const addresses of [
      ["10.77.0.7/24", "fd77::1/64"],
      ["10.77.0.7/16", "fd77::1/48"],
      ["10.77.0.1/32"],
      ["10.77.0.3/24", "10.77.0.1/24", "fd77::1/64"],
      ["10.77.0.1/24", "10.88.0.1/24", "fd77::1/64"],
    ]) {
      const networks = addresses
        .map((text) => formatPrefix(networkOf(parseInterfaceAddress(text))))
        .filter((text, i, all) => all.indexOf(text) === i && !text.endsWith("/32"));
      await change({ addresses }, /read and in use/);
      expect(await routes(one.host)).toEqual([...all, ...networks].sort());
      const { stdout } = await one.host.exec("ip", ["-4", "-o", "address", "show", "dev", "mpip0"]);
      const shown = [...stdout.matchAll(/inet (\S+)/g)].map(([, address]) => address);
      expect(shown.sort()).toEqual(addresses.filter((address) => address.includes(".")).sort());
      const { stdout: route } = await one.host.exec("ip", ["route", "get", "10.99.0.5"]);
      expect(route).toContain(`src ${addresses[0]!.split("/")[0]}`);
    }
    expect(one.messages.filter((line) => /ip (address|route|rule)/.test(line))).toEqual([]);
    await one.run("down");
    await one.process!.exited;
    expect(await hostSetup(one.host)).toBe(before);
  });

  const isWhole = async () => (await routes(one.host)).join() === whole.join();

  it("puts back what somebody removes, and says so, but not for ever", async () => {
    const ip = (...args: string[]) => one.host.exec("ip", args);
    const news = () => one.messages.filter((line) => line.startsWith("mpip0: somebody has removed"));
    expect(await routes(one.host)).toEqual(whole);
    await ip("link", "set", "mpip0", "down");
    await ip("link", "set", "mpip0", "up");
    await waitFor(isWhole, { what: "what a device that is down loses" });
    expect(news()).toHaveLength(1);
    expect(news()[0]).toMatch(
      / address fd77::1\/64 dev mpip0,.* route 10\.99\.0\.0\/16 dev mpip0.*; putting it back$/,
    );
    expect((await ping(one.host, "fd77::2", { count: 2 })).received).toBe(2);
    await ip("link", "set", "mpip0", "mtu", "1000");
    await waitFor(isWhole, { what: "IPv6 after an MTU without it" });
    await ip("rule", "del", "priority", "31991");
    await waitFor(async () => (await ip("rule")).stdout.includes("31991:"), { what: "a rule" });
    for (const _ of [4, 5]) {
      await ip("route", "del", "10.99.0.0/16", "dev", "mpip0");
      await waitFor(isWhole, { what: "a route" });
    }
    await ip("route", "del", "10.99.0.0/16", "dev", "mpip0");
    await one.process!.output(/leaving it, since something was put back 5 times within an hour/);
    await ip("route", "del", "fd77::2", "dev", "mpip0");
    await ip("route", "add", "10.98.0.0/16", "dev", "mpip0");
    expect(await isWhole()).toBe(false);
    expect(news()).toHaveLength(6);
    one.process!.signal("SIGHUP");
    await one.process!.output(/read and in use/);
    expect(await routes(one.host)).toEqual([...whole, "10.98.0.0/16"].sort());
    await one.run("down");
    await one.process!.exited;
    expect(await hostSetup(one.host)).toBe(before);
  });

  it("refuses a change that the host does not take, and leaves everything as it was", async () => {
    const taken = (await one.host.exec("ip", ["-4", "route", "show", "dev", "l1"])).stdout.split(" ")[0]!;
    const { tun } = await one.ask<StatusView>("status");
    const setup = await hostSetup(one.host);
    const choice = { addresses: ["10.77.0.7/16"], routes: [taken, "10.55.0.0/16"] };
    const news = await change({ ...choice, mtu: 1300 }, /stays as it was/);
    const problem = `${one.configPath}:6: peers[0].routes[5]: ip route add ${taken} dev mpip0`;
    expect(news.find((line) => line.startsWith(problem))).toMatch(/File exists; the host has one already: /);
    expect(news.join()).not.toContain("read and in use");
    const status = await one.ask<StatusView>("status");
    expect(status.config.error).toContain(problem);
    expect(status.tun).toEqual(tun);
    expect(await hostSetup(one.host)).toBe(setup);
    expect((await ping(one.host, "10.77.0.2", { count: 2 })).received).toBe(2);
    await change({ mtu: 1200 }, /stays as it was/);
    const small = `${one.configPath}:2: tun.mtu: 1200 is too small for IPv6`;
    expect((await one.ask<StatusView>("status")).config.error).toContain(small);
    expect(await hostSetup(one.host)).toBe(setup);
    await change({ ...choice, routes: ["10.55.0.0/16"], mtu: 1300 }, /read and in use/);
    expect((await one.ask<StatusView>("status")).config.error).toBeUndefined();
    expect(await routes(one.host)).toEqual([...ours, "10.55.0.0/16", "10.77.0.0/16"].sort());
    one.process!.signal("SIGKILL");
    await one.process!.exited;
    one.write(config({ routes: [taken] }));
    const again = one.host.spawn("node", one.upCommand);
    expect(await again.exited).toMatchObject({ code: 2 });
    expect(again.stderr).toContain(`\n${problem}`);
    expect(await hostSetup(one.host)).toBe(before);
  });

  it("goes on when its file has an alias that stands for nothing", async () => {
    const setup = await hostSetup(one.host);
    const from = one.messages.length;
    one.write(config().replace("[l0, l1]", "[*wan]"));
    const news = () => one.messages.slice(from);
    await waitFor(async () => news().some((line) => /stays as it was/.test(line)), { what: "a refusal" });
    const problem = `${one.configPath}:3: *wan stands for nothing; write "*wan" in quotes`;
    expect(news()).toContain(problem);
    expect((await one.ask<StatusView>("status")).config.error).toBe(problem);
    expect(await hostSetup(one.host)).toBe(setup);
    expect((await ping(one.host, "10.77.0.2", { count: 2 })).received).toBe(2);
    await change({}, /read and in use/);
  });

  it("changes nothing that it could not undo: its journal cannot be written", async () => {
    const setup = await hostSetup(one.host);
    const journal = join(one.directory, "run", "mpip0.json");
    const text = readFileSync(journal);
    rmSync(journal);
    mkdirSync(journal);
    const choice = { routes: ["10.55.0.0/16"], mtu: 1300 };
    const news = await change(choice, /stays as it was/);
    expect(news.join("\n")).toContain(
      `cannot write ${journal}: illegal operation on a directory (EISDIR); make room`,
    );
    expect(await hostSetup(one.host)).toBe(setup);
    rmdirSync(journal);
    writeFileSync(journal, text);
    await change({ ...choice, mtu: 1301 }, /read and in use/);
    expect(await routes(one.host)).toEqual([...whole, "10.55.0.0/16"].sort());
    await one.run("down");
    await one.process!.exited;
    expect(await hostSetup(one.host)).toBe(before);
  });

  it("takes a change although a line cannot be set up, as in a container whose settings are for reading only", async () => {
    one.process!.signal("SIGKILL");
    await one.process!.exited;
    await one.host.sysctl("net.ipv4.conf.l0.rp_filter", 1);
    await one.host.sysctl("net.ipv4.conf.all.src_valid_mark", 1);
    const readOnly = "mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys";
    one.process = one.host.spawn("sh", [
      "-c",
      `${readOnly} && exec "$@"`,
      "sh",
      process.execPath,
      ...one.upCommand,
    ]);
    await one.process.output(/ is up: /);
    const isTold = (lines: string[]) =>
      lines.some((line) => /sysctl net\.ipv4\.conf\.l0\.rp_filter: EROFS/.test(line));
    expect(isTold(one.messages)).toBe(true);
    await change({ routes: ["10.55.0.0/16"] }, /read and in use/);
    expect(await routes(one.host)).toEqual([...whole, "10.55.0.0/16"].sort());
    await one.run("down");
    await one.process!.exited;
    await one.host.sysctl("net.ipv4.conf.l0.rp_filter", 0);
    await one.host.sysctl("net.ipv4.conf.all.src_valid_mark", 0);
    expect(await hostSetup(one.host)).toBe(before);
  });

  it("has IPv6 on lines that are too small for it, from the start and when it is added", async () => {
    await one.host.exec("ip", ["link", "set", "l0", "mtu", "1280"]);
    await waitFor(async () => (await one.ask<StatusView>("status")).tun.mtu === 1280, { what: "the MTU" });
    expect(await routes(one.host)).toEqual(whole);
    await one.run("down");
    await one.process!.exited;
    await one.up();
    expect(await routes(one.host)).toEqual(whole);
    await one.run("down");
    await one.process!.exited;
    const ipv4 = `tun: { address: 10.77.0.1/24 }\ninterfaces: [l0, l1]\n`;
    one.write(ipv4);
    await one.up();
    expect((await one.ask<StatusView>("status")).tun.mtu).toBe(1223);
    await change({}, /read and in use/);
    expect(await routes(one.host)).toEqual(whole);
    const from = one.messages.length;
    one.write(ipv4);
    await waitFor(async () => one.messages.slice(from).some((line) => /in use/.test(line)), { what: "IPv4" });
    expect((await one.ask<StatusView>("status")).tun.mtu).toBe(1223);
    expect(one.messages.filter((line) => /ip (address|route|rule)/.test(line))).toEqual([]);
    await one.host.exec("ip", ["link", "set", "l0", "mtu", "1500"]);
  });
});
