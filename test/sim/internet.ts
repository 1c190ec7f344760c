import { Rng } from "../../src/core/base/rng.ts";
import type { PeerSpec, RouterOptions } from "../../src/core/router/router.ts";
import { Clock } from "./clock.ts";
import { Line, type LineOptions } from "./line.ts";
import { Nat, type NatOptions } from "./nat.ts";
import { type Datagram, SimNode, type SimNodeOptions } from "./node.ts";
import { hostRoute, ipv4 } from "./two-nodes.ts";

/** A line of a host to the rest of the world. */
export interface AccessOptions {
  up?: LineOptions;
  down?: LineOptions;
  nat?: NatOptions;
}

export interface HostOptions extends Pick<SimNodeOptions, "clockOffsetUs" | "clockDrift" | "limits"> {
  name: string;
  links: readonly AccessOptions[];
  /** Hands packets that are not for it back to its router, as a kernel that forwards does. */
  forwards?: boolean;
}

/** One line of one host. */
export class Access {
  readonly up: Line;
  readonly down: Line;
  readonly nat: Nat | undefined;
  /** As the host knows it, and as the world does. */
  readonly inside: Int32Array;
  readonly outside: Int32Array;

  constructor(clock: Clock, rng: Rng, options: AccessOptions, inside: Int32Array, outside: Int32Array) {
    this.up = new Line(clock, rng, options.up);
    this.down = new Line(clock, rng, options.down);
    this.nat = options.nat === undefined ? undefined : new Nat(clock, outside, options.nat);
    this.inside = this.nat === undefined ? outside : inside;
    this.outside = outside;
  }

  set isCut(isCut: boolean) {
    this.up.isCut = isCut;
    this.down.isCut = isCut;
  }

  get isCut(): boolean {
    return this.up.isCut;
  }
}

const PORT = 7000;
const TTL = 8;
const DESTINATION = 16;

/** A host of the Internet: a node, its lines, and what is behind its TUN device. */
export class SimHost {
  readonly name: string;
  readonly id: number;
  /** Inside the tunnel. */
  readonly address: readonly [number, number, number, number];
  readonly links: readonly Access[];
  node: SimNode;
  /** Every packet that has come for this host. */
  onPacket: (packet: Uint8Array) => void = () => {};
  private readonly internet: Internet;
  private readonly options: HostOptions;
  private peers: readonly PeerSpec[] = [];
  private starts = 0;

  constructor(internet: Internet, id: number, options: HostOptions) {
    this.internet = internet;
    this.id = id;
    this.options = options;
    this.name = options.name;
    this.address = [10, 99, id >> 8, id & 0xff];
    this.links = options.links.map((link, i) => {
      const outside = ipv4(100, id >> 8, id & 0xff, i + 1);
      return new Access(internet.clock, internet.rng, link, ipv4(192, 168, i, 2), outside);
    });
    this.node = this.begin();
  }

  /** How others reach it; a host behind NATs only is reached by nobody who has not heard from it. */
  peer(routes: PeerSpec["routes"] = [hostRoute(...this.address)]): PeerSpec {
    const open = this.links.filter(({ nat }) => nat === undefined);
    return {
      name: this.name,
      node: { high: 0x0200, low: this.id },
      endpoints: open.map(({ outside }) => ({ address: outside, port: PORT })),
      routes,
    };
  }

  setPeers(peers: readonly PeerSpec[]): void {
    this.peers = peers;
    this.node.setPeers(peers);
  }

  /** Its node ends without a word, and another one takes its place after a while. */
  restart(downUs: number): void {
    const ended = this.node;
    if (!ended.isRunning) return;
    ended.isRunning = false;
    this.internet.clock.after(downUs, () => {
      this.node = this.begin();
      this.node.setPeers(this.peers);
    });
  }

  send(packet: Uint8Array, segmentBytes = 0): void {
    if (this.node.isRunning) this.node.inject(packet, segmentBytes);
  }

  private begin(): SimNode {
    const { internet, options } = this;
    const node = new SimNode({
      ...options,
      id: this.id,
      wire: this.id % 3 === 0 ? "paper" : "numbered",
      restarts: this.starts++,
      clock: internet.clock,
      transmit: (socket, datagram) => internet.carry(this.links[socket & 0xff]!, datagram, this),
    });
    if (this.id % 2 === 0) node.careForAll();
    // Not while the device is being written to: what comes of it may be sent.
    node.onDelivered = (packet) => internet.clock.after(0, () => this.handlePacket(packet));
    node.setLocals(
      this.links.map(({ inside }, i) => ({
        socket: i,
        device: `l${i}`,
        address: inside,
        port: PORT,
        mtu: 1500,
      })),
    );
    return node;
  }

  private handlePacket(packet: Uint8Array): void {
    if (this.address.every((byte, i) => packet[DESTINATION + i] === byte)) this.onPacket(packet);
    else if (this.options.forwards && packet[TTL]! > 1) {
      packet[TTL] = packet[TTL]! - 1;
      this.send(packet);
    }
  }
}

/** Hosts on a network that takes every datagram to where it is for, over a line of the sender's and one of the receiver's. */
export class Internet {
  readonly clock = new Clock();
  readonly rng: Rng;
  readonly hosts: SimHost[] = [];
  /** Sees every datagram that has left a host's line, and may answer another one, or none. */
  onDatagram: (datagram: Datagram, from: SimHost) => Datagram | undefined = (datagram) => datagram;
  private readonly byAddress = new Map<string, { host: SimHost; link: Access }>();

  constructor(seed: number) {
    this.rng = new Rng(seed);
  }

  /** The n-th host has the node ID n. */
  addHost(options: HostOptions): SimHost {
    const host = new SimHost(this, this.hosts.length + 1, options);
    this.hosts.push(host);
    for (const link of host.links) this.byAddress.set(link.outside.join(), { host, link });
    return host;
  }

  run(seconds: number): void {
    this.clock.run(seconds * 1e6);
  }

  carry(link: Access, datagram: Datagram, from: SimHost): void {
    const sent = link.nat === undefined ? datagram : link.nat.out(datagram);
    link.up.carry(bytesOnLine(sent), () => {
      const passed = this.onDatagram(sent, from);
      if (passed !== undefined) this.deliver(passed);
    });
  }

  /** A datagram at the door of whoever it is for. */
  deliver(datagram: Datagram): void {
    const target = this.byAddress.get(datagram.to.address.join());
    if (target === undefined) return;
    const { host, link } = target;
    link.down.carry(bytesOnLine(datagram), () => {
      const arrived = link.nat === undefined ? datagram : link.nat.in(datagram);
      if (arrived !== undefined) host.node.receive(arrived);
    });
  }
}

const bytesOnLine = ({ bytes }: Datagram) => bytes.length + 42;

export type SimLimits = NonNullable<RouterOptions["limits"]>;
