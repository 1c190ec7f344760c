import type { Logger } from "pino";
import { ROUTER_LIMITS } from "../core/router/context.ts";
import type { Local } from "../core/router/router.ts";
import { isSameAddress } from "../core/wire/address.ts";
import { SOCKET_MARK } from "../host/state.ts";
import { formatAddress } from "../io/address.ts";
import { IoError } from "../io/error.ts";
import type { DatagramPort, DatagramSocket } from "../io/port.ts";
import type { HostAddress } from "./interfaces.ts";
import type { LinePolicies } from "./line-policies.ts";

interface OpenSocket {
  readonly at: HostAddress;
  readonly socket: DatagramSocket;
}

/** The daemon's UDP sockets: one on each local address that it uses. */
export class Sockets {
  private readonly udp: DatagramPort;
  private readonly port: number;
  private readonly policies: LinePolicies;
  private readonly log: Logger;
  private open: OpenSocket[] = [];

  constructor(udp: DatagramPort, port: number, policies: LinePolicies, log: Logger) {
    this.udp = udp;
    this.port = port;
    this.policies = policies;
    this.log = log;
  }

  get all(): readonly DatagramSocket[] {
    return this.open.map(({ socket }) => socket);
  }

  get addresses(): readonly HostAddress[] {
    return this.open.map(({ at }) => at);
  }

  /** In the order of `all`. */
  get locals(): Local[] {
    return this.open.map(({ at, socket }) => ({
      socket: socket.id,
      device: at.device,
      address: at.address,
      port: socket.port,
      policy: this.policies.of(at.device, this.addresses),
      mtu: at.mtu,
    }));
  }

  /** Takes over what has changed of addresses that stay; answers whether the MTU of a device has. */
  refresh(wanted: readonly HostAddress[]): boolean {
    const before = this.open;
    this.open = before.map(({ at, socket }) => ({ at: wanted.find((one) => isSame(one, at)) ?? at, socket }));
    return this.open.some(({ at }, i) => at.mtu !== before[i]!.at.mtu);
  }

  /** Closes the sockets on addresses that are not wanted any more; answers whether there were any. */
  closeOthers(wanted: readonly HostAddress[]): boolean {
    const kept = this.open.filter(({ at }) => wanted.some((other) => isSame(at, other)));
    const gone = this.open.filter((entry) => !kept.includes(entry));
    for (const { at, socket } of gone) {
      socket.close();
      this.log.info(`${nameOf(at)}: no longer used`);
    }
    this.open = kept;
    return gone.length > 0;
  }

  /** Opens sockets on the wanted addresses that have none; answers what failed. */
  openMissing(wanted: readonly HostAddress[]): IoError[] {
    const failures: IoError[] = [];
    for (const at of wanted) {
      if (this.open.some((entry) => isSame(entry.at, at))) continue;
      if (this.open.length === ROUTER_LIMITS.locals) {
        failures.push(
          new IoError(`${nameOf(at)} is not used: ${ROUTER_LIMITS.locals} addresses are in use already`),
        );
        continue;
      }
      try {
        const { address, device } = at;
        const socket = this.udp.open({ address, device, port: this.port, mark: SOCKET_MARK });
        this.open.push({ at, socket });
        this.log.info(`${nameOf(at)}: used`);
      } catch (error) {
        if (!(error instanceof IoError)) throw error;
        failures.push(error);
      }
    }
    return failures;
  }
}

function nameOf({ device, address }: HostAddress): string {
  return `${device} ${formatAddress(address)}`;
}

function isSame(one: HostAddress, other: HostAddress): boolean {
  // A device that was removed and is there again has another index, and a socket on the first one hears nothing more.
  const isDevice = one.index === other.index && one.device === other.device;
  return isDevice && isSameAddress(one.address, 0, other.address, 0);
}
