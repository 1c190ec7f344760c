import type { ModeSpec } from "./mode-spec.ts";

/** Addresses that begin alike: `bits` of 32 or 128. */
export interface Prefix {
  readonly family: 4 | 6;
  /** Four words as plans have them. */
  readonly address: Int32Array;
  readonly bits: number;
}

/** Both ends count. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/**
 * A rule as people write it, already checked: everything that it names must hold for a packet, of a list any one. What
 * it does not name may be anything.
 */
export interface RuleSpec {
  readonly name: string;
  readonly destinations?: readonly Prefix[];
  /**
   * Of the service: the destination port, or the source port of packets of a session that the peer opened. So one rule
   * serves both ends of a session.
   */
  readonly ports?: readonly PortRange[];
  /** Names of PROTOCOL_NUMBERS, or numbers. */
  readonly protocols?: readonly (string | number)[];
  /** Length of the IP packet: from the one on, below the other. */
  readonly sizeFrom?: number;
  readonly sizeBelow?: number;
  readonly dscps?: readonly number[];
  /** TCP packets without data: acknowledgements, SYN, FIN. */
  readonly withoutData?: boolean;
  readonly route: "throughput" | "responsiveness" | ModeSpec;
  /** Whether what is received is put in order and what is lost is sent again: `auto`, only TCP's, where it is left out. */
  readonly reorder?: "off" | "on" | "auto";
  readonly repair?: "off" | "on" | "auto";
}

/** Names of protocols, as in /etc/protocols. */
export const PROTOCOL_NUMBERS: Readonly<Record<string, number>> = {
  icmp: 1,
  igmp: 2,
  ipip: 4,
  tcp: 6,
  udp: 17,
  dccp: 33,
  ipv6: 41,
  gre: 47,
  esp: 50,
  ah: 51,
  "ipv6-icmp": 58,
  icmpv6: 58,
  ospf: 89,
  pim: 103,
  vrrp: 112,
  l2tp: 115,
  sctp: 132,
  udplite: 136,
};
