import { pino } from "pino";
import { type Config, ConfigError, readConfig } from "../config/parse.ts";
import type { PathView, StatusView } from "../control/views.ts";
import { defaultDevices, type HostAddress, hostAddresses, selectAddresses } from "../daemon/interfaces.ts";
import { Resolver } from "../daemon/resolver.ts";
import { HostError } from "../host/error.ts";
import { isRunning, type Journal } from "../host/journal.ts";
import { familyOf, formatAddress } from "../io/address.ts";
import { nowUs } from "../io/clock.ts";
import { IoError } from "../io/error.ts";
import { openArena } from "../io/native.ts";
import { openUdpPort } from "../io/udp.ts";
import { type ClockReading, clockFindings } from "./clock.ts";
import { bad, type Finding, ok, warn } from "./finding.ts";
import { firewallFindings } from "./firewall.ts";
import { kernelFindings, readIfThere, rightsFindings } from "./host.ts";
import {
  interfaceFindings,
  type Leg,
  mtuFindings,
  overlapFindings,
  routedLegs,
  routeFindings,
  type Target,
} from "./lines.ts";
import { reachFindings } from "./reach.ts";

/** What a running daemon says of itself. */
export interface DaemonReport {
  readonly status: StatusView;
  readonly paths: readonly PathView[];
}

/** One that is running and says nothing. */
export interface SilentDaemon {
  readonly pid: number;
  readonly why: string;
  readonly status?: undefined;
  readonly paths?: undefined;
}

export interface Examined {
  readonly configPath: string;
  /** Undefined where none is running. */
  readonly daemon: DaemonReport | SilentDaemon | undefined;
  readonly journalOf: (tun: string) => Journal;
}

/** Looks at everything that keeps a node from working as it should. */
export async function examine(examined: Examined): Promise<Finding[]> {
  const start = clockReading();
  const read = readIt(examined.configPath);
  const config = read instanceof ConfigError ? undefined : read;
  const findings: Finding[] = [
    ...rightsFindings(),
    ...configFindings(read, examined.configPath),
    ...daemonFindings(examined, config),
    ...(await kernelFindings(config)),
  ];
  if (config !== undefined) findings.push(...(await networkFindings(examined, config)));
  const source = readIfThere("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  return [...findings, ...clockFindings(start, clockReading(), source)];
}

async function networkFindings({ daemon }: Examined, config: Config): Promise<Finding[]> {
  const { tun, peers, port, forward, exit, interfaces } = config;
  const all = hostAddresses();
  const selectors = interfaces?.map(({ name }) => name);
  const lines = selectAddresses(all, selectors, defaultDevices(), tun.name);
  const { targets, findings } = await resolved(config);
  const marksArrivals = peers.some(({ routes }) => routes.some(({ bits }) => bits === 0));
  const networks = all.filter(({ internal, device }) => !internal && device !== tun.name);
  const legs = await unlessMissing(routedLegs(lines, targets));
  const hasRoute = ({ line, target }: Leg) =>
    !legs.some((leg) => leg.line === line && leg.target === target && leg.route === undefined);
  const works = (device: string, address: string) =>
    daemon?.paths?.some(
      (path) => path.device === device && path.remote === address && path.state === "ready",
    ) === true;
  return [
    ...interfaceFindings(lines, selectors, targets),
    ...(daemon === undefined ? portFindings(lines, port) : []),
    ...(await unlessMissing(routeFindings(legs, lines, marksArrivals))),
    ...(await unlessMissing(overlapFindings(tun.name, peers))),
    ...mtuFindings(lines, tun),
    ...(await unlessMissing(
      firewallFindings(lines, {
        tun: tun.name,
        port,
        forwardDevices: forward || exit ? [...new Set(networks.map(({ device }) => device))] : [],
        isCalled: peers.some(({ endpoints }) => endpoints.length === 0),
        ports: targets.map((target) => target.port),
      }),
    )),
    ...findings,
    ...(await reachFindings(lines, targets, works, hasRoute)),
  ];
}

/** That a program is missing has been said already. */
async function unlessMissing<T>(looking: Promise<T[]>): Promise<T[]> {
  try {
    return await looking;
  } catch (error) {
    if (error instanceof HostError) return [];
    throw error;
  }
}

function readIt(path: string): Config | ConfigError {
  try {
    return readConfig(path);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}

function configFindings(read: Config | ConfigError, path: string): Finding[] {
  if (!(read instanceof ConfigError)) return [ok("config", `${path} is sound`)];
  return read.lines.map((line) => bad("config", line, "correct it; until then the network is not looked at"));
}

function daemonFindings({ daemon, journalOf }: Examined, config: Config | undefined): Finding[] {
  if (daemon !== undefined) {
    if (daemon.status === undefined) {
      const text = `process ${daemon.pid} is running and does not answer: ${daemon.why}`;
      const advice = `look again in a moment, it may be starting; otherwise see its log, or end it with kill ${daemon.pid}`;
      return [bad("daemon", text, advice)];
    }
    const { pid, peers, sockets } = daemon.status;
    const text = `process ${pid}: ${peers.up} of ${peers.total} peers reached`;
    return sockets.length > 0
      ? [ok("daemon", text)]
      : [bad("daemon", `process ${pid} has no socket on any interface`, "see interfaces below")];
  }
  if (config === undefined) return [];
  const { name } = config.tun;
  const entry = journalOf(name).read();
  if (entry !== undefined && !isRunning(entry)) {
    const text = `the daemon of ${name} (process ${entry.pid}) was killed, and what it had set up is still there`;
    return [bad("daemon", text, "remove it with mpip down, or start it again with mpip up")];
  }
  return [warn("daemon", `none is running for ${name}`, "start it with mpip up")];
}

/** Could the daemon have its port? */
function portFindings(lines: readonly HostAddress[], port: number): Finding[] {
  const udp = openUdpPort(openArena(1 << 12), pino({ level: "silent" }), {
    offloads: { gso: false, gro: false },
  });
  try {
    return lines.flatMap(({ address, device }): Finding[] => {
      try {
        udp.open({ address, device, port });
        return [];
      } catch (error) {
        if (!(error instanceof IoError) || error.code !== "EADDRINUSE") return [];
        const text = `UDP port ${port} of ${formatAddress(address)} is taken by another process`;
        return [bad("daemon", text, `ss -ulnp sport = :${port} shows which; end it, or choose another port`)];
      }
    });
  } finally {
    udp.close();
  }
}

async function resolved({ peers, port }: Config): Promise<{ targets: Target[]; findings: Finding[] }> {
  const resolver = new Resolver(pino({ level: "silent" }));
  const specs = await resolver.resolve(peers, port);
  const targets = specs.flatMap(({ name, endpoints }) =>
    endpoints.map((end) => ({
      peer: name,
      family: familyOf(end.address),
      address: formatAddress(end.address),
      port: end.port,
    })),
  );
  const findings = peers.flatMap(({ name, endpoints }, i) => {
    const hosts = endpoints.map(({ host }) => host).filter((host) => resolver.isUnresolved(host));
    if (hosts.length === 0) return [];
    const level = specs[i]!.endpoints.length === 0 ? bad : warn;
    const text = `${name}: ${hosts.join(", ")} cannot be resolved`;
    return [level("reach", text, "look at the name servers, or write addresses as endpoints")];
  });
  return { targets, findings };
}

function clockReading(): ClockReading {
  return { wallMs: Date.now(), steadyMs: nowUs() / 1000 };
}
