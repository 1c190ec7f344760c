import { describe, expect, it } from "vitest";
import { ipv4Header, udpHeader, vnetHeader } from "../../../helpers/packets.ts";
import { gather, planMessages } from "../../../helpers/plan-messages.ts";
import { NO_OFFLOADS, WriterBench } from "../../../helpers/writer-bench.ts";
import { withChecksums } from "../../../naive/segmentation.ts";

describe("without checksum offload, a written packet", () => {
  it.each([0, 1, 2, 99, 1400])("of TCP with %d bytes is complete", (payload) => {
    const bench = new WriterBench(NO_OFFLOADS);
    bench.tcp({ sequence: 5, payload, options: [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8] });
    const [bytes] = bench.written();
    expect(bytes!.subarray(0, 10)).toEqual(vnetHeader());
    expect(bytes!.slice(10)).toEqual(withChecksums(bytes!.slice(10)));
  });

  it.each([0, 1, 2, 99, 1400])("of UDP with %d bytes is complete", (payload) => {
    const bench = new WriterBench(NO_OFFLOADS);
    bench.udp({ payload });
    const [bytes] = bench.written();
    expect(bytes!.slice(10)).toEqual(withChecksums(bytes!.slice(10)));
  });

  it("is never merged with another", () => {
    const bench = new WriterBench(NO_OFFLOADS);
    bench.tcp({ sequence: 0 });
    bench.tcp({ sequence: 100 });
    bench.udp({ flow: 2 });
    bench.udp({ flow: 2 });
    expect(bench.payloads()).toEqual([100, 100, 100, 100]);
    for (const bytes of bench.written()) expect(bytes.slice(10)).toEqual(withChecksums(bytes.slice(10)));
  });

  it("has 0xffff where a UDP checksum adds up to 0, which would mean that it has none", () => {
    const bench = new WriterBench(NO_OFFLOADS);
    // The complement of all other words: then the whole adds up to 0xffff.
    bench.udp({ payload: Uint8Array.of(0, 0) });
    const [first] = bench.written();
    const checksum = [first![36]!, first![37]!];
    bench.writer.clear();
    bench.udp({ payload: Uint8Array.from(checksum) });
    const [second] = bench.written();
    expect([second![36], second![37]]).toEqual([0xff, 0xff]);
    expect(second!.slice(10)).toEqual(withChecksums(second!.slice(10)));
  });

  it("is complete also where its payload lies right behind its headers in the arena", () => {
    // Then plan and writer see headers and payload as one piece.
    const bench = new WriterBench(NO_OFFLOADS);
    const ipAt = bench.put(ipv4Header({ protocol: 17 }));
    const udpAt = bench.put(udpHeader());
    bench.arena.set([1, 2, 3], 38);
    bench.writer.udp(1, ipAt, 20, udpAt, 38, 3);
    bench.writer.finish();
    const [message] = planMessages(bench.writer.plan);
    expect(message!.pieces).toEqual([[0, 41]]);
    const bytes = gather(bench.arena, message!);
    expect(bytes.slice(10)).toEqual(withChecksums(bytes.slice(10)));
  });
});
