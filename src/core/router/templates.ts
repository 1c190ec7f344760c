import type { SessionSlot } from "../base/ids.ts";
import { SESSION_PEER_KNOWS, type Sessions } from "../tables/sessions.ts";
import { ECN_MASK } from "../wire/ecn.ts";
import type { Flow } from "../wire/flow.ts";
import { IPV4_DONT_FRAGMENT, IPV4_FRAGMENT, IPV4_ID, IPV4_TOS, IPV4_TTL } from "../wire/ipv4.ts";
import { IPV6_FIRST_WORD, IPV6_HOP_LIMIT } from "../wire/ipv6.ts";

/** Nothing has been sent yet, and: nothing will be left out. All others are not negative. */
const SIGNATURE_OPEN = -1;
const SIGNATURE_NEVER = -2;
/** In the first word of an IPv6 header. */
const IPV6_ECN_MASK = ECN_MASK << 20;
/** So long after a sign that the peer has our template it may have forgotten the session, which it hears nothing of. */
const KNOWN_MS = 10_000;

/**
 * IP headers that are left out and restored (docs/wire.md §4). What is sent may go without if it looks like the
 * session's first packet, once the peer has shown that it has that one as a template, and no longer than it surely has.
 * In a session whose packets differ before that, none may, because nobody knows which of them the template is made of.
 */
export class Templates {
  private readonly sessions: Sessions;
  /** Of the memory in which the sessions' templates stand. */
  private readonly view: DataView;
  /** Of the last IPv4 packet that was given one. */
  private identification = 0;
  // By session.
  private readonly generation: Uint32Array;
  private readonly signature: Int32Array;
  /** By which ID, and when, the peer has shown it last. */
  private readonly knownId: Int32Array;
  private readonly knownMs: Float64Array;
  /** Under which ID the template for what is received came. */
  private readonly receivedId: Int32Array;

  constructor(sessions: Sessions, view: DataView) {
    const { capacity } = sessions.slab;
    this.sessions = sessions;
    this.view = view;
    this.generation = new Uint32Array(capacity);
    this.signature = new Int32Array(capacity);
    this.knownId = new Int32Array(capacity);
    this.knownMs = new Float64Array(capacity);
    this.receivedId = new Int32Array(capacity);
  }

  /**
   * A packet of the session has come from the peer. With an ID that we have chosen, any one shows that the peer has our
   * template; with one of its own, one in the compact form: then the peer has heard from us.
   */
  noteReceived(session: SessionSlot, id: number, compact: boolean): void {
    if (!compact && !this.sessions.isOwnId(session)) return;
    this.renew(session);
    this.knownId[session] = id | 0;
    this.knownMs[session] = this.sessions.updateMs[session]!;
  }

  /** Whether the packet in `flow`, which is about to be sent, may go without its IP header. */
  restores(session: SessionSlot, flow: Flow, nowMs: number): boolean {
    this.renew(session);
    const own = flow.compactable ? signatureOf(flow) : SIGNATURE_NEVER;
    if (this.signature[session] === SIGNATURE_OPEN) this.signature[session] = own;
    const isSame = this.signature[session] === own;
    const isKnown =
      (this.sessions.flags[session]! & SESSION_PEER_KNOWS) !== 0 &&
      this.knownId[session] === this.sessions.id(session) &&
      nowMs - this.knownMs[session]! < KNOWN_MS;
    if (!isKnown && !isSame) this.signature[session] = SIGNATURE_NEVER;
    return isKnown && isSame && own !== SIGNATURE_NEVER;
  }

  /** Whether packets that came without their IP header, under the ID that the session has now, can be restored. */
  has(session: SessionSlot): boolean {
    const { sessions } = this;
    return sessions.templateBytes[session] !== 0 && this.receivedId[session] === sessions.id(session);
  }

  /** A packet has come with its IP header, which is in `bytes`, and an ID: the template is made of the first one. */
  learn(session: SessionSlot, id: number, flow: Flow, bytes: Uint8Array): void {
    if (!flow.compactable || (id | 0) !== this.sessions.id(session) || this.has(session)) return;
    this.sessions.setTemplate(session, bytes, flow.ipAt, flow.ipBytes);
    this.receivedId[session] = id | 0;
  }

  /** Whether the IP header in `flow`, which has been received, is as the session's template restores it. */
  matches(session: SessionSlot, flow: Flow): boolean {
    const { sessions, view } = this;
    if (!flow.compactable || sessions.templateBytes[session] !== flow.ipBytes) return false;
    const at = sessions.templateAt(session);
    if (flow.version === 6) {
      const first = view.getInt32(at + IPV6_FIRST_WORD) ^ view.getInt32(flow.ipAt + IPV6_FIRST_WORD);
      return (first & ~IPV6_ECN_MASK) === 0 && view.getUint8(at + IPV6_HOP_LIMIT) === flow.ttl;
    }
    return (
      ((view.getUint8(at + IPV4_TOS) ^ flow.tos) & ~ECN_MASK) === 0 &&
      view.getUint8(at + IPV4_TTL) === flow.ttl &&
      ((view.getUint16(at + IPV4_FRAGMENT) & IPV4_DONT_FRAGMENT) !== 0) === flow.dontFragment
    );
  }

  /** Where the session's template for the next packet is: of IPv4, what may be fragmented gets a number of its own. */
  fresh(session: SessionSlot): number {
    const { sessions, view } = this;
    const at = sessions.templateAt(session);
    const isIpv4 = view.getUint8(at) >> 4 === 4;
    if (isIpv4 && (view.getUint16(at + IPV4_FRAGMENT) & IPV4_DONT_FRAGMENT) === 0) {
      this.identification = (this.identification + 1) & 0xffff;
      view.setUint16(at + IPV4_ID, this.identification);
    }
    return at;
  }

  /** Begins anew where the slot is another session's now. */
  private renew(session: SessionSlot): void {
    const generation = this.sessions.slab.generation[session]!;
    if (this.generation[session] === generation) return;
    this.generation[session] = generation;
    this.signature[session] = SIGNATURE_OPEN;
    this.knownMs[session] = Number.NEGATIVE_INFINITY;
  }
}

/** Of all that a template restores and that may differ between packets of a session; not negative. */
function signatureOf(flow: Flow): number {
  const word = (flow.ttl << 8) | (flow.tos & ~ECN_MASK) | (flow.dontFragment ? 1 : 0);
  return flow.version === 4 ? word : (Math.imul(flow.flowLabel + 1, 0x9e3779b1) ^ word) & 0x7fff_ffff;
}
