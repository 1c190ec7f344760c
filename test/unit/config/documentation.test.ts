import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { parseConfig } from "../../../src/config/parse.ts";
import { configSchema } from "../../../src/config/schema.ts";

const text = readFileSync(new URL("../../../docs/configuration.md", import.meta.url), "utf8");

/** Key and example of each row of the tables. */
const documented = [...text.matchAll(/^\| `([^`]+)` \|[^|]*\| `([^`]+)` \|/gm)].map(([, key, example]) => ({
  key: key!,
  example: example!,
}));

/** All keys that a schema has, as the documentation writes them. */
function keysOf(schema: unknown, path: string): string[] {
  const { def } = (schema as { _zod: { def: Record<string, unknown> & { type: string } } })._zod;
  if (def.type === "object") {
    return Object.entries(def.shape as Record<string, unknown>).flatMap(([key, inner]) =>
      keysOf(inner, path === "" ? key : `${path}.${key}`),
    );
  }
  if (def.type === "array") {
    const inner = keysOf(def.element, `${path}[]`);
    return inner.length === 1 && inner[0] === `${path}[]` ? [path] : inner;
  }
  if (def.type === "pipe") {
    const isPreprocess = (def.in as { _zod: { def: { type: string } } })._zod.def.type === "transform";
    return keysOf(isPreprocess ? def.out : def.in, path);
  }
  return def.innerType === undefined ? [path] : keysOf(def.innerType, path);
}

it("names every key, and no other", () => {
  expect(documented.map(({ key }) => key).sort()).toEqual(keysOf(configSchema, "").sort());
});

it.each(documented)("has a sound example for $key", ({ key, example }) => {
  const value: unknown = parse(example);
  const peer = { name: "x", endpoints: "192.0.2.1", routes: "10.77.0.9" };
  const rules = [
    { priority: "throughput" },
    {},
    ...["selected-paths", "single-path", "protected-path"].map((mode) => ({ mode })),
  ];
  const bases = key.startsWith("rules[]") ? rules : [{}];
  const files = bases.map((base) => {
    const file: Record<string, unknown> = { tun: { address: "10.77.0.1/24" } };
    const [section, name, inner] = key.split(/\[?\]?\./);
    if (section === "algorithm1") file.scheduler = "paper";
    const line = { name: "eth0", quota: { bytes: "1 GB" } };
    if (name === undefined) file[key] = value;
    else if (inner !== undefined) file.interfaces = [{ ...line, quota: { ...line.quota, [inner]: value } }];
    else if (section === "interfaces") file.interfaces = [{ ...line, [name]: value }];
    else if (section === "peers") file.peers = [{ ...peer, [name]: value }];
    else if (section === "rules") file.rules = [{ ...base, [name]: value }];
    else file[section!] = { ...(file[section!] as object), [name]: value };
    return stringify(file);
  });
  const isSound = (file: string) => {
    try {
      parseConfig(file, "example");
      return true;
    } catch {
      return false;
    }
  };
  expect(files.some(isSound)).toBe(true);
});

it("has sound examples in full", () => {
  const blocks = [...text.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, block]) => block!);
  expect(blocks).toHaveLength(7);
  for (const block of blocks) {
    const isWhole = block.includes("tun:") || block.includes("realAddresses:");
    expect(() =>
      parseConfig(isWhole ? block : `tun: { address: 10.77.0.1/24 }\n${block}`, "doc"),
    ).not.toThrow();
  }
});
