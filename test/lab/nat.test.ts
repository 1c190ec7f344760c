import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Endpoint,
  Lab,
  type NatDescription,
  reflections,
  startReflector,
} from "../../tools/lab/index.ts";

const ports = [9000, 9001];

/**
 * Each NAT has a client of its own inside and the same server outside:
 *
 *   client-KIND --in-KIND-- nat-KIND --out-KIND-- server
 */
async function natLab(nats: Record<string, NatDescription>): Promise<Lab> {
  const kinds = Object.keys(nats);
  const lab = await Lab.up({
    hosts: {
      ...Object.fromEntries(kinds.map((kind) => [`client-${kind}`, {}])),
      ...Object.fromEntries(Object.entries(nats).map(([kind, nat]) => [`nat-${kind}`, { nat }])),
      server: {},
    },
    links: {
      ...Object.fromEntries(
        kinds.map((kind) => [`in-${kind}`, { between: [`client-${kind}`, `nat-${kind}`] }]),
      ),
      ...Object.fromEntries(kinds.map((kind) => [`out-${kind}`, { between: [`nat-${kind}`, "server"] }])),
    } as Record<string, { between: [string, string] }>,
  });
  const addresses = kinds.map((kind) => lab.host("server").ip(`out-${kind}`));
  await startReflector(
    lab.host("server"),
    addresses.flatMap((address) => ports.map((port) => ({ address, port }))),
  );
  return lab;
}

/** As whom the server sees one socket of the kind's client, at each of the server's ports. */
function seen(lab: Lab, kind: string, localPort = 5555): Promise<(Endpoint | undefined)[]> {
  const address = lab.host("server").ip(`out-${kind}`);
  const targets = ports.map((port) => ({ address, port }));
  return reflections(lab.host(`client-${kind}`), localPort, targets, 500);
}

function outsideAddress(lab: Lab, kind: string): string {
  return lab.host(`nat-${kind}`).ip(`out-${kind}`);
}

describe("NAT kinds", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await natLab({
      plain: { kind: "masquerade" },
      random: { kind: "random" },
      symm: { kind: "symmetric" },
      short: { kind: "symmetric", udpTimeoutS: 1 },
      hole: { kind: "masquerade", udpTimeoutS: 2 },
    });
  });
  afterAll(() => lab.down());

  it("masquerade: the outside address with the inside port, for every destination", async () => {
    const expected = { address: outsideAddress(lab, "plain"), port: 5555 };
    expect(await seen(lab, "plain")).toEqual([expected, expected]);
  });

  it("random: another port, the same for every destination", async () => {
    const [first, second] = await seen(lab, "random");
    expect(first!.address).toBe(outsideAddress(lab, "random"));
    expect(first!.port).not.toBe(5555);
    expect(second).toEqual(first);
    const [ofOtherSocket] = await seen(lab, "random", 5556);
    expect(ofOtherSocket!.port).not.toBe(first!.port);
  });

  it("symmetric: another port for each destination", async () => {
    const [first, second] = await seen(lab, "symm");
    expect(first!.address).toBe(outsideAddress(lab, "symm"));
    expect(new Set([5555, first!.port, second!.port]).size).toBe(3);
    expect(await seen(lab, "symm"), "the same destinations again").toEqual([first, second]);
  });

  it("forgets a mapping after the UDP timeout, and only then", async () => {
    const before = await Promise.all([seen(lab, "short", 6000), seen(lab, "symm", 6000)]);
    await sleep(300);
    const early = await Promise.all([seen(lab, "short", 6000), seen(lab, "symm", 6000)]);
    expect(early).toEqual(before);
    await sleep(1300);
    const late = await Promise.all([seen(lab, "short", 6000), seen(lab, "symm", 6000)]);
    expect(late[0]![0]!.port).not.toBe(before[0]![0]!.port);
    expect(late[1]).toEqual(before[1]);
  });

  it("lets answers in until the UDP timeout", async () => {
    const [client, server] = [lab.host("client-hole"), lab.host("server")];
    await reflections(client, 6050, [{ address: server.ip("out-hole"), port: 9100 }], 100);
    await startReflector(client, [{ address: "0.0.0.0", port: 6050 }]);
    const hole = { address: outsideAddress(lab, "hole"), port: 6050 };
    expect(await reflections(server, 9101, [hole], 300), "from another port").toEqual([undefined]);
    expect(await reflections(server, 9100, [hole], 300)).not.toEqual([undefined]);
    await sleep(2200);
    expect(await reflections(server, 9100, [hole], 300)).toEqual([undefined]);
  });

  it("maps anew after a flush", async () => {
    const [before] = await seen(lab, "random", 6100);
    await lab.nat("nat-random").flush();
    const [after] = await seen(lab, "random", 6100);
    expect(after!.port).not.toBe(before!.port);
    // With its port preserved a mapping is made again as it was: hence rebind.
    await lab.nat("nat-plain").flush();
    expect((await seen(lab, "plain", 6100))[0]!.port).toBe(6100);
  });

  it("takes other ports after a rebind, of every kind, and keeps to its kind", async () => {
    for (const kind of ["plain", "random", "symm"]) {
      const [before] = await seen(lab, kind, 6200);
      await lab.nat(`nat-${kind}`).rebind();
      const [first, second] = await seen(lab, kind, 6200);
      expect(first!.port, kind).not.toBe(before!.port);
      expect(first!.port, kind).not.toBe(6200);
      expect(first!.port === second!.port, kind).toBe(kind !== "symm");
    }
  });

  it("goes on with another address outside", async () => {
    const { address } = (await seen(lab, "symm", 6300))[0]!;
    await lab.host("nat-symm").setAddress("out-symm", "10.7.0.99");
    expect(address).toBe("10.7.0.1");
    expect((await seen(lab, "symm", 6300))[0]!.address).toBe("10.7.0.99");
    expect(outsideAddress(lab, "symm")).toBe("10.7.0.99");
  });

  it("lets nothing in that nobody asked for", async () => {
    await startReflector(lab.host("client-plain"), [{ address: "0.0.0.0", port: 7100 }]);
    const target = { address: outsideAddress(lab, "plain"), port: 7100 };
    const inside = { address: lab.host("client-plain").ip("in-plain"), port: 7100 };
    expect(await reflections(lab.host("server"), 5000, [target, inside], 300)).toEqual([
      undefined,
      undefined,
    ]);
    expect(await reflections(lab.host("nat-plain"), 5000, [inside], 300)).not.toEqual([undefined]);
  });

  it("is only where the description has it", async () => {
    expect(() => lab.nat("server")).toThrow("host server has no nat");
  });
});

describe("port forwards", () => {
  // inside1, inside2 -- nat -- server, with hairpin or without
  it.each([false, true])("lead inside from outside; from inside only with hairpin: %s", async (hairpin) => {
    const forwards: NatDescription["forwards"] = [
      { protocol: "udp", port: 7000, to: "inside1", toPort: 7001 },
      { protocol: "udp", port: 7002, to: "nat" },
    ];
    await using lab = await Lab.up({
      hosts: {
        inside1: {},
        inside2: {},
        nat: { nat: { kind: "masquerade", hairpin, forwards } },
        server: {},
      },
      links: {
        lan1: { between: ["inside1", "nat"] },
        lan2: { between: ["inside2", "nat"] },
        wan: { between: ["nat", "server"] },
      },
    });
    const wan = lab.host("nat").ip("wan");
    await startReflector(lab.host("inside1"), [{ address: "0.0.0.0", port: 7001 }]);
    await startReflector(lab.host("nat"), [{ address: "0.0.0.0", port: 7002 }]);
    const forwarded = { address: wan, port: 7000 };
    const server = { address: lab.host("server").ip("wan"), port: 5000 };
    expect(await reflections(lab.host("server"), 5000, [forwarded], 500)).toEqual([server]);
    expect(await reflections(lab.host("server"), 5000, [{ address: wan, port: 7002 }], 500)).toEqual([
      server,
    ]);
    const fromInside = await reflections(lab.host("inside2"), 5000, [forwarded], 500);
    expect(fromInside[0] !== undefined).toBe(hairpin);

    await lab.host("inside1").setAddress("lan1", "10.0.0.50");
    expect(await reflections(lab.host("server"), 5001, [forwarded], 500), "to its new address").toEqual([
      { ...server, port: 5001 },
    ]);
  });
});

describe("two NATs in a row", () => {
  it("show the outer one's address, and each maps by its kind", async () => {
    await using lab = await Lab.up({
      hosts: {
        client: {},
        home: { nat: { kind: "masquerade" } },
        operator: { nat: { kind: "symmetric" } },
        server: {},
      },
      links: {
        lan: { between: ["client", "home"] },
        access: { between: ["home", "operator"] },
        wan: { between: ["operator", "server"] },
      },
    });
    const server = lab.host("server").ip("wan");
    await startReflector(lab.host("server"), [{ address: server, port: 9000 }]);
    await startReflector(lab.host("operator"), [{ address: lab.host("operator").ip("access"), port: 9000 }]);
    const targets = [lab.host("operator").ip("access"), server].map((address) => ({ address, port: 9000 }));
    const [atOperator, atServer] = await reflections(lab.host("client"), 5555, targets);
    expect(atOperator).toEqual({ address: lab.host("home").ip("access"), port: 5555 });
    expect(atServer!.address).toBe(lab.host("operator").ip("wan"));
    expect(atServer!.port).not.toBe(5555);
  });
});
