import { NONE, type NodeSlot, type None, type PathSlot } from "../base/ids.ts";
import { matchesPattern } from "../base/pattern.ts";
import { NODE_PATHS_MAX, type Paths, USE_NO, USE_SUSPECT } from "../tables/paths.ts";
import type { ModeSpec, SelectedPathsSpec, SinglePathSpec } from "./mode-spec.ts";
import { Runs } from "./runs.ts";
import type { Scheduler } from "./scheduler.ts";

/** How a choice is to be read. */
export const CHOICE_NONE = 0;
/** Each packet by one of the paths, by `weights`. */
export const CHOICE_SPREAD = 1;
/** All by `path`. */
export const CHOICE_SINGLE = 2;
/** Each by all of `copies`. */
export const CHOICE_COPIES = 3;

const MARGIN_MS = 3;
const DWELL_MS = 500;
/** A path that has been selected for a property stays so until it is worse by this factor. */
const STAY = 1.1;
const START_TOTAL = 1000;
/** More ends than a path can share with all others of its node. */
const SHARED_MAX = 2 * NODE_PATHS_MAX;

/** Which paths a mode uses towards a node, as of the last tick or change of the paths. */
export class PathChoice {
  readonly node: NodeSlot;
  readonly spec: ModeSpec;
  /** One of CHOICE_*. */
  kind = CHOICE_NONE;
  /** By place in the node's list of paths. */
  weights: Float64Array = new Float64Array(0);
  /** For a scheduler that shares out by weights: the runs, the weights that they are for, and the turn of the last one. */
  runs = new Runs(0);
  runWeights: Float64Array = this.weights;
  runTurn = 0;
  /** Whether the weights are those of paths of which none was selected. */
  isForWant = false;
  path: PathSlot | None = NONE;
  readonly copies: Int32Array;
  copyCount = 0;
  /** The version of the node's list of paths that this is for. */
  version = -1;
  /** Since when another path has been better than `path`. */
  betterSinceMs = Number.POSITIVE_INFINITY;

  constructor(node: NodeSlot, spec: ModeSpec) {
    this.node = node;
    this.spec = spec;
    this.copies = new Int32Array(spec.mode === "protected-path" ? NODE_PATHS_MAX : 0);
  }
}

/**
 * The modes of the rules (paper §2 and §3.5): for each node and mode that is in use, the choice of paths, made anew at
 * every tick and when the node's paths have changed, and only read for a packet.
 */
export class Modes {
  private readonly paths: Paths;
  private readonly scheduler: Scheduler;
  private readonly specs: readonly ModeSpec[];
  /** By mode and node; one is made when it is first asked for. */
  private readonly choices: (PathChoice | undefined)[];
  private readonly nodes: number;
  private live: PathChoice[] = [];
  private nowMs = 0;

  constructor(paths: Paths, scheduler: Scheduler, specs: readonly ModeSpec[]) {
    this.paths = paths;
    this.scheduler = scheduler;
    this.specs = specs;
    this.nodes = paths.version.length;
    this.choices = new Array(specs.length * this.nodes).fill(undefined);
  }

  choice(node: NodeSlot, mode: number): PathChoice {
    let choice = this.choices[mode * this.nodes + node];
    if (choice === undefined) {
      choice = new PathChoice(node, this.specs[mode]!);
      this.choices[mode * this.nodes + node] = choice;
      this.live.push(choice);
    }
    if (choice.version !== this.paths.version[node]) this.choose(choice);
    return choice;
  }

  /**
   * Whether a packet of a mode may take the path at that place of the node's list, if not the one it was given: one that
   * the mode is about or, unless that is strict, any while all of those are in doubt.
   */
  allows(node: NodeSlot, mode: number, place: number): boolean {
    const choice = this.choice(node, mode);
    const { spec } = choice;
    if (this.isChosen(choice, place)) return true;
    if (spec.mode === "selected-paths" && spec.strict) return false;
    return this.paths.isEligible(this.paths.at(node, place)) && !this.hasSure(choice);
  }

  /** After the scheduler's tick, so that its new weights are seen. */
  handleTick(nowMs: number): void {
    this.nowMs = nowMs;
    for (let i = 0; i < this.live.length; i++) this.choose(this.live[i]!);
  }

  forgetNode(node: NodeSlot): void {
    this.live = this.live.filter((choice) => choice.node !== node);
    for (let at = node as number; at < this.choices.length; at += this.nodes) this.choices[at] = undefined;
  }

  private choose(choice: PathChoice): void {
    const version = this.paths.version[choice.node]!;
    const { spec } = choice;
    switch (spec.mode) {
      case "all-paths":
        choice.weights = this.scheduler.weights(choice.node);
        choice.kind = choice.weights.some(isPositive) ? CHOICE_SPREAD : CHOICE_NONE;
        break;
      case "selected-paths":
        this.select(choice, spec, choice.version !== version);
        break;
      case "single-path":
        this.follow(choice, spec);
        break;
      case "protected-path":
        this.protect(choice, spec.copies);
        break;
    }
    choice.version = version;
  }

  private select(choice: PathChoice, spec: SelectedPathsSpec, isAnew: boolean): void {
    const { paths } = this;
    const { node } = choice;
    const scheduled = this.scheduler.weights(node);
    const count = scheduled.length;
    if (isAnew) choice.weights = new Float64Array(count);
    const { weights } = choice;
    const offsetUs = spec.delayBelowMs === undefined ? 0 : paths.clockOffsetUs(node);
    let selected = 0;
    for (let i = 0; i < count; i++) {
      const slack = weights[i]! > 0 && !choice.isForWant ? STAY : 1;
      weights[i] = this.isSelected(paths.at(node, i), spec, offsetUs, slack) ? 1 : 0;
      selected += weights[i]!;
    }
    choice.isForWant = selected === 0;
    if (selected === 0) {
      if (!spec.strict) weights.set(scheduled);
    } else {
      // A backup that was named has no weight of the scheduler's.
      for (let i = 0; i < count; i++)
        if (weights[i] === 1) weights[i] = scheduled[i]! || START_TOTAL / selected;
    }
    choice.kind = weights.some(isPositive) ? CHOICE_SPREAD : CHOICE_NONE;
  }

  private isSelected(slot: PathSlot, spec: SelectedPathsSpec, offsetUs: number, slack: number): boolean {
    const { paths } = this;
    if (spec.interfaces === undefined) {
      if (!paths.isEligible(slot)) return false;
    } else if (paths.useOf(slot) === USE_NO || !this.isOn(slot, spec.interfaces)) {
      return false;
    }
    if (spec.lossBelow !== undefined && paths.delivery.loss[slot]! >= spec.lossBelow * slack) return false;
    if (spec.delayBelowMs === undefined || paths.delays.samples[slot] === 0) return true;
    // Where the offset is not known, no comparison holds.
    return !(paths.delays.delayUs[slot]! - offsetUs >= spec.delayBelowMs * 1000 * slack);
  }

  private follow(choice: PathChoice, spec: SinglePathSpec): void {
    const { node } = choice;
    const name = spec.path !== undefined && this.hasNamed(node, spec.path) ? spec.path : undefined;
    let best: PathSlot | None = NONE;
    let current: PathSlot | None = NONE;
    for (let i = 0; i < this.paths.count(node); i++) {
      const slot = this.paths.at(node, i);
      if (name === undefined ? !this.paths.isEligible(slot) : !this.isNamed(slot, name)) continue;
      if (slot === choice.path) current = slot;
      if (best === NONE || this.delayUs(slot) < this.delayUs(best)) best = slot;
    }
    choice.kind = best === NONE ? CHOICE_NONE : CHOICE_SINGLE;
    if (current !== NONE && best !== NONE) {
      const isBetter = this.delayUs(current) - this.delayUs(best) > (spec.marginMs ?? MARGIN_MS) * 1000;
      if (!isBetter) choice.betterSinceMs = Number.POSITIVE_INFINITY;
      else choice.betterSinceMs = Math.min(choice.betterSinceMs, this.nowMs);
      if (this.nowMs - choice.betterSinceMs < (spec.dwellMs ?? DWELL_MS)) return;
    }
    choice.path = best;
    choice.betterSinceMs = Number.POSITIVE_INFINITY;
  }

  private isChosen({ node, spec, weights }: PathChoice, place: number): boolean {
    const path = this.paths.at(node, place);
    if (spec.mode === "selected-paths") return weights[place]! > 0;
    const isBound = spec.mode === "single-path" && spec.path !== undefined;
    return isBound ? this.isNamed(path, spec.path) : this.paths.isEligible(path);
  }

  private hasSure(choice: PathChoice): boolean {
    const { paths } = this;
    for (let i = 0; i < paths.count(choice.node); i++)
      if (this.isChosen(choice, i) && paths.useOf(paths.at(choice.node, i)) > USE_SUSPECT) return true;
    return false;
  }

  private hasNamed(node: NodeSlot, name: string): boolean {
    for (let i = 0; i < this.paths.count(node); i++)
      if (this.isNamed(this.paths.at(node, i), name)) return true;
    return false;
  }

  private isNamed(slot: PathSlot, name: string): boolean {
    const { names, devices } = this.paths;
    return (
      this.paths.useOf(slot) !== USE_NO && (names[slot] === name || matchesPattern(name, devices[slot]!))
    );
  }

  /** Whether the path leaves by one of these interfaces. */
  private isOn(slot: PathSlot, interfaces: readonly string[]): boolean {
    for (let i = 0; i < interfaces.length; i++)
      if (matchesPattern(interfaces[i]!, this.paths.devices[slot]!)) return true;
    return false;
  }

  /**
   * Takes one path after the other: of those that share least with the ones taken, the one with the lowest delay. One
   * that may have failed is better than no copy.
   */
  private protect(choice: PathChoice, wanted: number): void {
    const { paths } = this;
    const { node, copies } = choice;
    choice.copyCount = 0;
    while (choice.copyCount < wanted) {
      let best: PathSlot | None = NONE;
      let bestShared = 0;
      for (let i = 0; i < paths.count(node); i++) {
        const slot = paths.at(node, i);
        const isSure = paths.isEligible(slot);
        if (!(isSure || paths.isDoubtful(slot)) || this.isTaken(choice, slot)) continue;
        const shared = this.shared(choice, slot) + (isSure ? 0 : SHARED_MAX);
        const isBetter =
          best === NONE ||
          shared < bestShared ||
          (shared === bestShared && this.delayUs(slot) < this.delayUs(best));
        if (!isBetter) continue;
        best = slot;
        bestShared = shared;
      }
      if (best === NONE) break;
      copies[choice.copyCount++] = best;
    }
    choice.kind = choice.copyCount === 0 ? CHOICE_NONE : CHOICE_COPIES;
  }

  private isTaken(choice: PathChoice, slot: PathSlot): boolean {
    for (let i = 0; i < choice.copyCount; i++) if (choice.copies[i] === slot) return true;
    return false;
  }

  /** How often the ends of a path are those of paths that were taken. */
  private shared(choice: PathChoice, slot: PathSlot): number {
    const { paths } = this;
    let shared = 0;
    for (let i = 0; i < choice.copyCount; i++) {
      const taken = choice.copies[i]! as PathSlot;
      // Whatever its addresses, one of them per family: it is the line that fails.
      if (paths.devices[taken] === paths.devices[slot]) shared++;
      if (paths.hasSameRemote(taken, slot)) shared++;
    }
    return shared;
  }

  /** For comparison with other paths of the node. */
  private delayUs(slot: PathSlot): number {
    const { samples, delayUs } = this.paths.delays;
    return samples[slot] === 0 ? Number.POSITIVE_INFINITY : delayUs[slot]!;
  }
}

function isPositive(weight: number): boolean {
  return weight > 0;
}
