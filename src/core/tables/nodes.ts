import { Deadlines } from "../base/deadlines.ts";
import type { HashSeed } from "../base/hash.ts";
import { NONE, type NodeSlot, type None } from "../base/ids.ts";
import { Slab } from "../base/slab.ts";
import { WordMap } from "../base/word-map.ts";
import { ADDRESS_CONFIGURED, ADDRESS_OBSERVED, type AddressReport, NodeAddresses } from "./node-addresses.ts";

/** What a control packet says of the instance of the node that it came from. */
export const INSTANCE_SAME = 0;
/** The node's first one. */
export const INSTANCE_NEW = 1;
/** Another one than before, which is silent: the node has been started anew. Nothing of its old state holds. */
export const INSTANCE_RESTARTED = 2;
/** Another one from another place, while the known one was heard a moment ago: to be refused; it may be that it ended. */
export const INSTANCE_DOUBTFUL = 3;
/** As before, and the known one has been heard since: two nodes have one ID. To be refused and reported. */
export const INSTANCE_CLASH = 4;

export interface NodesOptions {
  readonly capacity: number;
  readonly seed: HashSeed;
  /** A node that is not configured is forgotten after this long without a packet. */
  readonly expiryMs?: number;
  /** A node that was heard less than this long ago is alive. */
  readonly aliveMs?: number;
}

export interface NodeReport {
  slot: NodeSlot;
  /** Twelve hexadecimal digits, as a MAC address is written. */
  id: string;
  name: string;
  configured: boolean;
  instance: string | undefined;
  heardMs: number;
  clashes: number;
  addresses: AddressReport[];
}

const NODE_EXPIRY_MS = 3_600_000;
const NODE_ALIVE_MS = 3_000;

/**
 * The node map (paper §3.2, Table 3): node IDs, what is known of the nodes, and their addresses. When it is full a
 * newcomer is refused: a node that is known is worth more than one that is not, and those that fall silent expire.
 *
 * Node IDs are two numbers, the high 16 bits and the low 32; 32-bit fields are int32.
 */
export class Nodes {
  readonly slab: Slab<NodeSlot>;
  readonly addresses: NodeAddresses;
  /** As it is shown to people. */
  readonly names: string[] = [];
  /** 1: stays however long it is silent. */
  readonly configured: Uint8Array;
  /** When a packet of the node was last accepted. */
  readonly heardMs: Float64Array;
  /** Instances that were refused because another one was alive. */
  readonly clashes: Uint32Array;
  /** Nodes that found the table full. */
  refused = 0;

  /** Of the node as we know it. */
  readonly instanceHigh: Int32Array;
  readonly instanceLow: Int32Array;
  private readonly ids: WordMap;
  private readonly hasInstance: Uint8Array;
  /** Of the rival that was refused last. */
  private readonly rivalHigh: Int32Array;
  private readonly rivalLow: Int32Array;
  private readonly rivalMs: Float64Array;
  private readonly expiry: Deadlines<NodeSlot>;
  private readonly expiryMs: number;
  private readonly aliveMs: number;
  private readonly key = new Int32Array(2);

  constructor({ capacity, seed, expiryMs, aliveMs }: NodesOptions) {
    this.slab = new Slab(capacity);
    this.addresses = new NodeAddresses(capacity, seed);
    this.configured = new Uint8Array(capacity);
    this.heardMs = new Float64Array(capacity);
    this.clashes = new Uint32Array(capacity);
    this.ids = new WordMap(2, capacity, seed);
    this.instanceHigh = new Int32Array(capacity);
    this.instanceLow = new Int32Array(capacity);
    this.hasInstance = new Uint8Array(capacity);
    this.rivalHigh = new Int32Array(capacity);
    this.rivalLow = new Int32Array(capacity);
    this.rivalMs = new Float64Array(capacity);
    this.expiry = new Deadlines(capacity);
    this.expiryMs = expiryMs ?? NODE_EXPIRY_MS;
    this.aliveMs = aliveMs ?? NODE_ALIVE_MS;
  }

  find(idHigh: number, idLow: number): NodeSlot | None {
    this.key[0] = idHigh;
    this.key[1] = idLow;
    return this.ids.find(this.key, 0) as NodeSlot | None;
  }

  /** The node with this ID, added where need be; NONE when the table is full. */
  add(idHigh: number, idLow: number, configured: boolean, name: string, nowMs: number): NodeSlot | None {
    let slot = this.find(idHigh, idLow);
    if (slot === NONE) {
      slot = this.slab.take();
      if (slot === NONE) {
        this.refused++;
        return NONE;
      }
      this.ids.insert(slot, this.key, 0);
      this.configured[slot] = 0;
      this.hasInstance[slot] = 0;
      this.clashes[slot] = 0;
      this.rivalMs[slot] = Number.NEGATIVE_INFINITY;
      this.heardMs[slot] = Number.NEGATIVE_INFINITY;
      this.names[slot] = name;
    }
    if (configured) {
      this.configured[slot] = 1;
      this.names[slot] = name;
      this.expiry.cancel(slot);
    } else if (this.configured[slot] === 0) {
      this.expiry.set(slot, nowMs + this.expiryMs);
    }
    return slot;
  }

  /** The node is no longer in the configuration: it stays while it is heard. */
  unconfigure(slot: NodeSlot, nowMs: number): void {
    this.configured[slot] = 0;
    this.expiry.set(slot, nowMs + this.expiryMs);
  }

  /** Forgets the node and its addresses. Sessions and paths that name the slot must have gone before. */
  remove(slot: NodeSlot): void {
    if (!this.slab.release(slot)) return;
    this.ids.delete(slot);
    this.addresses.forgetNode(slot);
    this.expiry.cancel(slot);
    this.names[slot] = "";
  }

  /** A packet of the node was accepted. */
  handlePacket(slot: NodeSlot, nowMs: number): void {
    this.heardMs[slot] = nowMs;
  }

  /**
   * A control packet says from which instance of the node it comes; `address[at]` and `port` are where it came from.
   * Answers one of INSTANCE_*; but for the last two, the packet counts as accepted.
   */
  handleInstance(
    slot: NodeSlot,
    high: number,
    low: number,
    address: Int32Array,
    at: number,
    port: number,
    nowMs: number,
  ): number {
    const instance = this.judgeInstance(slot, high, low, address, at, port, nowMs);
    if (instance === INSTANCE_SAME) this.heardMs[slot] = nowMs;
    else if (instance === INSTANCE_NEW || instance === INSTANCE_RESTARTED)
      this.accept(slot, high, low, nowMs);
    return instance;
  }

  /** What `handleInstance` would answer, of a packet that introduces nobody: by it no instance is accepted. */
  judgeInstance(
    slot: NodeSlot,
    high: number,
    low: number,
    address: Int32Array,
    at: number,
    port: number,
    nowMs: number,
  ): number {
    if (this.hasInstance[slot] === 0) return INSTANCE_NEW;
    if (this.instanceHigh[slot] === (high | 0) && this.instanceLow[slot] === (low | 0)) return INSTANCE_SAME;
    if (!this.isAlive(slot, nowMs) || this.isPlaceOf(slot, address, at, port)) return INSTANCE_RESTARTED;
    const isSameRival = this.rivalHigh[slot] === (high | 0) && this.rivalLow[slot] === (low | 0);
    if (isSameRival && this.heardMs[slot]! > this.rivalMs[slot]!) {
      this.clashes[slot]!++;
      return INSTANCE_CLASH;
    }
    // The known instance has yet to be heard after the rival's first word.
    if (!isSameRival) this.rivalMs[slot] = nowMs;
    this.rivalHigh[slot] = high;
    this.rivalLow[slot] = low;
    return INSTANCE_DOUBTFUL;
  }

  /** Whether the node is known to be at an address. What it merely lists may be a private one, and another node's, too. */
  private isPlaceOf(slot: NodeSlot, address: Int32Array, at: number, port: number): boolean {
    const known = this.addresses.findOf(slot, address, at, port);
    return known !== NONE && (this.addresses.sources[known]! & (ADDRESS_CONFIGURED | ADDRESS_OBSERVED)) !== 0;
  }

  /** Whether the node was heard a moment ago. */
  isAlive(slot: NodeSlot, nowMs: number): boolean {
    return nowMs - this.heardMs[slot]! < this.aliveMs;
  }

  idHigh(slot: NodeSlot): number {
    return this.ids.keys[2 * slot]!;
  }

  idLow(slot: NodeSlot): number {
    return this.ids.keys[2 * slot + 1]!;
  }

  /** No node has to be looked at before; it may turn out then that none has expired. */
  nextDeadlineMs(): number {
    return this.expiry.next();
  }

  /** A node that has been silent for too long, for the caller to remove with all that names it; NONE when there is none. */
  pollExpired(nowMs: number): NodeSlot | None {
    for (;;) {
      if (this.expiry.next() > nowMs) return NONE;
      const slot = this.expiry.first() as NodeSlot;
      const expiresMs = this.heardMs[slot]! + this.expiryMs;
      if (expiresMs <= nowMs) return slot;
      this.expiry.set(slot, expiresMs);
    }
  }

  first(): NodeSlot | None {
    return this.after(NONE);
  }

  after(slot: NodeSlot | None): NodeSlot | None {
    const { slab } = this;
    for (let next = slot + 1; next < slab.top; next++) if (slab.has(next)) return next as NodeSlot;
    return NONE;
  }

  snapshot(): NodeReport[] {
    const reports: NodeReport[] = [];
    for (let slot = this.first(); slot !== NONE; slot = this.after(slot)) {
      reports.push({
        slot,
        id: hex(this.idHigh(slot), 4) + hex(this.idLow(slot), 8),
        name: this.names[slot]!,
        configured: this.configured[slot] === 1,
        instance: this.hasInstance[slot]
          ? hex(this.instanceHigh[slot]!, 8) + hex(this.instanceLow[slot]!, 8)
          : undefined,
        heardMs: this.heardMs[slot]!,
        clashes: this.clashes[slot]!,
        addresses: this.addresses.snapshot(slot),
      });
    }
    return reports;
  }

  private accept(slot: NodeSlot, high: number, low: number, nowMs: number): void {
    this.instanceHigh[slot] = high;
    this.instanceLow[slot] = low;
    this.hasInstance[slot] = 1;
    this.heardMs[slot] = nowMs;
    this.rivalMs[slot] = Number.NEGATIVE_INFINITY;
    this.rivalHigh[slot] = 0;
    this.rivalLow[slot] = 0;
  }
}

function hex(word: number, digits: number): string {
  return (word >>> 0).toString(16).padStart(digits, "0");
}
