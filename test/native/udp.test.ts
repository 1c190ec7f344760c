import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runScenario, type Where } from "../helpers/child.ts";
import { TestNamespace } from "../helpers/namespace.ts";
import type { MessageSpec, SendingSpec, scenarios } from "./udp-child.ts";

type Scenarios = typeof scenarios;

// a0 10.3.0.1 ---- 10.3.0.2 b0
// a1 10.4.0.1 ---- 10.4.0.2 b1     b forwards
let a: TestNamespace;
let b: TestNamespace;

const LINKS = [3, 4].flatMap((net, i) => [
  `link add a${i} type veth peer name b${i} netns NAME`,
  `addr add 10.${net}.0.1/24 dev a${i}`,
  `-6 addr add fd0${net}::1/64 dev a${i} nodad`,
  `link set a${i} up`,
]);
// Linux bounds its ICMP by receiver, so each question about it has an address of its own.
const ASKING = ["10.3.0.11/24", "10.3.0.12/24", "10.3.0.13/24", "10.3.0.14/24"];

beforeAll(async () => {
  b = await TestNamespace.create("udp-b");
  a = await TestNamespace.create("udp-a", [
    ...["10.1.0.1/32", "10.1.0.2/32"].map((address) => `addr add ${address} dev lo`),
    ...["fd01::1/128", "fd01::2/128"].map((address) => `-6 addr add ${address} dev lo nodad`),
    ...LINKS.map((line) => line.replace("NAME", b.name)),
    ...ASKING.map((address) => `addr add ${address} dev a0`),
    "route add unreachable 10.9.0.1/32",
    "route add prohibit 10.9.0.2/32",
    "route add blackhole 10.9.0.3/32",
    "route add 10.6.0.0/24 via 10.3.0.2",
    "-6 route add fd06::/64 via fd03::2",
    "rule add fwmark 0x77 lookup 100",
    "route add unreachable default table 100",
  ]);
  await b.exec(
    "sysctl",
    "-qw",
    "net.ipv4.ip_forward=1",
    "net.ipv6.conf.all.forwarding=1",
    "net.ipv4.icmp_ratelimit=0",
    "net.ipv6.icmp.ratelimit=0",
  );
  await b.ip(
    ...[3, 4].flatMap((net, i) => [
      `addr add 10.${net}.0.2/24 dev b${i}`,
      `-6 addr add fd0${net}::2/64 dev b${i} nodad`,
      `link set b${i} up`,
    ]),
    "route add unreachable 10.6.0.1/32",
    "route add prohibit 10.6.0.2/32",
    "route add 10.6.0.3/32 via 10.4.0.1 mtu lock 1280",
    "-6 route add unreachable fd06::1/128",
    "-6 route add prohibit fd06::2/128",
    "-6 route add fd06::3/128 via fd04::1 mtu lock 1300",
  );
});
afterAll(async () => {
  await a?.remove();
  await b?.remove();
});

function child<Name extends keyof Scenarios>(
  name: Name,
  args: Parameters<Scenarios[Name]>,
  where: Where = {},
) {
  return runScenario<Scenarios, Name>("test/native/udp-child.ts", name, args, {
    namespace: a.name,
    ...where,
  });
}

/** Sends messages from 10.1.0.1, or other sockets, with 10.1.0.2 as the receiver. */
function sending(messages: MessageSpec[], more: Partial<SendingSpec> = {}) {
  return child("sending", [{ sockets: [{ address: "10.1.0.1" }], receiver: "10.1.0.2", messages, ...more }]);
}

const lengths = ({ received }: { received: { length: number }[] }) => received.map(({ length }) => length);

describe("messages of one plan that fail for different reasons", () => {
  it("are told apart, and those between them go out in their order", async () => {
    const result = await sending([
      { length: 1 },
      { length: 10, to: "10.9.0.1" },
      { length: 2 },
      { length: 10, to: "10.9.0.2" },
      { length: 10, to: "10.9.0.3" },
      { length: 3 },
      { length: 10, to: "10.8.0.1" },
      { length: 1473, to: "10.3.0.2" },
      { length: 65510 },
      { length: 65507 },
      { length: 4 },
    ]);
    // EHOSTUNREACH, EACCES, EINVAL, ENETUNREACH, EMSGSIZE: what Linux says of such routes and lengths.
    expect(result.statuses).toEqual([1, -113, 2, -13, -22, 3, -101, -90, -90, 65507, 4]);
    expect(lengths(result)).toEqual([1, 2, 3, 65507, 4]);
    expect([result.sent, result.counters]).toEqual([5, { calls: 1, messages: 5, refused: 6 }]);
    // What our own kernel refuses is no answer of the network.
    expect(result.errors).toEqual([]);
  });

  it.each(["ip link set a1 down", "ip addr flush dev a1"])(
    "do not suffer from an interface that goes away (%s)",
    async (command) => {
      const result = await sending(
        [
          { length: 1 },
          { length: 5, by: 1, to: "10.4.0.2" },
          { length: 5, by: 2, to: "10.4.0.2" },
          { length: 2 },
        ],
        {
          sockets: [{ address: "10.1.0.1" }, { address: "10.4.0.1", device: "a1" }, { address: "10.4.0.1" }],
          commands: [command],
        },
      );
      await a.ip(
        "link set a1 up",
        "addr replace 10.4.0.1/24 dev a1",
        "-6 addr replace fd04::1/64 dev a1 nodad",
      );
      expect(result.statuses).toEqual([1, -101, -101, 2]);
      expect(lengths(result)).toEqual([1, 2]);
    },
  );
});

describe("a queue that is full", () => {
  const burst = (count: number, more: Partial<MessageSpec> = {}) =>
    Array.from({ length: count }, () => ({ length: 1400, to: "10.3.0.2", ...more }));
  const queue = async (rate: string, limit: string) => {
    await a.exec(...`tc qdisc replace dev a0 root tbf rate ${rate} burst 3kb limit ${limit}`.split(" "));
  };
  afterAll(() => a.exec("tc", "qdisc", "del", "dev", "a0", "root"));

  it("refuses what it drops, message by message", async () => {
    await queue("8kbit", "4kb");
    const { statuses, ...result } = await sending([{ length: 1 }, ...burst(10), { length: 2 }]);
    expect([statuses[0], statuses[11]]).toEqual([1, 2]);
    expect(lengths(result)).toEqual([1, 2]);
    const refused = statuses.slice(1, 11);
    const taken = refused.indexOf(-105);
    expect(taken).toBeGreaterThan(0);
    expect(refused).toEqual([...new Array(taken).fill(1400), ...new Array(10 - taken).fill(-105)]);
  });

  it("in the middle of a message that goes datagram by datagram leaves the bytes that went out as its status", async () => {
    await queue("8kbit", "6kb");
    const { statuses, sent, ...result } = await sending(
      [{ length: 1 }, { length: 14_000, segment: 1400, to: "10.3.0.2" }, { length: 2800, segment: 1400 }],
      { offloads: { gso: false } },
    );
    expect([statuses[0], statuses[2], sent]).toEqual([1, 2800, 2]);
    expect(lengths(result)).toEqual([1, 1400, 1400]);
    expect(statuses[1]).toBeGreaterThan(0);
    expect(statuses[1]).toBeLessThan(14_000);
    expect(statuses[1]! % 1400).toBe(0);
  });

  it("fills the send buffer of its own socket, and of no other", async () => {
    await queue("8kbit", "1mb");
    const { statuses, ...result } = await sending([...burst(10), { length: 2, by: 1 }], {
      sockets: [{ address: "10.1.0.1" }, { address: "10.1.0.1" }],
      bufferBytes: 4608,
    });
    const taken = statuses.indexOf(-11);
    expect(taken).toBeGreaterThan(0);
    expect(statuses).toEqual([...new Array(taken).fill(1400), ...new Array(10 - taken).fill(-11), 2]);
    expect(lengths(result)).toEqual([2]);
  });
});

describe("what the network answers", () => {
  it.each([
    ["a port where nobody listens", "10.3.0.11", { to: "10.3.0.2", length: 5 }, -111, 0],
    ["a host that its router cannot reach", "10.3.0.12", { to: "10.6.0.1", length: 5 }, -113, 0],
    ["a host that its router forbids", "10.3.0.13", { to: "10.6.0.2", length: 5 }, -113, 0],
    ["a link that is narrower than the datagram", "10.3.0.14", { to: "10.6.0.3", length: 1400 }, -90, 1280],
    ["a port where nobody listens, over IPv6", "fd03::1", { to: "fd03::2", length: 5 }, -111, 0],
    ["a host that its router cannot reach, over IPv6", "fd03::1", { to: "fd06::1", length: 5 }, -101, 0],
    ["a host that its router forbids, over IPv6", "fd03::1", { to: "fd06::2", length: 5 }, -13, 0],
    ["a narrow link, over IPv6", "fd03::1", { to: "fd06::3", length: 1400 }, -90, 1300],
  ])("about %s names the destination and the reason", async (_, address, { to, length }, errno, mtu) => {
    const message = { to, port: 9, length };
    const receiver = address.includes(":") ? "fd01::2" : "10.1.0.2";
    const result = await sending([message, message], { sockets: [{ address }], receiver, answers: 1 });
    expect(result.statuses).toEqual([length, length]);
    expect(result.errors[0]).toEqual({ errno, to, port: 9, mtu });
  });
});

describe("a socket", () => {
  it("with a mark is routed by it", async () => {
    const result = await sending(
      [
        { length: 1, to: "10.3.0.2" },
        { length: 2, by: 1, to: "10.3.0.2" },
      ],
      {
        sockets: [{ address: "10.1.0.1" }, { address: "10.1.0.1", mark: 0x77 }],
      },
    );
    expect(result.statuses).toEqual([1, -113]);
  });

  it("bound to a device sends by it, whatever the routes say", async () => {
    const rule = (device: string) => ["iifname", device, "udp", "dport", "4242", "counter"];
    await b.exec("nft", "add table ip t; add chain ip t in { type filter hook prerouting priority 0; }");
    for (const device of ["b0", "b1"]) await b.exec("nft", "add", "rule", "ip", "t", "in", ...rule(device));
    const message = { to: "10.3.0.2", port: 4242, length: 1 };
    await sending([message, { ...message, by: 1 }, { ...message, by: 1 }], {
      sockets: [{ address: "10.1.0.1" }, { address: "10.1.0.1", device: "a1" }],
      answers: 3,
    });
    const rules = await b.exec("nft", "list", "chain", "ip", "t", "in");
    await b.exec("nft", "delete", "table", "ip", "t");
    const packets = ["b0", "b1"].map((device) => new RegExp(`"${device}" .*packets (\\d+)`).exec(rules)![1]);
    expect(packets).toEqual(["1", "2"]);
  });

  it("bound to a device receives by it only", async () => {
    const { statuses, received, errors } = await sending([{ length: 1 }], {
      receiverDevice: "a1",
      answers: 1,
    });
    expect([statuses, received]).toEqual([[1], []]);
    expect(errors.map(({ errno, to }) => [errno, to])).toEqual([[-111, "10.1.0.2"]]);
  });

  it("gets the buffers that were asked for, also beyond the system's limit", async () => {
    const limit = Number(await a.exec("cat", "/proc/sys/net/core/rmem_max"));
    // The kernel doubles what it is asked for.
    const bytes = 2 * limit;
    expect(await child("buffers", [bytes])).toEqual({ receive: 2 * bytes, send: 2 * bytes });
  });

  it("gets the system's limit where the privilege is missing", async () => {
    const limits = ["rmem_max", "wmem_max"].map((name) => a.exec("cat", `/proc/sys/net/core/${name}`));
    const [receive, send] = (await Promise.all(limits)).map(Number) as [number, number];
    const prefix = ["setpriv", "--bounding-set", "-net_admin"];
    expect(await child("buffers", [2 * Math.max(receive, send)], { prefix })).toEqual({
      receive: 2 * receive,
      send: 2 * send,
    });
  });
});

describe("a socket that cannot be opened", () => {
  it("says what, why and what to do", async () => {
    const { results } = await child("openings", [
      [
        { address: "10.1.0.1", port: 7777 },
        { address: "10.1.0.1", port: 7777 },
        { address: "10.77.0.1", port: 7777 },
        { address: "fd77::1" },
        { address: "10.1.0.1", device: "nowhere0" },
        { address: "10.1.0.1", port: 65536 },
        { address: "10.1.0.1", port: -1 },
      ],
    ]);
    expect(results).toEqual([
      null,
      "cannot listen on 10.1.0.1 port 7777: address already in use (EADDRINUSE); another process uses this port: choose another one or end that process",
      "cannot listen on 10.77.0.1 port 7777: address not available (EADDRNOTAVAIL); no interface has this address",
      "cannot listen on fd77::1 port 0: address not available (EADDRNOTAVAIL); no interface has this address",
      "cannot bind a UDP socket to nowhere0: no such device (ENODEV); there is no such interface",
      "cannot listen on 10.1.0.1 port 65536: invalid argument (EINVAL)",
      "cannot listen on 10.1.0.1 port -1: invalid argument (EINVAL)",
    ]);
  });

  it("for want of a privilege says which one", async () => {
    const prefix = ["setpriv", "--bounding-set", "-net_admin,-net_raw"];
    const { results } = await child("openings", [[{ address: "10.1.0.1", mark: 1 }]], { prefix });
    expect(results).toEqual([
      "cannot set the mark on a UDP socket: operation not permitted (EPERM); run as root or with CAP_NET_ADMIN",
    ]);
  });
});
