// The tab of a run: its verdicts, the candidate against what was live, and where the reports are.

import { Blessing } from "./verdict.js";
import { Badge, Box, Digest, h, Heading, HStack, Notice, part, refusalOf, Text, useJson, Waiting, windowText } from "./page.js";

function Verdicts({ dagId, runId }) {
  const loaded = useJson(`imprimatur/runs/${part(dagId)}/${part(runId)}`);
  if (loaded.data === null) return h(Waiting, { loaded, what: "the verdicts of this run" });
  const { models, blessings, published, problems } = loaded.data;
  return h(
    Box,
    { p: 4 },
    h(Refusals, { dagId, runId }),
    problems.map((problem) => h(Notice, { key: problem, status: "error", title: "Something can't be read" }, problem)),
    h(Outcome, { models, blessings, published }),
    blessings.map((blessing, place) => h(Blessing, { key: place, blessing })),
  );
}

/** Why tasks refused; it stands in XCom, which whoever may see verdicts may read. */
function Refusals({ dagId, runId }) {
  const run = `api/v2/dags/${part(dagId)}/dagRuns/${part(runId)}/taskInstances`;
  const loaded = useJson(`${run}/~/xcomEntries?xcom_key=refusal`);
  if (loaded.data === null) return h(Waiting, { loaded, what: "the refusals of this run" });
  return loaded.data.xcom_entries.map(({ task_id: taskId, map_index: place }) =>
    h(Refusal, {
      key: `${taskId} ${place}`,
      task: place < 0 ? taskId : `${taskId} [${place}]`,
      path: `${run}/${part(taskId)}/xcomEntries/refusal?stringify=false&map_index=${place}`,
    }),
  );
}

function Refusal({ task, path }) {
  const loaded = useJson(path);
  if (loaded.data === null) return h(Waiting, { loaded, what: `why ${task} refused` });
  const { check, reasons, live } = refusalOf(loaded.data);
  const stays = live ? ` ${live} stays live.` : "";
  return h(Notice, { status: "warning", title: `${task} refused: ${check}` }, reasons + stays);
}

function Outcome({ models, blessings, published }) {
  if (models.length === 0 && blessings.length === 0) {
    return h(Notice, { status: "info", title: "No verdicts" }, "They appear as the run's tasks end.");
  }
  const isRefused = blessings.some((blessing) => !blessing.blessed);
  const state = published.length > 0 ? ["green", `published as ${published.map((it) => `${it.model_name} ${it.version}`).join(", ")}`] : isRefused ? ["red", "not blessed"] : ["gray", "not published"];
  return h(
    HStack,
    { mb: 4, gap: 4, flexWrap: "wrap" },
    h(Heading, { as: "h3", size: "md" }, "Candidate"),
    h(Badge, { colorPalette: state[0] }, state[1]),
    models.map((model) =>
      h(HStack, { key: model.digest, gap: 2 }, h(Text, null, windowText(model.window)), h(Digest, { digest: model.digest })),
    ),
  );
}

globalThis.Verdicts = Verdicts;
