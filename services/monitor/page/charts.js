// SPDX-License-Identifier: MIT
// Small charts of an hour, drawn by uPlot; colours come from the style sheet, times are WIB.
import { element, table } from "./dom.js";
import { clock, number } from "./format.js";
import { openPanel } from "./panel.js";
import { say } from "./words.js";

const { uPlot } = window;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
export const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);
export const font = () => `${Math.round(rem() * 0.6875)}px system-ui, sans-serif`;

// A value between two gaps would be no line: it is shown as a point.
function lonely(plot, index) {
  const values = plot.data[index];
  return values.map((value, at) => (value !== null && values[at - 1] == null && values[at + 1] == null ? at : -1)).filter((at) => at >= 0);
}

function line({ look, dash }) {
  return {
    stroke: () => colour(look), width: 1.5, dash,
    points: { size: 3, fill: () => colour(look), stroke: () => colour(look), filter: lonely },
  };
}

// As wide as its longest word.
const width = (plot, words) => rem() * (0.75 + 0.375 * Math.max(3, ...(words || []).map((word) => word.length)));

function axes(text) {
  const common = () => ({ stroke: () => colour("soft"), font: font(), ticks: { show: false }, gap: 4, grid: { stroke: () => colour("faint"), width: 1 } });
  return [
    { ...common(), size: rem() * 1.125, space: rem() * 4, grid: { show: false }, values: (plot, splits) => splits.map((at) => clock(at * 1000, false)) },
    { ...common(), size: width, space: rem() * 1.5, values: (plot, splits) => splits.map((value) => text(value)) },
  ];
}

const plots = [];

// Axes hold words of the language; they are made anew when it changes.
export function redrawCharts() {
  for (const made of plots) made.redraw(true, true);
}

export function plot(holder, options, data) {
  const size = () => ({ width: Math.max(40, holder.clientWidth), height: Math.max(24, holder.clientHeight) });
  const made = new uPlot({
    ...size(), legend: { show: false }, cursor: { show: false }, padding: [rem() / 2, rem(), 0, 0],
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Asia/Jakarta"), ...options }, data, holder);
  plots.push(made);
  new ResizeObserver(() => made.setSize(size())).observe(holder);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => made.redraw());
  return made;
}

// The hour's chart of some series, [{look, dash}], whose values are written by text; the axis reaches to least. Gives show(name, from, columns).
export function hourChart(holder, series, text, least = 0) {
  const made = plot(holder, { axes: axes(text), series: [{}, ...series.map(line)], scales: { y: { range: (u, low, high) => [0, Math.max(high * 1.1, least) || 1] } } },
    [[0], ...series.map(() => [null])]);
  holder.setAttribute("role", "img");
  return (name, from, columns) => {
    const seconds = columns[0].map((_, at) => Math.floor(from / 1000) + 60 * at);
    const most = Math.max(0, ...columns.flat().filter((value) => value !== null));
    holder.setAttribute("aria-label", say("lastHour", name, text(most)));
    made.setData([seconds, ...columns]);
  };
}

// The same numbers as a table, newest first.
export function openTable(title, from, heads, columns, text = number) {
  openPanel(() => [title(), table([say("minute"), ...heads()], columns[0].map((_, at) => [
    clock(from + 60000 * at, false), ...columns.map((values) => (values[at] === null || values[at] === undefined ? "–" : text(values[at])))]).reverse())]);
}

export const key = (look, mark, ...text) => element("p", { class: "key" }, element("span", { class: `mark ${look}`, "aria-hidden": "true" }, mark), ...text);
export { colour };
