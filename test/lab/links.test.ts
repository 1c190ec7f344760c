import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CutKind, type Host, iperf3, Lab, type Link, ping, waitFor } from "../../tools/lab/index.ts";

const quick = { count: 5, intervalMs: 20, waitMs: 300 };

describe("an emulated link", () => {
  let lab: Lab;
  let a: Host;
  let b: Host;
  beforeAll(async () => {
    lab = await Lab.up({
      hosts: { a: {}, b: {} },
      links: {
        l0: { between: ["a", "b"], rateMbit: 40, delayMs: 10, ba: { rateMbit: 8 } },
        l1: { between: ["a", "b"], delayMs: 0 },
      },
    });
    [a, b] = [lab.host("a"), lab.host("b")];
    // The first echo also waits for neighbour discovery.
    for (const link of lab.links) await ping(a, b.ip(link.name), { count: 1 });
  });
  afterAll(() => lab.down());

  it("delays both directions", async () => {
    const { medianMs } = await ping(a, b.ip("l0"), quick);
    expect(medianMs).toBeGreaterThan(20);
    expect(medianMs).toBeLessThan(25);
  });

  it("has a rate of its own in each direction", async () => {
    const options = { to: b.ip("l0"), durationS: 2, congestion: "cubic" };
    const ab = await iperf3(a, b, options);
    const ba = await iperf3(a, b, { ...options, reverse: true });
    expect(ab.congestion).toBe("cubic");
    // Of every frame of 1514 bytes 1448 are content, and the transfer starts slowly.
    expect(ab.receivedBitsPerS / 1e6).toBeGreaterThan(33);
    expect(ab.receivedBitsPerS / 1e6).toBeLessThan(38.3);
    expect(ba.receivedBitsPerS / 1e6).toBeGreaterThan(6.5);
    expect(ba.receivedBitsPerS / 1e6).toBeLessThan(7.7);
  });

  it("changes while it runs, and keeps what is not named", async () => {
    await lab.link("l0").set({ both: { delayMs: 1 }, ab: { delayMs: 41 } });
    expect((await ping(a, b.ip("l0"), quick)).medianMs).toBeGreaterThan(42);
    expect(lab.link("l0").plan.line).toEqual({
      ab: { rateMbit: 40, delayMs: 41 },
      ba: { rateMbit: 8, delayMs: 1 },
    });
    await lab.link("l0").set({ both: { delayMs: 10 } });
    expect((await ping(a, b.ip("l0"), quick)).medianMs).toBeLessThan(30);
    await expect(lab.link("l0").set({ ab: { delayMs: -1 } })).rejects.toThrow(
      "link l0 ab: delayMs: must be a number from 0 to 10000, not -1",
    );
  });

  it("loses what it is told to lose", async () => {
    const udp = { to: b.ip("l1"), udp: true, bitrateMbit: 10, lengthBytes: 500, durationS: 1 };
    await lab.link("l1").set({ ab: { lossPercent: 20 } });
    const { lostPercent } = await iperf3(a, b, udp);
    expect(lostPercent).toBeGreaterThan(15);
    expect(lostPercent).toBeLessThan(25);
    await lab.link("l1").set({ ab: { lossPercent: 0 } });
    expect((await iperf3(a, b, udp)).lostPercent).toBeLessThan(1);
    const { ab, ba } = await lab.link("l1").stats();
    expect(ab.dropped.loss).toBeGreaterThan(300);
    expect(ab.framesIn).toBe(ab.framesOut + Object.values(ab.dropped).reduce((sum, frames) => sum + frames));
    expect(ba.dropped.loss).toBe(0);
  });

  it("carries no frame longer than its MTU", async () => {
    const before = await lab.link("l1").stats();
    await iperf3(a, b, { to: b.ip("l1"), durationS: 1, bitrateMbit: 50 });
    const { ab } = await lab.link("l1").stats();
    const frames = ab.framesOut - before.ab.framesOut;
    expect(frames).toBeGreaterThan(1000);
    expect((ab.bytesOut - before.ab.bytesOut) / frames).toBeLessThanOrEqual(1514);
  });

  describe.each(["a", "b"] as const)("without carrier at %s", (end) => {
    it("shows it there and nowhere else, and comes back", async () => {
      await lab.link("l1").cut("carrier", end);
      expect(await states(lab, "l1")).toEqual({
        a: end === "a" ? "no carrier" : "up",
        b: end === "b" ? "no carrier" : "up",
      });
      expect(await reaches(a, b, "l1")).toBe(false);
      await expectRestored(lab.link("l1"));
    });
  });

  it("without carrier at both ends shows it at both", async () => {
    await lab.link("l1").cut("carrier");
    expect(await states(lab, "l1")).toEqual({ a: "no carrier", b: "no carrier" });
    await expectRestored(lab.link("l1"));
  });

  it("vanishes silently in one direction: both ends keep their carrier, only answers are missing", async () => {
    await lab.link("l1").cut("silent", "ab");
    expect(await states(lab, "l1")).toEqual({ a: "up", b: "up" });
    const before = await lab.link("l1").stats();
    expect(await reaches(b, a, "l1")).toBe(false);
    const { ab, ba } = await lab.link("l1").stats();
    expect(ba.framesOut - before.ba.framesOut, "echoes still come from b to a").toBeGreaterThan(4);
    expect(ab.framesOut).toBe(before.ab.framesOut);
    expect(ab.dropped.blackhole).toBeGreaterThan(4);
    await expectRestored(lab.link("l1"));
  });

  it("does not lose its parameters by a silent cut", async () => {
    await lab.link("l0").cut("silent");
    expect(await reaches(a, b, "l0")).toBe(false);
    await lab.link("l0").restore();
    expect((await ping(a, b.ip("l0"), quick)).medianMs).toBeGreaterThan(20);
  });

  it("takes only the cuts that there are", async () => {
    const cut = (kind: string, where: string) => lab.link("l0").cut(kind as "admin", where as "a");
    await expect(cut("silent", "a")).rejects.toThrow("a silent cut is at ab, ba or both, not a");
    await expect(cut("admin", "ba")).rejects.toThrow("a admin cut is at a, b or both, not ba");
  });

  async function expectRestored(link: Link) {
    await link.restore();
    expect(await states(lab, link.name)).toEqual({ a: "up", b: "up" });
    await waitFor(() => reaches(a, b, link.name), { what: `the return of ${link.name}` });
  }
});

describe("an interface that is set down", () => {
  // a --l0-- r --l1-- b
  it.each([{ emulated: true }, { emulated: false }])(
    "loses its routes and gets them back: %o",
    async (kind) => {
      const line = kind.emulated ? { delayMs: 1 } : {};
      await using lab = await Lab.up({
        hosts: { a: { policyRouting: true }, r: { router: true }, b: {} },
        links: { l0: { between: ["a", "r"], ...line }, l1: { between: ["b", "r"], ...line } },
      });
      const a = lab.host("a");
      const shown = async () =>
        (
          await Promise.all(
            [["-4"], ["-6"]].map((family) => a.exec("ip", [...family, "route", "show", "table", "all"])),
          )
        ).map(({ stdout }) =>
          stdout
            .replace(/^local .*|.*fe80.*|.*multicast.*/gm, "")
            .split("\n")
            .filter(Boolean)
            .sort(),
        );
      const before = await shown();
      await lab.link("l0").cut("admin", "a");
      // The far end of an emulated line does not notice, as behind a modem.
      expect(await states(lab, "l0")).toEqual({ a: "down", r: kind.emulated ? "up" : "no carrier" });
      expect((await shown()).flat().join()).not.toMatch(/default|dev l0/);
      await lab.link("l0").restore();
      expect(await states(lab, "l0")).toEqual({ a: "up", r: "up" });
      expect(await shown()).toEqual(before);
      for (const family of [4, 6] as const) {
        const address = lab.host("b").ip("l1", family);
        await waitFor(async () => (await ping(a, address, { count: 1, waitMs: 300 })).received === 1, {
          what: address,
        });
      }
    },
  );
});

describe("a bare link", () => {
  it("can be cut in the same ways", async () => {
    await using lab = await Lab.up({ hosts: { a: {}, b: {} }, links: { l0: { between: ["a", "b"] } } });
    const [a, b, link] = [lab.host("a"), lab.host("b"), lab.link("l0")];
    expect(await reaches(a, b, "l0")).toBe(true);
    const cuts: [CutKind, string, Record<string, string>][] = [
      ["carrier", "a", { a: "no carrier", b: "down" }],
      ["carrier", "b", { a: "down", b: "no carrier" }],
      ["admin", "both", { a: "down", b: "down" }],
      ["silent", "ab", { a: "up", b: "up" }],
      ["silent", "both", { a: "up", b: "up" }],
    ];
    for (const [kind, where, expected] of cuts) {
      await link.cut(kind as "admin", where as "a");
      expect(await states(lab, "l0"), `${kind} ${where}`).toEqual(expected);
      expect(await reaches(a, b, "l0"), `${kind} ${where}`).toBe(false);
      await link.restore();
      expect(await states(lab, "l0"), `${kind} ${where}`).toEqual({ a: "up", b: "up" });
      await waitFor(() => reaches(a, b, "l0"), { what: `the return from ${kind} ${where}` });
    }
    await expect(link.cut("carrier")).rejects.toThrow("its carrier can be cut at one end only");
    await expect(link.set({ ab: { delayMs: 3 } })).rejects.toThrow(
      "link l0 is not emulated: give it a rate or a delay",
    );
    await expect(link.stats()).rejects.toThrow("link l0 is not emulated");
  });
});

async function reaches(from: Host, to: Host, link: string): Promise<boolean> {
  try {
    return (await ping(from, to.ip(link), quick)).received > 0;
  } catch {
    // Without an interface or a route ping cannot even begin.
    return false;
  }
}

/** What the kernel says of both ends of a link. */
async function states(lab: Lab, link: string): Promise<Record<string, string>> {
  const { a, b } = lab.link(link).plan;
  const shown = await Promise.all(
    [a, b].map(async (host) => {
      const { stdout } = await lab.host(host).exec("ip", ["-json", "link", "show", "dev", link]);
      const [{ flags }] = JSON.parse(stdout) as [{ flags: string[] }];
      return flags.includes("NO-CARRIER") ? "no carrier" : flags.includes("UP") ? "up" : "down";
    }),
  );
  return { [a]: shown[0]!, [b]: shown[1]! };
}
