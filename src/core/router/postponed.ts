import { NONE, type NodeSlot, type None, type SessionSlot } from "../base/ids.ts";
import { VNET_HEADER_BYTES } from "../batch/layout.ts";
import type { Paths } from "../tables/paths.ts";
import { TCP_CHECKSUM } from "../wire/tcp.ts";

/** Packets that are kept, and how long each may be: headers of IPv6 and TCP with all options, and a few more. */
const PACKETS = 1024;
const PACKET_BYTES = VNET_HEADER_BYTES + 150;
/** TCP sends nothing again sooner; what comes so soon is another answer that says the same. */
const AGAIN_MS = 150;

/**
 * TCP packets without data that found no path, of each session the last one, as long as no other session takes its
 * place. Those that the host has sent again go as soon as there is a path: it would send them ever more seldom, and no
 * error changes that. They ask for an answer: whether a window that was full is still so. What was not sent again is an
 * answer itself, by now an old one, from which the other side would learn a wrong round-trip time.
 */
export class Postponed {
  private readonly paths: Paths;
  private readonly bytes = new Uint8Array(PACKETS * PACKET_BYTES);
  // By place: the length, 0 where there is nothing, whether it was sent again, the node, and when it was kept.
  private readonly length = new Uint8Array(PACKETS);
  private readonly isAgain = new Uint8Array(PACKETS);
  private readonly node = new Int32Array(PACKETS);
  private readonly keptMs = new Float64Array(PACKETS);
  private count = 0;
  private changes = 0;

  constructor(paths: Paths) {
    this.paths = paths;
  }

  /** `length` bytes at `at`, as the device gave them, with the TCP header at `tcpAt`. */
  keep(
    node: NodeSlot,
    session: SessionSlot,
    arena: Uint8Array,
    at: number,
    length: number,
    tcpAt: number,
    nowMs: number,
  ): void {
    if (length > PACKET_BYTES) return;
    const place = session % PACKETS;
    const start = place * PACKET_BYTES;
    let isSame = this.length[place] === length && nowMs - this.keptMs[place]! > AGAIN_MS;
    if (this.length[place] === 0) this.count++;
    for (let i = 0; i < length; i++) {
      const offset = at + i - tcpAt;
      // Up to the window; the checksum and the time stamp are others each time.
      if (offset >= 0 && offset < TCP_CHECKSUM) isSame &&= this.bytes[start + i] === arena[at + i];
      this.bytes[start + i] = arena[at + i]!;
    }
    this.length[place] = length;
    this.isAgain[place] = isSame ? 1 : 0;
    this.node[place] = node;
    this.keptMs[place] = nowMs;
  }

  /** A place with a packet that is to go now that it has a path, from `from` on; NONE where there is none. */
  next(from: number): number | None {
    const { paths, length } = this;
    if (this.count === 0) return NONE;
    if (from === 0) {
      if (this.changes === paths.changes) return NONE;
      this.changes = paths.changes;
    }
    for (let place = from; place < PACKETS; place++) {
      if (length[place] === 0 || !paths.hasEligible(this.node[place]! as NodeSlot)) continue;
      if (this.isAgain[place] === 1) return place;
      this.forget(place);
    }
    return NONE;
  }

  /** Takes a packet to `at`, where the device might have put it; answers its length. */
  take(place: number, arena: Uint8Array, at: number): number {
    const length = this.length[place]!;
    const start = place * PACKET_BYTES;
    for (let i = 0; i < length; i++) arena[at + i] = this.bytes[start + i]!;
    this.forget(place);
    return length;
  }

  private forget(place: number): void {
    this.length[place] = 0;
    this.count--;
  }
}
