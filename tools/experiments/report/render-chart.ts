import { BarChart, BoxplotChart, CustomChart, LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, MarkLineComponent, TitleComponent } from "echarts/components";
import { type EChartsCoreOption, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { median, percentile } from "../../lab/index.ts";
import type { BarsChart, BoxesChart, CdfChart, Chart, Grouped, LinesChart } from "./chart.ts";
import { coloursOf } from "./colours.ts";

use([
  SVGRenderer,
  LineChart,
  BarChart,
  BoxplotChart,
  CustomChart,
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  TitleComponent,
]);

const WIDTH = 720;
const HEIGHT = 300;
/** From so many categories on they stand below each other, to have room for their names. */
const MANY_CATEGORIES = 7;
const TEXT = "#444";
const FONT = "system-ui, sans-serif";

/** As the text of an SVG. */
export function renderChart(chart: Chart): string {
  const height = "categories" in chart && !isUpright(chart) ? horizontalHeight(chart) : HEIGHT;
  const drawing = init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
  try {
    drawing.setOption({
      animation: false,
      textStyle: { fontFamily: FONT, color: TEXT },
      title: { text: `${chart.title}, ${chart.unit}`, left: 0, top: 0, textStyle: TITLE },
      legend: LEGEND,
      ...optionsOf(chart),
    });
    return drawing.renderToSVGString();
  } finally {
    drawing.dispose();
  }
}

function optionsOf(chart: Chart): EChartsCoreOption {
  switch (chart.kind) {
    case "lines":
      return linesOptions(chart);
    case "cdf":
      return cdfOptions(chart);
    case "bars":
      return barsOptions(chart);
    case "boxes":
      return boxesOptions(chart);
  }
}

function linesOptions({ lines, marks = [], steps = false }: LinesChart): EChartsCoreOption {
  const colours = coloursOf(lines);
  const markLine = {
    symbol: "none",
    lineStyle: { color: "#888", type: "dashed" },
    label: { color: TEXT, formatter: "{b}" },
    data: marks.map(({ atS, what }) => ({ xAxis: atS, name: what })),
  };
  return {
    grid: { ...GRID, top: marks.length > 0 ? 72 : GRID.top, bottom: 28 },
    xAxis: { type: "value", name: "s", nameGap: 4, max: "dataMax", ...AXIS },
    yAxis: { type: "value", min: 0, ...VALUE_AXIS },
    series: lines.map(({ name, atS, values }, i) => ({
      name,
      type: "line",
      step: steps ? "end" : false,
      showSymbol: false,
      lineStyle: { width: 1.5 },
      color: colours[i]!,
      data: atS.map((at, j) => [rounded(at), rounded(values[j]!)]),
      ...(i === 0 && marks.length > 0 ? { markLine } : {}),
    })),
  };
}

function cdfOptions({ lines }: CdfChart): EChartsCoreOption {
  const colours = coloursOf(lines);
  return {
    grid: { ...GRID, bottom: 28 },
    xAxis: { type: "value", ...AXIS, scale: true },
    yAxis: { type: "value", min: 0, max: 1, ...VALUE_AXIS },
    series: lines.map(({ name, values }, i) => ({
      name,
      type: "line",
      showSymbol: false,
      lineStyle: { width: 1.5 },
      color: colours[i]!,
      data: distribution(values),
    })),
  };
}

/** As many points as can be seen. */
function distribution(values: readonly number[]): [number, number][] {
  const points = Math.min(200, values.length);
  if (points < 2) return values.map((value) => [rounded(value), 1]);
  return Array.from({ length: points }, (_, i) => {
    const share = i / (points - 1);
    return [rounded(percentile(values, 100 * share)), rounded(share)];
  });
}

function barsOptions(chart: BarsChart): EChartsCoreOption {
  const colours = coloursOf(chart.groups);
  const bars = chart.groups.map(({ name, values }, i) => ({
    name,
    type: "bar",
    color: colours[i]!,
    label: {
      show: chart.categories.length * chart.groups.length <= 30,
      position: isUpright(chart) ? "top" : "right",
      color: TEXT,
      fontSize: 10,
      formatter: ({ value }: { value: number }) => String(Number(value.toPrecision(3))),
    },
    data: values.map((some) => (some.length === 0 ? null : rounded(median(some)))),
  }));
  return { ...groupedAxes(chart), series: [...bars, rangesSeries(chart)] };
}

/** A thin line over each bar, from the smallest to the largest value. */
function rangesSeries(chart: BarsChart): object {
  const count = chart.groups.length;
  const data = chart.groups.flatMap(({ values }, group) =>
    values.flatMap((some, category) =>
      some.length < 2 ? [] : [[category, Math.min(...some), Math.max(...some), group]],
    ),
  );
  const upright = isUpright(chart);
  return {
    name: "range",
    type: "custom",
    z: 10,
    data,
    encode: upright ? { x: 0, y: [1, 2] } : { y: 0, x: [1, 2] },
    renderItem: (_: unknown, api: CustomApi) => {
      const bar = api.barLayout({ barGap: "30%", barCategoryGap: "20%", count })[api.value(3)]!;
      const [from, to] = [1, 2].map((dimension) =>
        upright
          ? api.coord([api.value(0), api.value(dimension)])
          : api.coord([api.value(dimension), api.value(0)]),
      );
      const shape = upright
        ? { x1: from![0]! + bar.offsetCenter, y1: from![1], x2: to![0]! + bar.offsetCenter, y2: to![1] }
        : { x1: from![0], y1: from![1]! + bar.offsetCenter, x2: to![0], y2: to![1]! + bar.offsetCenter };
      return { type: "line", shape, style: { stroke: "#222", lineWidth: 1 } };
    },
  };
}

interface CustomApi {
  value(dimension: number): number;
  coord(values: readonly number[]): number[];
  barLayout(options: object): { offsetCenter: number }[];
}

function boxesOptions(chart: BoxesChart): EChartsCoreOption {
  const quartiles = [0, 25, 50, 75, 100];
  const colours = coloursOf(chart.groups);
  return {
    ...groupedAxes(chart),
    series: chart.groups.map(({ name, values }, i) => ({
      name,
      type: "boxplot",
      color: colours[i]!,
      itemStyle: { borderColor: colours[i]!, color: `${colours[i]!}33` },
      data: values.map((some) =>
        some.length === 0 ? [] : quartiles.map((percent) => rounded(percentile(some, percent))),
      ),
    })),
  };
}

function groupedAxes(chart: BarsChart | BoxesChart): EChartsCoreOption {
  const values = {
    type: chart.logarithmic ? "log" : "value",
    ...(chart.logarithmic ? {} : { min: 0 }),
  };
  const categories = { type: "category", data: chart.categories, axisTick: { show: false } };
  const legend = {
    ...LEGEND,
    data: chart.groups.map(({ name }) => name),
  };
  if (isUpright(chart)) {
    return {
      legend,
      grid: { ...GRID, bottom: 28 },
      xAxis: { ...categories, axisLabel: { interval: 0 } },
      yAxis: { ...values, ...VALUE_AXIS },
    };
  }
  return {
    legend,
    grid: { ...GRID, left: 190, right: 48, bottom: 28 },
    xAxis: { ...values, splitLine: VALUE_AXIS.splitLine },
    yAxis: { ...categories, inverse: true },
  };
}

function isUpright(chart: Chart): boolean {
  return !("categories" in chart) || chart.categories.length < MANY_CATEGORIES;
}

function horizontalHeight({ categories, groups }: Grouped): number {
  return 90 + categories.length * (12 + 9 * groups.length);
}

const GRID = { left: 44, right: 28, top: 56 };
const TITLE = { fontSize: 13, fontWeight: 600, color: "#222" };
const LEGEND = { top: 22, left: 0, itemWidth: 16, itemHeight: 8, itemGap: 20, icon: "roundRect" };
const AXIS = { nameTextStyle: { color: TEXT }, splitLine: { show: false } };
const VALUE_AXIS = {
  splitLine: { lineStyle: { color: "#e5e7eb" } },
};

/** Short in the file, and as exact as the eye. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
