import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { contentChunks, contentSha256 } from "../../../tools/lab/content.ts";
import { contentUrl } from "../../../tools/lab/http.ts";
import { parseIperf3 } from "../../../tools/lab/iperf3.ts";
import { parsePing } from "../../../tools/lab/ping.ts";
import { parseInterfaceBytes, ratesBetween } from "../../../tools/lab/rates.ts";
import { median, percentile } from "../../../tools/lab/statistics.ts";
import { endpointText, parseEndpoint } from "../../../tools/lab/udp-endpoint.ts";

describe("iperf3's report", () => {
  const sum = (start: number, bits: number) => ({ sum: { start, end: start + 1, bits_per_second: bits } });
  const tcp = {
    intervals: [sum(0, 11), sum(1, 12)],
    end: {
      sum_sent: { bits_per_second: 40e6, retransmits: 7 },
      sum_received: { bits_per_second: 38e6 },
      sender_tcp_congestion: "cubic",
    },
    server_output_json: { intervals: [sum(0, 21)] },
  };

  it("of TCP tells what arrived, as the receiver saw it", () => {
    expect(parseIperf3(JSON.stringify(tcp), false)).toEqual({
      sentBitsPerS: 40e6,
      receivedBitsPerS: 38e6,
      retransmits: 7,
      congestion: "cubic",
      intervals: [{ startS: 0, endS: 1, bitsPerS: 21 }],
    });
    expect(parseIperf3(JSON.stringify(tcp), true).intervals.map(({ bitsPerS }) => bitsPerS)).toEqual([
      11, 12,
    ]);
  });

  it("leaves out a sliver at the end, over which a rate says nothing", () => {
    const sliver = { sum: { start: 2, end: 2.01, bits_per_second: 1 } };
    const report = { ...tcp, server_output_json: { intervals: [sum(0, 21), sum(1, 22), sliver] } };
    expect(parseIperf3(JSON.stringify(report), false).intervals.map(({ bitsPerS }) => bitsPerS)).toEqual([
      21, 22,
    ]);
  });

  it("of UDP tells the loss", () => {
    const udp = {
      intervals: [],
      end: {
        sum: { lost_percent: 2.5, jitter_ms: 0.1 },
        sum_sent: { bits_per_second: 5e6 },
        sum_received: { bits_per_second: 4e6 },
      },
      server_output_json: { intervals: [sum(0, 4e6)] },
    };
    const result = parseIperf3(JSON.stringify(udp), false);
    expect(result).toMatchObject({ lostPercent: 2.5, jitterMs: 0.1, receivedBitsPerS: 4e6 });
    expect(result).not.toHaveProperty("retransmits");
  });

  it("of a failure is an error with its reason", () => {
    const refused =
      '{"start":{},"intervals":[],"end":{},"error":"unable to connect to server: Connection refused"}';
    expect(() => parseIperf3(refused, false)).toThrow("unable to connect to server: Connection refused");
    expect(() => parseIperf3("", false)).toThrow("not the JSON of iperf3: nothing");
    expect(() => parseIperf3('{"intervals":[],"end":{}}', false)).toThrow("iperf3 gave no results");
  });
});

describe("ping's report", () => {
  it("has every round trip", () => {
    const output = [
      "PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.",
      "64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=40.8 ms",
      "64 bytes from 10.0.0.2: icmp_seq=3 ttl=64 time=20 ms",
      "64 bytes from 10.0.0.2: icmp_seq=3 ttl=64 time=20 ms (DUP!)",
      "",
      "--- 10.0.0.2 ping statistics ---",
      "4 packets transmitted, 2 received, +1 duplicates, 50% packet loss, time 401ms",
    ].join("\n");
    expect(parsePing(output)).toEqual({
      sent: 4,
      received: 2,
      lossPercent: 50,
      rttsMs: [40.8, 20],
      minMs: 20,
      medianMs: 30.4,
      p95Ms: 39.76,
      maxMs: 40.8,
    });
  });

  it("without a summary is an error with its reason", () => {
    expect(() => parsePing("", "ping: connect: Network is unreachable\n")).toThrow(
      "ping failed: ping: connect: Network is unreachable",
    );
  });
});

describe("interface rates", () => {
  it("come from the counters of /proc/net/dev", () => {
    const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       0       0    0    0    0     0          0         0        5       0    0    0    0     0       0          0
 wan-1:12345678       2    0    0    0     0          0         0     1000       3    0    0    0     0       0          0
`;
    expect(parseInterfaceBytes(text).get("wan-1")).toEqual({ receivedBytes: 12_345_678, sentBytes: 1000 });
    expect([...parseInterfaceBytes(text).keys()]).toEqual(["lo", "wan-1"]);
  });

  it("are bits per second between two samples", () => {
    const counts = [
      { atMs: 10, receivedBytes: 1000, sentBytes: 0 },
      { atMs: 110, receivedBytes: 2000, sentBytes: 50 },
    ];
    expect(ratesBetween(counts)).toEqual([{ atMs: 110, receivedBitsPerS: 80_000, sentBitsPerS: 4000 }]);
    expect(ratesBetween(counts.slice(1))).toEqual([]);
  });
});

describe("content", () => {
  it("has the wanted size and a known hash", () => {
    const chunks = [...contentChunks(200_003)];
    const bytes = Buffer.concat(chunks);
    expect(bytes.length).toBe(200_003);
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(contentSha256(200_003));
    expect(bytes.subarray(0, 8).toString("hex")).toBe("00000000b179379e");
  });

  it("differs everywhere, so that no part can pass for another", () => {
    const bytes = Buffer.concat([...contentChunks(1_000_000)]);
    const words = new Set(new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4));
    expect(words.size).toBe(250_000);
  });

  it("has a URL for addresses of both families", () => {
    expect(contentUrl("10.0.0.1", 5)).toBe("http://10.0.0.1:8080/5");
    expect(contentUrl("fd00::1", 5, 81)).toBe("http://[fd00::1]:81/5");
  });
});

describe("percentiles", () => {
  it("lie between the values", () => {
    expect(percentile([4, 1, 3, 2], 0)).toBe(1);
    expect(percentile([4, 1, 3, 2], 100)).toBe(4);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([7])).toBe(7);
    expect(median([])).toBeNaN();
  });
});

describe("UDP endpoints", () => {
  it.each(["10.0.0.1:4500", "[fd00::1]:4500"])("%s is read and written", (text) => {
    expect(endpointText(parseEndpoint(text))).toBe(text);
  });

  it("need a port", () => {
    expect(() => parseEndpoint("10.0.0.1")).toThrow("10.0.0.1 is not ADDRESS:PORT");
  });
});
