/**
 * Script: what the session table costs a packet, with random access over 10, 1 000 and 100 000 sessions, and what it
 * costs in memory. A packet of the router takes about 1 µs in all.
 */
import { NONE, type NodeSlot } from "../../../src/core/base/ids.ts";
import { Rng } from "../../../src/core/base/rng.ts";
import { SESSION_KEY_WORDS, setSentKey } from "../../../src/core/tables/session-key.ts";
import { Sessions } from "../../../src/core/tables/sessions.ts";
import { MAPPED_WORD } from "../../../src/core/wire/address.ts";
import { PROTOCOL_TCP } from "../../../src/core/wire/ipv4.ts";
import { TCP_ACK } from "../../../src/core/wire/tcp.ts";
import { compare, type Variant } from "./harness.ts";

const CAPACITY = 100_000;
const NODES = 1024;
const NODE = 7 as NodeSlot;
const PACKET_BYTES = 1500;
const ORDER = 1 << 18;

const key = new Int32Array(SESSION_KEY_WORDS);
const flow = {
  source: Int32Array.of(0, 0, MAPPED_WORD, 0x0100_4d0a),
  destination: Int32Array.of(0, 0, MAPPED_WORD, 0),
  protocol: PROTOCOL_TCP,
  sourcePort: 0,
  destinationPort: 443,
};

/** The key of session i, made of numbers so that no memory but the table's is looked at. */
function setKey(i: number): void {
  flow.destination[3] = Math.imul(i, 0x9e37_79b1);
  flow.sourcePort = i & 0xffff;
  setSentKey(key, 0, flow, NODE);
}

function filled(count: number): Sessions {
  const sessions = new Sessions({ capacity: CAPACITY, nodes: NODES, seed: [0x5eed, 0x1234] });
  sessions.beginNode(NODE, true, 1);
  const template = new Uint8Array(20);
  for (let i = 0; i < count; i++) {
    setKey(i);
    const slot = sessions.open(key, 0, 1000);
    if (slot === NONE) throw new Error("the table is full");
    sessions.setTemplate(slot, template, 0, template.length);
    sessions.touch(slot, 1000);
    sessions.handleSent(slot, 1, PACKET_BYTES, TCP_ACK);
    sessions.handleReceived(slot, sessions.id(slot), 1, PACKET_BYTES, TCP_ACK);
  }
  return sessions;
}

function orderOf(count: number): Int32Array {
  const rng = new Rng(1);
  return Int32Array.from({ length: ORDER }, () => rng.below(count));
}

function outbound(count: number): Variant {
  const sessions = filled(count);
  const order = orderOf(count);
  return (times) => {
    let sum = 0;
    for (let i = 0; i < times; i++) {
      setKey(order[i & (ORDER - 1)]!);
      const slot = sessions.find(key, 0);
      if (slot === NONE) continue;
      sessions.touch(slot, i);
      sessions.handleSent(slot, 1, PACKET_BYTES, TCP_ACK);
      sum += sessions.rule[slot]! + sessions.flags[slot]! + sessions.id(slot);
    }
    return sum;
  };
}

function inbound(count: number): Variant {
  const sessions = filled(count);
  const order = orderOf(count);
  const firstId = sessions.id(0 as never);
  return (times) => {
    let sum = 0;
    for (let i = 0; i < times; i++) {
      const id = (firstId + order[i & (ORDER - 1)]!) | 0;
      const slot = sessions.findId(NODE, id);
      if (slot === NONE) continue;
      sessions.touch(slot, i);
      sessions.handleReceived(slot, id, 1, PACKET_BYTES, TCP_ACK);
      sum += sessions.templates[sessions.templateAt(slot)]! + sessions.templateBytes[slot]!;
    }
    return sum;
  };
}

function residentMb(): number {
  return process.memoryUsage().rss / 1e6;
}

const before = residentMb();
const empty = filled(0);
const afterEmpty = residentMb();
const full = filled(CAPACITY);
const afterFull = residentMb();
console.log("memory");
console.log(`  room for ${CAPACITY} sessions, none open   ${(afterEmpty - before).toFixed(1)} MB`);
console.log(`  ${CAPACITY} open                          ${(afterFull - afterEmpty).toFixed(1)} MB`);
console.log(`  (${empty.slab.size + full.slab.size} sessions)`);

const COUNTS = [10, 1_000, 100_000];
const variants = (make: (count: number) => Variant) =>
  Object.fromEntries(COUNTS.map((count) => [`${count} sessions`, make(count)]));
compare("a packet that the host sends: lookup by key, update", variants(outbound), ORDER);
compare("a packet that came in: lookup by ID, update", variants(inbound), ORDER);
