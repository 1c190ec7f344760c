import type { CommandModule } from "yargs";
import type { StatusView } from "../../control/views.ts";
import { ask } from "../connect.ts";
import { byteCount, duration, endpoint, list } from "../format.ts";
import { ofReport, type ReportArguments } from "../options.ts";
import { print } from "../print.ts";

export const status: CommandModule<object, ReportArguments> = {
  command: "status",
  describe: "how the daemon is",
  builder: ofReport,
  handler: async (args) => print(await ask<StatusView>(args, "status"), args.json, statusText),
};

export function statusText(view: StatusView): string {
  const { config, tun, peers, paths, traffic, drops, rules, repair, reordering } = view;
  return list([
    ["node", `${view.name} (${view.node})`],
    ["running", `for ${duration(view.uptimeMs)}, process ${view.pid}, version ${view.version}`],
    ["config", config.path],
    ...(config.error === undefined
      ? []
      : config.error.split("\n").map((line) => ["config error", line] as const)),
    ["device", `${tun.name}, MTU ${tun.mtu}, ${tun.addresses.join(" ")}, offloads: ${words(tun.offloads)}`],
    ...view.sockets.map(
      ({ device, address, port, offloads }) =>
        ["socket", `${device} ${endpoint(address, port)}, offloads: ${words(offloads)}`] as const,
    ),
    ["peers", `${peers.up} of ${peers.total} up`],
    ["paths", `${paths.ready} of ${paths.total} ready`],
    ["sessions", String(view.sessions)],
    ["from host", messages(traffic.tunReceived)],
    ["to host", messages(traffic.tunSent)],
    ["from net", messages(traffic.netReceived)],
    ["to net", messages(traffic.netSent)],
    [
      "repair",
      `${repair.repaired} packets sent again, ${repair.rescued} from lines that failed, ${repair.late + repair.givenUp} given up, ${repair.missed} asked for here`,
    ],
    [
      "order",
      `${reordering.held} packets held, gaps given up: ${reordering.byEvidence + reordering.byTime}, ${reordering.byFullness} times full`,
    ],
    ...rules.map(
      (rule) => ["rule", `${rule.name}: ${rule.packets} packets, ${byteCount(rule.bytes)}`] as const,
    ),
    ...view.quotas.map(
      ({ device, usedBytes, bytes, until }) =>
        [
          "quota",
          `${device}: ${byteCount(usedBytes)} of ${byteCount(bytes)} used, until ${dayOf(until)}`,
        ] as const,
    ),
    ...drops.map(
      (drop) => ["dropped", `${drop.reason}: ${drop.packets} packets, ${byteCount(drop.bytes)}`] as const,
    ),
  ]);
}

function messages(traffic: { calls: number; messages: number; refused?: number }): string {
  const { calls, messages: count, refused = 0 } = traffic;
  return `${count} messages in ${calls} calls${refused === 0 ? "" : `, and ${refused} that the kernel refused`}`;
}

/** By the clock of whoever reads it. */
function dayOf(date: string): string {
  return new Date(date).toDateString();
}

function words(names: readonly string[]): string {
  return names.join(" ") || "none";
}
