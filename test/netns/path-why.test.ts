import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PathView } from "../../src/control/views.ts";
import { Lab, waitFor } from "../../tools/lab/index.ts";
import { LabDaemon } from "./daemon-lab.ts";

// one ==l0, l1== two, one --l2-- three, which does not know one
describe("mpip paths", () => {
  let lab: Lab;
  let one: LabDaemon;
  const others: LabDaemon[] = [];

  beforeAll(async () => {
    lab = await Lab.up({
      hosts: { one: {}, two: {}, three: {} },
      links: {
        l0: { between: ["one", "two"], subnet6: "none" },
        l1: { between: ["one", "two"], subnet6: "none" },
        l2: { between: ["one", "three"], subnet6: "none" },
      },
    });
    const [two, three] = [lab.host("two"), lab.host("three")];
    one = new LabDaemon(lab.host("one"), config("l?", "v9", "wwan*", "{ name: l1, policy: backup }"));
    const other = (name: string, number: number, peers: string) => `
name: ${name}
tun: { address: 10.77.0.${number}/24 }
interfaces: "l?"
peers: [${peers}]
`;
    const known = '{ name: one, node: "02:00:00:00:00:01", routes: 10.77.0.1 }';
    others.push(new LabDaemon(two, other("two", 2, known)), new LabDaemon(three, other("three", 3, "")));
    await lab.host("one").exec("ip", ["link", "add", "v9", "type", "veth", "peer", "name", "v8"]);
    await Promise.all([one, ...others].map((daemon) => daemon.up()));
    await one.process!.output(/two: reached/);
  });

  afterAll(async () => {
    one?.[Symbol.dispose]();
    for (const daemon of others) daemon[Symbol.dispose]();
    await lab?.down();
  });

  const config = (...interfaces: string[]) => `
name: one
node: "02:00:00:00:00:01"
tun: { address: 10.77.0.1/24 }
interfaces: [${interfaces.reverse().map((name) => (name.startsWith("{") ? name : `"${name}"`))}]
peers:
  - name: two
    endpoints: [${lab.host("two").ip("l0")}, ${lab.host("two").ip("l1")}, "2001:db8::1", other.invalid]
    routes: 10.77.0.2
  - { name: three, endpoints: ${lab.host("three").ip("l2")}, routes: 10.77.0.3 }
  - { name: nobody, endpoints: 10.0.0.77, routes: 10.77.0.4 }
  - { name: caller, node: "02:00:00:00:00:05", routes: 10.77.0.5 }
  - { name: nameless, endpoints: nowhere.invalid, routes: 10.77.0.6 }
`;

  /** What is said of each: peer, path, state and why. */
  const said = async () =>
    (await one.ask<PathView[]>("paths")).map(({ peer, name, state, why }) =>
      [peer || "-", name || "-", state, why ?? "-"].join(" "),
    );

  const isSaid = (pattern: RegExp) =>
    waitFor(async () => (await said()).some((line) => pattern.test(line)), {
      what: `${pattern} in what mpip paths says`,
    });

  it("says why each is not used, and what there is no path over or to", async () => {
    await isSaid(/^three 10\.2\.0\.2 none refused: /);
    await isSaid(/^two l1\/10\.1\.0\.2 ready /);
    const lines = await said();
    expect(lines).toContain("two l0/10.0.0.2 ready -");
    expect(lines).toContain("two l1/10.1.0.2 ready a backup, and others work");
    expect(lines.join("\n")).toMatch(/^two l2\/10\.0\.0\.2 probing no answer to probes for [\d.]+ s$/m);
    expect(lines).toContain("- v9 none is down");
    expect(lines).toContain("- wwan* none no such interface");
    expect(lines).toContain("two 2001:db8::1 none no line in use has an IPv6 address");
    expect(lines.join("\n")).toMatch(/^nobody 10\.0\.0\.77 none no answer to \d+ queries$/m);
    expect(lines).toContain("caller - none it has not called yet, and has no endpoints here");
    expect(lines).toContain("nameless nowhere.invalid none nowhere.invalid cannot be resolved");
    expect(lines).toContain("two other.invalid none other.invalid cannot be resolved");
    expect(await one.run("paths")).toMatch(/ WHY\n(.*\n)* *.* a backup, and others work\n/);
    const peers = (await others[0]!.ask<PathView[]>("paths")).map(({ remote, why }) => [remote, why]);
    expect(peers).toContainEqual(["10.1.0.1", "a backup, and others work, says the peer"]);
  });

  it("says since when a path is silent, also in the log", async () => {
    await lab.link("l0").cut("silent");
    await isSaid(/^two l0\/10\.0\.0\.2 down silent for [\d.]+ s$/);
    await isSaid(/^two l1\/10\.1\.0\.2 ready -$/);
    await one.process!.output(/two: path l0\/10\.0\.0\.2 port 7000: silent for [\d.]+ s/);
    await lab.link("l0").restore();
    await isSaid(/^two l0\/10\.0\.0\.2 ready -$/);
  });

  it("follows what the configuration says", async () => {
    for (const [line, why] of [
      ["{ name: l1, policy: metered }", "metered, and the others keep up"],
      ["{ name: l1, rateMbit: 20 }", "held to 20\\.0 Mbit/s"],
      ["{ name: l1, quota: { bytes: 1 B } }", "its quota is used up"],
    ] as const) {
      one.process!.stderr = "";
      one.write(config("l?", line));
      one.process!.signal("SIGHUP");
      await one.process!.output(/read and in use/);
      await isSaid(new RegExp(`^two l1/10\\.1\\.0\\.2 ready ${why}$`));
    }
  });
});
