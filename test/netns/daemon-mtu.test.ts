import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PathView, StatusView } from "../../src/control/views.ts";
import { iperf3, Lab, waitFor } from "../../tools/lab/index.ts";
import { LabDaemon } from "./daemon-lab.ts";

const OVERHEAD_BYTES = 57;

// lan --net-- client --line-- core --wan-- server; core drops what is large, and tells nobody
describe("a daemon behind a line that carries less than its device", () => {
  let lab: Lab;
  let client: LabDaemon;
  let server: LabDaemon;

  /** Packets of more bytes vanish; without a number none do. */
  async function carryUpTo(bytes?: number): Promise<void> {
    const rule = bytes === undefined ? "" : `ip length > ${bytes} drop`;
    const remove = "table ip hole\ndelete table ip hole\n";
    const chain = `chain forward { type filter hook forward priority 0; policy accept; ${rule}\n}`;
    await lab.host("core").nft(`${remove}table ip hole {\n${chain}\n}\n`);
  }

  const config = (more = "") => `name: client
node: "02:00:00:00:00:01"
tun: { address: 10.77.0.1/24${more} }
interfaces: line
forward: true
peers: [{ name: server, endpoints: ${lab.host("server").ip("wan")}, routes: 10.77.0.2 }]
`;

  beforeAll(async () => {
    lab = await Lab.up({
      hosts: { lan: {}, client: { router: true }, core: { router: true }, server: {} },
      links: {
        net: { between: ["lan", "client"], subnet6: "none" },
        line: { between: ["client", "core"], rateMbit: 40, delayMs: 5, subnet6: "none" },
        wan: { between: ["core", "server"], delayMs: 0, subnet6: "none" },
      },
    });
    await carryUpTo();
    client = new LabDaemon(lab.host("client"), config());
    server = new LabDaemon(
      lab.host("server"),
      `name: server
tun: { address: 10.77.0.2/24 }
interfaces: wan
peers: [{ name: client, node: "02:00:00:00:00:01", routes: [10.77.0.1, ${"10.0.0.0/24"}] }]
`,
    );
    await lab.host("server").exec("ip", ["route", "add", "default", "via", lab.host("core").ip("wan")]);
    await Promise.all([client.up(), server.up()]);
    await client.process!.output(/server: reached/);
  });

  afterAll(async () => {
    client?.[Symbol.dispose]();
    server?.[Symbol.dispose]();
    await lab?.down();
  });

  const pathMtu = async (daemon: LabDaemon) =>
    (await daemon.ask<PathView[]>("paths")).find(({ state }) => state === "ready")?.mtuBytes;
  const tunMtu = async (daemon: LabDaemon) => (await daemon.ask<StatusView>("status")).tun.mtu;

  it("finds that out in the middle of a transfer, which goes on", async () => {
    expect(await pathMtu(client)).toBe(1500);
    const flow = iperf3(client.host, server.host, { to: "10.77.0.2", durationS: 8, congestion: "cubic" });
    await waitFor(async () => (await client.ask<PathView[]>("paths"))[0]!.deliveredBytesPerS > 1e6, {
      what: "a transfer",
    });
    await carryUpTo(1400);
    const { intervals } = await flow;
    const rates = intervals.map(({ bitsPerS }) => bitsPerS);
    expect(Math.min(...rates.slice(-3))).toBeGreaterThan(0.3 * Math.max(...rates));
    await waitFor(async () => (await pathMtu(client)) === 1400, { what: "the size that gets through" });
    expect(await tunMtu(client)).toBe(1400 - OVERHEAD_BYTES);
    expect((await client.host.exec("ip", ["link", "show", "mpip0"])).stdout).toContain("mtu 1343");
  });

  it("lets those know who send through it", async () => {
    const { stdout } = await lab
      .host("lan")
      .exec("ping", ["-c", "3", "-W", "2", "-M", "do", "-s", "1400", "10.77.0.2"], { allowFailure: true });
    expect(stdout).toMatch(/mtu ?= ?1343/);
    const small = await lab.host("lan").exec("ping", ["-c", "2", "-M", "do", "-s", "1315", "10.77.0.2"]);
    expect(small.stdout).toContain(" 0% packet loss");
  });

  it("lets them know, too, when its device has a larger MTU by configuration", async () => {
    client.process!.stderr = "";
    client.write(config(", mtu: 1500"));
    await client.process!.output(/read and in use/);
    expect((await client.host.exec("ip", ["link", "show", "mpip0"])).stdout).toContain("mtu 1500");
    await lab.host("lan").exec("ip", ["route", "flush", "cache"]);
    const tooBig = ["-c", "3", "-W", "2", "-M", "do", "-s", "1410", "10.77.0.2"];
    const { stdout } = await lab.host("lan").exec("ping", tooBig, { allowFailure: true });
    expect(stdout).toMatch(/mtu ?= ?1343/);
    // Segments of a size that nobody has agreed on with the path.
    const flow = await iperf3(client.host, server.host, { to: "10.77.0.2", durationS: 2 });
    expect(flow.receivedBitsPerS).toBeGreaterThan(10e6);
    client.process!.stderr = "";
    client.write(config());
    await client.process!.output(/read and in use/);
  });

  it("follows the device of the line at once", async () => {
    await client.host.exec("ip", ["link", "set", "line", "mtu", "1300"]);
    await waitFor(async () => (await tunMtu(client)) === 1300 - OVERHEAD_BYTES, { what: "a smaller MTU" });
    await carryUpTo();
    await client.host.exec("ip", ["link", "set", "line", "mtu", "1500"]);
    await waitFor(async () => (await tunMtu(client)) === 1500 - OVERHEAD_BYTES, { what: "the full MTU" });
  });
});
