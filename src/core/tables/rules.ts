import { isMappedIpv4 } from "../wire/address.ts";

/**
 * What a session's packets match: a rule's index, or one of these, or RULE_BY_PACKET - row where that depends on each
 * packet, from that row on.
 */
export const NO_RULE = -1;
/** Nobody has looked yet. */
export const NOT_MATCHED = -2;
export const RULE_BY_PACKET = -3;

/** Whose packets something is done for. */
export const FOR_NONE = 0;
export const FOR_ALL = 1;
export const FOR_TCP = 2;

/** No limit, or any, in a row. */
export const ANY = -1;

/** The port of what has none; only rows without a port match it. */
export const NO_PORT = -1;

/** Lowest size that no packet has. */
export const SIZE_END = 0x7fff_ffff;

/** One combination of what a rule lists: everything in it must hold. */
export interface RuleRow {
  readonly rule: number;
  /** 4, 6 or ANY. */
  readonly family: number;
  /** Four words of an address as plans have it, and how many of its 128 bits count. */
  readonly address: Int32Array;
  readonly addressBits: number;
  readonly portFrom: number;
  readonly portTo: number;
  /** A number or ANY. */
  readonly protocol: number;
  /** Length of the IP packet: from this on, below that. */
  readonly sizeFrom: number;
  readonly sizeBelow: number;
  /** A number or ANY. */
  readonly dscp: number;
  /** Only packets that carry no data; the protocol is TCP then. */
  readonly withoutData: boolean;
}

/** What matching packets are to get, by rule. */
export interface RuleAction {
  readonly name: string;
  /** Index of a mode. */
  readonly mode: number;
  /** FOR_*: what is received is put in order, what is lost is sent again. For whole sessions. */
  readonly reorder: number;
  readonly repair: number;
}

export interface RuleReport {
  name: string;
  packets: number;
  bytes: number;
}

/**
 * The routing rules (paper §3.5.2, Table 6), compiled: rows in the order of the rules, of which the first that matches
 * decides. Rules do not change; new ones are another table.
 *
 * Most sessions match one rule with all their packets, because destination, port and protocol decide; they are matched
 * once, when they are opened. Only where size, DSCP or the lack of data come into it is each packet matched, from the
 * first row on that may apply.
 */
export class Rules {
  /** By rule. */
  readonly names: readonly string[];
  readonly mode: Uint16Array;
  readonly reorder: Uint8Array;
  readonly repair: Uint8Array;
  readonly hitPackets: Float64Array;
  readonly hitBytes: Float64Array;
  /** Rows. */
  readonly length: number;
  private readonly rule: Uint16Array;
  private readonly family: Int8Array;
  /** Four words of address and four of mask for each row. */
  private readonly prefix: Int32Array;
  private readonly portFrom: Int32Array;
  private readonly portTo: Uint16Array;
  private readonly protocol: Int16Array;
  private readonly sizeFrom: Int32Array;
  private readonly sizeBelow: Int32Array;
  private readonly dscp: Int8Array;
  private readonly withoutData: Uint8Array;
  /** 1: a row that needs to see the packet. */
  private readonly byPacket: Uint8Array;

  constructor(actions: readonly RuleAction[], rows: readonly RuleRow[]) {
    this.names = actions.map(({ name }) => name);
    this.mode = Uint16Array.from(actions, ({ mode }) => mode);
    this.reorder = Uint8Array.from(actions, ({ reorder }) => reorder);
    this.repair = Uint8Array.from(actions, ({ repair }) => repair);
    this.hitPackets = new Float64Array(actions.length);
    this.hitBytes = new Float64Array(actions.length);
    this.length = rows.length;
    this.rule = Uint16Array.from(rows, ({ rule }) => rule);
    this.family = Int8Array.from(rows, ({ family }) => family);
    this.prefix = new Int32Array(rows.length * 8);
    this.portFrom = Int32Array.from(rows, ({ portFrom }) => portFrom);
    this.portTo = Uint16Array.from(rows, ({ portTo }) => portTo);
    this.protocol = Int16Array.from(rows, ({ protocol }) => protocol);
    this.sizeFrom = Int32Array.from(rows, ({ sizeFrom }) => sizeFrom);
    this.sizeBelow = Int32Array.from(rows, ({ sizeBelow }) => sizeBelow);
    this.dscp = Int8Array.from(rows, ({ dscp }) => dscp);
    this.withoutData = Uint8Array.from(rows, ({ withoutData }) => (withoutData ? 1 : 0));
    this.byPacket = Uint8Array.from(rows, (row) => (seesPackets(row) ? 1 : 0));
    rows.forEach(({ address, addressBits }, row) => {
      const mask = prefixMask(addressBits);
      for (let i = 0; i < 4; i++) {
        this.prefix[8 * row + i] = address[i]! & mask[i]!;
        this.prefix[8 * row + 4 + i] = mask[i]!;
      }
    });
  }

  /**
   * What the packets of a session match: `destination[at]` is the address that the host's packets go to, `port` that
   * of the service (the destination port, or the source port where the peer opened the session), or NO_PORT.
   */
  matchSession(destination: Int32Array, at: number, port: number, protocol: number): number {
    const family = isMappedIpv4(destination, at) ? 4 : 6;
    for (let row = 0; row < this.length; row++) {
      if (!this.matchesRow(row, family, destination, at, port, protocol)) continue;
      return this.byPacket[row] === 0 ? this.rule[row]! : RULE_BY_PACKET - row;
    }
    return NO_RULE;
  }

  /**
   * The rule of a packet, or NO_RULE, given what `matchSession` answered for its session: `packetBytes` is the length of
   * the IP packet as it will be carried, `hasData` whether something stands behind its TCP header.
   */
  matchPacket(
    matched: number,
    destination: Int32Array,
    at: number,
    port: number,
    protocol: number,
    dscp: number,
    packetBytes: number,
    hasData: boolean,
  ): number {
    if (matched > RULE_BY_PACKET) return matched;
    const family = isMappedIpv4(destination, at) ? 4 : 6;
    for (let row = RULE_BY_PACKET - matched; row < this.length; row++) {
      if (packetBytes < this.sizeFrom[row]! || packetBytes >= this.sizeBelow[row]!) continue;
      if (this.dscp[row] !== ANY && this.dscp[row] !== dscp) continue;
      if (this.withoutData[row] === 1 && hasData) continue;
      if (this.matchesRow(row, family, destination, at, port, protocol)) return this.rule[row]!;
    }
    return NO_RULE;
  }

  /**
   * The rule that says what goes for a whole session although that of its packets depends on each, as `matched` says: the
   * first one that matches whatever they are.
   */
  matchWhole(matched: number, destination: Int32Array, at: number, port: number, protocol: number): number {
    const family = isMappedIpv4(destination, at) ? 4 : 6;
    for (let row = RULE_BY_PACKET - matched; row < this.length; row++) {
      if (this.byPacket[row] === 1) continue;
      if (this.matchesRow(row, family, destination, at, port, protocol)) return this.rule[row]!;
    }
    return NO_RULE;
  }

  /** Packets went by a rule. */
  count(rule: number, packets: number, bytes: number): void {
    this.hitPackets[rule] = this.hitPackets[rule]! + packets;
    this.hitBytes[rule] = this.hitBytes[rule]! + bytes;
  }

  snapshot(): RuleReport[] {
    return this.names.map((name, rule) => ({
      name,
      packets: this.hitPackets[rule]!,
      bytes: this.hitBytes[rule]!,
    }));
  }

  private matchesRow(
    row: number,
    family: number,
    destination: Int32Array,
    at: number,
    port: number,
    protocol: number,
  ): boolean {
    const wanted = this.protocol[row]!;
    if (wanted !== ANY && wanted !== protocol) return false;
    if (port < this.portFrom[row]! || port > this.portTo[row]!) return false;
    if (this.family[row] === ANY) return true;
    if (this.family[row] !== family) return false;
    const { prefix } = this;
    for (let i = 0, word = 8 * row; i < 4; i++, word++) {
      if ((destination[at + i]! & prefix[word + 4]!) !== prefix[word]) return false;
    }
    return true;
  }
}

function seesPackets(row: RuleRow): boolean {
  return row.sizeFrom > 0 || row.sizeBelow < SIZE_END || row.dscp !== ANY || row.withoutData;
}

/** A mask of the first `bits` bits, in the byte order of addresses. */
function prefixMask(bits: number): Int32Array {
  const bytes = new Uint8Array(16);
  for (let i = 0; i < bits; i++) bytes[i >> 3] = bytes[i >> 3]! | (0x80 >> (i & 7));
  return new Int32Array(bytes.buffer);
}
