import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runActions } from "../../../src/host/run.ts";

const write = (key: string) => runActions([{ kind: "sysctl", key, value: "0" }]);

it("says that the kernel has no such setting, but not of a device that has gone", async () => {
  expect(await write("net/ipv4/conf/gone0/rp_filter")).toEqual([]);
  expect(await write("net/ipv4/conf/all/no_such_setting")).toMatchObject([
    { reason: expect.stringMatching(/^sysctl net\.ipv4\.conf\.all\.no_such_setting: ENOENT/) },
  ]);
});

describe("a file with a text of ours", () => {
  const ours = (tun: string) => `# By mpip for ${tun}; more\nnameserver 10.77.0.2\n`;
  let directory: string;
  let path: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "mpip-run-"));
    path = join(directory, "resolv.conf");
  });

  afterEach(() => rmSync(directory, { recursive: true }));

  const set = (kind: "file" | "restore", tun = "mpip0") => runActions([{ kind, path, text: ours(tun) }]);

  it("says again what it said, byte by byte, whatever there was in between", async () => {
    const original = Buffer.from([0x23, 0xe4, 0xff, 0x0a, 0x61]);
    writeFileSync(path, original);
    // The second time it is there already, as after a power cut.
    for (const tun of ["mpip0", "mpip0", "mpip1"]) {
      expect(await set("file", tun)).toEqual([]);
      expect(readFileSync(path, "latin1").startsWith(`${ours(tun)}# What stood here:\n#| `)).toBe(true);
    }
    // Another daemon's is left to that.
    await set("restore", "mpip0");
    expect(readFileSync(path, "latin1").startsWith(ours("mpip1"))).toBe(true);
    expect(await set("restore", "mpip1")).toEqual([]);
    expect(readFileSync(path)).toEqual(original);
  });

  it("is left alone once somebody has changed it", async () => {
    writeFileSync(path, "nameserver 192.0.2.53\n");
    await set("file");
    writeFileSync(path, "nameserver 192.0.2.1\n", { flag: "a" });
    const changed = readFileSync(path, "utf8");
    expect(await set("restore")).toEqual([]);
    expect(readFileSync(path, "utf8")).toBe(changed);
  });

  it("goes where there was none, and a link to it does not", async () => {
    symlinkSync("run/resolv.conf", path);
    expect(await set("file")).toMatchObject([{ reason: expect.stringMatching(/resolv\.conf: ENOENT/) }]);
    rmSync(path);
    symlinkSync("target", path);
    expect(await set("file")).toEqual([]);
    expect(readFileSync(join(directory, "target"), "utf8")).toBe(ours("mpip0"));
    expect(await set("restore")).toEqual([]);
    expect(lstatSync(path).isSymbolicLink()).toBe(true);
    expect(readdirSync(directory)).toEqual(["resolv.conf"]);
    expect(await set("restore")).toEqual([]);
  });

  it("cannot be had where something else is", async () => {
    path = directory;
    expect(await set("file")).toMatchObject([{ reason: expect.stringMatching(/: EISDIR/) }]);
  });
});
