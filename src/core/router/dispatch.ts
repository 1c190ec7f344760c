import { NONE, type NodeSlot, type None, type PathSlot, type SessionSlot } from "../base/ids.ts";
import { compileRules, MODE_WITHOUT_RULE } from "../dispatch/compile.ts";
import { CHOICE_COPIES, CHOICE_SINGLE, CHOICE_SPREAD, Modes, type PathChoice } from "../dispatch/modes.ts";
import type { RuleSpec } from "../dispatch/rule-spec.ts";
import type { Scheduler } from "../dispatch/scheduler.ts";
import { NODE_PATHS_MAX } from "../tables/paths.ts";
import {
  FOR_ALL,
  FOR_NONE,
  FOR_TCP,
  NO_PORT,
  NO_RULE,
  NOT_MATCHED,
  RULE_BY_PACKET,
  type Rules,
} from "../tables/rules.ts";
import { KEY_DESTINATION, keyDestinationPort, keySourcePort } from "../tables/session-key.ts";
import { SESSION_OPENED_BY_PEER } from "../tables/sessions.ts";
import type { Flow } from "../wire/flow.ts";
import { PROTOCOL_TCP, PROTOCOL_UDP } from "../wire/ipv4.ts";
import type { Context } from "./context.ts";

/**
 * Which paths a packet takes (paper §3.5): the first rule that matches says the mode, the mode chooses among the node's
 * paths, and the scheduler shares out among several.
 */
export class Dispatch {
  /** Paths that the packet asked for last is to be copied to, beginning with the one that was answered. */
  copies: Int32Array = new Int32Array(0);
  copyCount = 0;
  /** Index of the mode of the packet that was dispatched last. */
  mode = MODE_WITHOUT_RULE;
  /** Whether no path was answered last because of limits. */
  isOverLimit = false;
  /** Whether the path that was answered last is the scheduler's choice, for which the packet may wait. */
  mayWait = false;
  readonly scheduler: Scheduler;
  private readonly context: Context;
  private rules: Rules;
  private modes: Modes;
  private readonly fitCopies = new Int32Array(NODE_PATHS_MAX);

  constructor(context: Context, scheduler: Scheduler) {
    const { rules, modes } = compileRules([]);
    this.context = context;
    this.scheduler = scheduler;
    this.rules = rules;
    this.modes = new Modes(context.paths, scheduler, modes);
  }

  setRules(specs: readonly RuleSpec[]): void {
    const { rules, modes } = compileRules(specs);
    this.rules = rules;
    this.modes = new Modes(this.context.paths, this.scheduler, modes);
    this.context.sessions.forgetRules();
    this.context.history.forgetModes();
  }

  get table(): Rules {
    return this.rules;
  }

  handleTick(nowMs: number): void {
    this.scheduler.handleTick(nowMs);
    this.modes.handleTick(nowMs);
  }

  /** What was at hand together has been dispatched. */
  beginTurn(): void {
    this.scheduler.beginTurn();
  }

  /** The path for `packets` packets like the one in `flow`; NONE where none works, or where none may carry more now. */
  next(
    node: NodeSlot,
    session: SessionSlot,
    flow: Flow,
    packets: number,
    packetBytes: number,
    nowUs: number,
  ): PathSlot | None {
    const choice = this.choiceOf(node, session, flow, packets, packetBytes);
    const path = this.pathOf(choice, packets, packets * packetBytes, nowUs);
    this.isOverLimit = false;
    const { limits } = this.context.paths;
    return path === NONE || !limits.inUse ? path : this.withinLimits(choice, path, nowUs);
  }

  /** A packet takes the path that it was given before. */
  keep(session: SessionSlot, flow: Flow, packetBytes: number): void {
    this.copyCount = 0;
    this.mode = this.modeOf(this.ruleOf(session, flow, packetBytes));
  }

  /** Of the paths that the packet dispatched last may take, the one with room for the largest packets. */
  roomiest(node: NodeSlot): PathSlot | None {
    const { paths } = this.context;
    let best: PathSlot | None = NONE;
    for (let place = 0; place < paths.count(node); place++) {
      if (!this.modes.allows(node, this.mode, place)) continue;
      const path = paths.at(node, place);
      if (best === NONE || paths.roomBytes[path]! > paths.roomBytes[best]!) best = path;
    }
    return best;
  }

  /** Whether a packet that had its path by a mode may take this one as well. */
  allows(node: NodeSlot, mode: number, place: number): boolean {
    return this.modes.allows(node, mode, place);
  }

  private modeOf(rule: number): number {
    return rule >= 0 ? this.rules.mode[rule]! : MODE_WITHOUT_RULE;
  }

  private choiceOf(
    node: NodeSlot,
    session: SessionSlot,
    flow: Flow,
    packets: number,
    packetBytes: number,
  ): PathChoice {
    const rule = this.ruleOf(session, flow, packetBytes);
    if (rule >= 0) this.rules.count(rule, packets, flow.bytesIn(packets));
    this.mode = this.modeOf(rule);
    return this.modes.choice(node, this.mode);
  }

  private pathOf(choice: PathChoice, packets: number, bytes: number, nowUs: number): PathSlot | None {
    this.copyCount = 0;
    this.mayWait = choice.kind === CHOICE_SPREAD && this.scheduler.mayWait;
    switch (choice.kind) {
      case CHOICE_SPREAD:
        return this.scheduler.next(choice, packets, bytes, nowUs);
      case CHOICE_SINGLE:
        return choice.path;
      case CHOICE_COPIES:
        this.copies = choice.copies;
        this.copyCount = choice.copyCount;
        return choice.copies[0]! as PathSlot;
      default:
        return NONE;
    }
  }

  /** The path itself, or, where it may not carry more now, the fastest of the others that would do. */
  private withinLimits(choice: PathChoice, path: PathSlot, nowUs: number): PathSlot | None {
    const { paths } = this.context;
    const { limits } = paths;
    if (choice.kind === CHOICE_COPIES) return this.copiesWithinLimits(choice, nowUs);
    if (!limits.isSpent(path, nowUs)) return path;
    const { node } = choice;
    const { delayUs } = paths.delays;
    let best: PathSlot | None = NONE;
    for (let place = 0; place < paths.count(node); place++) {
      const other = paths.at(node, place);
      const isFit =
        choice.kind === CHOICE_SPREAD
          ? choice.weights[place]! > 0
          : this.modes.allows(node, this.mode, place);
      if (!isFit || limits.isSpent(other, nowUs)) continue;
      if (best === NONE || delayUs[other]! < delayUs[best]!) best = other;
    }
    this.isOverLimit = best === NONE;
    return best;
  }

  private copiesWithinLimits(choice: PathChoice, nowUs: number): PathSlot | None {
    const { limits } = this.context.paths;
    let count = 0;
    for (let i = 0; i < choice.copyCount; i++) {
      const path = choice.copies[i]! as PathSlot;
      if (!limits.isSpent(path, nowUs)) this.fitCopies[count++] = path;
    }
    this.copies = this.fitCopies;
    this.copyCount = count;
    this.isOverLimit = count === 0;
    return count === 0 ? NONE : (this.copies[0]! as PathSlot);
  }

  /** Whether what the peer sends in a session is to be put in order. */
  ordersReceived(session: SessionSlot): boolean {
    return this.isFor(session, this.whose(session, this.rules.reorder));
  }

  /** Whether what we send in a session is sent again when it is lost. */
  repairsSent(session: SessionSlot): boolean {
    return this.isFor(session, this.whose(session, this.rules.repair));
  }

  /** Whether what we send in a session is sent again when it was under way on a path that has failed. */
  rescuesSent(session: SessionSlot): boolean {
    return this.whose(session, this.rules.repair) !== FOR_NONE;
  }

  private isFor(session: SessionSlot, whose: number): boolean {
    return whose === FOR_TCP ? this.context.sessions.protocol(session) === PROTOCOL_TCP : whose === FOR_ALL;
  }

  /** One of FOR_*: what the session's rule says, of those that `byRule` has. */
  private whose(session: SessionSlot, byRule: Uint8Array): number {
    const known = this.context.sessions.rule[session]!;
    const matched = known === NOT_MATCHED ? this.match(session) : known;
    const rule = matched > RULE_BY_PACKET ? matched : this.matchWhole(session, matched);
    return rule === NO_RULE ? FOR_TCP : byRule[rule]!;
  }

  private matchWhole(session: SessionSlot, matched: number): number {
    const { keys } = this.context.sessions;
    const at = this.context.sessions.keyAt(session) + KEY_DESTINATION;
    const protocol = this.context.sessions.protocol(session);
    return this.rules.matchWhole(matched, keys, at, this.servicePort(session), protocol);
  }

  private ruleOf(session: SessionSlot, flow: Flow, packetBytes: number): number {
    const { sessions } = this.context;
    let matched = sessions.rule[session]!;
    if (matched === NOT_MATCHED) matched = this.match(session);
    if (matched >= NO_RULE) return matched;
    const { destination, protocol, payloadBytes } = flow;
    const port = this.servicePort(session);
    return this.rules.matchPacket(
      matched,
      destination,
      0,
      port,
      protocol,
      flow.tos >> 2,
      packetBytes,
      payloadBytes > 0,
    );
  }

  private match(session: SessionSlot): number {
    const { sessions } = this.context;
    const at = sessions.keyAt(session);
    const matched = this.rules.matchSession(
      sessions.keys,
      at + KEY_DESTINATION,
      this.servicePort(session),
      sessions.protocol(session),
    );
    sessions.rule[session] = matched;
    return matched;
  }

  /** The port that the side which opened the session asked for; an echo's ID is none. */
  private servicePort(session: SessionSlot): number {
    const { sessions } = this.context;
    const protocol = sessions.protocol(session);
    if (protocol !== PROTOCOL_TCP && protocol !== PROTOCOL_UDP) return NO_PORT;
    const at = sessions.keyAt(session);
    const byPeer = (sessions.flags[session]! & SESSION_OPENED_BY_PEER) !== 0;
    return byPeer ? keySourcePort(sessions.keys, at) : keyDestinationPort(sessions.keys, at);
  }
}
