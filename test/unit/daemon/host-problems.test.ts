import { expect, it } from "vitest";
import { parseConfig } from "../../../src/config/parse.ts";
import { hostProblems } from "../../../src/daemon/host-problems.ts";
import type { Action } from "../../../src/host/plan.ts";

const sysctl = (key: string): Action => ({ kind: "sysctl", key, value: "1" });
const address: Action = { kind: "ip", family: 4, args: ["address", "add", "10.78.0.1/24", "dev", "mpip0"] };
const route: Action = { kind: "ip", family: 4, args: ["route", "add", "10.9.0.0/16", "dev", "mpip0"] };

/** Where each action stands in a file that asks for it. */
function places(keys: string, ...actions: Action[]): string[] {
  const peer = '{ name: b, endpoints: 192.0.2.1, routes: [10.9.0.0/16, "::/0", 0.0.0.0/0] }';
  const text = `tun: { address: [10.77.0.1/24, 10.78.0.1/24] }\npeers: [${peer}]\n${keys}\n`;
  const failures = actions.map((action) => ({ action, reason: "no" }));
  return hostProblems(parseConfig(text, "f.yaml"), failures).map(({ path }) => path.join("."));
}

it("what the host refuses stands at the key that asks for it", () => {
  const text = "# By mpip for mpip0";
  expect(places("dns: 10.77.0.2", address, route, { kind: "file", path: "/etc/resolv.conf", text })).toEqual([
    "tun.address.1",
    "peers.0.routes.0",
    "dns",
  ]);
  const forwarding = [sysctl("net/ipv4/ip_forward"), sysctl("net/ipv6/conf/all/forwarding")];
  expect(places("forward: true", ...forwarding)).toEqual(["forward", "forward"]);
  expect(places("exit: true", ...forwarding)).toEqual(["exit", "exit"]);
  const redirects = ["all", "mpip0"].map((name) => sysctl(`net/ipv4/conf/${name}/send_redirects`));
  expect(places("exit: true\nforward: true", ...redirects)).toEqual(["forward", "forward"]);
  expect(places("", sysctl("net/ipv4/conf/all/src_valid_mark"))).toEqual(["peers.0.routes.2"]);
  expect(places("realAddresses: true", sysctl("net/ipv4/conf/mpip0/rp_filter"))).toEqual(["realAddresses"]);
  expect(places("", { kind: "nft", text: "table inet mpip0" })).toEqual([""]);
});
