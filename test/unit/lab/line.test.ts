import { describe, expect, it } from "vitest";
import { burstLoss, type LineState, mergeLine } from "../../../tools/lab/line.ts";
import { setCommand } from "../../../tools/lab/linkemu.ts";
import { bridgeCommands, limitFrames, netemCommand, netemStats } from "../../../tools/lab/netem.ts";

describe("a line", () => {
  it("keeps what a change does not name", () => {
    expect(mergeLine({ rateMbit: 1, delayMs: 2 }, { delayMs: 3 })).toEqual({ rateMbit: 1, delayMs: 3 });
  });

  it("has one kind of queue", () => {
    expect(mergeLine({ queueKb: 1 }, { queueMs: 3 })).toEqual({ queueMs: 3 });
    expect(mergeLine({ queueMs: 1 }, { queueKb: 3 })).toEqual({ queueKb: 3 });
  });

  it("loses in bursts of the wanted mean length, and as much as wanted in all", () => {
    const burst = burstLoss({ lossPercent: 2, burstPackets: 5 })!;
    expect(1 / burst.leave).toBeCloseTo(5);
    expect(burst.enter / (burst.enter + burst.leave)).toBeCloseTo(0.02);
    expect(burstLoss({ lossPercent: 2 })).toBeUndefined();
    expect(burstLoss({ burstPackets: 2 })).toBeUndefined();
    expect(burstLoss({ lossPercent: 100, burstPackets: 2 })).toEqual({ enter: 1, leave: 0 });
  });
});

describe("a line in linkemu", () => {
  it("is set with all keys, those not given to what they are without", () => {
    expect(setCommand("l0", "ab", {})).toBe(
      "set l0 ab rate_bps=0 delay_us=0 jitter_us=0 loss=0 ge_p=0 ge_r=1 ge_loss_good=0 ge_loss_bad=1 " +
        "reorder=0 reorder_us=0 queue_bytes=0 queue_us=0 blackhole=0",
    );
  });

  it("has its units changed", () => {
    const line: LineState = {
      rateMbit: 4.5,
      delayMs: 38,
      jitterMs: 0.5,
      lossPercent: 1,
      reorderPercent: 2,
      reorderMs: 3,
      queueKb: 100,
      silent: true,
    };
    expect(setCommand("l0", "ba", line)).toBe(
      "set l0 ba rate_bps=4500000 delay_us=38000 jitter_us=500 loss=0.01 ge_p=0 ge_r=1 ge_loss_good=0 ge_loss_bad=1 " +
        "reorder=0.02 reorder_us=3000 queue_bytes=100000 queue_us=0 blackhole=1",
    );
  });

  it("loses either one by one or in bursts", () => {
    const command = setCommand("l0", "ba", { lossPercent: 20, burstPackets: 4, queueMs: 50 });
    expect(command).toContain(" loss=0 ge_p=0.0625 ge_r=0.25 ");
    expect(command).toContain(" queue_us=50000 ");
  });
});

describe("a line in netem", () => {
  it("is one qdisc at the port where frames leave", () => {
    const line = { rateMbit: 40, delayMs: 10, jitterMs: 4, lossPercent: 1, queueKb: 100 };
    expect(netemCommand("e0b", line).join(" ")).toBe(
      "tc qdisc replace dev e0b root netem limit 114 delay 12000us 2000us loss 1% rate 40000000bit",
    );
  });

  it("loses in bursts and vanishes", () => {
    const line = { lossPercent: 20, burstPackets: 4 };
    expect(netemCommand("e0b", line).join(" ")).toContain(" loss gemodel 6.25% 25% 100% 0%");
    expect(netemCommand("e0b", { ...line, silent: true }).join(" ")).toContain(" loss 100%");
    expect(netemCommand("e0b", {}).join(" ")).toBe(
      "tc qdisc replace dev e0b root netem limit 100000 delay 0us 0us",
    );
  });

  it("refuses what netem cannot do", () => {
    expect(() => netemCommand("e0b", { reorderPercent: 1, reorderMs: 1 })).toThrow(
      "reorderPercent is not possible",
    );
  });

  it("has room for the queue and for what is under way", () => {
    expect(limitFrames({ rateMbit: 12.112 })).toBe(100);
    expect(limitFrames({ rateMbit: 12.112, queueMs: 200, delayMs: 50 })).toBe(250);
    expect(limitFrames({ rateMbit: 0.1, queueKb: 2 })).toBe(10);
  });

  it("joins its ports by a bridge", () => {
    const link = { name: "l0", interfaceA: "e0a", interfaceB: "e0b", line: { ab: {}, ba: {} } };
    expect(bridgeCommands(link)).toEqual([
      "link add e0a-b type bridge forward_delay 0 stp_state 0 mcast_snooping 0",
      "link set e0a master e0a-b",
      "link set e0b master e0a-b",
      "link set e0a-b up",
    ]);
  });

  it("reports its counters", () => {
    const shown =
      '[{"kind":"netem","bytes":9000,"packets":6,"drops":2,"overlimits":0,"backlog":1514,"qlen":1}]';
    expect(netemStats(shown)).toEqual({
      framesIn: 9,
      framesOut: 6,
      bytesOut: 9000,
      queueFrames: 1,
      queueBytes: 1514,
      dropped: { any: 2 },
    });
  });
});
