import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runScenario, type Where } from "../helpers/child.ts";
import { TestNamespace } from "../helpers/namespace.ts";
import type { scenarios } from "./tun-child.ts";

type Scenarios = typeof scenarios;

let namespace: TestNamespace;

beforeAll(async () => {
  namespace = await TestNamespace.create("tun", [
    "tuntap add dev tap0 mode tap",
    "tuntap add dev kept0 mode tun",
    "link add veth0 type veth peer name veth1",
  ]);
  await namespace.quiet();
});
afterAll(() => namespace?.remove());

function child<Name extends keyof Scenarios>(
  name: Name,
  args: Parameters<Scenarios[Name]>,
  where: Where = {},
) {
  return runScenario<Scenarios, Name>("test/native/tun-child.ts", name, args, {
    namespace: namespace.name,
    ...where,
  });
}

describe("opening a TUN device", () => {
  it("that another port has open says so and what to do, and leaves the other alone", async () => {
    expect(await child("taken", [])).toEqual({
      error:
        "cannot open the TUN device taken0: resource busy or locked (EBUSY); another process has it open: choose another name or end that process",
      left: false,
      afterwards: { error: null },
    });
  });

  it("with the name of another kind of device says so", async () => {
    const results = await child("openings", [[{ name: "tap0" }, { name: "veth0" }]]);
    for (const { error } of results) {
      expect(error).toMatch(
        /^cannot open the TUN device \w+: invalid argument \(EINVAL\); another kind of device has this name: choose another name$/,
      );
    }
  });

  it("that was made to stay says so, and leaves it alone", async () => {
    const name = "kept0";
    const results = await child("openings", [[{ name }, { name, offloads: { checksum: false } }]]);
    for (const { error } of results) {
      expect(error).toBe(
        "cannot open the TUN device kept0: file already exists (EEXIST); it was made to stay, and would keep our addresses and routes: remove it with ip link del kept0, or choose another tun.name",
      );
    }
    expect(await namespace.exec("ip", "-o", "link", "show", name)).toMatch(/kept0: .* state DOWN/);
  });

  it("with a bad name says which names are good", async () => {
    // The kernel takes a name up to a zero byte, and makes up numbers for "%d".
    const bad = ["", "sixteen-letters1", "a/b", "a b", "a:b", "tun%d", ".", "..", "a\tb", "a\0b", "äöüäöüäö"];
    const results = await child("openings", [bad.map((name) => ({ name }))]);
    expect(results.map(({ error }) => error)).toEqual(
      bad.map(
        (name) =>
          `"${name}" is no name for a TUN device: use 1 to 15 ASCII characters without "/", ":", "%" or spaces, and not "." or ".."`,
      ),
    );
    const good = ["a", "fifteen-letters", "ab.c-d_0"];
    expect(await child("openings", [good.map((name) => ({ name }))])).toEqual(
      good.map(() => ({ error: null })),
    );
  });

  it("without the privilege says what is missing", async () => {
    const prefix = ["setpriv", "--bounding-set", "-net_admin,-net_raw"];
    const [result] = await child("openings", [[{ name: "mine0" }]], { prefix });
    expect(result).toEqual({
      error:
        "cannot open the TUN device mine0: operation not permitted (EPERM); run as root or with CAP_NET_ADMIN",
      left: false,
    });
  });

  it("with an MTU that the kernel does not take says so and leaves no device", async () => {
    const results = await child("openings", [[10, 70_000].map((mtu) => ({ name: "mtu0", mtu }))]);
    expect(results).toEqual(
      [10, 70_000].map((mtu) => ({
        error: `cannot set the MTU of mtu0 to ${mtu} and bring it up: invalid argument (EINVAL)`,
        left: false,
      })),
    );
  });
});

describe("the link of a TUN device", () => {
  it("is up with the MTU and queue that were asked for, and gone after close", async () => {
    const { opened, changed, refused, words, index, left } = await child("link", []);
    expect(opened).toEqual({ mtu: 1380, up: true, queueLength: 777 });
    expect(changed).toEqual({ mtu: 1300, up: true, queueLength: 777 });
    expect(refused).toMatch(/^cannot set the MTU of link0 to 100000 .*\(EINVAL\)$/);
    expect(words).toEqual([1300, 1, index, 777]);
    expect(left).toBe(false);
  });

  it("that is down refuses packets with EIO, message by message, and takes them again when it is up", async () => {
    const { up, down, again, counters } = await child("upAndDown", []);
    expect([up, down, again]).toEqual([43, -5, 43]);
    expect(counters).toEqual({ calls: 2, messages: 2, refused: 1 });
  });

  it("may be deleted by somebody: reads and writes fail quietly, and nothing spins", async () => {
    const { calls, turns, read, write } = await child("deleted", []);
    // EBADFD: the descriptor has no device any more.
    expect([read, write]).toEqual([0, -77]);
    expect(calls).toBeLessThanOrEqual(1);
    expect(turns).toBeGreaterThan(10);
  });
});
