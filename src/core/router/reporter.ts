import { NONE, type NodeSlot, type PathSlot } from "../base/ids.ts";
import { USE_YES } from "../tables/paths.ts";
import type { BodyReader } from "../wire/body-reader.ts";
import { type ControlBlock, KIND_HEARTBEAT, PATH_NONE } from "../wire/control-block.ts";
import { CARRIES_MASK, Echo, FIELD_ECHO, FIELD_RECEIVED, Received } from "../wire/control-body.ts";
import type { Context } from "./context.ts";
import type { ControlSender } from "./control-sender.ts";

/** From one heartbeat, which carries a report, to the next while data flows between the nodes; otherwise see keep-alive.ts. */
export const BEAT_MS = 100;
/** While data comes in on a path, its sender is told after so long, and so many bytes. */
export const REPORT_US = 25_000;
export const REPORT_BYTES = 1024;
/** And after so long, if that was much: the shorter the time, the shorter the queue that shows how fast a path is. */
const SOON_US = 8_000;
const SOON_BYTES = 8192;
/** For so long after that the node counts as one that sends much. */
const MUCH_US = 500_000;

/**
 * What the two nodes tell each other of what has arrived: totals, losses and delay of each path. With every heartbeat,
 * and more often while data comes in, so that the sender knows its queues.
 */
export class Reporter {
  private readonly context: Context;
  private readonly sender: ControlSender;
  private readonly received = new Received();
  private readonly echo = new Echo();
  // By path.
  private readonly reportedUs: Float64Array;
  private readonly reportedBytes: Float64Array;
  private readonly echoedUs: Int32Array;
  /** Whether the last report left by the path itself. */
  private readonly wentItself: Uint8Array;
  /** Paths that a report is due for, and when. */
  private readonly due: Int32Array;
  private readonly dueUs: Float64Array;
  private readonly isDue: Uint8Array;
  /** By node: when much came last. */
  private readonly muchUs: Float64Array;
  private dueCount = 0;
  private nextUs = Number.POSITIVE_INFINITY;
  /** The peer has told that something sent since the last report has come in on a path, the last with `timestamp`. */
  onReported: (path: PathSlot, timestamp: number, nowUs: number) => void = () => {};

  constructor(context: Context, sender: ControlSender) {
    const { paths, nodes } = context.limits;
    this.context = context;
    this.sender = sender;
    this.reportedUs = new Float64Array(paths);
    this.reportedBytes = new Float64Array(paths);
    this.echoedUs = new Int32Array(paths);
    this.muchUs = new Float64Array(nodes).fill(Number.NEGATIVE_INFINITY);
    this.wentItself = new Uint8Array(paths);
    this.due = new Int32Array(paths);
    this.dueUs = new Float64Array(paths);
    this.isDue = new Uint8Array(paths);
  }

  /** What has arrived on a path is counted from 0. */
  begin(path: PathSlot): void {
    this.reportedUs[path] = Number.NEGATIVE_INFINITY;
    this.reportedBytes[path] = 0;
  }

  /** Data has come in on a path. */
  noteArrival(path: PathSlot, nowUs: number): void {
    const bytes = this.context.paths.arrivals.bytes[path]! - this.reportedBytes[path]!;
    if (bytes < REPORT_BYTES) return;
    const isMuch = bytes >= SOON_BYTES;
    if (isMuch) this.muchUs[this.context.paths.nodeOf(path)] = nowUs;
    const dueUs = Math.max(this.reportedUs[path]! + (isMuch ? SOON_US : REPORT_US), nowUs);
    if (this.isDue[path] === 0) {
      this.isDue[path] = 1;
      this.due[this.dueCount++] = path;
    } else if (dueUs >= this.dueUs[path]!) {
      return;
    }
    this.dueUs[path] = dueUs;
    this.nextUs = Math.min(this.nextUs, dueUs);
  }

  /** Whether much data has come in from a node of late. */
  hasComeMuch(node: NodeSlot, nowUs: number): boolean {
    return nowUs - this.muchUs[node]! < MUCH_US;
  }

  /**
   * Sends the reports that are due by now, in turn by the path that is there first and by the path itself: when the
   * former fails the others are still reported in time.
   */
  send(nowUs: number): void {
    if (nowUs < this.nextUs) return;
    const { due, dueUs, dueCount } = this;
    this.dueCount = 0;
    this.nextUs = Number.POSITIVE_INFINITY;
    for (let i = 0; i < dueCount; i++) {
      const path = due[i]! as PathSlot;
      if (dueUs[path]! > nowUs) {
        due[this.dueCount++] = path;
        this.nextUs = Math.min(this.nextUs, dueUs[path]!);
        continue;
      }
      this.isDue[path] = 0;
      this.report(path, nowUs);
    }
  }

  /** When `send` has something to send next. */
  nextDeadlineUs(): number {
    return this.nextUs;
  }

  private report(path: PathSlot, nowUs: number): void {
    const { paths } = this.context;
    if (!paths.slab.has(path) || paths.peerId[path] === PATH_NONE) return;
    // A heartbeat may have told it all.
    if (paths.arrivals.bytes[path]! === this.reportedBytes[path]!) return;
    this.sender.begin();
    this.append(path, nowUs);
    this.wentItself[path] = this.wentItself[path]! ^ 1;
    const by = this.wentItself[path] === 1 ? path : this.fastest(path);
    this.sender.sendOn(KIND_HEARTBEAT, by, nowUs, path);
  }

  /** Adds what has arrived on a path to the control packet that was begun. */
  append(path: PathSlot, nowUs: number): void {
    const { received, echo } = this;
    const { arrivals, peerId } = this.context.paths;
    this.reportedUs[path] = nowUs;
    this.reportedBytes[path] = arrivals.bytes[path]!;
    received.path = peerId[path]!;
    this.sender.body.received(arrivals.received(path, received));
    echo.path = peerId[path]!;
    echo.timestampUs = arrivals.newestTimestampUs[path]!;
    echo.heldUs = nowUs - arrivals.newestUs[path]!;
    this.sender.body.echo(echo);
  }

  /** A heartbeat has come from the peer. */
  handle(node: NodeSlot, block: Readonly<ControlBlock>, reader: BodyReader, nowUs: number): void {
    const { paths } = this.context;
    while (reader.next()) {
      if (reader.type === FIELD_RECEIVED) {
        const report = reader.received(this.received);
        const path = paths.find(node, report.path);
        if (path === NONE) continue;
        paths.delivery.handleReport(path, report, block.timestampUs);
        const bytesPerS = (report.carries & CARRIES_MASK) * 1000;
        paths.queues.handleRate(path, bytesPerS, report.carries < 0, nowUs);
      } else if (reader.type === FIELD_ECHO) {
        const echo = reader.echo(this.echo);
        const path = paths.find(node, echo.path);
        if (path !== NONE) this.handleEcho(path, echo, block, nowUs);
      }
    }
  }

  private handleEcho(
    path: PathSlot,
    echo: Readonly<Echo>,
    block: Readonly<ControlBlock>,
    nowUs: number,
  ): void {
    const { history, paths } = this.context;
    const { clocks, delays, queues, id } = paths;
    const sinceUs = ((nowUs | 0) - echo.timestampUs) | 0;
    const rttUs = sinceUs - echo.heldUs;
    if (rttUs > 0) delays.handleRtt(path, rttUs);
    // The delay in the block is that of the packet whose timestamp this is; a packet tells of its moment once only.
    if (echo.timestampUs !== this.echoedUs[path]) this.onReported(path, echo.timestampUs, nowUs);
    if (block.feedbackPath !== id[path] || echo.timestampUs === this.echoedUs[path] || sinceUs < 0) return;
    this.echoedUs[path] = echo.timestampUs;
    const sampleUs = delays.sampleUs[path]!;
    const node = paths.nodeOf(path);
    if (rttUs > 0) clocks.handleRoundTrip(node, sampleUs, rttUs, nowUs);
    const run = history.findStamp(path, echo.timestampUs);
    const isKnown = run !== NONE;
    const segment = isKnown ? history.segmentOfStamp(run, echo.timestampUs) : 0;
    queues.handleDelay(
      path,
      sampleUs - clocks.gainedUs[node]!,
      nowUs,
      isKnown ? history.waitUs(run, segment, queues.rateBytesPerS[path]!) : Number.NaN,
      isKnown ? history.corrected[history.at(run)]! : 0,
    );
  }

  /** Of the paths that work, the one with the shortest round trip. */
  private fastest(path: PathSlot): PathSlot {
    const { paths } = this.context;
    const { rttUs } = paths.delays;
    const node = paths.nodeOf(path);
    let best = path;
    for (let place = 0; place < paths.count(node); place++) {
      const other = paths.at(node, place);
      if (paths.useOf(other) !== USE_YES || rttUs[other] === 0) continue;
      if (paths.useOf(best) !== USE_YES || rttUs[other]! < rttUs[best]!) best = other;
    }
    return best;
  }
}
