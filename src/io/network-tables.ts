import { ENOBUFS, IoError } from "./error.ts";
import { native } from "./native.ts";

// Numbers of linux/netlink.h, linux/rtnetlink.h and linux/fib_rules.h, and places in what they describe.
const GET_ROUTE = 26;
const GET_RULE = 34;
const FAMILIES = { 4: 2, 6: 10 } as const;
const HEADER_BYTES = 16;
const BODY_BYTES = 12;
const TABLE = 4;
const KIND = 7;
const FLAGS = 8;

const ROUTE_UNICAST = 1;
const ROUTE_DEVICE = 4;
const ROUTE_HOPS = 9;
const HOP_BYTES = 8;
const HOP_DEAD = 0x01;

const RULE_TO_TABLE = 1;
const RULE_INVERTED = 0x02;
const DESTINATION_BITS = 1;
const RULE_INPUT = 3;
const RULE_MARK = 10;
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
  eachMessage(messages, family, (body, attributes) => {
    const isForAll = body[DESTINATION_BITS] === 0 && (wordAt(body, FLAGS) & RULE_INVERTED) === 0;
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
  eachMessage(messages, family, (body, attributes) => {
    const isUsable = body[KIND] === ROUTE_UNICAST && (wordAt(body, FLAGS) & HOP_DEAD) === 0;
    if (!isUsable || body[DESTINATION_BITS] !== 0 || !tables.has(tableOf(body, attributes))) return;
    const device = attributes.get(ROUTE_DEVICE);
    if (device !== undefined) devices.add(wordAt(device, 0));
    const hops = attributes.get(ROUTE_HOPS) ?? new Uint8Array(0);
    for (let at = 0; at + HOP_BYTES <= hops.length; at += aligned(Math.max(halfAt(hops, at), HOP_BYTES))) {
      if ((hops[at + 2]! & HOP_DEAD) === 0) devices.add(wordAt(hops, at + 4));
    }
  });
  return devices;
}

function dump(request: number, family: 4 | 6): Uint8Array {
  for (let bytes = BUFFER_BYTES; ; bytes *= 4) {
    const answer = new Uint8Array(bytes);
    const length = native.netlinkDump(request, FAMILIES[family], answer);
    if (length >= 0) return answer.subarray(0, length);
    if (length !== ENOBUFS || bytes >= BUFFER_MAX_BYTES)
      throw new IoError("cannot read the kernel's routes", length);
  }
}

type Attributes = ReadonlyMap<number, Uint8Array>;

function eachMessage(
  messages: Uint8Array,
  family: 4 | 6,
  see: (body: Uint8Array, attributes: Attributes) => void,
): void {
  let end = 0;
  for (let at = 0; at + HEADER_BYTES + BODY_BYTES <= messages.length; at = aligned(end)) {
    end = at + Math.max(wordAt(messages, at), HEADER_BYTES);
    const body = messages.subarray(at + HEADER_BYTES, end);
    // A kernel without IPv6 answers with what it has of other families.
    if (body[0] !== FAMILIES[family]) continue;
    const attributes = new Map<number, Uint8Array>();
    for (let from = BODY_BYTES; from + 4 <= body.length; ) {
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
