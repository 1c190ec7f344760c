import { describe, expect, it } from "vitest";
import type { PathSlot } from "../../../../src/core/base/ids.ts";
import { ControlSender } from "../../../../src/core/router/control-sender.ts";
import { PATH_READY } from "../../../../src/core/router/path-states.ts";
import { Reporter } from "../../../../src/core/router/reporter.ts";
import { loneContext } from "../../../helpers/context.ts";
import { ADDRESS_A as A, ADDRESS_B as B, udpPacket } from "../../../sim/packets.ts";
import { TwoNodes } from "../../../sim/two-nodes.ts";
import { addPath, node } from "../tables/fixtures.ts";

const STEP_S = 0.002;
const NOW_US = 1e9;

/** Lets a send one packet a step; `look` sees the states of its paths over each link. */
function stream(nodes: TwoNodes, seconds: number, look: (states: number[]) => void = () => {}): void {
  const { paths } = nodes.a.router;
  const slots = nodes.lines.map((_, link) => paths.names.indexOf(`l${link}/10.${link}.0.2`));
  const packet = udpPacket(A, B, new Uint8Array(1100));
  for (let k = 0; k < seconds / STEP_S; k++) {
    nodes.a.inject(packet);
    nodes.run(STEP_S);
    look(slots.map((slot) => paths.state[slot]!));
  }
}

describe("what has come in", () => {
  it("is reported although the line on which reports arrive first is cut", () => {
    const nodes = new TwoNodes([{ delayUs: 2_300 }, { delayUs: 4_300 }]);
    nodes.run(3);
    stream(nodes, 2);
    const { ab, ba } = nodes.lines[0]!;
    ab.isCut = ba.isCut = true;
    stream(nodes, 3, (states) => expect(states[1]).toBe(PATH_READY));
  });

  it("is reported from the first byte on by a node that has been started anew", () => {
    const nodes = new TwoNodes([{ delayUs: 2_300 }]);
    nodes.run(3);
    // More than it will have received again for long.
    stream(nodes, 5);
    nodes.restartB();
    nodes.run(1);
    const { paths, repair } = nodes.a.router;
    const [missed, reports] = [nodes.b.router.repair.missed, paths.delivery.reports[0]!];
    stream(nodes, 1, (states) => expect(states[0]).toBe(PATH_READY));
    expect(paths.delivery.reports[0]! - reports).toBeGreaterThan(30);
    expect(nodes.b.router.repair.missed).toBe(missed);
    expect(repair).toMatchObject({ repaired: 0, rescued: 0 });
  });

  it("is reported on a path whose slot another one had, which received more", () => {
    const context = loneContext();
    const reporter = new Reporter(context, new ControlSender(context));
    const { paths } = context;
    let slot: PathSlot;
    const receive = (bytes: number) => {
      paths.arrivals.handleUnnumbered(slot, bytes);
      reporter.noteArrival(slot, NOW_US);
    };
    for (const bytes of [1_000_000, 2_000]) {
      slot = addPath(paths, node(0), 0);
      expect(slot).toBe(0);
      paths.setPeerId(slot, 7);
      reporter.begin(slot);
      receive(bytes);
      reporter.send(NOW_US);
      expect(context.outbox.plan.count).toBe(1);
      context.outbox.clear();
      paths.remove(slot);
    }
  });
});
