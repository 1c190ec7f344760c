import { formatPrefix, type InterfaceSelector } from "../config/values.ts";
import type { Prefix } from "../core/dispatch/rule-spec.ts";
import { IPV6_MIN_MTU_BYTES } from "../core/wire/ipv6.ts";
import { type IdleLine, idleLines } from "../daemon/idle-lines.ts";
import type { HostAddress } from "../daemon/interfaces.ts";
import { tunMtu } from "../daemon/mtu.ts";
import { run } from "../host/run.ts";
import { MARK_TEXT } from "../host/state.ts";
import { isStrict } from "../host/sysctl.ts";
import { formatAddress } from "../io/address.ts";
import { bad, type Finding, ok, warn } from "./finding.ts";

/** Where a peer can be reached. */
export interface Target {
  readonly peer: string;
  readonly family: 4 | 6;
  readonly address: string;
  readonly port: number;
}

/** Which lines are used, and why others that are meant are not. */
export function interfaceFindings(
  lines: readonly HostAddress[],
  selectors: readonly InterfaceSelector[] | undefined,
  targets: readonly Target[],
): Finding[] {
  const idle = idleLines(lines, selectors ?? []).map(({ name, why }) =>
    bad("interfaces", `${name}: ${why}`, IDLE_ADVICE[why]),
  );
  if (lines.length === 0) {
    return selectors === undefined
      ? [
          bad(
            "interfaces",
            "there is no interface to use: none has an address and a default route",
            "name some under interfaces in the configuration",
          ),
        ]
      : idle;
  }
  const unreached = targets.filter(({ family }) => !lines.some((line) => line.family === family));
  return [
    ...lines.map(({ device, address }) => ok("interfaces", `${device}: ${formatAddress(address)}`)),
    ...idle,
    ...unreached.map(({ peer, family, address }) =>
      warn(
        "interfaces",
        `no interface in use has an IPv${family} address, which ${address} of ${peer} needs`,
        `give one an address, or take that endpoint out`,
      ),
    ),
  ];
}

const IDLE_ADVICE: Readonly<Record<IdleLine["why"], string>> = {
  "no such interface": "see ip link, and correct the name",
  "no such address": "see ip address, and name another one",
  "is down": "bring it up: ip link set NAME up",
  "has no carrier": "look at the cable, the modem or the other end",
  "has no address": "give it one, or start what gets it one (DHCP)",
};

/** A line, and a target of its family. */
export interface Leg {
  readonly line: HostAddress;
  readonly target: Target;
}

interface Route {
  readonly dst?: string;
  readonly gateway?: string;
  readonly dev?: string;
}

/** A leg as the kernel would route it; undefined where it would not, or over another line. */
export interface RoutedLeg extends Leg {
  readonly route: Route | undefined;
}

export function legsOf(lines: readonly HostAddress[], targets: readonly Target[]): Leg[] {
  return lines.flatMap((line) =>
    targets.filter(({ family }) => family === line.family).map((target) => ({ line, target })),
  );
}

export async function routedLegs(
  lines: readonly HostAddress[],
  targets: readonly Target[],
): Promise<RoutedLeg[]> {
  const legs: RoutedLeg[] = [];
  // One by one: each takes a process.
  for (const leg of legsOf(lines, targets)) legs.push(await routed(leg));
  return legs;
}

async function routed(leg: Leg): Promise<RoutedLeg> {
  const { line, target } = leg;
  const from = ["from", formatAddress(line.address), "oif", line.device, "mark", MARK_TEXT];
  const [route] = await routeGet(line.family, ["fibmatch", target.address, ...from]);
  return { ...leg, route: route?.dev === line.device ? route : undefined };
}

/**
 * What it means that a leg leads nowhere, beside those that do. Separate links have an endpoint of the peer each, which
 * is all they need; a line without any endpoint of the peer could be of more use.
 */
export function gravityOf({ line, target }: Leg, leading: readonly Leg[]): "none" | "warn" | "bad" {
  const own = leading.filter((leg) => leg.line.device === line.device);
  if (own.length === 0 || !leading.some((leg) => leg.target === target)) return "bad";
  return own.some((leg) => leg.target.peer === target.peer) ? "none" : "warn";
}

/** Do packets to each peer leave by each line, and may their answers come back by it? */
export async function routeFindings(
  legs: readonly RoutedLeg[],
  lines: readonly HostAddress[],
  marksArrivals: boolean,
): Promise<Finding[]> {
  const leading = legs.filter(({ route }) => route !== undefined);
  const findings: Finding[] = [];
  for (const line of lines) {
    findings.push(...legs.filter((leg) => leg.line === line).flatMap((leg) => routeFinding(leg, leading)));
    const targets = leading.filter((leg) => leg.line === line).map(({ target }) => target);
    if (line.family === 4) findings.push(...(await filterFindings(line, targets, marksArrivals)));
  }
  return findings;
}

function routeFinding(leg: RoutedLeg, leading: readonly Leg[]): Finding[] {
  const { device, family } = leg.line;
  const { peer, address } = leg.target;
  if (leg.route !== undefined) {
    const via = leg.route.gateway === undefined ? "directly" : `via ${leg.route.gateway}`;
    return [ok("routes", `${device}: ${address} (${peer}) ${via}`)];
  }
  const gravity = gravityOf(leg, leading);
  if (gravity === "none") return [];
  const text = `${device}: there is no route to ${address} (${peer}) over it`;
  const advice = `add one: ip -${family} route add default via GATEWAY dev ${device} metric 3000`;
  return [(gravity === "warn" ? warn : bad)("routes", text, advice)];
}

/** The kernel drops what comes in by another interface than the answer would leave by. */
async function filterFindings(
  line: HostAddress,
  targets: readonly Target[],
  marksArrivals: boolean,
): Promise<Finding[]> {
  const { device } = line;
  if (!isStrict(device)) return [ok("rp_filter", `${device}: not strict`)];
  const mark = marksArrivals ? ["mark", MARK_TEXT] : [];
  for (const { peer, address } of targets) {
    const [route] = await routeGet(4, [address, "from", formatAddress(line.address), ...mark]);
    if (route?.dev === device) continue;
    return [
      bad(
        "rp_filter",
        `${device}: strict, so packets of ${address} (${peer}) are dropped: the kernel expects them from ${route?.dev ?? "nowhere"}`,
        `start mpip, which makes it loose while it runs, or sysctl -w net.ipv4.conf.${device}.rp_filter=2`,
      ),
    ];
  }
  return [ok("rp_filter", `${device}: strict, and the peers are expected there`)];
}

/** Does anything that the host has keep packets to what is behind a peer out of the tunnel? */
export async function overlapFindings(
  tun: string,
  peers: readonly { readonly name: string; readonly routes: readonly Prefix[] }[],
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { name, routes } of peers) {
    for (const prefix of routes.filter(({ bits }) => bits > 0)) {
      const text = formatPrefix(prefix);
      const found = await ipJson(prefix.family, ["route", "show", "table", "main", "root", text]);
      const others = found.filter(({ dev }) => dev !== undefined && dev !== tun);
      if (others.length === 0) continue;
      const { dst, dev } = others[0]!;
      findings.push(
        bad(
          "routes",
          `${text} is behind ${name}, but the host has a route to ${dst} over ${dev}`,
          "give one of the two networks other addresses, or take that prefix out of the peer's routes",
        ),
      );
    }
  }
  return findings;
}

/** Does what comes out of the TUN device fit through the lines? */
export function mtuFindings(
  lines: readonly HostAddress[],
  tun: { readonly mtu: "auto" | number; readonly address: readonly Prefix[] },
): Finding[] {
  return lines.map((line): Finding => {
    const { device, family } = line;
    const room = tunMtu([line]);
    const text = `${device}: packets of up to ${room} bytes of the tunnel fit, over IPv${family}`;
    if (tun.mtu !== "auto" && tun.mtu > room) {
      return bad("mtu", `${text}, but tun.mtu is ${tun.mtu}`, `set tun.mtu to auto, or to ${room}`);
    }
    if (tun.address.some(({ family }) => family === 6) && room < IPV6_MIN_MTU_BYTES) {
      return bad(
        "mtu",
        `${text}, but IPv6 in the tunnel needs ${IPV6_MIN_MTU_BYTES}`,
        `raise the MTU of ${device}, leave it out of interfaces, or take IPv6 out of the tunnel`,
      );
    }
    return ok("mtu", text);
  });
}

function routeGet(family: 4 | 6, args: readonly string[]): Promise<Route[]> {
  return ipJson(family, ["route", "get", ...args]);
}

/** Nothing where `ip` has no answer. */
async function ipJson(family: 4 | 6, args: readonly string[]): Promise<Route[]> {
  const { code, stdout } = await run("ip", [`-${family}`, "-json", ...args]);
  return code === 0 && stdout.trim() !== "" ? JSON.parse(stdout) : [];
}
