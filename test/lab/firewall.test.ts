import { describe, expect, it } from "vitest";
import {
  contentUrl,
  curl,
  type Description,
  type Host,
  type HostDescription,
  Lab,
  ping,
  reflections,
  startContentServer,
  startReflector,
} from "../../tools/lab/index.ts";

// inside -- middle -- outside
function through(middle: HostDescription, inside: HostDescription = {}): Description {
  return {
    hosts: { inside, middle, outside: {} },
    links: { lan: { between: ["inside", "middle"] }, wan: { between: ["middle", "outside"] } },
  };
}

describe("a firewall", () => {
  it("is nothing that a router has by itself", async () => {
    await using lab = await Lab.up(through({ router: true }));
    expect(await passes(lab, "inside", "outside")).toEqual({ tcp: true, udp: true, icmp: true });
    expect(await passes(lab, "outside", "inside")).toEqual({ tcp: true, udp: true, icmp: true });
  });

  it("block-udp of a router stops UDP in both directions, and nothing else", async () => {
    await using lab = await Lab.up(through({ router: true, firewall: ["block-udp"] }));
    expect(await passes(lab, "inside", "outside")).toEqual({ tcp: true, udp: false, icmp: true });
    expect(await passes(lab, "outside", "inside")).toEqual({ tcp: true, udp: false, icmp: true });
    expect(await passes(lab, "inside", "middle")).toEqual({ tcp: true, udp: false, icmp: true });
  });

  it("block-inbound of a router stops what is begun outside", async () => {
    await using lab = await Lab.up(through({ router: true, firewall: ["block-inbound"] }));
    expect(await passes(lab, "inside", "outside")).toEqual({ tcp: true, udp: true, icmp: true });
    expect(await passes(lab, "outside", "inside")).toEqual({ tcp: false, udp: false, icmp: false });
    expect(await passes(lab, "outside", "middle")).toEqual({ tcp: false, udp: false, icmp: false });
  });

  it("block-inbound of a host protects the host alone, for both IP versions", async () => {
    await using lab = await Lab.up(through({ router: true }, { firewall: ["block-inbound"] }));
    expect(await passes(lab, "inside", "outside")).toEqual({ tcp: true, udp: true, icmp: true });
    expect(await passes(lab, "middle", "inside")).toEqual({ tcp: false, udp: false, icmp: false });
    expect(await ping(lab.host("inside"), address(lab.host("outside"), 6), { count: 1 })).toMatchObject({
      received: 1,
    });
    const blocked = await ping(lab.host("outside"), address(lab.host("inside"), 6), {
      count: 1,
      waitMs: 200,
    });
    expect(blocked).toMatchObject({ received: 0 });
  });
});

/** Whether a transfer that is begun at one host gets its answer from another. */
async function passes(lab: Lab, fromName: string, toName: string) {
  const [from, to] = [lab.host(fromName), lab.host(toName)];
  const target = address(to, 4);
  const web = await startContentServer(to);
  const reflector = await startReflector(to, [{ address: target, port: 9000 }]);
  const download = curl(from, contentUrl(target, 10), { args: ["--max-time", "0.5"] });
  const tcp = await download.then(
    ({ bytes }) => bytes === 10,
    () => false,
  );
  const [reflection] = await reflections(from, 5000, [{ address: target, port: 9000 }], 300);
  const { received } = await ping(from, target, { count: 1, waitMs: 200 });
  await Promise.all([web.stop(), reflector.stop()]);
  return { tcp, udp: reflection !== undefined, icmp: received === 1 };
}

function address(host: Host, family: 4 | 6): string {
  return host.ip(host.plan.interfaces[0]!.link, family);
}
