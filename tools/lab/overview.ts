import type { LinkStats } from "./emulator.ts";
import { directions, type LineState } from "./line.ts";
import { interfaceAddress, type Topology } from "./topology.ts";

/** What a lab consists of, as text for people. */
export function topologyTables(topology: Topology): string {
  const hosts = topology.hosts.flatMap((host) =>
    host.interfaces.map((plan, i) => {
      const link = topology.links.find(({ name }) => name === plan.link)!;
      const peer = plan.end === "a" ? link.b : link.a;
      const addresses = ([4, 6] as const).map((family) => interfaceAddress(plan, family) ?? "-");
      return [i === 0 ? host.name : "", plan.link, ...addresses, peer, i === 0 ? hostRole(host) : ""];
    }),
  );
  const links = topology.links.map(({ name, a, b, emulated, line }) => {
    const lines = emulated ? directions.map((direction) => lineText(line[direction])) : ["not emulated", ""];
    return [name, `${a} - ${b}`, ...lines];
  });
  return [
    table(["HOST", "LINK", "IPV4", "IPV6", "LEADS TO", "ROLE"], hosts),
    table(["LINK", "A - B", "A TO B", "B TO A"], links),
  ].join("\n");
}

export function statsTable(stats: ReadonlyMap<string, LinkStats>): string {
  const rows = [...stats].flatMap(([link, both]) =>
    directions.map((direction) => {
      const { framesIn, framesOut, bytesOut, queueBytes, dropped } = both[direction];
      const reasons = Object.entries(dropped).filter(([, frames]) => frames > 0);
      const drops = reasons.map(([reason, frames]) => `${reason} ${frames}`).join(", ") || "-";
      return [link, direction, framesIn, framesOut, bytesOut, queueBytes, drops].map(String);
    }),
  );
  return table(
    ["LINK", "DIRECTION", "FRAMES IN", "FRAMES OUT", "BYTES OUT", "QUEUE BYTES", "DROPPED FRAMES"],
    rows,
  );
}

function lineText(line: LineState): string {
  const { silent, ...params } = line;
  const words = Object.entries(params).map(([key, value]) => `${key}=${value}`);
  return [...words, ...(silent === true ? ["silent"] : [])].join(" ") || "no limits";
}

/** Left-aligned columns under their titles. */
export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = titles.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  return [titles, ...rows]
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i]!))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

function hostRole(host: Topology["hosts"][number]): string {
  const role = host.nat !== undefined ? `nat ${host.nat.kind}` : host.forwards ? "router" : "host";
  return [role, ...host.firewall].join(", ");
}
