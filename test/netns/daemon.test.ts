import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PathView, PeerView, SessionsView, StatusView } from "../../src/control/views.ts";
import { iperf3, Lab, ping, waitFor } from "../../tools/lab/index.ts";
import { hostSetup, LabDaemon, twoHostsConfig } from "./daemon-lab.ts";

// one ==l0, l1== two
describe("two daemons", () => {
  let lab: Lab;
  let one: LabDaemon;
  let two: LabDaemon;
  const before: string[] = [];

  beforeAll(async () => {
    lab = await Lab.up({
      hosts: { one: {}, two: {} },
      links: {
        l0: { between: ["one", "two"], rateMbit: 40, delayMs: 5, subnet6: "none" },
        l1: { between: ["one", "two"], rateMbit: 20, delayMs: 10, subnet6: "none" },
      },
    });
    const [hostOne, hostTwo] = [lab.host("one"), lab.host("two")];
    before.push(await hostSetup(hostOne), await hostSetup(hostTwo));
    one = new LabDaemon(hostOne, twoHostsConfig(1, hostTwo));
    two = new LabDaemon(
      hostTwo,
      twoHostsConfig(2, hostOne, "rules: [{ port: 5201, priority: throughput }]\n"),
    );
    await Promise.all([one.up(), two.up()]);
    await one.process!.output(/host2: reached/);
  });

  afterAll(async () => {
    one?.[Symbol.dispose]();
    two?.[Symbol.dispose]();
    await lab?.down();
  });

  it("carry pings of both families over the tunnel", async () => {
    expect((await ping(one.host, "10.77.0.2", { count: 5 })).received).toBe(5);
    expect((await ping(two.host, "fd77::1", { count: 5 })).received).toBe(5);
  });

  it("show all paths between them", async () => {
    const areMeasured = async () => {
      const views = await one.ask<PathView[]>("paths");
      const ready = views.filter(({ state, rttUs }) => state === "ready" && rttUs !== undefined);
      return ready.length === 2 && ready;
    };
    const paths = await waitFor(areMeasured, { what: "measured paths" });
    expect(paths.map(({ device }) => device).sort()).toEqual(["l0", "l1"]);
    expect(paths.every(({ peer, local }) => peer === "host2" && local.startsWith("10."))).toBe(true);
    expect(await one.run("paths")).toMatch(/^PEER +PATH +LOCAL → REMOTE/);
  });

  it("carry TCP, and show its session and rule", async () => {
    const flow = iperf3(one.host, two.host, { to: "10.77.0.2", durationS: 3, congestion: "cubic" });
    const isShown = async () => {
      const view = await two.ask<SessionsView>("sessions");
      return view.sessions.some(({ protocol, rule }) => protocol === 6 && rule === "rule-1") && view;
    };
    const { sessions, total } = await waitFor(isShown, { what: "a TCP session" });
    expect(total).toBe(sessions.length);
    expect(sessions.every(({ peer }) => peer === "host1")).toBe(true);
    await flow;
    expect(await two.run("sessions")).toMatch(/host1 +tcp +10\.77\.0/);
  });

  it("say in one line what is wrong with a command", async () => {
    const said = async (...words: string[]) => {
      const where = ["--run-dir", `${one.directory}/run`];
      const process = one.host.spawn("node", [one.upCommand[0]!, ...words, ...where]);
      const { code } = await process.exited;
      return `${code} ${process.stderr}`;
    };
    expect(await said("sessions", "--peer", "nobody")).toBe(
      "2 mpip: there is no peer nobody; there are host2\n",
    );
    for (const limit of ["-1", "abc", "1.5"]) {
      expect(await said("sessions", "--limit", limit)).toBe(
        "2 mpip: --limit takes a whole number from 0 to 100000\n",
      );
    }
    expect(await said("up", "-c", "a", "-c", "b")).toBe("2 mpip: -c stands twice; take one of them out\n");
    expect(await said("status", "--tun")).toBe(
      "2 mpip: Not enough arguments following: tun; see mpip --help\n",
    );
    expect(await said("status", "--tun=")).toBe("2 mpip: --tun needs a value\n");
  });

  it("do not mind a reader that has enough", async () => {
    const command = `{ node ${one.upCommand[0]} paths --run-dir ${one.directory}/run; echo $? >&2; } | true`;
    const { stderr } = await one.host.exec("sh", ["-c", command]);
    expect(stderr).toBe("0\n");
  });

  it("say how they are", async () => {
    const status = await one.ask<StatusView>("status");
    expect(status).toMatchObject({
      name: "host1",
      peers: { total: 1, up: 1 },
      tun: { name: "mpip0", mtu: 1443 },
    });
    expect(await one.run("status")).toContain("1 of 1 up");
    const [peer] = await one.ask<PeerView[]>("peers");
    expect(peer).toMatchObject({ name: "host2", node: "02:00:00:00:00:02", state: "up", pathsReady: 2 });
    expect(await one.run("peers")).toContain("10.77.0.2/32 fd77::2/128");
  });

  it("keep the rules when the file is broken, and take those of a sound one", async () => {
    one.write(twoHostsConfig(1, two.host, "rules:\n  - { prot: 22, priority: throughput }\n"));
    await one.process!.output(/mpip\.yaml:10: rules\[0\]\.prot: is not known/);
    await one.process!.output(/the configuration stays as it was/);
    expect((await one.ask<StatusView>("status")).config.error).toContain("rules[0].prot");
    expect((await ping(one.host, "10.77.0.2", { count: 2 })).received).toBe(2);
    const rule = "rules: [{ name: echo, protocol: icmp, priority: responsiveness }]\n";
    one.write(twoHostsConfig(1, two.host, rule));
    await one.process!.output(/read and in use/);
    await ping(one.host, "10.77.0.2", { count: 3 });
    const status = await one.ask<StatusView>("status");
    expect(status.config.error).toBeUndefined();
    expect(status.rules).toEqual([{ name: "echo", packets: expect.any(Number), bytes: expect.any(Number) }]);
    expect(status.rules[0]!.packets).toBeGreaterThanOrEqual(3);
  });

  it("undo everything at SIGTERM and at mpip down", async () => {
    expect(await one.process!.stop("SIGTERM", 5000)).toMatchObject({ code: 0 });
    await two.run("down");
    expect(await two.process!.exited).toMatchObject({ code: 0 });
    expect(await hostSetup(one.host)).toBe(before[0]);
    expect(await hostSetup(two.host)).toBe(before[1]);
  });
});
