import type { Prefix } from "../core/dispatch/rule-spec.ts";
import type { RealState } from "../core/router/router.ts";

/** What the host is to have. */
export interface HostState {
  /** Name of the TUN device, and so of everything of ours. */
  readonly tun: string;
  readonly mtu: number;
  readonly addresses: readonly Prefix[];
  /** What is behind the peers. */
  readonly routes: readonly Prefix[];
  /** Whether the host forwards between peers, and between them and the networks around it. */
  readonly forward: boolean;
  /** Whether the host forwards from the peers to the networks around it, with its own addresses in front of theirs. */
  readonly exit: boolean;
  /** Addresses of the name servers that the host is to ask instead of its own; none: its own. */
  readonly dns: readonly string[];
  /** Where the daemon's own packets come in. */
  readonly port: number;
  /** Over which the daemon's own packets come. */
  readonly lines: readonly HostLine[];
  /** Undefined where traffic to real addresses is left alone. */
  readonly real: RealHostState | undefined;
}

/** A device, with the number that the kernel gives it. */
export interface HostLine {
  readonly device: string;
  readonly index: number;
}

/** What of the host's own traffic is handed over without being addressed to the tunnel. */
export interface RealHostState extends RealState {
  /** Those of the lines. */
  readonly families: readonly (4 | 6)[];
  /** Which destinations are asked whether they are nodes; undefined: all. */
  readonly destinations: readonly Prefix[] | undefined;
}

/** The mark of the daemon's own packets, which keeps them out of its own routes: "mp". */
export const SOCKET_MARK = 0x6d70;

/** Of packets to real addresses that are to go into the TUN device, and of connections whose packets are. */
export const CAPTURE_MARK = SOCKET_MARK + 1;

/** As `nft` takes them. */
export const MARK_TEXT = `0x${SOCKET_MARK.toString(16)}`;
export const CAPTURE_TEXT = `0x${CAPTURE_MARK.toString(16)}`;
