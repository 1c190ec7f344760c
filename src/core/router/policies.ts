import { NONE, type NodeSlot, type PathSlot } from "../base/ids.ts";
import { LINES_MAX, type Paths, USE_BACKUP, USE_NO, USE_YES } from "../tables/paths.ts";
import type { BodyReader } from "../wire/body-reader.ts";
import type { BodyWriter } from "../wire/body-writer.ts";
import { FIELD_POLICY, POLICY_BACKUP, POLICY_CLOSED, POLICY_METERED } from "../wire/control-body.ts";
import { Overflow } from "./overflow.ts";

/** How a line of ours is to be used: bits of POLICY_*, and what may go over it. */
export interface LinePolicy {
  readonly bits: number;
  /** Infinity where there is no limit. */
  readonly sendBytesPerS: number;
  readonly receiveBytesPerS: number;
  /** Why it is so, for people, where that is not what the configuration says. */
  readonly reason?: string;
}

export const NORMAL: LinePolicy = {
  bits: 0,
  sendBytesPerS: Number.POSITIVE_INFINITY,
  receiveBytesPerS: Number.POSITIVE_INFINITY,
};

/** On a path that costs money, and on one that is closed, heartbeats are so many times rarer. */
const METERED_FACTOR = 10;
const CLOSED_FACTOR = 60;

interface PolicyLine {
  readonly device: string;
  readonly policy: LinePolicy;
}

/**
 * What the two nodes of each path want of it: we of our lines, by configuration, and the peer of its lines, as it says
 * in probes and heartbeats. Whatever lets less data through holds, so both ends do the same. The state machine says
 * whether a path works; this, how far it may be used (`Paths.setCeiling`).
 */
export class Policies {
  private readonly paths: Paths;
  private readonly overflow: Overflow;
  private lines: PolicyLine[] = [];
  /** Our line by socket. */
  private lineOf = new Map<number, number>();
  /** By path: what the peer said last. */
  private readonly told: Uint8Array;
  private readonly toldLine: Int16Array;
  /** What either side wanted when that was last looked at. */
  private readonly applied: Uint8Array;
  /** Either side wants something else of a path, so it should beat at once. */
  onChange: (path: PathSlot) => void = () => {};

  constructor(paths: Paths) {
    const capacity = paths.node.length;
    this.paths = paths;
    this.told = new Uint8Array(capacity);
    this.toldLine = new Int16Array(capacity);
    this.applied = new Uint8Array(capacity);
    this.overflow = new Overflow(paths, (path) => this.isMetered(path));
    this.overflow.onChange = (node) => this.applyNode(node);
  }

  /** The sockets that there are now. Sockets of one device are on one line. */
  setLocals(
    locals: readonly { readonly socket: number; readonly device: string; readonly policy?: LinePolicy }[],
    nowUs: number,
  ): void {
    const { paths } = this;
    this.lines = [];
    this.lineOf = new Map();
    for (const { socket, device, policy = NORMAL } of locals) {
      let line = this.lines.findIndex((known) => known.device === device);
      if (line === NONE) line = this.lines.push({ device, policy }) - 1;
      this.lineOf.set(socket, line);
    }
    for (let line = 0; line < LINES_MAX; line++) {
      const { sendBytesPerS } = this.lines[line]?.policy ?? NORMAL;
      paths.limits.setRate(line, sendBytesPerS, nowUs);
    }
    for (let slot = 0; slot < paths.slab.top; slot++) if (paths.slab.has(slot)) this.apply(slot as PathSlot);
  }

  /** A new path; nothing is known of what the peer wants of it. */
  begin(path: PathSlot): void {
    this.told[path] = 0;
    this.applied[path] = this.ownBits(path);
    this.toldLine[path] = NONE;
    this.apply(path);
  }

  /**
   * What a probe or a heartbeat says of the path that it came on; the reader stands at the start of its body. A probe
   * that says nothing leaves it at that.
   */
  read(path: PathSlot, reader: BodyReader, isHeartbeat: boolean, nowUs: number): void {
    const { limits } = this.paths;
    if (!isHeartbeat && (reader.seen & (1 << FIELD_POLICY)) === 0) return;
    let bits = 0;
    let line: number = NONE;
    while (reader.next()) {
      if (reader.type !== FIELD_POLICY) continue;
      bits = reader.byte();
      if (!reader.hasRate()) continue;
      line = reader.line() % LINES_MAX;
      limits.setRate(this.toldBucket(path, line), reader.rate(), nowUs);
    }
    if (bits === this.told[path] && line === this.toldLine[path]) return;
    this.told[path] = bits;
    this.toldLine[path] = line;
    this.apply(path);
  }

  /** Adds what we want of a path to a probe or heartbeat on it. */
  write(path: PathSlot, body: BodyWriter): void {
    const line = this.lineOf.get(this.paths.socket[path]!) ?? NONE;
    if (line === NONE) return;
    const { bits, receiveBytesPerS } = this.lines[line]!.policy;
    if (Number.isFinite(receiveBytesPerS)) body.policyRate(bits, line, receiveBytesPerS);
    else if (bits !== 0) body.policy(bits);
  }

  /** How many times rarer than usual heartbeats are on a path without data. */
  rarer(path: PathSlot): number {
    const bits = this.bitsOf(path);
    if (bits & POLICY_CLOSED) return CLOSED_FACTOR;
    return bits & POLICY_METERED ? METERED_FACTOR : 1;
  }

  /** What either side wants of a path: bits of POLICY_*. */
  bitsOf(path: PathSlot): number {
    return this.ownBits(path) | this.told[path]!;
  }

  /** What we want of it. */
  ownBits(path: PathSlot): number {
    const line = this.lineOf.get(this.paths.socket[path]!);
    return line === undefined ? 0 : this.lines[line]!.policy.bits;
  }

  /** Why we want it so, where there is something to say. */
  ownReason(path: PathSlot): string | undefined {
    const line = this.lineOf.get(this.paths.socket[path]!);
    return line === undefined ? undefined : this.lines[line]!.policy.reason;
  }

  handleTick(nowMs: number): void {
    this.overflow.handleTick(nowMs);
  }

  nextDeadlineMs(): number {
    return this.overflow.nextDeadlineMs();
  }

  private isMetered(path: PathSlot): boolean {
    const bits = this.bitsOf(path);
    return (bits & POLICY_METERED) !== 0 && (bits & (POLICY_BACKUP | POLICY_CLOSED)) === 0;
  }

  private applyNode(node: NodeSlot): void {
    const { paths } = this;
    for (let place = 0; place < paths.count(node); place++) this.apply(paths.at(node, place));
  }

  private apply(path: PathSlot): void {
    const { paths } = this;
    const own = this.lineOf.get(paths.socket[path]!) ?? NONE;
    const line = this.toldLine[path]!;
    paths.limits.assign(path, own, line === NONE ? NONE : this.toldBucket(path, line));
    if (this.isMetered(path)) this.overflow.watch(paths.nodeOf(path));
    paths.setCeiling(path, this.ceilingOf(path));
    const bits = this.bitsOf(path);
    if (bits === this.applied[path]) return;
    this.applied[path] = bits;
    this.onChange(path);
  }

  private ceilingOf(path: PathSlot): number {
    const bits = this.bitsOf(path);
    if (bits & POLICY_CLOSED) return USE_NO;
    if (bits & POLICY_BACKUP) return USE_BACKUP;
    if (bits & POLICY_METERED) return this.overflow.isOpen(this.paths.nodeOf(path)) ? USE_YES : USE_BACKUP;
    return USE_YES;
  }

  private toldBucket(path: PathSlot, line: number): number {
    return LINES_MAX * (1 + this.paths.nodeOf(path)) + line;
  }
}
