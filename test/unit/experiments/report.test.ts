import { describe, expect, it } from "vitest";
import type { Run } from "../../../tools/experiments/experiment.ts";
import { figureTable } from "../../../tools/experiments/figure-report.ts";
import type { Chart } from "../../../tools/experiments/report/chart.ts";
import { renderPage } from "../../../tools/experiments/report/page.ts";
import { renderChart } from "../../../tools/experiments/report/render-chart.ts";
import { textTable } from "../../../tools/experiments/text-table.ts";
import { goodputTable } from "../../../tools/experiments/transfer-report.ts";
import { merged } from "../../../tools/experiments/ways.ts";

function run(way: string, figures: Record<string, number>, repeat = 1): Run {
  return { experiment: "matrix", condition: "two", way, congestion: "cubic", repeat, figures };
}

describe("tables of runs", () => {
  it("compare a bond with the sum of the lines, with MPTCP and with the best line", () => {
    const runs = [
      run("link 1", { "Mbit/s": 40 }),
      run("link 2", { "Mbit/s": 20 }),
      run("MPTCP", { "Mbit/s": 50 }),
      run("mpip", { "Mbit/s": 52 }),
      run("mpip", { "Mbit/s": 56 }, 2),
      run("mpip", { "Mbit/s": 54 }, 3),
    ];
    const { head, rows } = goodputTable(runs);
    const cell = (name: string) => rows[0]![head.indexOf(name)];
    expect(cell("mpip")).toBe("54.0 (52.0 … 56.0)");
    expect(["sum", "MPTCP", "best"].map((to) => cell(`mpip / ${to}`))).toEqual(["0.90", "1.08", "1.35"]);
  });

  it("say that something never happened", () => {
    const runs = [run("a", { ms: 5 }), run("a", {}), run("b", {})];
    expect(figureTable(runs, "ms").rows).toEqual([["two", "never in 1 of 2, else 5.00", "never in 1 of 1"]]);
  });

  it("stand in columns", () => {
    expect(textTable(["name", "x"], [["a", "100"]])).toBe("name    x\n----  ---\na     100\n");
  });
});

describe("drawings", () => {
  it.each<Chart>([
    { kind: "lines", title: "T", unit: "U", lines: [{ name: "mpip", atS: [0, 1], values: [1, 2] }] },
    { kind: "cdf", title: "T", unit: "U", lines: [{ name: "mpip", values: [3, 1, 2] }] },
    {
      kind: "bars",
      title: "T",
      unit: "U",
      categories: ["c"],
      groups: [{ name: "mpip", values: [[1, 2, 3]] }],
    },
    {
      kind: "boxes",
      title: "T",
      unit: "U",
      categories: ["c"],
      groups: [{ name: "mpip", values: [[1, 2, 3]] }],
    },
  ])("of $kind show the title, the unit and the names", (chart) => {
    const svg = renderChart(chart);
    expect(svg).toMatch(/^<svg /);
    for (const text of ["T, U", "mpip"]) expect(svg).toContain(`>${text}</text>`);
    expect(svg).not.toMatch(/NaN|undefined/);
  });
});

describe("a page", () => {
  it("escapes what it shows", () => {
    const section = {
      title: "<b>",
      text: ["a & b"],
      tables: [{ head: ["<h>"], rows: [["<c>"]] }],
      charts: [],
    };
    const page = renderPage([{ name: "n", about: '"', sections: [section], sources: [] }]);
    for (const text of ["&lt;b&gt;", "a &amp; b", "&lt;h&gt;", "&lt;c&gt;", "&quot;"])
      expect(page).toContain(text);
    expect(page).not.toMatch(/<b>|<c>/);
  });
});

describe("a patch of the configuration", () => {
  it("goes into maps, and replaces everything else", () => {
    const config = { tun: { mtu: 1400, name: "a" }, rules: [1, 2], log: "info" };
    expect(merged(config, { tun: { mtu: 1300 }, rules: [3] })).toEqual({
      ...config,
      tun: { mtu: 1300, name: "a" },
      rules: [3],
    });
    expect(config.tun.mtu).toBe(1400);
  });
});
