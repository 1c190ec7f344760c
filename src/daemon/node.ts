import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { Logger } from "pino";
import type { Config } from "../config/parse.ts";
import type { NodeId } from "../config/values.ts";
import { type PeerSpec, Router, type RouterOptions } from "../core/router/router.ts";
import { nowUs } from "../io/clock.ts";
import { openArena } from "../io/native.ts";
import type { DatagramPort, TunPort } from "../io/port.ts";
import { openTun } from "../io/tun.ts";
import { openUdpPort } from "../io/udp.ts";
import { deviceLink, deviceMtu } from "./device.ts";
import { defaultDevices, type HostAddress, hostAddresses, selectAddresses } from "./interfaces.ts";
import type { LinePolicies } from "./line-policies.ts";
import { Loop } from "./loop.ts";
import { tunMtu } from "./mtu.ts";
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
  /** Of the TUN device. */
  mtu: number;
  private readonly loop: Loop;
  private readonly log: Logger;

  /** Throws what cannot be had, with all ports closed. Packets move after `start`. */
  static open(config: Config, id: NodeId, policies: LinePolicies, log: Logger): Node {
    const arena = openArena(Router.arenaBytes({}));
    const { gso, gro, checksum, tso, uso } = config.offloads;
    const udp = openUdpPort(arena, log, { offloads: { gso, gro } });
    try {
      const sockets = new Sockets(udp, config.port, policies, log);
      openAtStart(sockets, wantedAddresses(config), log);
      const mtu = wantedMtu(config, sockets);
      const tun = openTun({ name: config.tun.name, mtu, offloads: { checksum, tso, uso } }, arena, log);
      const router = new Router(arena, routerOptions(id, config, tun), {
        send: (plan) => udp.send(plan),
        write: (plan) => tun.write(plan),
      });
      return new Node(nameOf(config), id, router, sockets, tun, udp, mtu, log);
    } catch (error) {
      udp.close();
      throw error;
    }
  }

  private constructor(
    name: string,
    id: NodeId,
    router: Router,
    sockets: Sockets,
    tun: TunPort,
    udp: DatagramPort,
    mtu: number,
    log: Logger,
  ) {
    this.name = name;
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

  /** After the policy of a line has changed. */
  followPolicies(): void {
    this.router.setLocals(this.sockets.locals, nowUs());
    this.loop.arm();
  }

  /** The devices that packets of IPv4 come by. */
  get lines(): { device: string; index: number }[] {
    const byDevice = new Map(
      this.sockets.addresses
        .filter(({ family, internal }) => family === 4 && !internal)
        .map(({ device, index }) => [device, { device, index }]),
    );
    return [...byDevice.values()];
  }

  /** Has a socket on each address that there is now; answers whether `lines` or the TUN device's MTU have changed. */
  followInterfaces(config: Interfaces): boolean {
    const { sockets, router, loop, tun } = this;
    const wanted = wantedAddresses(config);
    const before = sockets.all;
    // The number of a socket that is closed may be that of the next one: the router learns of the end first.
    const hasClosed = sockets.closeOthers(wanted);
    if (hasClosed) router.setLocals(sockets.locals, nowUs());
    for (const { message } of sockets.openMissing(wanted)) this.log.warn(message);
    const fresh = sockets.all.filter((socket) => !before.includes(socket));
    if (hasClosed || fresh.length > 0) {
      router.setLocals(sockets.locals, nowUs());
      loop.setSockets(sockets.all, fresh);
      loop.arm();
    }
    const mtu = wantedMtu(config, sockets);
    if (mtu === this.mtu) return hasClosed || fresh.length > 0;
    this.mtu = mtu;
    tun.setMtu(mtu);
    this.log.info(`${tun.name} has MTU ${mtu} now`);
    return true;
  }

  /** Whether somebody has deleted the TUN device. */
  isGone(): boolean {
    return deviceLink(this.tun.name) === undefined;
  }
}

function nameOf({ name }: Config): string {
  return name ?? hostname();
}

function openAtStart(sockets: Sockets, wanted: readonly HostAddress[], log: Logger): void {
  for (const failure of sockets.openMissing(wanted)) {
    if (FATAL_AT_START.has(failure.code ?? "")) throw failure;
    log.warn(failure.message);
  }
  if (wanted.length === 0)
    log.warn("there is no interface to use yet; without a default route, name it under interfaces");
}

function wantedAddresses({ interfaces, tun }: Interfaces): HostAddress[] {
  const selectors = interfaces?.map(({ name }) => name);
  return selectAddresses(hostAddresses(), selectors, defaultDevices(), tun.name);
}

function wantedMtu({ tun }: Interfaces, sockets: Sockets): number {
  if (tun.mtu !== "auto") return tun.mtu;
  return tunMtu(sockets.addresses, deviceMtu);
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
  };
}

function randomWord(): number {
  return randomBytes(4).readUInt32LE();
}
