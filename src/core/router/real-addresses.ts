import { NONE, type NodeSlot, type PathSlot } from "../base/ids.ts";
import type { Prefix } from "../dispatch/rule-spec.ts";
import { ADDRESS_ADVERTISED } from "../tables/node-addresses.ts";
import type { Nodes } from "../tables/nodes.ts";
import { type Paths, USE_NO } from "../tables/paths.ts";
import { isMappedIpv4, isSameAddress } from "../wire/address.ts";

/** Real addresses of one node: more are not carried. */
const ADDRESSES_MAX = 16;

/** Packets of the host that are to be carried, by where they come from and go to; four words each as plans have them. */
export interface RealPair {
  readonly source: Int32Array;
  readonly destination: Int32Array;
  /** What the node sees as the source: another address behind a NAT. */
  readonly seenAs: Int32Array;
}

/** What the host is to hand over, as of now. */
export interface RealState {
  readonly pairs: readonly RealPair[];
  /** Addresses that carried packets may come from: answers to those go the same way. */
  readonly carried: readonly Int32Array[];
}

/** How we are known to a node at one of our addresses. */
interface OwnAddress {
  readonly address: Int32Array;
  seenAs: Int32Array;
  /** The node takes packets from there. */
  isTaken: boolean;
}

class NodeAddressesInUse {
  readonly remotes: Int32Array[] = [];
  readonly locals: OwnAddress[] = [];
}

/**
 * Traffic to the real addresses of nodes (paper §3.2): which of the host's packets are carried to which node without
 * having been addressed to the tunnel. An address counts as a node's when a probe to it was answered by that node: then
 * packets from it are taken. Packets to it are carried of themselves only if the node also says that it is its own;
 * otherwise a NAT is in front of it, which may hide others at the same address, and only answers are carried.
 */
export class RealAddresses {
  /** The port at which unknown destinations are asked; 0: real addresses are not carried. */
  port = 0;
  /** What `state` answers may be another thing now. */
  onChange: () => void = () => {};
  /** The addresses of a node are others now. */
  onRoutes: (node: NodeSlot) => void = () => {};
  private readonly nodes: Nodes;
  private readonly paths: Paths;
  private readonly byNode = new Map<NodeSlot, NodeAddressesInUse>();
  private changes = 0;
  private seenChanges = 0;
  private seenPathChanges = 0;

  constructor(nodes: Nodes, paths: Paths) {
    this.nodes = nodes;
    this.paths = paths;
  }

  get isOn(): boolean {
    return this.port !== 0;
  }

  /** A probe on a path was answered: at its far end the node is. */
  noteConfirmed(path: PathSlot): void {
    const { paths } = this;
    const node = paths.nodeOf(path);
    const { remotes } = this.of(node);
    const at = paths.remoteAt(path);
    if (remotes.some((words) => isSameAddress(words, 0, paths.remotes, at))) return;
    if (remotes.length === ADDRESSES_MAX) remotes.shift();
    remotes.push(paths.remotes.slice(at, at + 4));
    this.changes++;
    if (this.isOn) this.onRoutes(node);
  }

  /** The answer to a probe on a path says where that seemed to come from. */
  noteObserved(path: PathSlot, observed: Int32Array): void {
    const { locals } = this.of(this.paths.nodeOf(path));
    const own = locals.find(({ address }) => isSameAddress(address, 0, this.paths.locals, 4 * path));
    if (own === undefined) {
      if (locals.length === ADDRESSES_MAX) locals.shift();
      const address = this.paths.locals.slice(4 * path, 4 * path + 4);
      locals.push({ address, seenAs: observed.slice(), isTaken: false });
    } else {
      if (isSameAddress(own.seenAs, 0, observed, 0)) return;
      own.seenAs = observed.slice();
    }
    this.changes++;
  }

  /** The node beats on a path, so it has asked us there in turn, and takes what comes from our end. */
  noteTaken(path: PathSlot): void {
    const { locals } = this.of(this.paths.nodeOf(path));
    for (const own of locals) {
      if (own.isTaken || !isSameAddress(own.address, 0, this.paths.locals, 4 * path)) continue;
      own.isTaken = true;
      this.changes++;
    }
  }

  forgetNode(node: NodeSlot): void {
    if (this.byNode.delete(node)) this.changes++;
  }

  /** Begins to carry what goes to real addresses, or ends that. */
  setPort(port: number): void {
    this.port = port;
    this.changes++;
    for (const node of this.byNode.keys()) this.onRoutes(node);
  }

  /** Whether an address is one of a node's. */
  has(node: NodeSlot, address: Int32Array, at: number): boolean {
    return (
      this.isOn &&
      this.byNode.get(node)?.remotes.some((words) => isSameAddress(words, 0, address, at)) === true
    );
  }

  /** All nodes that have an address: several, where a NAT is in front of them. */
  nodesOf(address: Int32Array, at: number): NodeSlot[] {
    return [...this.byNode.keys()].filter((node) => this.has(node, address, at));
  }

  /** As what is behind a node. */
  prefixesOf(node: NodeSlot): Prefix[] {
    if (!this.isOn) return [];
    return (this.byNode.get(node)?.remotes ?? []).map((address) => {
      const isIpv4 = isMappedIpv4(address, 0);
      return { family: isIpv4 ? 4 : 6, address, bits: isIpv4 ? 32 : 128 };
    });
  }

  /** Tells of changes; costs nothing where there are none. */
  check(): void {
    if (this.seenChanges === this.changes && this.seenPathChanges === this.paths.changes) return;
    this.seenChanges = this.changes;
    this.seenPathChanges = this.paths.changes;
    this.onChange();
  }

  state(): RealState {
    const pairs: RealPair[] = [];
    const carried: Int32Array[] = [];
    for (const [node, { remotes, locals }] of this.byNode) {
      if (!this.isReached(node)) continue;
      carried.push(...remotes);
      for (const destination of remotes.filter((words) => this.isOwn(node, words))) {
        const isIpv4 = isMappedIpv4(destination, 0);
        for (const { address: source, seenAs, isTaken } of locals) {
          if (isTaken && isMappedIpv4(source, 0) === isIpv4) pairs.push({ source, destination, seenAs });
        }
      }
    }
    return { pairs, carried };
  }

  private of(node: NodeSlot): NodeAddressesInUse {
    let known = this.byNode.get(node);
    if (known === undefined) {
      known = new NodeAddressesInUse();
      this.byNode.set(node, known);
    }
    return known;
  }

  private isReached(node: NodeSlot): boolean {
    const { paths } = this;
    for (let place = 0; place < paths.count(node); place++) {
      if (paths.useOf(paths.at(node, place)) !== USE_NO) return true;
    }
    return false;
  }

  /** Whether the node says that the address is one of its own. */
  private isOwn(node: NodeSlot, words: Int32Array): boolean {
    const { addresses } = this.nodes;
    for (let slot = addresses.first(node); slot !== NONE; slot = addresses.after(slot)) {
      if ((addresses.sources[slot]! & ADDRESS_ADVERTISED) === 0) continue;
      if (isSameAddress(words, 0, addresses.words, addresses.wordsAt(slot))) return true;
    }
    return false;
  }
}
