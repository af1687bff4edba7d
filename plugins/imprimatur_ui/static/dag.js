// The tab of a DAG: the models that it publishes.

import { ModelDetail } from "./model_detail.js";
import { Box, h, Heading, Notice, part, useJson, Waiting } from "./page.js";

function Model({ dagId }) {
  const loaded = useJson(`imprimatur/models?dag_id=${part(dagId)}`);
  if (loaded.data === null) return h(Waiting, { loaded, what: "the models of this DAG" });
  const { models } = loaded.data;
  if (models.length === 0) {
    return h(Notice, { status: "info", title: "This DAG hasn't published a model" }, "Its model appears here with the first push.");
  }
  return h(
    Box,
    { p: 4 },
    models.map((model) =>
      h(Box, { key: model.name, mb: 8 }, h(Heading, { as: "h2", size: "lg", mb: 4 }, model.name), h(ModelDetail, { name: model.name })),
    ),
  );
}

globalThis.Model = Model;
