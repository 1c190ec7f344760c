import type { Host } from "../../tools/lab/index.ts";

export { LabDaemon } from "../../tools/lab/index.ts";

/** Everything that a daemon may change on a host, as text. */
export async function hostSetup(host: Host): Promise<string> {
  const commands = [
    "ip -4 address; ip -6 address",
    "ip -4 rule; ip -6 rule",
    "ip -4 route show table all; ip -6 route show table all",
    "nft list ruleset",
    "sysctl net.ipv4.ip_forward net.ipv4.conf.all.src_valid_mark net.ipv6.conf.all.forwarding",
  ];
  const shown = commands.map(async (command) => (await host.exec("sh", ["-c", command])).stdout);
  const lines = (await Promise.all(shown)).join("\n").split("\n");
  // Link-local addresses come a while after their interface.
  const lasting = lines.filter((line) => !/\bfe80:/.test(line));
  return lasting.join("\n").replaceAll(/(valid_lft|preferred_lft|expires) \w+/g, "");
}

/** The configuration of one of two hosts with the links l0 and l1 between them. */
export function twoHostsConfig(own: number, peer: Host, more = ""): string {
  const other = 3 - own;
  return `name: host${own}
node: "02:00:00:00:00:0${own}"
tun: { address: [10.77.0.${own}/24, "fd77::${own}/64"] }
interfaces: [l0, l1]
peers:
  - name: host${other}
    endpoints: [${peer.ip("l0")}, ${peer.ip("l1")}]
    routes: [10.77.0.${other}, "fd77::${other}"]
${more}`;
}
