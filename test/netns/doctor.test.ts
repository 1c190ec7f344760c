import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Finding } from "../../src/doctor/finding.ts";
import { Journal } from "../../src/host/journal.ts";
import { Lab, type LabProcess } from "../../tools/lab/index.ts";
import { hostSetup, LabDaemon } from "./daemon-lab.ts";

const serverConfig = `
name: server
node: "02:00:00:00:00:02"
tun: { name: mpserver, address: 10.77.0.2/24 }
interfaces: front
peers: [{ name: client, node: "02:00:00:00:00:01", routes: 10.77.0.1 }]
`;

// client ==l0, l1== core --front-- server
describe("mpip doctor", () => {
  let lab: Lab;
  let client: LabDaemon;
  let server: LabDaemon;
  const undo: (() => unknown)[] = [];

  beforeAll(async () => {
    lab = await Lab.up({
      hosts: { client: {}, core: { router: true }, server: {} },
      links: {
        l0: { between: ["client", "core"], subnet6: "none" },
        l1: { between: ["client", "core"], subnet6: "none" },
        front: { between: ["server", "core"], subnet4: "203.0.113.0/24", subnet6: "none" },
      },
    });
    client = new LabDaemon(lab.host("client"), config());
    server = new LabDaemon(lab.host("server"), serverConfig);
    await server.up();
  });

  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step();
    client.write(config());
  });

  afterAll(async () => {
    client?.[Symbol.dispose]();
    server?.[Symbol.dispose]();
    await lab?.down();
  });

  function config(changes: Record<string, string> = {}): string {
    const keys: Record<string, string> = {
      name: "client",
      node: '"02:00:00:00:00:01"',
      tun: "{ address: 10.77.0.1/24 }",
      interfaces: "[l0, l1]",
      peers: "[{ name: server, endpoints: 203.0.113.1, routes: 10.77.0.2 }]",
      ...changes,
    };
    return Object.entries(keys)
      .map(([key, value]) => `${key}: ${value}\n`)
      .join("");
  }

  const host = () => lab.host("client");
  const shell = (command: string) => host().exec("sh", ["-c", command]);

  interface Run {
    code: number | null;
    /** Everything but what is fine: level, check and text with advice. */
    troubles: string[];
    fine: string[];
  }

  /** What the doctor says, run by a shell command in front. */
  async function doctor(before = ""): Promise<Run> {
    const [program = ""] = client.upCommand;
    const where = `-c ${client.configPath} --run-dir ${client.directory}/run`;
    const process: LabProcess = host().spawn("sh", [
      "-c",
      `${before} node ${program} doctor --json ${where}`,
    ]);
    const { code } = await process.exited;
    expect(process.stderr).toBe("");
    const findings: Finding[] = JSON.parse(process.stdout);
    const text = (finding: Finding) => `${finding.check}: ${finding.text}; ${finding.advice}`;
    return {
      code,
      troubles: findings
        .filter(({ level }) => level !== "ok")
        .map((finding) => `${finding.level} ${text(finding)}`),
      fine: findings
        .filter(({ level }) => level === "ok")
        .map((finding) => `${finding.check}: ${finding.text}`),
    };
  }

  it("finds nothing wrong where nothing is, and leaves nothing behind", async () => {
    const before = await hostSetup(host());
    const { code, troubles, fine } = await doctor();
    expect(troubles).toEqual(["warn daemon: none is running for mpip0; start it with mpip up"]);
    expect(code).toBe(0);
    expect(fine).toContain("routes: l1: 203.0.113.1 (server) via 10.1.0.2");
    expect(fine.join()).toMatch(
      /reach: l1: server at 203\.0\.113\.1 port 7000 answers in [\d.]+ ms, to packets of up to 1500/,
    );
    expect(await hostSetup(host())).toBe(before);
    const peers = await server.ask<{ name: string; node?: string }[]>("peers");
    expect(peers).toMatchObject([{ name: "client" }]);
    expect(peers[0]!.node).toBeUndefined();
  });

  it("asks a running daemon how it is", async () => {
    await client.up();
    await client.process!.output(/server: reached/);
    expect(await doctor()).toMatchObject({ code: 0, troubles: [] });
    await client.process!.stop("SIGKILL");
    const { code, troubles } = await doctor();
    expect(code).toBe(1);
    expect(troubles.join("\n")).toMatch(
      /bad daemon: the daemon of mpip0 \(process \d+\) was killed.*; remove it with mpip down/,
    );
    await client.run("down");
  });

  it("says that a daemon is running and does not answer, whether it has just started or hangs", async () => {
    const journal = new Journal(join(client.directory, "run"), "mpip0");
    journal.write([]);
    undo.push(() => journal.remove());
    const starting = await doctor();
    expect(starting.code).toBe(1);
    expect(starting.troubles).toEqual([
      expect.stringMatching(
        `^bad daemon: process ${process.pid} is running and does not answer: connect ENOENT .*; look again in a`,
      ),
    ]);
    journal.remove();
    const daemon = await client.up();
    undo.push(() => daemon.stop("SIGTERM", 5000));
    await daemon.output(/server: reached/);
    daemon.signal("SIGSTOP");
    undo.push(() => daemon.signal("SIGCONT"));
    const silent = "the daemon has not answered within 10 s";
    const hanging = await doctor();
    expect(hanging.code).toBe(1);
    expect(hanging.troubles[0]).toMatch(`is running and does not answer: ${silent}; look again`);
    const where = ["--run-dir", `${client.directory}/run`];
    const down = host().spawn("node", [client.upCommand[0]!, "down", ...where]);
    expect(await down.exited).toMatchObject({ code: 1 });
    expect(down.stderr).toBe(`mpip: ${silent}\n`);
  });

  it("says what is wrong with the configuration, and with the rights to change the network", async () => {
    client.write(config({ port: "x", peer: "[]" }));
    const { code, troubles } = await doctor("exec setpriv --bounding-set=-all --inh-caps=-all");
    expect(code).toBe(1);
    expect(troubles[0]).toBe(
      "bad rights: CAP_NET_ADMIN and CAP_NET_RAW missing: not all could be looked at; run it with sudo",
    );
    expect(troubles[1]).toMatch(/^bad config: .*mpip\.yaml:6: port: "x" is no port; write .*; correct it/);
    expect(troubles[2]).toMatch(/^bad config: .*mpip\.yaml:7: peer: is not known; .*/);
  });

  it("says what the kernel and the programs around it lack", async () => {
    client.write(config({ offloads: "{ uso: false, gro: false }" }));
    const hide = "mount --bind /dev/null /dev/net/tun; mount --bind /dev/null $(command -v nft);";
    const { troubles } = await doctor(hide);
    expect(troubles.join("\n")).toMatch(/bad kernel: cannot (open|run) .*nft.*; /);
    expect(troubles.join("\n")).toMatch(/bad kernel: cannot open the TUN device mpip-doctor: .*; /);
    const off =
      /warn kernel: (UDP|the TUN device): (gro|uso) works, but offloads\.\2 switches it off; take that/;
    expect((await doctor()).troubles.filter((line) => off.test(line))).toHaveLength(2);
  });

  it("says which lines cannot be used, and why", async () => {
    await shell("ip route del default dev l1");
    undo.push(() => shell("ip route add default via 10.1.0.2 dev l1 metric 200"));
    const endpoints = "[203.0.113.1, '2001:db8::1']";
    client.write(
      config({ peers: `[{ name: server, endpoints: ${endpoints}, routes: [10.77.0.2, 10.0.0.0/16] }]` }),
    );
    const { code, troubles } = await doctor();
    expect(code).toBe(1);
    expect(troubles).toEqual([
      "warn daemon: none is running for mpip0; start it with mpip up",
      "warn interfaces: no interface in use has an IPv6 address, which 2001:db8::1 of server needs; give one an address, or take that endpoint out",
      "bad routes: l1: there is no route to 203.0.113.1 (server) over it; add one: ip -4 route add default via GATEWAY dev l1 metric 3000",
      "bad routes: 10.0.0.0/16 is behind server, but the host has a route to 10.0.0.0/24 over l0; give one of the two networks other addresses, or take that prefix out of the peer's routes",
      expect.stringMatching(
        /^bad reach: l1: server at 203\.0\.113\.1 port 7000 does not answer; is mpip run/,
      ),
    ]);
  });

  it("is content with separate links, and not with one that leads nowhere", async () => {
    const core = new LabDaemon(
      lab.host("core"),
      `
name: core
node: "02:00:00:00:00:03"
tun: { name: mpcore, address: 10.77.0.3/24 }
interfaces: [l0, l1]
peers: [{ name: client, node: "02:00:00:00:00:01", routes: 10.77.0.1 }]
`,
    );
    await core.up();
    undo.push(() => core.run("down"));
    const routes = (await shell("ip route show default")).stdout.trim().split("\n");
    await shell("ip route flush default");
    undo.push(() => shell(routes.map((route) => `ip route add ${route}`).join(";")));
    await host().sysctl("net.ipv4.conf.l1.rp_filter", 1);
    undo.push(() => host().sysctl("net.ipv4.conf.l1.rp_filter", 0));
    const peer = (name: string, number: number, ...endpoints: string[]) =>
      `{ name: ${name}, endpoints: [${endpoints}], routes: 10.77.0.${number} }`;
    client.write(config({ peers: `[${peer("core", 3, "10.0.0.2", "10.1.0.2")}]` }));
    const { code, troubles, fine } = await doctor();
    expect(troubles.slice(1)).toEqual([]);
    expect(code).toBe(0);
    expect(fine).toContain("routes: l1: 10.1.0.2 (core) directly");
    expect(fine.join()).toMatch(/reach: l0: core at 10\.0\.0\.2 .*reach: l1: core at 10\.1\.0\.2 /);

    client.write(config({ peers: `[${peer("core", 3, "10.0.0.2")}, ${peer("other", 4, "10.1.0.2")}]` }));
    const others = await doctor();
    expect(others.troubles.slice(1)).toEqual([
      expect.stringMatching(/^warn routes: l0: there is no route to 10\.1\.0\.2 \(other\) over it; add one/),
      expect.stringMatching(/^warn routes: l1: there is no route to 10\.0\.0\.2 \(core\) over it; add one/),
    ]);
    expect(others.code).toBe(0);

    client.write(config({ peers: `[${peer("core", 3, "10.0.0.2")}]` }));
    const lone = await doctor();
    expect(lone.troubles.slice(1)).toEqual([
      expect.stringMatching(/^bad routes: l1: there is no route to 10\.0\.0\.2 \(core\) over it; add one/),
      expect.stringMatching(/^bad reach: l1: core at 10\.0\.0\.2 port 7000 does not answer/),
    ]);
    expect(lone.code).toBe(1);
  });

  it("says what a strict rp_filter drops", async () => {
    await host().sysctl("net.ipv4.conf.l1.rp_filter", 1);
    undo.push(() => host().sysctl("net.ipv4.conf.l1.rp_filter", 0));
    const { troubles } = await doctor();
    expect(troubles.slice(1)).toEqual([
      "bad rp_filter: l1: strict, so packets of 203.0.113.1 (server) are dropped: the kernel expects them from l0; start mpip, which makes it loose while it runs, or sysctl -w net.ipv4.conf.l1.rp_filter=2",
      expect.stringMatching(/^bad reach: l1: /),
    ]);
  });

  it("says why an interface is not used, and that none is there", async () => {
    await shell("ip link add v0 type veth peer name v1");
    await shell("ip link set v0 up");
    undo.push(() => shell("ip link del v0"));
    client.write(config({ interfaces: "[l0, v0, v1, 'wwan*', 192.0.2.1]" }));
    const { troubles } = await doctor();
    expect(troubles.slice(1)).toEqual([
      "bad interfaces: v0: has no carrier; look at the cable, the modem or the other end",
      "bad interfaces: v1: is down; bring it up: ip link set NAME up",
      "bad interfaces: wwan*: no such interface; see ip link, and correct the name",
      "bad interfaces: 192.0.2.1: no such address; see ip address, and name another one",
    ]);
    await shell("ip link set v1 up");
    client.write(config({ interfaces: "v0" }));
    expect((await doctor()).troubles.slice(1)).toEqual([
      "bad interfaces: v0: has no address; give it one, or start what gets it one (DHCP)",
    ]);
  });

  it("says which packets do not fit, and where they get lost on the way", async () => {
    await lab.host("core").exec("ip", ["link", "set", "front", "mtu", "1430"]);
    undo.push(() => lab.host("core").exec("ip", ["link", "set", "front", "mtu", "1500"]));
    await shell("ip link set l1 mtu 1300");
    undo.push(() => shell("ip link set l1 mtu 1500"));
    client.write(config({ tun: "{ address: [10.77.0.1/24, 'fd77::1/64'], mtu: 1280 }" }));
    const { troubles } = await doctor();
    expect(troubles.slice(1)).toEqual([
      "bad mtu: l1: packets of up to 1243 bytes of the tunnel fit, over IPv4, but tun.mtu is 1280; set tun.mtu to auto, or to 1243",
      expect.stringMatching(
        /^warn reach: l0: .* answers in .* ms, but to none of 1440 bytes or more; set the MTU of l0 to 1420/,
      ),
    ]);
    client.write(config({ tun: "{ address: [10.77.0.1/24, 'fd77::1/64'] }" }));
    expect((await doctor()).troubles.join("\n")).toMatch(
      /bad mtu: l1: .* but IPv6 in the tunnel needs 1280; /,
    );
  });

  it("says which firewall rules drop what is ours", async () => {
    undo.push(() => shell("nft delete table inet wall; nft delete table ip docker"));
    await host().nft(`
table inet wall {
  chain early { udp dport 7000 iifname "l1" drop
  }
  chain input {
    type filter hook input priority filter; policy drop
    ct state vmap { established : accept, related : accept, invalid : drop }
    jump early
    iifname "lo" accept
    iifname "l0" udp dport { 500, 6900-7100 } accept
  }
  chain output {
    type filter hook output priority filter; policy accept
    oifname "l1" udp dport 7000 reject
  }
}
table ip docker {
  chain forward {
    type filter hook forward priority filter; policy drop
    oifname "docker0" accept
    ct state established accept
  }
}
`);
    client.write(
      config({
        forward: "true",
        peers: "[{ name: server, node: '02:00:00:00:00:02', endpoints: 203.0.113.1, routes: 0.0.0.0/0 }]",
      }),
    );
    const { troubles } = await doctor();
    expect(troubles.slice(1)).toEqual([
      expect.stringMatching(
        /^warn firewall: l1: packets to UDP port 7000 that no packet of ours came before are dropped by rule \d+ of chain early in table inet wall; let them in: nft add rule /,
      ),
      expect.stringMatching(
        /^bad firewall: l1: packets to UDP port 7000 of the peers are dropped by rule \d+ of chain output in table inet wall; let them out: /,
      ),
      ...["l0", "l1"].map((device) =>
        expect.stringMatching(
          `^bad firewall: ${device}: forwarded packets out of mpip0 are dropped by the policy of chain forward in table ip docker; let them through: `,
        ),
      ),
      expect.stringMatching(/^bad reach: l1: /),
    ]);
  });

  it("says that another process has the port, and that a name cannot be resolved", async () => {
    const script = 'require("dgram").createSocket("udp4").bind(7000, "10.0.0.1", () => console.log("bound"))';
    const other = host().spawn("node", ["-e", script]);
    undo.push(() => other.stop("SIGKILL"));
    await other.output(/bound/);
    client.write(config({ peers: "[{ name: server, endpoints: nowhere.invalid, routes: 10.77.0.2 }]" }));
    const { troubles } = await doctor();
    expect(troubles.slice(1)).toEqual([
      "bad daemon: UDP port 7000 of 10.0.0.1 is taken by another process; ss -ulnp sport = :7000 shows which; end it, or choose another port",
      "bad reach: server: nowhere.invalid cannot be resolved; look at the name servers, or write addresses as endpoints",
    ]);
    const endpoints = "[203.0.113.1, nowhere.invalid]";
    client.write(config({ peers: `[{ name: server, endpoints: ${endpoints}, routes: 10.77.0.2 }]` }));
    expect((await doctor()).troubles.at(-1)).toMatch(
      /^warn reach: server: nowhere\.invalid cannot be resolved; look at the name servers/,
    );
  });

  it("prints a line for each finding", async () => {
    const [program = ""] = client.upCommand;
    const where = ["-c", client.configPath, "--run-dir", `${client.directory}/run`];
    const { stdout } = await host().exec("node", [program, "doctor", ...where]);
    expect(stdout).toMatch(/^ok +rights +may change the network\n/);
    expect(stdout).toMatch(/^warn +daemon +none is running for mpip0; start it with mpip up$/m);
  });
});
