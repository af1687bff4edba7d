// One metric of a model's evaluations by data window: candidates, what was live then, thresholds.

import { h, number, windowText } from "./page.js";

const WIDTH = 900;
const HEIGHT = 260;
const MARGIN = { top: 12, right: 48, bottom: 32, left: 64 };
const RADIUS = 4;
const color = (name) => `var(--chakra-colors-${name})`;
const LINE = color("blue-solid");
const MUTED = color("fg-muted");
const GRID = color("border");

/** Round numbers between two values, a few of them. */
export function ticks(low, high, count = 5) {
  const step = 10 ** Math.floor(Math.log10((high - low) / count));
  const factor = [1, 2, 5, 10].find((each) => (high - low) / (step * each) <= count) ?? 10;
  const wide = step * factor;
  const found = [];
  for (let value = Math.ceil(low / wide) * wide; value <= high + wide * 1e-9; value += wide) {
    found.push(Number(value.toPrecision(12)));
  }
  return found;
}

/** The values that the vertical axis has to hold, with some air. */
export function range(values) {
  const known = values.filter((value) => typeof value === "number");
  if (known.length === 0) return [0, 1];
  const low = Math.min(...known);
  const high = Math.max(...known);
  const air = high > low ? (high - low) * 0.08 : Math.abs(high) * 0.05 || 1;
  return [low - air, high + air];
}

export function HistoryChart({ evaluations, metric }) {
  const shown = evaluations.filter((each) => typeof each.metrics[metric] === "number");
  if (shown.length === 0) return null;
  const bounds = shown.map((each) => each.bounds[metric] ?? {});
  const [low, high] = range([
    ...shown.flatMap((each) => [each.metrics[metric], each.baseline_metrics[metric]]),
    ...bounds.flatMap((bound) => [bound.lower, bound.upper]),
  ]);
  const inner = WIDTH - MARGIN.left - MARGIN.right;
  const x = (place) => MARGIN.left + (shown.length === 1 ? inner / 2 : (place * inner) / (shown.length - 1));
  const y = (value) => HEIGHT - MARGIN.bottom - ((value - low) / (high - low)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const points = (values) => values.map((value, place) => [x(place), value]).filter(([, value]) => typeof value === "number");
  const line = (values) => points(values).map(([left, value]) => `${left},${y(value)}`).join(" ");
  // A threshold of a single evaluation is a line too.
  const level = (values) => {
    const [first] = points(values);
    return first && shown.length === 1 ? `${MARGIN.left},${y(first[1])} ${WIDTH - MARGIN.right},${y(first[1])}` : line(values);
  };
  return h(
    "svg",
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      width: "100%",
      role: "img",
      "aria-label": `${metric} of ${shown.length} candidates by data window; the table below has the numbers`,
      style: { maxWidth: "72rem", fontSize: "12px" },
    },
    h(Grid, { low, high, y }),
    h(Axis, { shown, x }),
    h("polyline", { points: level(bounds.map((bound) => bound.lower)), fill: "none", stroke: color("red-solid"), strokeDasharray: "6 4" }),
    h("polyline", { points: level(bounds.map((bound) => bound.upper)), fill: "none", stroke: color("red-solid"), strokeDasharray: "6 4" }),
    h("polyline", { points: line(shown.map((each) => each.baseline_metrics[metric])), fill: "none", stroke: MUTED, strokeWidth: 1.5, strokeDasharray: "2 3" }),
    h("polyline", { points: line(shown.map((each) => each.metrics[metric])), fill: "none", stroke: LINE, strokeWidth: 2 }),
    shown.map((each, place) => h(Point, { key: place, evaluation: each, metric, cx: x(place), cy: y(each.metrics[metric]) })),
  );
}

/** A filled circle is a blessed candidate, a cross one that wasn't. */
function Point({ evaluation, metric, cx, cy }) {
  const verdict = evaluation.blessed ? evaluation.fate ?? "blessed, not published" : `not blessed: ${evaluation.reasons[0] ?? ""}`;
  const title = h("title", null, `${windowText(evaluation.window)}: ${metric} ${number(evaluation.metrics[metric])}, ${verdict}`);
  if (evaluation.blessed) {
    const isLive = evaluation.fate === "live";
    return h("circle", { cx, cy, r: isLive ? RADIUS + 2 : RADIUS, fill: isLive ? color("green-solid") : LINE }, title);
  }
  const arm = RADIUS;
  return h(
    "g",
    { stroke: color("red-solid"), strokeWidth: 2.5 },
    h("path", { d: `M${cx - arm},${cy - arm}L${cx + arm},${cy + arm}M${cx - arm},${cy + arm}L${cx + arm},${cy - arm}` }, title),
    h("rect", { x: cx - 8, y: cy - 8, width: 16, height: 16, fill: "transparent", stroke: "none" }, title),
  );
}

function Grid({ low, high, y }) {
  return h(
    "g",
    null,
    ticks(low, high).map((value) =>
      h(
        "g",
        { key: value },
        h("line", { x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: y(value), y2: y(value), stroke: GRID }),
        h("text", { x: MARGIN.left - 8, y: y(value) + 4, textAnchor: "end", fill: MUTED }, number(value)),
      ),
    ),
  );
}

const MAX_LABELS = 8;

function Axis({ shown, x }) {
  const step = Math.ceil(shown.length / MAX_LABELS);
  return h(
    "g",
    { fill: MUTED },
    shown.map((each, place) =>
      place % step === 0 && each.window
        ? h("text", { key: place, x: x(place), y: HEIGHT - 10, textAnchor: "middle" }, each.window.end.slice(0, 10))
        : null,
    ),
  );
}
