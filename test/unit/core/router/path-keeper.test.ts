import { describe, expect, it } from "vitest";
import type { PathSlot } from "../../../../src/core/base/ids.ts";
import { PATH_DOWN, PATH_READY, PATH_SUSPECT } from "../../../../src/core/router/path-states.ts";
import { ADDRESS_A as A, ADDRESS_B as B, udpPacket } from "../../../sim/packets.ts";
import { type LinkOptions, TwoNodes } from "../../../sim/two-nodes.ts";

const STEP_S = 0.005;

/** Two nodes with data from a to b all the time, of which a report is due. */
class World {
  readonly nodes: TwoNodes;

  constructor(links: readonly LinkOptions[]) {
    this.nodes = new TwoNodes(links);
    this.nodes.run(3);
    this.stream(2);
  }

  stream(seconds: number): void {
    for (let k = 0; k < seconds / STEP_S; k++) {
      this.nodes.a.inject(udpPacket(A, B, new Uint8Array(1100)));
      this.nodes.run(STEP_S);
    }
  }

  /** Cut in the direction of the data, or in both. */
  cut(isCut: boolean, both = false): void {
    for (const { ab, ba } of this.nodes.lines) {
      ab.isCut = isCut;
      ba.isCut = isCut && both;
    }
  }

  /** What a thinks of its path over the n-th link. */
  state(link: number): number {
    return this.nodes.a.router.paths.state[this.path(link)]!;
  }

  path(link: number): PathSlot {
    const { paths } = this.nodes.a.router;
    for (let slot = 0; slot < paths.slab.top; slot++)
      if (paths.names[slot] === `l${link}/10.${link}.0.2`) return slot as PathSlot;
    throw new Error(`no path over link ${link}`);
  }

  /** Seconds until the path over the only link is in this state. */
  until(state: number, longest: number): number {
    const from = this.nodes.clock.nowUs;
    while (this.state(0) !== state) {
      if (this.nodes.clock.nowUs - from > longest * 1e6) return Number.POSITIVE_INFINITY;
      this.stream(STEP_S);
    }
    return (this.nodes.clock.nowUs - from) / 1e6;
  }
}

describe("a path on which data flows", () => {
  it("is suspect when what is sent on it is not reported, before it could be missed by its silence", () => {
    const world = new World([{ delayUs: 10_300 }]);
    world.cut(true);
    expect(world.until(PATH_SUSPECT, 2)).toBeLessThan(0.15);
  });

  it("is down when probes are not answered either", () => {
    const world = new World([{ delayUs: 10_300 }]);
    world.cut(true, true);
    expect(world.until(PATH_DOWN, 5)).toBeLessThan(1);
  });

  // Answers come between two probes, with each, or after several others have been sent.
  it.each([200, 10_300, 49_900, 76_543, 151_000, 310_700])(
    "is ready again after some answers in a row, however often it has failed (%i µs one way)",
    (delayUs) => {
      const world = new World([{ delayUs }]);
      const rttS = (2 * delayUs) / 1e6;
      for (let failures = 1; failures <= 5; failures++) {
        world.cut(true);
        expect(world.until(PATH_SUSPECT, 2)).toBeLessThan(2);
        world.cut(false);
        // As many answers as are asked for at most, each asked for after the one before.
        expect(world.until(PATH_READY, 30)).toBeLessThan(8 * (0.11 + rttS) + 0.3);
      }
    },
  );

  it("is not suspected again because of what was sent on it while it did not work", () => {
    const world = new World([{ delayUs: 10_300 }]);
    world.cut(true);
    world.stream(0.5);
    world.cut(false);
    const changes: number[] = [];
    for (let i = 0; i < 2 / STEP_S; i++) {
      world.nodes.run(STEP_S);
      if (changes.at(-1) !== world.state(0)) changes.push(world.state(0));
    }
    expect(changes).toEqual([PATH_SUSPECT, PATH_READY]);
  });

  it("is not suspected because the peer does not know of a packet that was lost", () => {
    const world = new World([{ delayUs: 10_300 }]);
    const { nodes } = world;
    for (let i = 0; i < 10; i++) {
      nodes.run(2.9 + i / 7);
      world.cut(true);
      nodes.a.inject(udpPacket(A, B, new Uint8Array(100)));
      nodes.run(STEP_S);
      world.cut(false);
      for (let k = 0; k < 2 / STEP_S; k++) {
        nodes.run(STEP_S);
        expect(world.state(0)).toBe(PATH_READY);
      }
    }
  });

  it("is suspect when little is sent on it and lost, soon if much comes from the peer", () => {
    for (const muchComes of [true, false]) {
      const world = new World([{ delayUs: 10_300 }]);
      const { a, b } = world.nodes;
      // As a transfer's acknowledgments, which stop when none of them arrives any more.
      for (let k = 0; k < 200; k++) {
        if (muchComes) for (let i = 0; i < 8; i++) b.inject(udpPacket(B, A, new Uint8Array(1100)));
        if (k % 4 === 0) a.inject(udpPacket(A, B, new Uint8Array(20)));
        world.nodes.run(STEP_S);
      }
      world.cut(true);
      a.inject(udpPacket(A, B, new Uint8Array(20)));
      const from = world.nodes.clock.nowUs;
      while (world.state(0) === PATH_READY && world.nodes.clock.nowUs - from < 5e6) world.nodes.run(STEP_S);
      expect((world.nodes.clock.nowUs - from) / 1e6).toBeLessThan(muchComes ? 0.25 : 0.45);
    }
  });

  it("is not suspected because of losses, however little is sent on it", () => {
    const world = new World([{ delayUs: 10_300, loss: 0.03 }]);
    for (let k = 0; k < 600; k++) {
      world.nodes.a.inject(udpPacket(A, B, new Uint8Array(20)));
      world.nodes.run(0.01 * (1 + (k % 37)));
      expect(world.state(0)).toBe(PATH_READY);
    }
  });

  // As many packets in a row are lost as on other lines by failure only.
  it.each([
    [300, 1100],
    [3, 20],
  ])("is not suspected because the line loses much (%i packets of %i bytes a second)", (rate, bytes) => {
    const world = new World([{ delayUs: 10_300, loss: 0.4 }]);
    let suspicions = 0;
    let last = PATH_READY;
    for (let k = 0; k < 60 * rate; k++) {
      world.nodes.a.inject(udpPacket(A, B, new Uint8Array(bytes)));
      world.nodes.run(1 / rate);
      const state = world.state(0);
      if (state === PATH_SUSPECT && last === PATH_READY) suspicions++;
      last = state;
    }
    expect(suspicions).toBeLessThan(2);
  });

  it("is suspect soon when it fails, also where it lost one packet in five", () => {
    const world = new World([{ delayUs: 10_300, loss: 0.2 }]);
    world.stream(5);
    world.cut(true);
    expect(world.until(PATH_SUSPECT, 2)).toBeLessThan(0.3);
  });
});
