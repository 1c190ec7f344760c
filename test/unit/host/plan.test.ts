import { describe, expect, it } from "vitest";
import { parseInterfaceAddress, parsePrefix } from "../../../src/config/values.ts";
import { hostChanges } from "../../../src/host/diff.ts";
import { type Action, hostItems } from "../../../src/host/plan.ts";
import type { HostState } from "../../../src/host/state.ts";

function state(changes: Partial<Omit<HostState, "routes">> & { routes?: string[] } = {}): HostState {
  const { routes = [], ...others } = changes;
  return {
    tun: "mpip0",
    mtu: 1443,
    addresses: [parseInterfaceAddress("10.77.0.1/24")],
    forward: false,
    exit: false,
    dns: [],
    port: 7000,
    lines: [],
    real: undefined,
    ...others,
    routes: routes.map(parsePrefix),
  };
}

function text(action: Action | undefined): string {
  if (action === undefined) return "";
  if (action.kind === "ip") return `ip -${action.family} ${action.args.join(" ")}`;
  if (action.kind === "sysctl") return `sysctl ${action.key} ${action.value}`;
  return action.kind === "nft" ? action.text : `${action.path}: ${action.text}`;
}

const applied = (wanted: HostState) => hostItems(wanted).map(({ apply }) => text(apply));

describe("what the host is to have", () => {
  it("is a loose rp_filter on lines where it is strict, for as long as the line is there", () => {
    const lines = [{ device: "eth0.7", index: 3 }];
    const item = hostItems(state({ lines })).at(-1);
    expect(item).toMatchObject({ ifStrict: { device: "eth0.7", index: 3 }, remains: true });
    expect(text(item!.apply)).toBe("sysctl net/ipv4/conf/eth0.7/rp_filter 2");
    const again = hostItems(state({ lines: [{ device: "eth0.7", index: 4 }] }));
    expect(hostChanges(hostItems(state({ lines })), again)).toMatchObject({ undo: [{}], apply: [{}] });
  });

  it("is an address, a route for each prefix and an nft table", () => {
    const commands = applied(state({ routes: ["10.77.0.2/32", "2001:db8::/32"] }));
    expect(commands.filter((command) => command.startsWith("ip"))).toEqual([
      "ip -4 address add 10.77.0.1/24 dev mpip0",
      "ip -4 route add 10.77.0.2/32 dev mpip0",
      "ip -6 route add 2001:db8::/32 dev mpip0",
    ]);
    const connected = applied(state({ routes: ["10.77.0.0/24"] }));
    expect(connected.filter((command) => command.startsWith("ip"))).toHaveLength(1);
    expect(commands).toContain(`table inet mpip0
delete table inet mpip0
table inet mpip0 {
  chain forward {
    type filter hook forward priority mangle; policy accept;
    iifname "mpip0" oifname "mpip0" drop
    iifname "mpip0" meta nfproto ipv4 tcp flags & (syn | rst) == syn tcp option maxseg size set 1403
    iifname "mpip0" meta nfproto ipv6 tcp flags & (syn | rst) == syn tcp option maxseg size set 1383
    oifname "mpip0" meta nfproto ipv4 tcp flags & (syn | rst) == syn tcp option maxseg size set 1403
    oifname "mpip0" meta nfproto ipv6 tcp flags & (syn | rst) == syn tcp option maxseg size set 1383
  }
}
`);
  });

  it("is forwarding where it is asked for, of IPv6 only where the tunnel has some", () => {
    expect(applied(state()).join()).not.toContain("forwarding");
    const ipv4 = applied(state({ forward: true }));
    expect(ipv4).toContain("sysctl net/ipv4/ip_forward 1");
    expect(ipv4.join()).not.toMatch(/conf\/all\/forwarding|drop/);
    const both = applied(state({ forward: true, routes: ["fd77::2/128"] }));
    expect(both).toContain("sysctl net/ipv6/conf/all/forwarding 1");
  });

  it("tells no peer that another one is its neighbour", () => {
    const commands = applied(state({ forward: true }));
    expect(commands).toContain("sysctl net/ipv4/conf/mpip0/send_redirects 0");
    expect(commands).toContain("sysctl net/ipv4/conf/all/send_redirects 0");
    expect(applied(state({ exit: true })).join()).not.toContain("redirect");
  });

  it("is a way out for the peers where it is asked for, who are kept apart all the same", () => {
    const commands = applied(state({ exit: true }));
    expect(commands).toContain("sysctl net/ipv4/ip_forward 1");
    const table = commands.find((command) => command.startsWith("table"))!;
    expect(table).toContain(`chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    iifname "mpip0" oifname != "mpip0" masquerade`);
    expect(table).toContain('iifname "mpip0" oifname "mpip0" drop');
    expect(applied(state({ exit: true, forward: true })).join()).not.toContain("drop");
    expect(applied(state({ forward: true })).join()).not.toContain("masquerade");
  });

  it("is other name servers where some are named", () => {
    expect(
      applied(state({ dns: ["10.77.0.2", "fd77::2"] })).at(-1),
    ).toBe(`/etc/resolv.conf: # By mpip for mpip0; what stood here comes back when it ends.
nameserver 10.77.0.2
nameserver fd77::2
`);
    expect(applied(state()).join()).not.toContain("resolv.conf");
  });

  it("is nft tables that are not called by words of nft, or numbers", () => {
    const real = { destinations: undefined, families: [4 as const, 6 as const], pairs: [], carried: [] };
    for (const tun of ["vlan", "5g", "eth-mpip"]) {
      const tables = applied(state({ tun, real })).filter((command) => command.startsWith("table"));
      const names = tables.flatMap((text) => text.match(/^(?:delete )?table \w+ \S+/gm) ?? []);
      expect(new Set(names.map((line) => line.split(" ").at(-1)))).toEqual(new Set([`mpip-${tun}`]));
      expect(tables.join()).toContain(`iifname "${tun}"`);
    }
  });

  it("is a table of its own for a route for everything, past which the daemon's packets go", () => {
    const commands = applied(state({ routes: ["0.0.0.0/0", "::/0"] }));
    const table = /table (\d+)/.exec(commands.join())![1];
    expect(commands.filter((command) => !command.startsWith("table"))).toEqual([
      "ip -4 address add 10.77.0.1/24 dev mpip0",
      "sysctl net/ipv4/conf/all/src_valid_mark 1",
      `ip -4 route add 0.0.0.0/0 dev mpip0 table ${table}`,
      "ip -4 rule add priority 31990 lookup main suppress_prefixlength 0",
      `ip -4 rule add priority 31991 not fwmark 0x6d70 lookup ${table}`,
      `ip -6 route add ::/0 dev mpip0 table ${table}`,
      "ip -6 rule add priority 31990 lookup main suppress_prefixlength 0",
      `ip -6 rule add priority 31991 not fwmark 0x6d70 lookup ${table}`,
    ]);
    expect(commands.join()).toContain('iifname != "mpip0" udp dport 7000 meta mark set 0x6d70');
    const other = applied(state({ tun: "mpip1", routes: ["0.0.0.0/0"] }));
    expect(other.join()).not.toContain(`table ${table}`);
  });

  it("is a table, a rule and a route for what goes to real addresses", () => {
    const words = (text: string) => parsePrefix(text).address;
    const real = {
      destinations: [parsePrefix("203.0.113.0/24")],
      families: [4 as const],
      pairs: [
        { source: words("10.0.0.1"), destination: words("203.0.113.5"), seenAs: words("10.0.0.1") },
        { source: words("192.168.1.5"), destination: words("203.0.113.5"), seenAs: words("198.51.100.9") },
      ],
      carried: [words("203.0.113.5"), words("2001:db8::5")],
    };
    const commands = applied(state({ real }));
    const table = /table (\d+)$/m.exec(commands.join("\n"))![1];
    expect(commands.slice(2)).toEqual([
      expect.stringContaining("table ip mpip0 {"),
      "sysctl net/ipv4/conf/mpip0/rp_filter 2",
      `ip -4 route add 0.0.0.0/0 dev mpip0 table ${table}`,
      `ip -4 rule add priority 70 fwmark 0x6d71 lookup ${table}`,
    ]);
    const text = commands[2]!.replaceAll(/\s+/g, " ");
    expect(text).toContain("set open { type ipv4_addr . ipv4_addr elements = { 10.0.0.1 . 203.0.113.5 } }");
    expect(text).toContain(
      "set hidden { type ipv4_addr . ipv4_addr elements = { 192.168.1.5 . 203.0.113.5 } }",
    );
    expect(text).toContain("elements = { 192.168.1.5 . 203.0.113.5 : 198.51.100.9 }");
    expect(text).toContain("set carried { type ipv4_addr elements = { 203.0.113.5 } }");
    expect(text).toContain("ipv4_addr; flags interval; auto-merge elements = { 203.0.113.0/24 } }");
    expect(text).toContain("ip daddr @wanted ip daddr != @asked add @asked { ip daddr } dup to 192.0.0.8");
    expect(text).not.toContain("table ip6 mpip0 {");
    const all = applied(state({ real: { ...real, destinations: undefined, families: [4, 6] } })).join();
    expect(all).not.toContain("@wanted");
    expect(all).toContain("set carried {\n    type ipv6_addr\n    elements = { 2001:db8::5 }");
    expect(all).toMatch(/ip -6 rule add priority 70 fwmark 0x6d71 lookup \d+/);
    // Not that of a route for everything.
    const exit = applied(state({ real, routes: ["0.0.0.0/0"] })).join();
    expect(exit).toContain("not fwmark 0x6d70 lookup");
    expect(new Set(exit.match(/dev mpip0 table \d+/g)).size).toBe(2);
  });

  it("can be undone, and what outlives the device is known", () => {
    const items = hostItems(state({ forward: true, routes: ["0.0.0.0/0", "10.9.0.0/16"] }));
    const undo = items.filter(({ remains }) => !remains).flatMap(({ undo }) => (undo ? text(undo) : []));
    expect(undo.map((command) => command.replace(/\d{6,}/, "T"))).toEqual([
      "ip -4 address del 10.77.0.1/24 dev mpip0",
      "ip -4 route del 0.0.0.0/0 dev mpip0 table T",
      "ip -4 route del 10.9.0.0/16 dev mpip0",
    ]);
    expect(items.filter(({ remains }) => remains).map(({ id }) => id.replace(/\d{6,}/, "T"))).toEqual([
      "nft mpip0",
      "sysctl net/ipv4/ip_forward",
      "sysctl net/ipv4/conf/all/send_redirects",
      "sysctl net/ipv4/conf/all/src_valid_mark",
      "rule 4 priority 31990 lookup main suppress_prefixlength 0",
      "rule 4 priority 31991 not fwmark 0x6d70 lookup T",
    ]);
  });
});

describe("what leads from one state to another", () => {
  const changes = (from: HostState, to: HostState) => {
    const { undo, apply } = hostChanges(hostItems(from), hostItems(to));
    return { undo: undo.map(({ id }) => id), apply: apply.map(({ id }) => id) };
  };

  it("is nothing where nothing differs", () => {
    expect(changes(state({ routes: ["10.9.0.0/16"] }), state({ routes: ["10.9.0.0/16"] }))).toEqual({
      undo: [],
      apply: [],
    });
  });

  it("is the difference, undone in the reverse order", () => {
    const from = state({ routes: ["10.8.0.0/16", "10.9.0.0/16"] });
    expect(changes(from, state({ mtu: 1400, routes: ["10.7.0.0/16"] }))).toEqual({
      undo: ["route 4 10.9.0.0/16 dev mpip0", "route 4 10.8.0.0/16 dev mpip0"],
      apply: ["nft mpip0", "route 4 10.7.0.0/16 dev mpip0"],
    });
  });
});
