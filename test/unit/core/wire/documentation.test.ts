import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import * as block from "../../../../src/core/wire/control-block.ts";
import * as body from "../../../../src/core/wire/control-body.ts";

const text = (path: string) =>
  readFileSync(fileURLToPath(new URL(`../../../../${path}`, import.meta.url)), "utf8");
const wire = text("docs/wire.md");
const dissector = text("tools/dissector/mpip.lua");

/** Constants whose names begin so, without that and without limits. */
function constants(module: Record<string, unknown>, prefix: string): [name: string, value: number][] {
  return Object.entries(module).flatMap(([name, value]): [string, number][] => {
    const rest = name.slice(prefix.length);
    const isOne = name.startsWith(prefix) && !["MASK", "COUNT", "HEAD_BYTES"].includes(rest);
    return isOne && typeof value === "number" ? [[rest, value]] : [];
  });
}

/** The first two cells of the tables' rows that begin with a number. */
const rows = [...wire.matchAll(/^\| (\d+)(?: \(0x(?:[0-9a-f]+)\))? \| ([A-Z_0-9]+) \|/gm)].map(
  ([, number, name]) => [name, Number(number)],
);

describe("docs/wire.md", () => {
  it.each(constants(block, "KIND_"))("has the kind %s with its number %d", (name, value) => {
    expect(rows).toContainEqual([name, value]);
  });

  it.each(constants(body, "FIELD_"))("has the field %s with its number %d", (name, value) => {
    expect(rows).toContainEqual([name, value]);
  });

  it.each(constants(block, "FLAG_"))("has the flag %s with its bit", (name, value) => {
    expect(wire).toContain(`(0x${value.toString(16)}) | ${name} |`);
  });

  // The node ID is one field there, and two numbers here.
  const fields = constants(block, "BLOCK_").filter(([name]) => name !== "NODE_LOW");
  it.each(fields)("has an offset for %s: %d", (_, value) => {
    expect(wire).toMatch(new RegExp(`^\\| ${value} \\| \\d \\| `, "m"));
  });
});

describe("the dissector", () => {
  const entries = (table: string) => {
    const [, content] = new RegExp(`local ${table} = \\{\\n([^}]*)\\n\\}`).exec(dissector)!;
    return [...content!.matchAll(/\[(\d+)\]/g)].map(([, number]) => Number(number)).sort((a, b) => a - b);
  };
  const values = (module: Record<string, unknown>, prefix: string) =>
    constants(module, prefix)
      .map(([, value]) => value)
      .sort((a, b) => a - b);

  it("names every kind, field and refusal", () => {
    expect(entries("KINDS")).toEqual(values(block, "KIND_"));
    expect(entries("TYPES")).toEqual(values(body, "FIELD_"));
    expect(entries("REFUSALS")).toEqual(values(body, "REFUSAL_"));
  });
});
