import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Host, Lab, ping, waitFor } from "../../tools/lab/index.ts";
import { hostSetup, LabDaemon } from "./daemon-lab.ts";

// hub ==l0, l1== spoke; the hub is the way out
const hubConfig = `
name: hub
node: "02:00:00:00:00:01"
tun: { name: mphub, address: 10.77.0.1/24 }
interfaces: ["l?"]
forward: true
peers: [{ name: spoke, node: "02:00:00:00:00:02", routes: 10.77.0.2 }]
`;
const spokeConfig = (hub: Host) => `
name: spoke
node: "02:00:00:00:00:02"
tun: { address: 10.77.0.2/24 }
peers: [{ name: hub, endpoints: [${hub.ip("l0")}], routes: 0.0.0.0/0 }]
`;

describe("a daemon that sends everything to an exit node", () => {
  let lab: Lab;
  let hub: LabDaemon;
  let spoke: LabDaemon;

  beforeAll(async () => {
    lab = await Lab.up({
      hosts: { spoke: {}, hub: { router: true }, web: {} },
      links: {
        l0: { between: ["spoke", "hub"], subnet6: "none" },
        l1: { between: ["spoke", "hub"], subnet6: "none" },
        lan: { between: ["web", "hub"], subnet6: "none" },
      },
    });
    hub = new LabDaemon(lab.host("hub"), hubConfig);
    spoke = new LabDaemon(lab.host("spoke"), spokeConfig(lab.host("hub")));
    await lab.host("spoke").sysctl("net.ipv4.conf.all.rp_filter", 1);
    await hub.up();
  });

  afterAll(async () => {
    spoke?.[Symbol.dispose]();
    hub?.[Symbol.dispose]();
    await lab?.down();
  });

  it("uses the interfaces with a default route, and leaves its own packets out of the tunnel", async () => {
    const before = await hostSetup(spoke.host);
    await spoke.up();
    await spoke.process!.output(/hub: reached/);
    const target = lab.host("web").ip("lan");
    await lab.host("web").exec("ip", ["route", "add", "10.77.0.0/24", "via", lab.host("hub").ip("lan")]);
    expect((await spoke.host.exec("ip", ["route", "get", target])).stdout).toContain("dev mpip0");
    const { stdout } = await spoke.host.exec("ip", ["route", "get", target, "mark", "0x6d70"]);
    expect(stdout).not.toContain("mpip0");
    expect((await ping(spoke.host, target, { count: 3 })).received).toBe(3);
    await spoke.process!.stop("SIGTERM", 5000);
    expect(await hostSetup(spoke.host)).toBe(before);
  });

  it("leaves things behind when it is killed, which the next start or mpip down removes", async () => {
    const before = await hostSetup(spoke.host);
    for (const cleanUp of [
      async () => {
        await spoke.up();
        expect(spoke.messages).toContain("removed what a daemon that was killed had left");
        await spoke.run("down");
        await spoke.process!.exited;
      },
      async () => {
        expect(await spoke.run("down")).toContain("mpip0");
      },
    ]) {
      const process = await spoke.up();
      await process.stop("SIGKILL");
      await waitFor(async () => !(await hostSetup(spoke.host)).includes("mpip0:"), {
        what: "the end of mpip0",
      });
      expect(await hostSetup(spoke.host)).not.toBe(before);
      await cleanUp();
      expect(await hostSetup(spoke.host)).toBe(before);
    }
  });

  it("does not start twice", async () => {
    await spoke.up();
    const again = spoke.host.spawn("node", spoke.upCommand);
    expect(await again.exited).toMatchObject({ code: 2 });
    expect(again.stderr).toMatch(/^mpip: the process \d+ runs it already; end that first with mpip down\n$/);
    await spoke.process!.stop("SIGINT", 5000);
  });

  it("says in one line what it cannot have", async () => {
    const holder = spoke.host.spawn("ip", ["tuntap", "add", "mpip0", "mode", "tap"]);
    await holder.exited;
    expect(await failure()).toMatch(/mpip0.*another kind of device has this name/);
    await spoke.host.exec("ip", ["link", "del", "mpip0"]);
    const port = spoke.host.spawn("node", [
      "-e",
      `require("dgram").createSocket("udp4").bind(7000, "${spoke.host.ip("l0")}", () => console.log("bound"))`,
    ]);
    await port.output(/bound/);
    expect(await failure()).toMatch(/another process uses this port/);
    await port.stop("SIGKILL");
    const bare = spoke.host.spawn("setpriv", [
      "--bounding-set=-all",
      "--inh-caps=-all",
      "node",
      ...spoke.upCommand,
    ]);
    expect(await bare.exited).toMatchObject({ code: 2 });
    expect(bare.stderr).toBe("mpip: up needs root or CAP_NET_ADMIN; run it with sudo\n");
  });

  it("has an exit code for each kind of failure", async () => {
    const mpip = async (...args: string[]) => {
      const process = spoke.host.spawn("node", [spoke.upCommand[0]!, ...args]);
      return [(await process.exited).code, process.stdout + process.stderr];
    };
    const where = ["--run-dir", `${spoke.directory}/none`];
    const none = "mpip: no daemon is running; start one with mpip up -c FILE\n";
    expect(await mpip("status", ...where)).toEqual([1, none]);
    expect(await mpip("down", ...where)).toEqual([1, none]);
    expect(await mpip("statu")).toEqual([2, "mpip: Unknown argument: statu; see mpip --help\n"]);
    expect(await mpip("up", "--check", "-c", spoke.configPath)).toEqual([
      0,
      `${spoke.configPath} is sound: 1 peer, 0 rules\n`,
    ]);
    spoke.write("port: x\ntun: { address: 10.77.0.1/24 }\n");
    expect(await mpip("up", "-c", spoke.configPath)).toEqual([
      2,
      `${spoke.configPath}:1: port: "x" is no port; write a whole number from 1 to 65535\n`,
    ]);
  });

  /** The only line of a daemon that does not start; it leaves nothing behind. */
  async function failure(): Promise<string> {
    const before = await hostSetup(spoke.host);
    const process = spoke.host.spawn("node", spoke.upCommand);
    expect(await process.exited).toMatchObject({ code: 2 });
    expect(await hostSetup(spoke.host)).toBe(before);
    const lines = process.stderr.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
    expect(lines).toHaveLength(1);
    return lines[0]!;
  }
});

// one --l0-- two
describe("two daemons on one host", () => {
  let lab: Lab;
  let first: LabDaemon;
  let second: LabDaemon;

  const config = (number: number, more: string) => `
node: "02:00:00:00:00:0${number}"
port: 700${number}
interfaces: l0
forward: true
${more}`;

  beforeAll(async () => {
    lab = await Lab.up({
      hosts: { one: {}, two: {} },
      links: { l0: { between: ["one", "two"], subnet6: "none" } },
    });
    const host = lab.host("one");
    first = new LabDaemon(host, config(1, 'tun: { address: [10.77.0.1/24, "fd77::1/64"] }'));
    // A word of nft.
    const tun = 'tun: { name: vlan, address: [10.78.0.1/24, "fd78::1/64"] }';
    second = new LabDaemon(host, config(2, `${tun}\nexit: true\nrealAddresses: true\n`));
  });

  afterAll(async () => {
    first?.[Symbol.dispose]();
    second?.[Symbol.dispose]();
    await lab?.down();
  });

  it("keep what both need until the last one ends, and then what there was at first is back", async () => {
    const host = lab.host("one");
    const keys = [
      "net.ipv4.ip_forward",
      "net.ipv6.conf.all.forwarding",
      "net.ipv4.conf.all.send_redirects",
      "net.ipv4.conf.l0.rp_filter",
    ];
    const settings = async () => (await Promise.all(keys.map((key) => host.sysctl(key)))).join();
    const areSet = async () => (await settings()) === "1,1,0,2";
    await host.sysctl("net.ipv4.conf.all.rp_filter", 1);
    const before = await hostSetup(host);
    expect(await settings()).toBe("0,0,1,0");
    await first.up();
    await host.sysctl("net.ipv4.conf.l0.rp_filter", 1);
    await waitFor(areSet, { what: "what somebody has set otherwise" });
    expect(first.messages).toContain(
      "mpip0: somebody has removed or changed sysctl net.ipv4.conf.l0.rp_filter; putting it back",
    );
    await second.up();
    const { stdout } = await host.exec("nft", ["list", "tables"]);
    expect(stdout.trim().split("\n").sort()).toEqual(
      ["inet mpip-vlan", "inet mpip0", "ip mpip-vlan"].map((name) => `table ${name}`),
    );
    for (const [ends, stays] of [
      [first, second],
      [second, first],
    ] as const) {
      await ends.run("down");
      await ends.process!.exited;
      await waitFor(areSet, { what: "the settings of the one that stays" });
      if (stays === second) await first.up();
    }
    expect(second.messages.join("\n")).toMatch(
      /^vlan: somebody has removed or changed .*sysctl net\.ipv4\.ip_forward.*; putting it back$/m,
    );
    await first.run("down");
    await first.process!.exited;
    expect(await settings()).toBe("0,0,1,0");
    expect(await hostSetup(host)).toBe(before);
  });
});
