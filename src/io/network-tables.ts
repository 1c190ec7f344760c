import type { Prefix } from "../core/dispatch/rule-spec.ts";
import { parseAddress } from "./address.ts";
import { ENOBUFS, ENODEV, IoError } from "./error.ts";
import { native } from "./native.ts";

// Numbers of linux/netlink.h, linux/rtnetlink.h and linux/fib_rules.h, and places in what they describe.
const GET_ADDRESS = 22;
const GET_ROUTE = 26;
const GET_RULE = 34;
const FAMILIES = { 4: 2, 6: 10 } as const;
const HEADER_BYTES = 16;
const BODY_BYTES = 12;
const BITS = 1;
const TABLE = 4;
const KIND = 7;
const FLAGS = 8;

const ADDRESS_BODY_BYTES = 8;
const ADDRESS_DEVICE = 4;
const ADDRESS_OWN = 2;
/** Of the other end, where there is one. */
const ADDRESS = 1;

const ROUTE_UNICAST = 1;
const ROUTE_DESTINATION = 1;
const ROUTE_DEVICE = 4;
const ROUTE_HOPS = 9;
const HOP_BYTES = 8;
const HOP_DEAD = 0x01;

const RULE_TO_TABLE = 1;
const RULE_INVERTED = 0x02;
const RULE_INPUT = 3;
const RULE_PRIORITY = 6;
const RULE_MARK = 10;
const RULE_SUPPRESS = 14;
const SUPPRESS_NONE = 0xffffffff;
const RULE_MARK_MASK = 16;
const RULE_USERS = 20;
/** The device that what the host sends itself comes in by. */
const LOOPBACK = "lo\0";
/** In rules as in routes: the table, where its number is not one byte. */
const LONG_TABLE = 15;

const BUFFER_BYTES = 1 << 16;
const BUFFER_MAX_BYTES = 1 << 24;

/**
 * The numbers of the devices over which routes for everything lead, of the tables in which the kernel looks for packets
 * that a socket sends: those of hosts with a table for each line, too, but not those of tunnels that take everything
 * but their own packets, which go by a mark.
 */
export function defaultRouteDevices(family: 4 | 6): Set<number> {
  const tables = ruleTables(dump(GET_RULE, family), family);
  return routeDevices(dump(GET_ROUTE, family), family, tables);
}

/** Messages as the kernel has them in its answer to a request for all rules. */
export function ruleTables(messages: Uint8Array, family: 4 | 6): Set<number> {
  const tables = new Set<number>();
  eachMessage(messages, family, BODY_BYTES, (body, attributes) => {
    const isForAll = body[BITS] === 0 && (wordAt(body, FLAGS) & RULE_INVERTED) === 0;
    if (body[KIND] !== RULE_TO_TABLE || !isForAll) return;
    if ([RULE_MARK, RULE_MARK_MASK, RULE_USERS].some((type) => attributes.has(type))) return;
    const input = attributes.get(RULE_INPUT);
    if (input !== undefined && String.fromCharCode(...input) !== LOOPBACK) return;
    tables.add(tableOf(body, attributes));
  });
  return tables;
}

/** The same for routes: the devices of those for everything in one of the tables. */
export function routeDevices(messages: Uint8Array, family: 4 | 6, tables: ReadonlySet<number>): Set<number> {
  const devices = new Set<number>();
  eachMessage(messages, family, BODY_BYTES, (body, attributes) => {
    const isUsable = body[KIND] === ROUTE_UNICAST && (wordAt(body, FLAGS) & HOP_DEAD) === 0;
    if (!isUsable || body[BITS] !== 0 || !tables.has(tableOf(body, attributes))) return;
    const device = attributes.get(ROUTE_DEVICE);
    if (device !== undefined) devices.add(wordAt(device, 0));
    const hops = attributes.get(ROUTE_HOPS) ?? new Uint8Array(0);
    for (let at = 0; at + HOP_BYTES <= hops.length; at += aligned(Math.max(halfAt(hops, at), HOP_BYTES))) {
      if ((hops[at + 2]! & HOP_DEAD) === 0) devices.add(wordAt(hops, at + 4));
    }
  });
  return devices;
}

/** The addresses of a device, with the length of their network's prefix. */
export function deviceAddresses(device: number, family: 4 | 6): Prefix[] {
  const addresses: Prefix[] = [];
  const messages = dump(GET_ADDRESS, family);
  eachMessage(messages, family, ADDRESS_BODY_BYTES, (body, attributes) => {
    const bytes = attributes.get(ADDRESS_OWN) ?? attributes.get(ADDRESS);
    if (wordAt(body, ADDRESS_DEVICE) !== device || bytes === undefined) return;
    addresses.push({ family, address: wordsOf(bytes), bits: body[BITS]! });
  });
  return addresses;
}

/** What the routes into a device are for, and the table that each stands in. */
export function deviceRoutes(device: number, family: 4 | 6): { prefix: Prefix; table: number }[] {
  const routes: { prefix: Prefix; table: number }[] = [];
  const messages = dump(GET_ROUTE, family, device);
  eachMessage(messages, family, BODY_BYTES, (body, attributes) => {
    if (body[KIND] !== ROUTE_UNICAST) return;
    const bytes = attributes.get(ROUTE_DESTINATION);
    const address = bytes === undefined ? parseAddress(family === 4 ? "0.0.0.0" : "::") : wordsOf(bytes);
    routes.push({ prefix: { family, address, bits: body[BITS]! }, table: tableOf(body, attributes) });
  });
  return routes;
}

/** A rule by which packets are routed, as far as rules of ours go. */
export interface RoutingRule {
  readonly priority: number;
  readonly table: number;
  /** Of the packets; `isInverted`: of those that it is not for. */
  readonly mark?: number | undefined;
  readonly isInverted?: boolean;
  /** Routes of prefixes that are not longer are passed over. */
  readonly suppressBits?: number | undefined;
}

export function routingRules(family: 4 | 6): RoutingRule[] {
  const rules: RoutingRule[] = [];
  eachMessage(dump(GET_RULE, family), family, BODY_BYTES, (body, attributes) => {
    const number = (type: number) => {
      const bytes = attributes.get(type);
      return bytes === undefined ? undefined : wordAt(bytes, 0);
    };
    const suppressBits = number(RULE_SUPPRESS);
    rules.push({
      priority: number(RULE_PRIORITY) ?? 0,
      table: tableOf(body, attributes),
      mark: number(RULE_MARK),
      isInverted: (wordAt(body, FLAGS) & RULE_INVERTED) !== 0,
      suppressBits: suppressBits === SUPPRESS_NONE ? undefined : suppressBits,
    });
  });
  return rules;
}

function dump(request: number, family: 4 | 6, device = 0): Uint8Array {
  for (let bytes = BUFFER_BYTES; ; bytes *= 4) {
    const answer = new Uint8Array(bytes);
    const length = native.netlinkDump(request, FAMILIES[family], answer, device);
    if (length >= 0) return answer.subarray(0, length);
    // The device has gone, and all that it had with it.
    if (length === ENODEV) return new Uint8Array(0);
    if (length !== ENOBUFS || bytes >= BUFFER_MAX_BYTES)
      throw new IoError("cannot read the kernel's addresses and routes", length);
  }
}

type Attributes = ReadonlyMap<number, Uint8Array>;

function eachMessage(
  messages: Uint8Array,
  family: 4 | 6,
  bodyBytes: number,
  see: (body: Uint8Array, attributes: Attributes) => void,
): void {
  let end = 0;
  for (let at = 0; at + HEADER_BYTES + bodyBytes <= messages.length; at = aligned(end)) {
    end = at + Math.max(wordAt(messages, at), HEADER_BYTES);
    const body = messages.subarray(at + HEADER_BYTES, end);
    // A kernel without IPv6 answers with what it has of other families.
    if (body[0] !== FAMILIES[family]) continue;
    const attributes = new Map<number, Uint8Array>();
    for (let from = bodyBytes; from + 4 <= body.length; ) {
      const length = Math.max(halfAt(body, from), 4);
      attributes.set(halfAt(body, from + 2), body.subarray(from + 4, from + length));
      from = aligned(from + length);
    }
    see(body, attributes);
  }
}

function tableOf(body: Uint8Array, attributes: Attributes): number {
  const long = attributes.get(LONG_TABLE);
  return long === undefined ? body[TABLE]! : wordAt(long, 0);
}

/** Four words as in plans. */
function wordsOf(bytes: Uint8Array): Int32Array {
  const all = Uint8Array.of(...new Array(10).fill(0), 0xff, 0xff, 0, 0, 0, 0);
  all.set(bytes, 16 - bytes.length);
  return new Int32Array(all.buffer);
}

// Numbers stand in the byte order of the machine, as in typed arrays.
function wordAt(bytes: Uint8Array, at: number): number {
  return new Uint32Array(bytes.slice(at, at + 4).buffer)[0]!;
}

function halfAt(bytes: Uint8Array, at: number): number {
  return new Uint16Array(bytes.slice(at, at + 2).buffer)[0]!;
}

function aligned(bytes: number): number {
  return (bytes + 3) & ~3;
}
