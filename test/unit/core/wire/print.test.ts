import { describe, expect, it } from "vitest";
import { nodeIdText, printBody, printDatagram } from "../../../../src/core/wire/print.ts";
import { encodeBody } from "../../../naive/body.ts";
import { viewOf } from "../../../vectors/load.ts";

const print = (body: Uint8Array) => printBody(viewOf(body), 0, body.length);

describe("a line for logs", () => {
  it("has a node ID as MAC addresses are written", () => {
    expect(nodeIdText(0x0200, 0x5e10_0001)).toBe("02:00:5e:10:00:01");
    expect(nodeIdText(0xffff, -1)).toBe("ff:ff:ff:ff:ff:ff");
    expect(nodeIdText(0, 0)).toBe("00:00:00:00:00:00");
  });

  it("says of a datagram that is too short how long it is", () => {
    expect(printDatagram(viewOf(new Uint8Array(24)), 0, 24)).toBe("MPIP, too short: 24 bytes");
    expect(printDatagram(viewOf(new Uint8Array(0)), 0, 0)).toBe("MPIP, too short: 0 bytes");
  });

  it("shows nothing of a name that a terminal would act on", () => {
    const name = 'a"b\\c\n\x1b[31m\x7f\x9b\u202e ü日本';
    expect(print(encodeBody([{ name }]))).toBe(
      'name "a\\u{22}b\\u{5c}c\\u{a}\\u{1b}[31m\\u{7f}\\u{9b}\\u{202e} ü日本"',
    );
  });

  it("is bounded", () => {
    const addresses = Array.from({ length: 100 }, (_, i): [string, number] => [`10.0.0.${i}`, 7000]);
    const shown = addresses.slice(0, 8).map(([address, port]) => `${address}:${port}`);
    expect(print(encodeBody([{ addresses }]))).toBe(`addresses ${shown.join(" ")} and 92 more`);
    const many = Array.from({ length: 400 }, () => ({
      received: { path: 1, packets: 1, bytes: "1", lost: 0, highest: 1, carries: 1 },
    }));
    const line = print(encodeBody(many));
    expect(line).toMatch(/, and 392 more$/);
    expect(line.length).toBeLessThan(1000);
  });

  it("says what is missing in a list of none", () => {
    expect(print(encodeBody([{ nack: { path: 3, ranges: [] } }, { addresses: [] }]))).toBe(
      "missing of 3: none, addresses none",
    );
  });

  it("says what a path carries, and whether a queue grew", () => {
    const carrying = (carries: number) =>
      print(encodeBody([{ received: { path: 1, packets: 2, bytes: "3", lost: 4, highest: 5, carries } }]));
    const head = "received of 1: 2 packets, 3 bytes, 4 lost, to 5";
    expect(carrying(0)).toBe(`${head}, carries 0 bytes/ms`);
    expect(carrying(0x7fff_ffff)).toBe(`${head}, carries 2147483647 bytes/ms`);
    expect(carrying(0x8000_0001)).toBe(`${head}, carries 1 bytes/ms, a queue grew`);
  });

  it("says of an unknown refusal which it is", () => {
    expect(print(encodeBody([{ refusal: 4 }]))).toBe("refused: version");
    expect(print(encodeBody([{ refusal: 0 }]))).toBe("refused: code 0");
    expect(print(encodeBody([{ refusal: 99 }]))).toBe("refused: code 99");
  });
});
