import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { native } from "../../src/io/native.ts";
import { ROOT } from "../helpers/child.ts";

/** The members of the interface in native/index.d.ts. */
function declared(text: string): { functions: string[]; properties: string[] } {
  const body = /export interface Native \{([\s\S]*?)\n\}/.exec(text)![1]!;
  const code = body.replace(/\/\*[\s\S]*?\*\//g, "");
  const names = (pattern: RegExp) => [...code.matchAll(pattern)].map((match) => match[1]!).sort();
  return { functions: names(/^ {2}(\w+)\(/gm), properties: names(/^ {2}readonly (\w+):/gm) };
}

const text = readFileSync(`${ROOT}native/index.d.ts`, "utf8");
const exported = Object.entries(native).sort(([a], [b]) => (a < b ? -1 : 1));

describe("native/index.d.ts", () => {
  it("lists exactly the functions of the addon", () => {
    const functions = exported.filter(([, value]) => typeof value === "function").map(([name]) => name);
    expect(functions.length).toBeGreaterThan(0);
    expect(declared(text).functions).toEqual(functions);
  });

  it("lists exactly its other members", () => {
    const others = exported.filter(([, value]) => typeof value !== "function").map(([name]) => name);
    expect(declared(text).properties).toEqual(others);
  });

  it("is read member by member, over lines and behind comments", () => {
    const example = `export interface Native {
  /** one(two) */
  readonly layout: Record<string, number>;
  first(bytes: number): number;
  second(
    third: (fourth: number) => void,
  ): number;
}`;
    expect(declared(example)).toEqual({ functions: ["first", "second"], properties: ["layout"] });
  });
});
