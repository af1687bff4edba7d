// The view in the navigation: all models, and the one that was chosen.

import { ModelDetail } from "./model_detail.js";
import { Badge, Box, Button, DataTable, duration, h, Heading, HStack, Link, Notice, RunLink, Table, Text, useJson, Waiting, windowText } from "./page.js";

const HEADERS = ["Model", "Live version", "Data", "Age of its data", "State", "By run"];

function Models() {
  const [search, setSearch] = globalThis.ReactRouterDOM.useSearchParams();
  const chosen = search.get("model");
  const show = (name) => setSearch(name === null ? {} : { model: name });
  return h(
    Box,
    { p: 4, as: "main" },
    h(
      HStack,
      { mb: 4, gap: 4 },
      h(Heading, { as: "h2", size: "lg" }, chosen ?? "Models"),
      chosen !== null && h(Button, { size: "xs", variant: "outline", onClick: () => show(null) }, "All models"),
    ),
    chosen === null ? h(List, { show }) : h(ModelDetail, { key: chosen, name: chosen }),
  );
}

function List({ show }) {
  const loaded = useJson("imprimatur/models");
  if (loaded.data === null) return h(Waiting, { loaded, what: "the models" });
  const { models, serving_root: root } = loaded.data;
  if (models.length === 0) {
    return h(
      Notice,
      { status: "info", title: "There is no model that you may see" },
      `Models appear here with their first push to ${root} (IMPRIMATUR_SERVING_ROOT).`,
    );
  }
  return h(
    DataTable,
    { caption: "All models", headers: HEADERS },
    models.map((model) => h(Row, { key: model.name, model, show })),
  );
}

function Row({ model, show }) {
  const open = (event) => {
    event.preventDefault();
    show(model.name);
  };
  return h(
    Table.Row,
    null,
    h(Table.Cell, null, h(Link, { variant: "underline", href: `?model=${encodeURIComponent(model.name)}`, onClick: open, fontWeight: "medium" }, model.name)),
    h(Table.Cell, null, model.live_version ?? h(Text, { as: "span", color: "fg.muted" }, model.problems.length > 0 ? "not known" : "nothing is live")),
    h(Table.Cell, null, model.live_version ? windowText(model.window) : "–"),
    h(Table.Cell, null, duration(model.data_age_seconds)),
    h(
      Table.Cell,
      null,
      h(
        HStack,
        { gap: 1 },
        model.problems.length > 0 && h(Badge, { colorPalette: "red" }, "can't be read"),
        model.hold && h(Badge, { colorPalette: "orange", title: model.hold.reason }, "on hold"),
        model.quarantine.length > 0 && h(Badge, { colorPalette: "orange" }, `${model.quarantine.length} in quarantine`),
        model.live_version && model.problems.length === 0 && !model.hold && h(Badge, { colorPalette: "green" }, "in service"),
      ),
    ),
    h(Table.Cell, null, h(RunLink, { run: model.run })),
  );
}

globalThis.Models = Models;
