import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { makeDirectory, writeWhole } from "../../../src/host/files.ts";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "mpip-files-"));
});

afterEach(() => rmSync(directory, { recursive: true }));

it("directories are made with those above them, or refused where nobody may make any", () => {
  makeDirectory(join(directory, "a", "b"), 0o700);
  makeDirectory(join(directory, "a", "b"), 0o700);
  expect(statSync(join(directory, "a")).mode & 0o777).toBe(0o700);
  expect(() => makeDirectory("/proc/mpip/run")).toThrow(
    "cannot make the directory /proc/mpip: no such file or directory (ENOENT); choose another one",
  );
  const file = join(directory, "file");
  writeFileSync(file, "");
  expect(() => makeDirectory(file)).toThrow(`cannot make the directory ${file}: file already exists`);
});

it("a file is written as a whole, or stays as it was, with nothing left beside it", () => {
  const path = join(directory, "file");
  writeWhole(path, "old", { mode: 0o600 });
  writeWhole(path, "new");
  expect(readFileSync(path, "utf8")).toBe("new");
  symlinkSync("/dev/full", `${path}.new`);
  expect(() => writeWhole(path, "lost")).toThrow(
    `cannot write ${path}: no space left on device (ENOSPC); make room for it, or choose another directory`,
  );
  expect(readdirSync(directory)).toEqual(["file"]);
  expect(readFileSync(path, "utf8")).toBe("new");
});
