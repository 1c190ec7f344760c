import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PathView } from "../../src/control/views.ts";
import {
  contentSha256,
  contentUrl,
  curl,
  type Host,
  Lab,
  ping,
  startContentServer,
  waitFor,
} from "../../tools/lab/index.ts";
import { hostSetup, LabDaemon } from "./daemon-lab.ts";

const BYTES = 8_000_000;

const gatewayConfig = (exit: Host) => `
name: gateway
node: "02:00:00:00:00:01"
tun: { address: 10.77.0.1/24 }
interfaces: [dsl, lte]
forward: true
peers: [{ name: exit, endpoints: ${exit.ip("front")}, routes: 0.0.0.0/0 }]
`;
const exitConfig = (lan: string) => `
name: exit
node: "02:00:00:00:00:02"
tun: { address: 10.77.0.2/24 }
interfaces: front
exit: true
peers: [{ name: gateway, node: "02:00:00:00:00:01", routes: [10.77.0.1, ${lan}] }]
`;

// laptop --lan-- gateway --dsl-- home  --cable-- core --front-- exit --net-- web
//                      \---lte-- phone --radio---/
describe("a gateway with two lines behind NATs, and an exit node", () => {
  let lab: Lab;
  let gateway: LabDaemon;
  let exit: LabDaemon;
  const before: string[] = [];

  beforeAll(async () => {
    lab = await Lab.up({
      hosts: {
        laptop: {},
        gateway: { router: true },
        home: { nat: { kind: "masquerade" } },
        phone: { nat: { kind: "symmetric" } },
        core: { router: true },
        exit: {},
        web: {},
      },
      links: {
        lan: { between: ["laptop", "gateway"], subnet4: "192.168.50.0/24", subnet6: "none" },
        dsl: { between: ["gateway", "home"], subnet6: "none" },
        lte: { between: ["gateway", "phone"], subnet6: "none" },
        cable: { between: ["home", "core"], rateMbit: 30, delayMs: 5, subnet6: "none" },
        radio: { between: ["phone", "core"], rateMbit: 20, delayMs: 15, subnet6: "none" },
        front: { between: ["exit", "core"], subnet4: "203.0.113.0/24", subnet6: "none" },
        net: { between: ["exit", "web"], subnet4: "198.51.100.0/24", subnet6: "none" },
      },
    });
    // Nothing but its own network is known to the web server: only the exit node's own address can be answered.
    await lab.host("web").exec("ip", ["route", "flush", "default"]);
    gateway = new LabDaemon(lab.host("gateway"), gatewayConfig(lab.host("exit")));
    exit = new LabDaemon(lab.host("exit"), exitConfig("192.168.50.0/24"));
    before.push(await hostSetup(gateway.host), await hostSetup(exit.host));
    await startContentServer(lab.host("web"));
    await Promise.all([gateway.up(), exit.up()]);
    const bothWork = async () => {
      const paths = await gateway.ask<PathView[]>("paths");
      return paths.filter(({ state }) => state === "ready").length === 2;
    };
    await waitFor(bothWork, { what: "a path over each line" });
  });

  afterAll(async () => {
    gateway?.[Symbol.dispose]();
    exit?.[Symbol.dispose]();
    await lab?.down();
  });

  const webUrl = () => contentUrl(lab.host("web").ip("net"), BYTES);

  it("bring a host of the network behind the gateway to the Internet, over both lines at once", async () => {
    const { status, bytes, sha256 } = await curl(lab.host("laptop"), webUrl());
    expect({ status, bytes, sha256 }).toEqual({ status: 200, bytes: BYTES, sha256: contentSha256(BYTES) });
    for (const line of ["cable", "radio"]) {
      const { bytesOut } = (await lab.link(line).stats()).ba;
      expect([line, bytesOut > BYTES / 8]).toEqual([line, true]);
    }
  });

  it("carry packets that do not fit in pieces, or say what would fit", async () => {
    const to = lab.host("web").ip("net");
    const { received } = await ping(lab.host("laptop"), to, { count: 3, sizeBytes: 3000 });
    expect(received).toBe(3);
    const { stdout } = await lab
      .host("laptop")
      .exec("ping", ["-n", "-c", "1", "-W", "2", "-M", "do", "-s", "1472", to], { allowFailure: true });
    expect(stdout).toMatch(/mtu = \d+/);
  });

  it("leave nothing behind, neither when they end nor when they were killed", async () => {
    expect(await lab.host("exit").sysctl("net.ipv4.ip_forward")).toBe("1");
    await Promise.all([gateway.process!.stop("SIGTERM", 5000), exit.process!.stop("SIGTERM", 5000)]);
    expect(await hostSetup(gateway.host)).toBe(before[0]);
    expect(await hostSetup(exit.host)).toBe(before[1]);
    await exit.up();
    await exit.process!.stop("SIGKILL");
    expect(await hostSetup(exit.host)).toContain("masquerade");
    await exit.run("down");
    expect(await hostSetup(exit.host)).toBe(before[1]);
  });

  const resolvingConfig = () => `${gatewayConfig(exit.host)}dns: [10.77.0.2, "fd77::2"]\n`;

  it("set the name servers that are asked for, and give back what was there", async () => {
    const resolver = join(gateway.directory, "resolv.conf");
    const original = "nameserver 192.0.2.53\n";
    writeFileSync(resolver, original);
    gateway.write(resolvingConfig());
    // The daemon has a view of the files of its own, in which that one is another.
    const start = async () => {
      const command = ["-c", 'mount --bind "$0" /etc/resolv.conf && exec node "$@"', resolver];
      gateway.process = gateway.host.spawn("sh", [...command, ...gateway.upCommand]);
      await gateway.process.output(/ is up: /);
      expect(readFileSync(resolver, "utf8")).toMatch(
        /^# By mpip .*\nnameserver 10\.77\.0\.2\nnameserver fd77::2\n# What .*\n#\| nameserver 192\.0\.2\.53\n#\| \n$/,
      );
    };
    await start();
    await gateway.process!.stop("SIGTERM", 5000);
    expect(readFileSync(resolver, "utf8")).toBe(original);
    // As after a power cut: it is not undone, and nothing but the file itself knows what it said.
    await start();
    await gateway.process!.stop("SIGKILL");
    await gateway.run("down");
    await start();
    await gateway.process!.stop("SIGTERM", 5000);
    expect(readFileSync(resolver, "utf8")).toBe(original);
    await start();
    writeFileSync(resolver, "# somebody else's\n");
    await gateway.process!.stop("SIGTERM", 5000);
    expect(readFileSync(resolver, "utf8")).toBe("# somebody else's\n");
  });

  it("leave the name servers as they were where there is no room for others", async () => {
    gateway.write(resolvingConfig());
    const disk = join(gateway.directory, "disk");
    mkdirSync(disk);
    // One page of memory, nearly full.
    const prepare = [
      'mount -t tmpfs -o size=4k full "$0"',
      `printf "%4000d" 0 > "$0/resolv.conf"`,
      'mount --bind "$0/resolv.conf" /etc/resolv.conf',
    ].join(" && ");
    const command = `${prepare} && node "$@"; echo $?; cat "$0/resolv.conf"`;
    const { stdout, stderr } = await gateway.host.exec("sh", ["-c", command, disk, ...gateway.upCommand]);
    expect(stderr).toMatch(/mpip\.yaml:\d+: dns: \/etc\/resolv\.conf: ENOSPC/);
    expect(stdout).toBe(`2\n${"0".padStart(4000)}`);
    expect(await hostSetup(gateway.host)).toBe(before[0]);
  });
});
