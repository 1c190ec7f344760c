import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Lab, ping, waitFor } from "../../tools/lab/index.ts";
import { LabDaemon } from "./daemon-lab.ts";

const hubConfig = (forward: boolean) => `
name: hub
tun: { name: mphub, address: 10.77.0.1/24 }
interfaces: "l*"
forward: ${forward}
peers:
  - { name: spoke2, node: "02:00:00:00:00:02", routes: 10.77.0.2 }
  - { name: spoke3, node: "02:00:00:00:00:03", routes: 10.77.0.3 }
`;

// spoke2 --l2-- hub --l3-- spoke3
describe("a hub with two spokes", () => {
  let lab: Lab;
  const daemons: LabDaemon[] = [];

  beforeAll(async () => {
    lab = await Lab.up({
      hosts: { hub: {}, spoke2: {}, spoke3: {} },
      links: {
        l2: { between: ["spoke2", "hub"], subnet6: "none" },
        l3: { between: ["spoke3", "hub"], subnet6: "none" },
      },
    });
    const hub = lab.host("hub");
    daemons.push(new LabDaemon(hub, hubConfig(false)));
    for (const number of [2, 3]) {
      const config = `
name: spoke${number}
node: "02:00:00:00:00:0${number}"
tun: { address: 10.77.0.${number}/24 }
interfaces: l${number}
peers: [{ name: hub, endpoints: ${hub.ip(`l${number}`)}, routes: 10.77.0.0/24 }]
`;
      daemons.push(new LabDaemon(lab.host(`spoke${number}`), config));
    }
    await Promise.all(daemons.map((daemon) => daemon.up()));
    await daemons[0]!.process!.output(/spoke2: reached/);
    await daemons[0]!.process!.output(/spoke3: reached/);
  });

  afterAll(async () => {
    for (const daemon of daemons) daemon[Symbol.dispose]();
    await lab?.down();
  });

  const received = async (from: string, to: string) =>
    (await ping(lab.host(from), to, { count: 3, waitMs: 500 })).received;

  it("keeps the spokes apart, even where the host forwards", async () => {
    await lab.host("hub").sysctl("net.ipv4.ip_forward", 1);
    expect(await received("spoke2", "10.77.0.1")).toBe(3);
    expect(await received("spoke3", "10.77.0.1")).toBe(3);
    expect(await received("spoke2", "10.77.0.3")).toBe(0);
    await lab.host("hub").sysctl("net.ipv4.ip_forward", 0);
  });

  it("forwards between them where that is asked for, until it ends", async () => {
    const [hub] = daemons;
    hub!.write(hubConfig(true));
    await hub!.process!.output(/read and in use/);
    await waitFor(async () => (await received("spoke2", "10.77.0.3")) === 3, {
      what: "a way to the other spoke",
    });
    expect(await received("spoke3", "10.77.0.2")).toBe(3);
    expect(await lab.host("hub").sysctl("net.ipv4.ip_forward")).toBe("1");
    await hub!.run("down");
    await hub!.process!.exited;
    expect(await lab.host("hub").sysctl("net.ipv4.ip_forward")).toBe("0");
  });
});
