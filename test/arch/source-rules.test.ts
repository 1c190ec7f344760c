import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../helpers/child.ts";
import { deadFiles, importsOf, type Sources, violations } from "./source-rules.ts";

function readSources(): Sources {
  const paths = ["src", "tools", "test"].flatMap((top) =>
    readdirSync(join(ROOT, top), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => `${top}/${name}`),
  );
  return new Map(paths.map((path) => [path, readFileSync(join(ROOT, path), "utf8")]));
}

describe("the sources", () => {
  const sources = readSources();

  it("keep the rules of source-rules.ts", () => {
    expect(sources.size).toBeGreaterThan(20);
    expect(violations(sources)).toEqual([]);
  });

  it("are all in use: a tool or an entry point leads to each file of src", () => {
    expect(deadFiles(sources)).toEqual([]);
  });
});

/** What is wrong with some files beside a tool that imports them all. */
function wrongWith(files: Record<string, string>): string[] {
  const paths = Object.keys(files).filter((path) => path.startsWith("src/"));
  const tool = paths.map((path) => `import "../${path}";`).join("\n");
  const sources = new Map([...Object.entries(files), ["tools/tool.ts", tool]]);
  return [...violations(sources), ...deadFiles(sources)];
}

describe("the rules", () => {
  it("find nothing in files that keep them", () => {
    const files = {
      "src/core/base/a.ts": "/** Not a Date, no process. */\nexport const a = 'setTimeout'; // console\n",
      "src/core/wire/b.ts": `import { a } from "../base/a.ts";\nexport const b = \`\${a} Math.random\`;`,
      "src/io/c.ts": 'import { once } from "node:events";\nimport { b } from "../core/wire/b.ts";',
      "src/io/native.ts": 'import { native } from "#native";',
      "test/d.ts": 'import "../src/io/c.ts";\nimport "../tools/tool.ts";',
    };
    expect(wrongWith(files)).toEqual([]);
  });

  it.each([
    ["node's modules", 'import { now } from "node:perf_hooks";', "node:perf_hooks"],
    ["packages", 'import pino from "pino";', "pino"],
    ["the addon", 'export { native } from "#native";', "#native"],
    ["the shell", 'import type { Port } from "../../io/port.ts";', "src/io/port.ts"],
    ["tools, on demand", 'const tool = await import("../../../tools/tool.ts");', "tools/tool.ts"],
    ["a folder behind its own", 'import { t } from "../tables/t.ts";', "src/core/tables/t.ts"],
    [
      "a folder behind its own, over lines",
      'import {\n  t,\n} from "../tables/t.ts";',
      "src/core/tables/t.ts",
    ],
  ])("find that the core imports %s", (_, text, imported) => {
    const others = { "src/io/port.ts": "", "src/core/tables/t.ts": "" };
    expect(wrongWith({ "src/core/wire/bad.ts": text, ...others })).toEqual([
      `src/core/wire/bad.ts: must not import ${imported}`,
    ]);
  });

  it.each([
    "Date.now()",
    "new Date()",
    "performance.now()",
    "process.hrtime()",
    "setTimeout(() => {}, 1)",
    "setInterval(a)",
    "setImmediate(a)",
    "queueMicrotask(a)",
    "console.log(1)",
    "globalThis.x",
    "Buffer.from(a)",
    'require("x")',
    "Math.random()",
    `\`\${Date.now()}\``,
    '"" + performance.now() // "',
  ])("find that the core uses %s", (code) => {
    const found = wrongWith({ "src/core/base/bad.ts": `export const a = ${code};` });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/^src\/core\/base\/bad\.ts: uses /);
  });

  it("do not take a member or a longer word for such a name", () => {
    const code = "this.process(updateDate, record.console, { process: 1 }, requireRoom, Math.max(1));";
    expect(wrongWith({ "src/core/base/good.ts": code })).toEqual([]);
  });

  it("find a folder of the core that has no place in the order", () => {
    expect(wrongWith({ "src/core/misc/bad.ts": 'import "../base/a.ts";', "src/core/base/a.ts": "" })).toEqual(
      ["src/core/misc/bad.ts: is in a folder that has no place in the order of the core (misc)"],
    );
  });

  it("find what imports in the wrong direction outside of the core", () => {
    const files = {
      "src/io/bad.ts": 'import "../daemon/main.ts";\nimport "../../test/helpers/x.ts";',
      "src/daemon/main.ts": 'import "#native";',
      "tools/bad.ts": 'import "#native";\nimport "../test/helpers/x.ts";',
      "test/helpers/x.ts": "",
    };
    expect(wrongWith(files)).toEqual([
      "src/io/bad.ts: must not import src/daemon/main.ts",
      "src/io/bad.ts: must not import test/helpers/x.ts",
      "src/daemon/main.ts: must not import #native",
      "tools/bad.ts: must not import #native",
    ]);
  });

  it("find files that are too long, that nothing leads to, or that are not there", () => {
    const files = new Map([
      ["src/io/long.ts", "\n".repeat(600).concat("x")],
      ["src/io/one.ts", 'import "./other.ts";'],
      ["src/io/other.ts", 'import "./one.ts";'],
      ["tools/tool.ts", 'import "../src/io/long.ts";\nimport "../src/io/gone.ts";'],
      ["test/x.ts", 'import "../src/io/one.ts";'],
    ]);
    expect(violations(files)).toEqual([
      "tools/tool.ts: imports src/io/gone.ts, which does not exist",
      "src/io/long.ts: has more than 600 lines",
    ]);
    expect(deadFiles(files)).toEqual(["src/io/one.ts", "src/io/other.ts"]);
  });

  it("see imports in all their forms, and none in comments", () => {
    const text = `
      import { a } from "./a.ts";
      import type { B } from "../b.ts";
      import "node:fs";
      export * from "./c.ts";
      const d = await import("./d.ts");
      // import "./e.ts";
      /* from "./f.ts" */
      const url = "http://x"; import "./g.ts";
      const text = 'from "./h.ts"';
    `;
    expect(importsOf("src/io/x.ts", text)).toEqual([
      "src/io/a.ts",
      "src/b.ts",
      "node:fs",
      "src/io/c.ts",
      "src/io/d.ts",
      "src/io/g.ts",
    ]);
  });
});
