import { expect, it } from "vitest";
import type { PathSlot } from "../../../../src/core/base/ids.ts";
import { TwoNodes } from "../../../sim/two-nodes.ts";

const PATH = 0 as PathSlot;
const NODE = 0;

it.each([-5e-4, 5e-4])("a peer's clock that drifts by %d does not look like a queue", (driftOfB) => {
  const nodes = new TwoNodes([{ delayUs: 10_000 }], 1, { driftOfB });
  nodes.run(20);
  for (const node of [nodes.a, nodes.b]) {
    const { clocks, delays, queues } = node.router.paths;
    const [rawUs, gainedUs] = [delays.sampleUs[PATH]!, clocks.gainedUs[NODE]!];
    nodes.run(20);
    const changeUs = delays.sampleUs[PATH]! - rawUs;
    expect(Math.abs(changeUs)).toBeGreaterThan(9_000);
    expect(Math.abs(changeUs - (clocks.gainedUs[NODE]! - gainedUs))).toBeLessThan(500);
    expect(queues.queueUs(PATH, node.nowUs)).toBeLessThan(500);
  }
});
