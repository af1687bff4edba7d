// Roll back, release, pin, resume: a dialog that asks why, and starts the DAG that does it with the
// rights of whoever presses the button.

import {
  Button, Dialog, Field, h, Link, Notice, part, Portal, refusalOf, request, sentence, Stack, Text, Textarea, useCallback, useEffect, useRef, useState,
} from "./page.js";

const POLL_MILLISECONDS = 1000;
const MIN_REASON = 3;
const ENDED = new Set(["success", "failed"]);
const UNKNOWN = { state: null, isOver: false };

export const ACTIONS = {
  rollback: {
    label: "Roll back",
    palette: "red",
    text: (model, version) =>
      `The version before ${version} becomes live. ${version} is withdrawn, its bytes and its recipe ` +
      `go into quarantine, and nothing is pushed to ${model} until the hold is ended.`,
    conf: (model, version, reason) => ({ model, from_version: version, reason }),
  },
  release: {
    label: "Release",
    palette: "orange",
    text: (model, version) => `What was withdrawn as ${version} may be pushed to ${model} again.`,
    conf: (model, version, reason) => ({ model, version, reason }),
  },
  pin: {
    label: "Pin",
    palette: "blue",
    text: (model, version) => `Retention never removes ${version} of ${model}.`,
    conf: (model, version, reason) => ({ model, version, reason }),
  },
  unpin: {
    dag: "pin",
    label: "Unpin",
    palette: "blue",
    text: (model, version) => `Retention may remove ${version} of ${model} again.`,
    conf: (model, version, reason) => ({ model, version, reason, remove: true }),
  },
  resume: {
    label: "End the hold",
    palette: "orange",
    text: (model) => `Models may be pushed to ${model} again.`,
    kept: "Kept in the log of the run that ends it.",
    conf: (model, _version, reason) => ({ model, reason }),
  },
};

/**
 * A button, and the dialog that it opens. `done` is called when the DAG's run has ended and the dialog
 * was closed: until then the dialog is about what was pressed, though another version is live by now.
 */
export function ActionButton({ action, actions, model, version, done }) {
  const [pressed, setPressed] = useState(null);
  const [run, setRun] = useState(null);
  const outcome = useRunState(run);
  const { label, palette, dag } = ACTIONS[action];
  const { allowed, dag_id: dagId } = actions[dag ?? action];
  const title = allowed ? undefined : `You may not trigger ${dagId}.`;
  const close = useCallback(() => setPressed(null), []);
  useEffect(() => {
    if (pressed !== null || !outcome.isOver) return;
    setRun(null);
    done();
  }, [pressed, outcome, done]);
  return h(
    "span",
    null,
    h(
      Button,
      {
        size: "xs",
        variant: "outline",
        colorPalette: palette,
        disabled: !allowed,
        title,
        "aria-label": version ? `${label} ${version}` : label,
        onClick: () => setPressed({ action, dagId, model, version }),
      },
      label,
    ),
    pressed && h(ActionDialog, { ...pressed, run, setRun, outcome, close }),
  );
}

function ActionDialog({ action, dagId, model, version, run, setRun, outcome, close }) {
  const { label, palette, text, conf, kept } = ACTIONS[action];
  const [reason, setReason] = useState("");
  const [error, setError] = useState(null);
  const [isSending, setSending] = useState(false);
  const field = useRef(null);
  const send = async () => {
    setSending(true);
    setError(null);
    try {
      const body = { logical_date: null, conf: conf(model, version, reason.trim()) };
      const path = `api/v2/dags/${part(dagId)}/dagRuns`;
      setRun(await request(path, { method: "POST", body: JSON.stringify(body) }));
    } catch (failure) {
      setError(failure.message);
    }
    setSending(false);
  };
  return h(
    Dialog.Root,
    { open: true, role: "alertdialog", initialFocusEl: () => field.current, onOpenChange: (change) => change.open || close() },
    h(
      Portal,
      null,
      h(Dialog.Backdrop),
      h(
        Dialog.Positioner,
        null,
        h(
          Dialog.Content,
          null,
          h(Dialog.Header, null, h(Dialog.Title, null, version ? `${label} ${version}` : label)),
          h(
            Dialog.Body,
            null,
            h(
              Stack,
              { gap: 4 },
              h(Text, null, text(model, version)),
              h(
                Field.Root,
                { required: true, disabled: run !== null },
                h(Field.Label, null, "Reason ", h(Field.RequiredIndicator)),
                h(Textarea, {
                  ref: field,
                  value: reason,
                  maxLength: 1000,
                  onChange: (event) => setReason(event.target.value),
                }),
                h(Field.HelperText, null, kept ?? "Recorded with the change, and shown to whoever asks later."),
              ),
              error && h(Notice, { status: "error", title: `${dagId} didn't start` }, error),
              run && h(RunState, { run, ...outcome }),
            ),
          ),
          h(
            Dialog.Footer,
            null,
            h(Button, { variant: "outline", onClick: close }, run ? "Close" : "Cancel"),
            !run &&
              h(
                Button,
                { colorPalette: palette, disabled: reason.trim().length < MIN_REASON || isSending, loading: isSending, onClick: send },
                label,
              ),
          ),
        ),
      ),
    ),
  );
}

/** A refusal ends in a skipped task and a green run: that isn't done, and its reason is in XCom. */
async function outcomeOf(path) {
  const { task_instances: tasks } = await request(`${path}/taskInstances`);
  const skipped = tasks.find((task) => task.state === "skipped");
  if (!skipped) return { state: "success" };
  const address = `${path}/taskInstances/${part(skipped.task_id)}/xcomEntries/refusal?stringify=false`;
  try {
    return { state: "refused", reason: refusalOf(await request(address)).reasons };
  } catch (failure) {
    return { state: "refused", reason: `Its reason can't be read: ${failure.message}` };
  }
}

function RunState({ run, state, reason }) {
  const address = new URL(`dags/${part(run.dag_id)}/runs/${part(run.dag_run_id)}`, document.baseURI);
  const log = (text) => h(Link, { variant: "underline", href: address.pathname }, text);
  const notice = (status, title, ...said) => h(Notice, { status, title }, ...said);
  if (state === "success") return notice("success", "Done", "See ", log("its log"), ".");
  if (state === "refused") {
    return notice("warning", "It was refused, and nothing has changed", `${sentence(reason)} See `, log("its log"), ".");
  }
  if (state === "failed") return notice("error", "It wasn't done", log("Its log"), " says why.");
  if (state === "paused") {
    return notice("warning", `${run.dag_id} is paused`, "Nothing happens until somebody unpauses it. See ", log("the run"), ".");
  }
  return notice("info", `${run.dag_id} is ${state ?? run.state}`, "See ", log("its log"), ".");
}

/** What a run has come to: {state, reason, isOver}; a run that waits for its DAG is "paused". */
function useRunState(run) {
  const [outcome, setOutcome] = useState(UNKNOWN);
  useEffect(() => {
    setOutcome(UNKNOWN);
    if (run === null) return undefined;
    let timer = null;
    let isStopped = false;
    const poll = async () => {
      const current = await ask(run);
      if (isStopped) return;
      setOutcome(current);
      if (!current.isOver) timer = setTimeout(poll, POLL_MILLISECONDS);
    };
    poll();
    return () => {
      isStopped = true;
      clearTimeout(timer);
    };
  }, [run]);
  return outcome;
}

async function ask(run) {
  const dag = `api/v2/dags/${part(run.dag_id)}`;
  const path = `${dag}/dagRuns/${part(run.dag_run_id)}`;
  try {
    const { state } = await request(path);
    const isOver = ENDED.has(state);
    if (state === "success") return { ...(await outcomeOf(path)), isOver };
    const isWaiting = state === "queued" && (await request(dag)).is_paused;
    return { state: isWaiting ? "paused" : state, isOver };
  } catch (failure) {
    return { state: `not to be asked about: ${failure.message}`, isOver: false };
  }
}
