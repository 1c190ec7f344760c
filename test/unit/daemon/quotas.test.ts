import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { QuotaConfig } from "../../../src/config/interface.ts";
import { periodEnd, periodStart } from "../../../src/daemon/quota-period.ts";
import { parseDeviceBytes, Quotas } from "../../../src/daemon/quotas.ts";

const at = (text: string) => new Date(text);

describe("a period", () => {
  const days = (every: "month" | "day", resetDay: number, now: string) =>
    [periodStart, periodEnd].map((of) => of({ every, resetDay }, at(now)).toDateString());

  it.each([
    [1, "2026-03-10T12:00", "Sun Mar 01 2026", "Wed Apr 01 2026"],
    [15, "2026-03-10T12:00", "Sun Feb 15 2026", "Sun Mar 15 2026"],
    [15, "2026-03-15T00:00", "Sun Mar 15 2026", "Wed Apr 15 2026"],
    [15, "2026-01-02T00:00", "Mon Dec 15 2025", "Thu Jan 15 2026"],
    [31, "2026-02-27T12:00", "Sat Jan 31 2026", "Sat Feb 28 2026"],
    [31, "2026-03-01T12:00", "Sat Feb 28 2026", "Tue Mar 31 2026"],
    [31, "2028-02-29T12:00", "Tue Feb 29 2028", "Fri Mar 31 2028"],
  ])("that begins on day %d of the month holds %s", (resetDay, now, start, end) => {
    expect(days("month", resetDay, now)).toEqual([start, end]);
  });

  it("of a day begins at midnight", () => {
    expect(days("day", 1, "2026-12-31T23:59")).toEqual(["Thu Dec 31 2026", "Fri Jan 01 2027"]);
  });
});

describe("quotas", () => {
  let directory: string;
  let lines: string[];
  const log = pino({ base: null }, { write: (line) => lines.push(JSON.parse(line).msg) });

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "mpip-quotas-"));
    lines = [];
  });

  afterEach(() => rmSync(directory, { recursive: true }));

  const quota: QuotaConfig = { bytes: 1000, every: "month", resetDay: 1, usedUp: "off" };
  const open = (boot = "boot") => new Quotas(directory, log, boot);
  const count = (quotas: Quotas, bytes: number, now = "2026-03-10T12:00", index = 3) =>
    quotas.count(new Map([["wwan0", quota]]), at(now), new Map([["wwan0", { index, bytes }]]));
  const used = (quotas: Quotas) => quotas.views(at("2026-03-10T12:00"))[0]!.usedBytes;

  it("count what goes over a line from when it is first seen, and say when it is used up", () => {
    const quotas = open();
    expect(count(quotas, 5000)).toBe(false);
    expect(count(quotas, 5700)).toBe(false);
    expect([used(quotas), quotas.usedUp("wwan0")]).toEqual([700, undefined]);
    expect(count(quotas, 5850)).toBe(false);
    expect(count(quotas, 6000)).toBe(true);
    expect([used(quotas), quotas.usedUp("wwan0")]).toEqual([1000, "off"]);
    expect(count(quotas, 7000)).toBe(false);
    expect(lines).toEqual([
      "wwan0: 85 % of its quota is used up",
      "wwan0: its quota is used up until Wed Apr 01 2026; it is off now",
    ]);
    expect(quotas.usedUp("wwan1")).toBeUndefined();
  });

  it("begin anew with a new period", () => {
    const quotas = open();
    count(quotas, 0);
    count(quotas, 2000);
    expect(count(quotas, 2100, "2026-04-01T00:00:01")).toBe(true);
    expect([used(quotas), quotas.usedUp("wwan0")]).toEqual([100, undefined]);
    expect(lines.at(-1)).toBe("wwan0: has a new quota until Fri May 01 2026");
  });

  it("outlive the daemon, which need not have ended well, and count what went over the line meanwhile", () => {
    const before = open();
    count(before, 100);
    before.write(0);
    count(before, 150);
    const after = open();
    count(after, 400);
    expect(used(after)).toBe(300);
    count(after, 1200);
    const again = open();
    expect(count(again, 1200)).toBe(false);
    expect([used(again), again.usedUp("wwan0")]).toEqual([1100, "off"]);
  });

  it("know a counter that has begun anew, with the device or with the system", () => {
    const quotas = open();
    count(quotas, 100);
    count(quotas, 300);
    count(quotas, 50, undefined, 4);
    expect(used(quotas)).toBe(250);
    quotas.write(0);
    const rebooted = open("another boot");
    count(rebooted, 60, undefined, 4);
    expect(used(rebooted)).toBe(310);
    count(rebooted, 20, undefined, 4);
    expect(used(rebooted)).toBe(330);
  });

  it("do without a file that is broken, and say that none can be written", () => {
    writeFileSync(join(directory, "quotas.json"), "{");
    const quotas = open();
    count(quotas, 100);
    expect(JSON.parse(readFileSync(join(directory, "quotas.json"), "utf8"))).toHaveProperty("wwan0");
    const nowhere = new Quotas(join(directory, "quotas.json"), log, "boot");
    count(nowhere, 100);
    expect(lines.at(-1)).toMatch(/^quotas cannot be kept: /);
  });
});

it("takes the bytes of the devices from what the kernel prints", () => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
wwan0:12345678901       2    0    0    0     0          0         0       99       3    0    0    0     0       0          0
`;
  expect([...parseDeviceBytes(text)]).toEqual([
    ["lo", 200],
    ["wwan0", 12_345_679_000],
  ]);
});
