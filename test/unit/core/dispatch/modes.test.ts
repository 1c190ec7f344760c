import { describe, expect, it } from "vitest";
import { NONE, type PathSlot } from "../../../../src/core/base/ids.ts";
import { Algorithm1 } from "../../../../src/core/dispatch/algorithm1.ts";
import type { ModeSpec } from "../../../../src/core/dispatch/mode-spec.ts";
import {
  CHOICE_COPIES,
  CHOICE_NONE,
  CHOICE_SINGLE,
  CHOICE_SPREAD,
  Modes,
} from "../../../../src/core/dispatch/modes.ts";
import { USE_BACKUP, USE_NO, USE_SUSPECT, USE_YES } from "../../../../src/core/tables/paths.ts";
import { Received } from "../../../../src/core/wire/control-body.ts";
import { addPath, ends, node, pathTable } from "../tables/fixtures.ts";

const A = node(0);
const B = node(1);

/** Two nodes with paths that work; delays are set, one way, in ms, on clocks that are 5 s apart. */
class World {
  readonly paths = pathTable({ delays: { smoothing: 1, windowMs: 1000 } });
  readonly scheduler = new Algorithm1(this.paths);
  readonly modes: Modes;
  nowMs = 0;
  private reports = 0;

  constructor(...specs: ModeSpec[]) {
    this.modes = new Modes(this.paths, this.scheduler, specs);
  }

  add(device: number, remote = device, to = A): PathSlot {
    return addPath(this.paths, to, device, remote);
  }

  delay(slot: PathSlot, delayMs: number, rttMs = 2 * delayMs): void {
    this.paths.delays.reset(slot);
    this.paths.delays.handleFeedback(slot, this.paths.nodeOf(slot), 5_000_000 + 1000 * delayMs, this.nowMs);
    if (rttMs > 0) this.paths.delays.handleRtt(slot, 1000 * rttMs);
  }

  loss(slot: PathSlot, loss: number): void {
    const { delivery } = this.paths;
    const report = new Received();
    delivery.reset(slot);
    delivery.handleReport(slot, report, this.reports++);
    report.packets = 1e6 * (1 - loss);
    report.lost = 1e6 * loss;
    delivery.handleReport(slot, report, this.reports++);
  }

  tick(ms = 100): void {
    this.nowMs += ms;
    this.scheduler.handleTick(this.nowMs);
    this.modes.handleTick(this.nowMs);
  }

  choice(mode = 0, of = A) {
    return this.modes.choice(of, mode);
  }

  single(mode = 0): PathSlot | -1 {
    const choice = this.choice(mode);
    return choice.kind === CHOICE_SINGLE ? choice.path : NONE;
  }

  /** Places of the paths that a spread uses. */
  used(mode = 0): number[] {
    const choice = this.choice(mode);
    expect(choice.kind).toBe(choice.weights.some((weight) => weight > 0) ? CHOICE_SPREAD : CHOICE_NONE);
    return [...choice.weights.keys()].filter((place) => choice.weights[place]! > 0);
  }

  copies(mode = 0): number[] {
    const choice = this.choice(mode);
    expect(choice.kind).toBe(choice.copyCount > 0 ? CHOICE_COPIES : CHOICE_NONE);
    return [...choice.copies.subarray(0, choice.copyCount)];
  }
}

describe("all-paths mode", () => {
  it("uses all eligible paths, by the scheduler's weights", () => {
    const world = new World({ mode: "all-paths" });
    const slots = [1, 2, 3].map((device) => world.add(device));
    expect(world.choice().weights).toBe(world.scheduler.weights(A));
    expect(world.used()).toEqual([0, 1, 2]);
    world.paths.setUse(slots[1]!, USE_NO);
    expect(world.used()).toEqual([0, 2]);
    world.paths.setUse(slots[0]!, USE_BACKUP);
    expect(world.used()).toEqual([2]);
  });

  it("has no choice without a path that works, and one as soon as there is", () => {
    const world = new World({ mode: "all-paths" });
    expect(world.choice().kind).toBe(CHOICE_NONE);
    const slot = world.add(1);
    expect(world.choice().kind).toBe(CHOICE_SPREAD);
    world.paths.setUse(slot, USE_NO);
    expect(world.choice().kind).toBe(CHOICE_NONE);
  });

  it("is chosen for each node by itself", () => {
    const world = new World({ mode: "all-paths" });
    world.add(1);
    expect([world.choice(0, A).kind, world.choice(0, B).kind]).toEqual([CHOICE_SPREAD, CHOICE_NONE]);
    const before = world.choice(0, A);
    world.modes.forgetNode(A);
    expect(world.choice(0, A)).not.toBe(before);
  });
});

describe("selected-paths mode", () => {
  it("selects by interface", () => {
    const world = new World({ mode: "selected-paths", interfaces: ["eth1", "eth3"] });
    for (const device of [1, 2, 3]) world.add(device);
    expect(world.used()).toEqual([0, 2]);
    expect(world.choice().weights[0]).toBe(world.scheduler.weights(A)[0]);
  });

  it("uses a backup that is named, and no other", () => {
    const world = new World({ mode: "selected-paths", interfaces: ["eth2"] }, { mode: "selected-paths" });
    world.add(1);
    const backup = world.add(2);
    world.paths.setUse(backup, USE_BACKUP);
    expect([world.used(0), world.used(1)]).toEqual([[1], [0]]);
    world.paths.setUse(backup, USE_NO);
    expect(world.used(0)).toEqual([0]);
  });

  it("selects by delay, whatever the clocks say, and keeps a path until it is clearly too slow", () => {
    const world = new World({ mode: "selected-paths", delayBelowMs: 50 });
    const [fast, slow] = [world.add(1), world.add(2)];
    world.delay(fast, 10);
    world.delay(slow, 49);
    world.tick();
    expect(world.used()).toEqual([0, 1]);
    world.delay(slow, 54);
    world.tick();
    expect(world.used()).toEqual([0, 1]);
    world.delay(slow, 56);
    world.tick();
    expect(world.used()).toEqual([0]);
    world.delay(slow, 51);
    world.tick();
    expect(world.used()).toEqual([0]);
    world.delay(slow, 49);
    world.tick();
    expect(world.used()).toEqual([0, 1]);
  });

  it("takes a path of unknown delay for fast enough", () => {
    const world = new World({ mode: "selected-paths", delayBelowMs: 50 });
    const slow = world.add(1);
    world.add(2);
    expect(world.used()).toEqual([0, 1]);
    // A delay without any round-trip time to judge the clocks by.
    world.delay(slow, 80, 0);
    world.tick();
    expect(world.used()).toEqual([0, 1]);
    world.delay(slow, 80, 160);
    world.tick();
    expect(world.used()).toEqual([1]);
  });

  it("selects by loss", () => {
    const world = new World({ mode: "selected-paths", lossBelow: 0.01 });
    const [clean, lossy] = [world.add(1), world.add(2)];
    world.loss(clean, 0.001);
    world.loss(lossy, 0.05);
    world.tick();
    expect(world.used()).toEqual([0]);
  });

  it("does not take a path that it used for want of a better one for one that it has selected", () => {
    const world = new World({ mode: "selected-paths", lossBelow: 0.02 });
    const [nearly, lossy] = [world.add(1), world.add(2)];
    world.loss(nearly, 0.021);
    world.loss(lossy, 0.05);
    for (const used of [
      [0, 1],
      [0, 1],
    ]) {
      world.tick();
      expect(world.used()).toEqual(used);
    }
    world.loss(nearly, 0.019);
    world.tick();
    world.loss(nearly, 0.021);
    world.tick();
    expect(world.used()).toEqual([0]);
  });

  it("uses all paths where none is such, or none where that is asked for", () => {
    const world = new World(
      { mode: "selected-paths", interfaces: ["wlan0"] },
      { mode: "selected-paths", interfaces: ["wlan0"], strict: true },
    );
    world.add(1);
    world.add(2);
    expect([world.used(0), world.used(1)]).toEqual([[0, 1], []]);
    expect(world.choice(1).kind).toBe(CHOICE_NONE);
  });

  it("follows the scheduler's weights from tick to tick", () => {
    const world = new World({ mode: "selected-paths", interfaces: ["eth1"] });
    const slot = world.add(1);
    expect(world.choice().weights[0]).toBe(1000);
    world.paths.setUse(world.add(2), USE_YES);
    world.paths.delays.handleFeedback(slot, A, 0, 0);
    world.scheduler.handleFeedback(slot);
    world.tick();
    expect(world.choice().weights[0]).toBe(world.scheduler.weights(A)[0]);
  });
});

describe("single-path mode", () => {
  it("uses the path with the lowest delay", () => {
    const world = new World({ mode: "single-path" });
    const slots = [1, 2, 3].map((device) => world.add(device));
    [30, 10, 20].forEach((delayMs, i) => void world.delay(slots[i]!, delayMs));
    world.tick();
    expect(world.single()).toBe(slots[1]);
  });

  it("goes to another path when that has been better by the margin for long enough", () => {
    const world = new World({ mode: "single-path", marginMs: 5, dwellMs: 300 });
    const [first, second] = [world.add(1), world.add(2)];
    world.delay(first, 20);
    world.delay(second, 30);
    world.tick();
    expect(world.single()).toBe(first);
    const seen = [16, 14, 14, 14, 14].map((delayMs) => {
      world.delay(second, delayMs);
      world.tick();
      return world.single();
    });
    expect(seen).toEqual([first, first, first, first, second]);
  });

  it("stays when the other path was better for a moment only", () => {
    const world = new World({ mode: "single-path", marginMs: 5, dwellMs: 300 });
    const [first, second] = [world.add(1), world.add(2)];
    world.delay(first, 20);
    world.delay(second, 30);
    expect(world.single()).toBe(first);
    for (let i = 0; i < 20; i++) {
      world.delay(second, i % 3 === 0 ? 19 : 10);
      world.tick();
      expect(world.single()).toBe(first);
    }
  });

  it("goes at once when its path fails, and when it is no longer eligible", () => {
    const world = new World({ mode: "single-path" });
    const [first, second] = [world.add(1), world.add(2)];
    world.delay(first, 10);
    world.delay(second, 50);
    world.tick();
    expect(world.single()).toBe(first);
    world.paths.setUse(first, USE_NO);
    expect(world.single()).toBe(second);
    world.paths.setUse(first, USE_YES);
    world.paths.setUse(second, USE_BACKUP);
    expect(world.single()).toBe(first);
    world.paths.remove(first);
    expect(world.single()).toBe(second);
    world.paths.remove(second);
    expect(world.choice().kind).toBe(CHOICE_NONE);
  });

  it("prefers a path whose delay is known", () => {
    const world = new World({ mode: "single-path" });
    world.add(1);
    const known = world.add(2);
    world.delay(known, 900);
    world.tick();
    expect(world.single()).toBe(known);
  });

  it("uses the path named, by its name or interface, while it works", () => {
    const world = new World(
      { mode: "single-path", path: "eth2-2" },
      { mode: "single-path", path: "eth2" },
      { mode: "single-path", path: "eth9" },
    );
    const fast = world.add(1);
    const near = world.add(2, 1);
    const named = world.add(2, 2);
    world.delay(fast, 1);
    world.delay(near, 10);
    world.delay(named, 20);
    world.paths.setUse(named, USE_BACKUP);
    world.tick();
    expect([world.single(0), world.single(1), world.single(2)]).toEqual([named, near, fast]);
    world.paths.setUse(named, USE_NO);
    expect(world.single(0)).toBe(fast);
    world.paths.setUse(named, USE_YES);
    expect(world.single(0)).toBe(named);
  });
});

describe("protected-path mode", () => {
  it("sends copies on the fastest paths that share nothing", () => {
    const world = new World({ mode: "protected-path", copies: 2 }, { mode: "protected-path", copies: 3 });
    const slots = [
      [1, 1, 10],
      [1, 2, 11],
      [2, 1, 12],
      [2, 2, 40],
    ].map(([device, remote, delayMs]) => {
      const slot = world.add(device!, remote);
      world.delay(slot, delayMs!);
      return slot;
    });
    world.tick();
    expect(world.copies(0)).toEqual([slots[0], slots[3]]);
    expect(world.copies(1)).toEqual([slots[0], slots[3], slots[1]]);
  });

  it("takes the addresses of both families on one line for one line", () => {
    const world = new World({ mode: "protected-path", copies: 2 });
    const [ipv4, ipv6, otherLine] = [
      { ...ends(1, 1), socket: 10 },
      { ...ends(1, 2), socket: 11 },
      { ...ends(2, 3), socket: 20 },
    ].map((path, i) => {
      const slot = world.paths.add(A, "", path) as PathSlot;
      world.paths.setUse(slot, USE_YES);
      world.delay(slot, 10 + i);
      return slot;
    });
    world.tick();
    expect(world.copies()).not.toContain(ipv6);
    expect(world.copies()).toEqual([ipv4, otherLine]);
  });

  it("takes other ports of one host for the same", () => {
    const world = new World({ mode: "protected-path", copies: 2 });
    const first = world.add(1, 1);
    const otherPort = world.paths.add(A, "", ends(2, 1, 7001)) as PathSlot;
    const otherHost = world.add(3, 2);
    world.paths.setUse(otherPort, USE_YES);
    [first, otherPort, otherHost].forEach((slot, i) => void world.delay(slot, 10 + i));
    world.tick();
    expect(world.copies()).toEqual([first, otherHost]);
  });

  it("sends as many as there are paths", () => {
    const world = new World({ mode: "protected-path", copies: 3 });
    expect(world.choice().kind).toBe(CHOICE_NONE);
    const slots = [world.add(1), world.add(2)];
    expect(world.copies()).toEqual(slots);
    world.paths.setUse(slots[0]!, USE_NO);
    expect(world.copies()).toEqual([slots[1]]);
  });

  it("sends a copy on one that may have failed where there is no better one for it", () => {
    const world = new World({ mode: "protected-path", copies: 2 });
    const slots = [world.add(1), world.add(2), world.add(3)] as const;
    slots.forEach((slot, i) => void world.delay(slot, 10 + i));
    world.paths.setUse(slots[0], USE_SUSPECT);
    expect(world.copies()).toEqual([slots[1], slots[2]]);
    world.paths.setUse(slots[2], USE_NO);
    expect(world.copies()).toEqual([slots[1], slots[0]]);
    // What costs money is not paid for that.
    world.paths.setCeiling(slots[0], USE_BACKUP);
    expect(world.copies()).toEqual([slots[1]]);
  });
});
