import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { Logger } from "pino";
import type { Config } from "../config/parse.ts";
import type { NodeId } from "../config/values.ts";
import { type PeerSpec, Router, type RouterOptions } from "../core/router/router.ts";
import type { HostLine } from "../host/state.ts";
import { nowUs } from "../io/clock.ts";
import { deviceLink } from "../io/device.ts";
import { openArena } from "../io/native.ts";
import type { DatagramPort, TunPort } from "../io/port.ts";
import { openTun } from "../io/tun.ts";
import { openUdpPort } from "../io/udp.ts";
import { idleLines } from "./idle-lines.ts";
import { defaultDevices, type HostAddress, hostAddresses, selectAddresses } from "./interfaces.ts";
import type { LinePolicies } from "./line-policies.ts";
import { Loop } from "./loop.ts";
import { deviceMtu, tunMtu } from "./mtu.ts";
import { Sockets } from "./sockets.ts";

/** What keeps a node from starting, and not only from using an address. */
const FATAL_AT_START = new Set(["EADDRINUSE", "EPERM", "EACCES"]);

type Interfaces = Pick<Config, "interfaces" | "tun">;

/** A router with its ports: everything that moves packets. */
export class Node {
  readonly name: string;
  readonly id: NodeId;
  readonly router: Router;
  readonly sockets: Sockets;
  readonly tun: TunPort;
  readonly udp: DatagramPort;
  /** Of the TUN device; `onResized` is called when it has become another one. */
  mtu: number;
  onResized: () => void = () => {};
  private readonly loop: Loop;
  private readonly log: Logger;
  private configs: readonly Config[];
  /** The largest packet that fits through all paths; undefined before there was one. */
  private packetBytes: number | undefined;

  /** Throws what cannot be had, with all ports closed. Packets move after `start`. */
  static open(config: Config, id: NodeId, policies: LinePolicies, log: Logger): Node {
    const arena = openArena(Router.arenaBytes({}));
    const { gso, gro, checksum, tso, uso, ring } = config.offloads;
    const udp = openUdpPort(arena, log, { ring, offloads: { gso, gro } });
    try {
      const sockets = new Sockets(udp, config.port, policies, log);
      openAtStart(sockets, config, log);
      const mtu = deviceMtu(config, tunMtu(sockets.addresses));
      const tun = openTun({ name: config.tun.name, mtu, ring, offloads: { checksum, tso, uso } }, arena, log);
      let node: Node | undefined;
      const router = new Router(arena, routerOptions(id, config, tun), {
        send: (plan) => udp.send(plan),
        write: (plan) => tun.write(plan),
        resize: (packetBytes) => node?.resize(packetBytes),
      });
      node = new Node(config, id, router, sockets, tun, udp, mtu, log);
      return node;
    } catch (error) {
      udp.close();
      throw error;
    }
  }

  private constructor(
    config: Config,
    id: NodeId,
    router: Router,
    sockets: Sockets,
    tun: TunPort,
    udp: DatagramPort,
    mtu: number,
    log: Logger,
  ) {
    this.name = nameOf(config);
    this.configs = [config];
    this.id = id;
    this.router = router;
    this.sockets = sockets;
    this.tun = tun;
    this.udp = udp;
    this.mtu = mtu;
    this.log = log;
    this.loop = new Loop(router, tun);
  }

  start(): void {
    const { router, sockets, loop } = this;
    router.setLocals(sockets.locals, nowUs());
    loop.setSockets(sockets.all, sockets.all);
    loop.start();
  }

  close(): void {
    this.loop.stop();
    this.udp.close();
    this.tun.close();
  }

  setPeers(peers: readonly PeerSpec[]): void {
    this.router.setPeers(peers, nowUs());
    this.loop.arm();
  }

  /** Carries traffic to real addresses, which are asked for at a port, or, with 0, does not. */
  setRealAddresses(port: number, onChange: () => void): void {
    this.router.setRealAddresses(port, onChange, nowUs());
    this.loop.arm();
  }

  /** After the policy of a line has changed. */
  followPolicies(): void {
    this.router.setLocals(this.sockets.locals, nowUs());
    this.loop.arm();
  }

  /** The devices that packets of IPv4 come by. */
  get lines(): HostLine[] {
    const byDevice = new Map(
      this.sockets.addresses
        .filter(({ family, internal }) => family === 4 && !internal)
        .map(({ device, index }) => [device, { device, index }]),
    );
    return [...byDevice.values()];
  }

  /** Has a socket on each address that there is now; answers whether `lines` have changed. */
  followInterfaces(config: Interfaces): boolean {
    const { sockets, router, loop } = this;
    const wanted = wantedAddresses(config);
    const before = sockets.all;
    // The number of a socket that is closed may be that of the next one: the router learns of the end first.
    const hasClosed = sockets.closeOthers(wanted);
    if (hasClosed) router.setLocals(sockets.locals, nowUs());
    for (const { message } of sockets.openMissing(wanted)) this.log.warn(message);
    const fresh = sockets.all.filter((socket) => !before.includes(socket));
    const haveChanged = hasClosed || fresh.length > 0;
    if (sockets.refresh(wanted) || haveChanged) router.setLocals(sockets.locals, nowUs());
    if (haveChanged) loop.setSockets(sockets.all, fresh);
    loop.arm();
    this.followMtu();
    return haveChanged;
  }

  private resize(packetBytes: number): void {
    this.packetBytes = packetBytes;
    this.followMtu();
  }

  /**
   * The MTU follows the configuration; while the host is led from one to another, that which wants more, since there is
   * no IPv6 on a device that is too small.
   */
  setConfigs(...configs: readonly Config[]): void {
    this.configs = configs;
    this.followMtu();
  }

  /** After somebody else may have made it another one. */
  restoreMtu(): void {
    this.tun.setMtu(this.mtu);
  }

  private followMtu(): void {
    const packetBytes = this.packetBytes ?? tunMtu(this.sockets.addresses);
    const mtu = Math.max(...this.configs.map((config) => deviceMtu(config, packetBytes)));
    if (mtu === this.mtu) return;
    this.mtu = mtu;
    this.tun.setMtu(mtu);
    this.log.info(`${this.tun.name} has MTU ${mtu} now`);
    this.onResized();
  }

  /** Whether somebody has deleted the TUN device. */
  isGone(): boolean {
    return deviceLink(this.tun.name) === undefined;
  }
}

function nameOf({ name }: Config): string {
  return name ?? hostname();
}

function openAtStart(sockets: Sockets, config: Interfaces, log: Logger): void {
  const wanted = wantedAddresses(config);
  for (const failure of sockets.openMissing(wanted)) {
    if (FATAL_AT_START.has(failure.code ?? "")) throw failure;
    log.warn(failure.message);
  }
  if (wanted.length === 0) log.warn(`there is no interface to use yet: ${whyNone(config)}`);
}

function whyNone({ interfaces }: Interfaces): string {
  if (interfaces === undefined) return "none has a default route; name some under interfaces";
  const selectors = interfaces.map(({ name }) => name);
  const idle = idleLines([], selectors).map(({ name, why }) => `${name} (${why})`);
  return `${idle.join(", ")}; each is used once it can be`;
}

function wantedAddresses({ interfaces, tun }: Interfaces): HostAddress[] {
  const selectors = interfaces?.map(({ name }) => name);
  return selectAddresses(hostAddresses(), selectors, defaultDevices(), tun.name);
}

function routerOptions(id: NodeId, config: Config, tun: TunPort): RouterOptions {
  return {
    // 32-bit fields are int32.
    node: {
      idHigh: id.high,
      idLow: id.low | 0,
      instanceHigh: randomWord() | 0,
      instanceLow: randomWord() | 0,
      name: nameOf(config),
    },
    seed: [randomWord() | 0, randomWord() | 0],
    random: randomWord,
    offloads: tun.offloads,
    scheduler: config.scheduler,
    algorithm1: config.algorithm1,
    wire: config.wire,
  };
}

function randomWord(): number {
  return randomBytes(4).readUInt32LE();
}
