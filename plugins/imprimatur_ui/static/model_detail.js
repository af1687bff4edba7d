// One model: what is live, what stands in the way of the next push, its versions and their fate.

import { ActionButton } from "./action_dialog.js";
import { History } from "./history.js";
import {
  Badge, Box, Button, Code, DataTable, Digest, duration, Flex, h, Heading, HStack, moment, Notice, part, RunLink, size, Stack, Table, Text,
  useJson, useState, Waiting, windowText,
} from "./page.js";
import { Blessing, Findings, Overrides } from "./verdict.js";

const PAGE = 25;
const PALETTES = { live: "green", kept: "gray", withdrawn: "red", removed: "gray", aborted: "orange", damaged: "red" };
const HEADERS = ["Version", "Fate", "Data", "Pushed", "By run", "Size", "Digest", "Actions"];

export function ModelDetail({ name }) {
  const [offset, setOffset] = useState(0);
  const loaded = useJson(`imprimatur/models/${part(name)}?offset=${offset}&limit=${PAGE}`);
  if (loaded.data === null) return h(Waiting, { loaded, what: `the model ${name}` });
  const { model, page, actions } = loaded.data;
  const shared = { actions, model: name, done: loaded.reload };
  return h(
    Stack,
    { gap: 6 },
    h(Live, { model, page, shared }),
    h(Obstacles, { model, shared }),
    h(History, { name }),
    h(Versions, { page, shared, offset, setOffset }),
    h(Lint, { name }),
  );
}

function Live({ model, page, shared }) {
  const live = page.versions.find((entry) => entry.version === model.live_version);
  if (model.live_version === null && model.problems.length > 0) {
    const rest = `${shared.actions.rollback.dag_id} goes back all the same, from the version that the server names.`;
    return h(Notice, { status: "warning", title: "It can't be told what is live" }, `The reason is below. ${rest}`);
  }
  if (model.live_version === null) {
    return h(Notice, { status: "info", title: "Nothing is live" }, "The first blessed model will be.");
  }
  const facts = [
    ["Live version", model.live_version],
    ["Data", windowText(model.window)],
    ["Age of its data", duration(model.data_age_seconds)],
    ["Pushed", moment(model.pushed_at)],
    ["By run", h(RunLink, { run: model.run })],
    ["Digest", h(Digest, { digest: model.digest })],
  ];
  return h(
    Box,
    { as: "section", "aria-label": "Live version" },
    h(
      Flex,
      { as: "dl", wrap: "wrap", columnGap: 10, rowGap: 3, mb: 3 },
      facts.map(([term, value]) =>
        h(
          Box,
          { key: term },
          h(Text, { as: "dt", color: "fg.muted", fontSize: "sm" }, term),
          h(Text, { as: "dd", fontWeight: "medium" }, value),
        ),
      ),
    ),
    live && h(Overrides, { overrides: live.blessings.flatMap((blessing) => blessing.overrides ?? []) }),
    h(ActionButton, { action: "rollback", version: model.live_version, ...shared }),
  );
}

function Obstacles({ model, shared }) {
  const { hold, quarantine, problems } = model;
  return h(
    Box,
    null,
    problems.map((problem) => h(Notice, { key: problem, status: "error", title: "Something can't be read" }, problem)),
    hold &&
      h(
        Notice,
        { status: "warning", title: `On hold since ${moment(hold.at)}${hold.by ? ` by ${hold.by}` : ""}` },
        `${hold.reason} `,
        h(ActionButton, { action: "resume", ...shared }),
      ),
    quarantine.map((entry) =>
      h(
        Notice,
        { key: entry.version, status: "warning", title: `${entry.version} is in quarantine` },
        `${entry.reason} `,
        h(ActionButton, { action: "release", version: entry.version, ...shared }),
      ),
    ),
  );
}

function Versions({ page, shared, offset, setOffset }) {
  const [opened, setOpened] = useState(null);
  if (page.total === 0) return null;
  const last = Math.min(offset + page.versions.length, page.total);
  return h(
    Box,
    { as: "section", "aria-label": "Versions" },
    h(Heading, { as: "h3", size: "md", mb: 2 }, "Versions"),
    page.problems.map((problem) => h(Notice, { key: problem, status: "error", title: "Something can't be read" }, problem)),
    h(
      DataTable,
      { caption: "Versions and what became of them", headers: HEADERS },
      page.versions.flatMap((entry) => [
        h(VersionRow, {
          key: entry.version,
          entry,
          shared,
          isOpen: opened === entry.version,
          toggle: () => setOpened(opened === entry.version ? null : entry.version),
        }),
        opened === entry.version && h(VersionDetail, { key: `${entry.version} detail`, entry }),
      ]),
    ),
    h(
      HStack,
      { mt: 2, gap: 3 },
      h(Text, { fontSize: "sm", color: "fg.muted" }, `${offset + 1} to ${last} of ${page.total}`),
      h(Button, { size: "xs", variant: "outline", disabled: offset === 0, onClick: () => setOffset(Math.max(0, offset - PAGE)) }, "Newer"),
      h(Button, { size: "xs", variant: "outline", disabled: last >= page.total, onClick: () => setOffset(offset + PAGE) }, "Older"),
    ),
  );
}

function VersionRow({ entry, shared, isOpen, toggle }) {
  const hasOverrides = entry.blessings.some((blessing) => (blessing.overrides ?? []).length > 0);
  return h(
    Table.Row,
    null,
    h(
      Table.Cell,
      { whiteSpace: "nowrap" },
      h(
        Button,
        { size: "xs", variant: "ghost", onClick: toggle, "aria-expanded": isOpen, "aria-label": `Details of ${entry.version}` },
        isOpen ? "▾ " : "▸ ",
        entry.version,
      ),
    ),
    h(
      Table.Cell,
      null,
      h(
        HStack,
        { gap: 1, flexWrap: "wrap" },
        h(Badge, { colorPalette: PALETTES[entry.fate] }, entry.fate),
        entry.pin && h(Badge, { colorPalette: "blue", title: entry.pin.reason }, "pinned"),
        entry.foreign && h(Badge, { colorPalette: "purple" }, "foreign"),
        hasOverrides && h(Badge, { colorPalette: "orange" }, "override"),
      ),
    ),
    h(Table.Cell, { whiteSpace: "nowrap" }, windowText(entry.window)),
    h(Table.Cell, { whiteSpace: "nowrap" }, moment(entry.pushed_at)),
    h(Table.Cell, null, h(RunLink, { run: entry.run })),
    h(Table.Cell, { whiteSpace: "nowrap" }, size(entry.num_bytes)),
    h(Table.Cell, null, h(Digest, { digest: entry.digest })),
    h(
      Table.Cell,
      null,
      (entry.pin || entry.fate === "live" || entry.fate === "kept") &&
        h(ActionButton, { action: entry.pin ? "unpin" : "pin", version: entry.version, ...shared }),
    ),
  );
}

function VersionDetail({ entry }) {
  const { withdrawal } = entry;
  return h(
    Table.Row,
    null,
    h(
      Table.Cell,
      { colSpan: HEADERS.length },
      h(
        Box,
        { p: 3 },
        entry.problem && h(Notice, { status: "error", title: "It can't be read" }, entry.problem),
        entry.foreign && h(Text, null, "Something else pushed this version; nothing is recorded of it."),
        withdrawal &&
          h(
            Notice,
            { status: "warning", title: `Withdrawn ${moment(withdrawal.at)}${withdrawal.by ? ` by ${withdrawal.by}` : ""}: ${withdrawal.cause.replaceAll("_", " ")}` },
            withdrawal.reason,
          ),
        entry.pin && h(Text, { mb: 2 }, `Pinned ${moment(entry.pin.at)}: ${entry.pin.reason}`),
        entry.digest && h(Text, { mb: 3 }, "Served bytes ", h(Code, null, entry.digest)),
        entry.blessings.map((blessing, place) => h(Blessing, { key: place, blessing })),
      ),
    ),
  );
}

/** What will go wrong in the folder; on demand, since it reads every byte of every version. */
function Lint({ name }) {
  const [isAsked, setAsked] = useState(false);
  const loaded = useJson(isAsked ? `imprimatur/models/${part(name)}/lint` : null);
  const report = loaded.data;
  return h(
    Box,
    { as: "section", "aria-label": "Serving folder" },
    h(Heading, { as: "h3", size: "md", mb: 2 }, "Serving folder"),
    !isAsked && h(Button, { size: "sm", variant: "outline", onClick: () => setAsked(true) }, "Check every byte"),
    isAsked && report === null && h(Waiting, { loaded, what: "the check of the serving folder" }),
    report && report.findings.length === 0 && h(Notice, { status: "success", title: "Nothing is wrong with it" }),
    report && report.findings.length > 0 && h(Findings, { findings: report.findings, caption: "What is wrong with it" }),
  );
}
