import type { Results } from "../results.ts";
import type { Chart, Section, Table } from "./chart.ts";
import { renderChart } from "./render-chart.ts";

/** What one experiment shows. */
export interface Chapter {
  name: string;
  about: string;
  sections: readonly Section[];
  sources: readonly Results[];
}

/** One page that needs nothing else: styles and drawings are inside. */
export function renderPage(chapters: readonly Chapter[]): string {
  const contents = chapters.map(
    ({ name, about }) => `<li><a href="#${name}">${name}</a>: ${escaped(about)}</li>`,
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>mpip: ${escaped(chapters.map(({ name }) => name).join(", "))}</title>
<style>${STYLE}</style>
<h1>mpip, measured</h1>
${chapters.length > 1 ? `<ul class="contents">${contents.join("")}</ul>` : ""}
${chapters.map(chapterHtml).join("\n")}
</html>
`;
}

function chapterHtml({ name, about, sections, sources }: Chapter): string {
  return `<section id="${name}">
<h2>${escaped(name)}</h2>
<p class="about">${escaped(about)}</p>
${sections.map(sectionHtml).join("\n")}
<details><summary>How it was measured</summary>${sources.map(sourceHtml).join("")}</details>
</section>`;
}

function sectionHtml({ title, text, tables, charts }: Section): string {
  return `<h3>${escaped(title)}</h3>
${text.map((paragraph) => `<p>${escaped(paragraph)}</p>`).join("\n")}
${tables.map(tableHtml).join("\n")}
<div class="charts">${charts.map(chartHtml).join("\n")}</div>`;
}

function tableHtml({ head, rows }: Table): string {
  const cells = (row: readonly string[], tag: string) =>
    row.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join("");
  const body = rows.map((row) => `<tr>${cells(row, "td")}</tr>`).join("\n");
  return `<div class="scroll"><table><thead><tr>${cells(head, "th")}</tr></thead><tbody>${body}</tbody></table></div>`;
}

function chartHtml(chart: Chart): string {
  return `<figure>${renderChart(chart)}</figure>`;
}

function sourceHtml({ command, startedAt, machine, runs }: Results): string {
  const about = `${startedAt}, commit ${machine.commit}, ${machine.cpu}, Linux ${machine.kernel}, Node.js ${machine.node}`;
  return `<p><code>${escaped(command)}</code><br>${escaped(about)}; ${runs.length} runs</p>`;
}

function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 1500px; margin: 0 auto; padding: 1rem 1.5rem 4rem }
h1 { font-size: 1.6rem; margin: 0.5rem 0 }
h2 { font-size: 1.3rem; margin: 2.5rem 0 0; padding-top: 1rem; border-top: 2px solid #222 }
h3 { font-size: 1.05rem; margin: 1.8rem 0 0.4rem }
p { max-width: 80ch; margin: 0.4rem 0 }
.about { color: #555 }
.scroll { overflow-x: auto }
table { border-collapse: collapse; margin: 0.6rem 0; font-variant-numeric: tabular-nums; font-size: 13px }
th, td { padding: 2px 10px; text-align: right; border-bottom: 1px solid #e5e7eb; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
th { border-bottom: 1px solid #888; font-weight: 600 }
tbody tr:hover { background: #f5f7fa }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 560px), 1fr)); gap: 1rem }
figure { margin: 0.5rem 0; min-width: 0 }
figure svg { width: 100%; height: auto }
details { margin-top: 1rem; color: #555; font-size: 13px }
code { font-size: 12px }
`;
