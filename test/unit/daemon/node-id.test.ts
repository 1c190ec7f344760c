import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { storedNodeId } from "../../../src/daemon/node-id.ts";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "mpip-node-id-"));
});

afterEach(() => rmSync(directory, { recursive: true }));

it("a node ID is made up once", () => {
  const state = join(directory, "lib", "mpip");
  const id = storedNodeId(state);
  expect((id.high >> 8) & 3).toBe(2);
  expect(storedNodeId(state)).toEqual(id);
  expect(readdirSync(state)).toEqual(["node-id"]);
});

it("a file that holds none is not taken for one that is missing", () => {
  const path = join(directory, "node-id");
  writeFileSync(path, "");
  expect(() => storedNodeId(directory)).toThrow(
    `${path}: "" is no node ID; write twelve hexadecimal digits, like "02:00:00:00:00:01", or remove the file for a new one`,
  );
  rmSync(path);
  mkdirSync(path);
  expect(() => storedNodeId(directory)).toThrow(
    `cannot read ${path}: illegal operation on a directory (EISDIR); make it a readable file, or set node`,
  );
});
