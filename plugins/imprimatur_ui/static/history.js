// What the runs of a model found: one metric by data window, as a picture and as a table.

import { HistoryChart } from "./history_chart.js";
import {
  Badge, Box, DataTable, h, Heading, HStack, Link, NativeSelect, Notice, number, part, runAddress, Table, Text, useJson, useState, Waiting,
  windowText,
} from "./page.js";

const HEADERS = ["Data", "Metric", "Live then", "Threshold", "Verdict", "Version", "Run", "Why not"];
const ROWS = 12;

export function History({ name }) {
  const loaded = useJson(`imprimatur/models/${part(name)}/history`);
  const [chosen, setChosen] = useState(null);
  if (loaded.data === null) return h(Waiting, { loaded, what: "the metrics of earlier runs" });
  const { evaluations, metrics, problems, is_allowed: isAllowed } = loaded.data;
  if (!isAllowed) return h(Text, { color: "fg.muted" }, "You may not see what this model's runs measured.");
  const metric = chosen ?? preferred(evaluations, metrics);
  return h(
    Box,
    { as: "section", "aria-label": "Metrics by data window" },
    h(
      HStack,
      { mb: 2, gap: 4 },
      h(Heading, { as: "h3", size: "md" }, "Metrics by data window"),
      metric && h(Chooser, { metric, metrics, setChosen }),
    ),
    problems.map((problem) => h(Notice, { key: problem, status: "error", title: "Something can't be read" }, problem)),
    !metric && h(Text, { color: "fg.muted" }, "No run has been evaluated yet."),
    metric && h(HistoryChart, { evaluations, metric }),
    metric && h(Legend),
    metric && h(Evaluations, { evaluations, metric }),
  );
}

/** The metric that is shown first: one that a threshold asks for. */
function preferred(evaluations, metrics) {
  const bound = metrics.find((name) => evaluations.some((each) => each.bounds[name]));
  return bound ?? metrics[0] ?? null;
}

function Chooser({ metric, metrics, setChosen }) {
  return h(
    NativeSelect.Root,
    { size: "sm", width: "18rem" },
    h(
      NativeSelect.Field,
      { value: metric, "aria-label": "Metric", onChange: (event) => setChosen(event.target.value) },
      metrics.map((name) => h("option", { key: name, value: name }, name)),
    ),
    h(NativeSelect.Indicator),
  );
}

function Legend() {
  return h(
    Text,
    { fontSize: "sm", color: "fg.muted", mb: 2 },
    "Line: candidates. Large green circle: live. Cross: not blessed. Dotted: what was live then. Dashed red: threshold.",
  );
}

function Evaluations({ evaluations, metric }) {
  const [isWhole, setWhole] = useState(false);
  const newest = [...evaluations].reverse();
  const rows = isWhole ? newest : newest.slice(0, ROWS);
  return h(
    Box,
    null,
    h(
      DataTable,
      { caption: `${metric} by data window, newest first`, headers: HEADERS.map((header) => (header === "Metric" ? metric : header)) },
      rows.map((each, place) => h(Row, { key: place, evaluation: each, metric })),
    ),
    newest.length > ROWS &&
      h(
        Link,
        { as: "button", mt: 2, variant: "underline", onClick: () => setWhole(!isWhole) },
        isWhole ? "Show the newest only" : `Show all ${newest.length}`,
      ),
  );
}

function Row({ evaluation, metric }) {
  const { blessed, bounds, fate, reasons, run_id: runId, dag_id: dagId, version, window } = evaluation;
  const bound = bounds[metric] ?? {};
  const isBound = (value) => value !== null && value !== undefined;
  const threshold = [isBound(bound.lower) && `≥ ${number(bound.lower)}`, isBound(bound.upper) && `≤ ${number(bound.upper)}`];
  return h(
    Table.Row,
    null,
    h(Table.Cell, { whiteSpace: "nowrap" }, windowText(window)),
    h(Table.Cell, null, number(evaluation.metrics[metric])),
    h(Table.Cell, null, number(evaluation.baseline_metrics[metric])),
    h(Table.Cell, { whiteSpace: "nowrap" }, threshold.filter(Boolean).join(", ") || "–"),
    h(Table.Cell, null, h(Badge, { colorPalette: blessed ? "green" : "red" }, blessed ? "blessed" : "not blessed")),
    h(Table.Cell, { whiteSpace: "nowrap" }, version ? `${version} (${fate})` : "–"),
    h(Table.Cell, null, h(Link, { href: runAddress(dagId, runId), variant: "underline" }, runId)),
    h(Table.Cell, { minW: "16rem" }, reasons.slice(0, 3).join(" ") || "–"),
  );
}
