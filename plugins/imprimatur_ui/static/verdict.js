// Blessings and refusals: what was checked, what was seen, and what a person let pass.

import { Badge, Box, DataTable, Digest, h, Heading, HStack, Link, moment, number, part, Stack, Table, Text } from "./page.js";

const KINDS = { data: "Data", evaluation: "Evaluation", infra: "Infra validation", approval: "Approval" };

export function sliceText(slice) {
  const keys = Object.keys(slice ?? {}).sort();
  return keys.length === 0 ? "overall" : keys.map((key) => `${key} = ${slice[key]}`).join(", ");
}

function boundText(bound) {
  if (!bound) return "–";
  const parts = [];
  if (bound.lower !== null && bound.lower !== undefined) parts.push(`≥ ${number(bound.lower)}`);
  if (bound.upper !== null && bound.upper !== undefined) parts.push(`≤ ${number(bound.upper)}`);
  return parts.join(" and ") || "–";
}

function intervalText(interval) {
  if (!interval) return "";
  return ` (${number(interval.lower)} to ${number(interval.upper)})`;
}

/** The address of a blessing's report in the plugin, or null. */
export function reportAddress(blessing) {
  const { run, report_uri: uri } = blessing;
  if (!run || !uri) return null;
  const names = uri.split("/").filter(Boolean);
  const last = names.at(-1);
  const attempt = last.includes(".") ? names.at(-2) : last;
  const parts = [run.dag_id, run.run_id, run.task_id, String(run.map_index ?? -1), attempt];
  return new URL(`imprimatur/reports/${parts.map(part).join("/")}`, document.baseURI).pathname;
}

export function Findings({ findings, caption }) {
  if (findings.length === 0) return h(Text, { color: "fg.muted" }, "No findings were recorded.");
  const ordered = [...findings].sort((one, other) => Number(one.passed) - Number(other.passed));
  return h(
    DataTable,
    { caption, headers: ["Result", "Check", "Metric", "Slice", "Seen", "Live", "Bound", "Reason"] },
    ordered.map((finding, place) =>
      h(
        Table.Row,
        { key: place },
        h(
          Table.Cell,
          null,
          h(Badge, { colorPalette: finding.passed ? "green" : "red" }, finding.passed ? "passed" : "failed"),
        ),
        h(Table.Cell, null, finding.check),
        h(Table.Cell, null, finding.metric ?? "–"),
        h(Table.Cell, null, finding.metric ? sliceText(finding.slice) : "–"),
        h(Table.Cell, null, number(finding.observed) + intervalText(finding.interval)),
        h(Table.Cell, null, number(finding.baseline)),
        h(Table.Cell, { whiteSpace: "nowrap" }, boundText(finding.bound)),
        h(Table.Cell, { minW: "20rem" }, finding.message),
      ),
    ),
  );
}

export function Blessing({ blessing }) {
  const report = reportAddress(blessing);
  const name = KINDS[blessing.kind] ?? blessing.kind;
  return h(
    Box,
    { as: "section", mb: 6, "aria-label": name },
    h(
      HStack,
      { mb: 2, flexWrap: "wrap", gap: 3 },
      h(Heading, { as: "h4", size: "sm" }, name),
      h(Badge, { colorPalette: blessing.blessed ? "green" : "red" }, blessing.blessed ? "blessed" : "not blessed"),
      h(Text, { color: "fg.muted", fontSize: "sm" }, `for ${blessing.subject.type} `, h(Digest, { digest: blessing.subject.digest })),
      h(Text, { color: "fg.muted", fontSize: "sm" }, moment(blessing.issued_at)),
      report && h(Link, { variant: "underline", href: report, target: "_blank", rel: "noopener" }, "Report"),
    ),
    h(Overrides, { overrides: blessing.overrides }),
    h(Findings, { findings: blessing.findings, caption: `Findings of ${name}` }),
  );
}

/** What a person let pass, and why: visible ever after. */
export function Overrides({ overrides }) {
  if (!overrides || overrides.length === 0) return null;
  return h(
    Stack,
    { as: "ul", mb: 2, ps: 5, listStyleType: "disc" },
    overrides.map((override, place) =>
      h(
        Box,
        { as: "li", key: place },
        h(Badge, { colorPalette: "orange", me: 2 }, "override"),
        `${override.by} let ${override.metric ?? override.check} (${sliceText(override.slice)}) pass: ${override.reason}`,
      ),
    ),
  );
}
