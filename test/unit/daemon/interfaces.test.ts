import { describe, expect, it } from "vitest";
import { parseConfig } from "../../../src/config/parse.ts";
import { parseInterfaceSelector } from "../../../src/config/values.ts";
import { addressStates6, type HostAddress, selectAddresses } from "../../../src/daemon/interfaces.ts";
import { deviceMtu, possibleMtu, tunMtu } from "../../../src/daemon/mtu.ts";
import { familyOf, formatAddress, parseAddress } from "../../../src/io/address.ts";

const DEVICES = ["lo", "eth0", "wwan0", "wwan1", "docker0", "mpip0"];

function at(device: string, text: string, rank = 0, mtu = 1500): HostAddress {
  const address = parseAddress(text);
  const index = DEVICES.indexOf(device);
  return { device, address, family: familyOf(address), internal: device === "lo", index, mtu, rank };
}

const HOST = [
  at("lo", "127.0.0.1"),
  at("eth0", "192.0.2.1"),
  at("eth0", "192.0.2.9"),
  at("eth0", "2001:db8::1"),
  at("wwan0", "198.51.100.1"),
  at("wwan1", "198.51.100.2"),
  at("docker0", "172.17.0.1"),
  at("mpip0", "10.77.0.1"),
];

describe("the addresses that get a socket", () => {
  const selected = (selectors: string[] | undefined) => {
    const numbers = (...names: string[]) => new Set(names.map((name) => DEVICES.indexOf(name)));
    const defaults = { 4: numbers("eth0", "wwan0", "mpip0"), 6: numbers("wwan0") };
    return selectAddresses(HOST, selectors?.map(parseInterfaceSelector), defaults, "mpip0").map(
      ({ address }) => formatAddress(address),
    );
  };

  it("are one of each family where a default route of that family is", () => {
    expect(selected(undefined)).toEqual(["192.0.2.1", "198.51.100.1"]);
  });

  it("are those that are named, by interface, pattern or address", () => {
    expect(selected(["eth0"])).toEqual(["192.0.2.1", "2001:db8::1"]);
    expect(selected(["wwan*"])).toEqual(["198.51.100.1", "198.51.100.2"]);
    expect(selected(["wwan?", "192.0.2.9"])).toEqual(["192.0.2.9", "198.51.100.1", "198.51.100.2"]);
    expect(selected(["eth"])).toEqual([]);
  });

  it("are never the tunnel's own, and the loopback's only by address", () => {
    expect(selected(["*"])).toEqual([
      "192.0.2.1",
      "2001:db8::1",
      "198.51.100.1",
      "198.51.100.2",
      "172.17.0.1",
    ]);
    expect(selected(["127.0.0.1", "10.77.0.1"])).toEqual(["127.0.0.1"]);
  });
});

it("of several addresses the one that lasts and leads furthest is used, and none that is not certain yet", () => {
  const row = (text: string, flags: string) => {
    const digits = Buffer.from(parseAddress(text).buffer).toString("hex");
    return `${digits} 02 40 00 ${flags}     eth0\n`;
  };
  const states = addressStates6(
    [
      row("2001:db8::1", "a0"),
      row("fd00::1", "80"),
      row("2001:db8::2", "01"),
      row("2001:db8::3", "80"),
      row("2001:db8::4", "40"),
      row("2001:db8::5", "c8"),
    ].join(""),
  );
  const usable = ["1", "2", "3", "4", "5"].filter(
    (end) => states.get(`eth0 ${parseAddress(`2001:db8::${end}`)}`)!.isUsable,
  );
  expect(usable).toEqual(["1", "2", "3"]);
  const host = ["2001:db8::1", "fd00::1", "2001:db8::2", "2001:db8::3"].map((text) =>
    at("eth0", text, states.get(`eth0 ${parseAddress(text)}`)!.rank),
  );
  const used: string[] = [];
  while (host.length > 0) {
    const [best] = selectAddresses(
      host,
      [parseInterfaceSelector("eth0")],
      { 4: new Set(), 6: new Set() },
      "mpip0",
    );
    used.push(formatAddress(best!.address));
    host.splice(host.indexOf(best!), 1);
  }
  expect(used).toEqual(["2001:db8::3", "2001:db8::2", "fd00::1", "2001:db8::1"]);
});

it("the TUN device's packets fit through every line", () => {
  const line = (text: string, mtu: number) => at("eth0", text, 0, mtu);
  expect(tunMtu([line("192.0.2.1", 1500)])).toBe(1443);
  expect(tunMtu([line("192.0.2.1", 1500), line("2001:db8::1", 1500)])).toBe(1423);
  expect(tunMtu([line("192.0.2.1", 1500), line("198.51.100.1", 1492)])).toBe(1435);
  expect(tunMtu([line("127.0.0.1", 65_536)])).toBe(65_000);
  expect(tunMtu([])).toBe(1423);
});

it("the TUN device never has an MTU with which the kernel takes IPv6 from it", () => {
  expect([1443, 1203, 500, 65_500].map((bytes) => possibleMtu(bytes, true))).toEqual([
    1443, 1280, 1280, 65_000,
  ]);
  expect([1203, 500].map((bytes) => possibleMtu(bytes, false))).toEqual([1203, 576]);
  const mtu = (text: string) => deviceMtu(parseConfig(text, "f.yaml"), 1203);
  expect(mtu("tun: { address: 10.77.0.1/24 }")).toBe(1203);
  expect(mtu('tun: { address: "fd77::1/64" }')).toBe(1280);
  expect(mtu("realAddresses: true")).toBe(1280);
  const peer = '{ name: b, endpoints: 192.0.2.1, routes: "::/0" }';
  expect(mtu(`tun: { address: 10.77.0.1/24 }\npeers: [${peer}]`)).toBe(1280);
});
