// What all views share: elements without JSX, requests with the user's session, texts for people.
// Everything from a server is put into text nodes by React, never into markup.

const { React, ChakraUI } = globalThis;
export const h = React.createElement;
export const { useCallback, useEffect, useMemo, useRef, useState } = React;
export const { Alert, Badge, Box, Button, Code, Dialog, Field, Flex, Heading, HStack, Input, Link } =
  ChakraUI;
export const { NativeSelect, Portal, Spinner, Stack, Table, Text, Textarea } = ChakraUI;

/** An answer that isn't 2xx; its message says what the server said. */
export class RequestError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Ask the server; addresses are relative to Airflow's own, whatever prefix it has. */
export async function request(path, options = {}) {
  const address = new URL(path, document.baseURI);
  const answer = await fetch(address, {
    credentials: "same-origin",
    ...options,
    headers: { Accept: "application/json", "Content-Type": "application/json", ...options.headers },
  });
  const text = await answer.text();
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    if (answer.ok) throw new RequestError(answer.status, `${address.pathname} isn't JSON`);
  }
  if (!answer.ok) throw new RequestError(answer.status, explain(answer, body));
  return body;
}

function explain(answer, body) {
  const detail = body?.detail;
  const said = typeof detail === "string" ? detail : detail === undefined ? "" : JSON.stringify(detail);
  if (answer.status === 401) return "You are logged out. Load the page again to log in.";
  if (answer.status === 403) return said || "You may not do that.";
  return said || `${answer.status} ${answer.statusText}`;
}

/** Load JSON; returns {data, error, isLoading, reload}. What was loaded stays while it reloads. */
export function useJson(path) {
  const [state, setState] = useState({ path: null, data: null, error: null });
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (path === null) return undefined;
    const abort = new AbortController();
    request(path, { signal: abort.signal })
      .then((data) => setState({ path, data, error: null }))
      .catch((error) => {
        if (!abort.signal.aborted) setState({ path, data: null, error });
      });
    return () => abort.abort();
  }, [path, round]);
  const reload = useCallback(() => setRound((count) => count + 1), []);
  const isCurrent = state.path === path;
  return {
    data: isCurrent ? state.data : null,
    error: isCurrent ? state.error : null,
    isLoading: path !== null && !isCurrent,
    reload,
  };
}

export const part = encodeURIComponent;

/** Text that ends as a sentence does, for more to follow. */
export const sentence = (text) => (/[.!?…]$/.test(text) ? text : `${text}.`);

/** What an XCom entry says of a refusal; people can edit XComs, so it may be anything. */
export function refusalOf({ value }) {
  try {
    const { findings, live_version: live } = typeof value === "string" ? JSON.parse(value) : value;
    const reasons = findings.map((finding) => sentence(String(finding.message))).join(" ");
    return { check: String(findings[0].check), reasons, live };
  } catch {
    return { check: "the reason can't be read", reasons: "Its XCom “refusal” holds something else.", live: null };
  }
}

/** "2013-02-01 00:00" of an ISO time in UTC. */
export function moment(text) {
  return text ? text.replace("T", " ").replace(/:\d\d(\.\d+)?(Z|\+00:00)$/, "") : "–";
}

/** The first day and the last of a window, which excludes its end. */
export function windowText(window) {
  if (!window) return "not known";
  const isMidnight = (time) => time.endsWith("T00:00:00Z");
  if (!isMidnight(window.start) || !isMidnight(window.end)) {
    return `${moment(window.start)} to ${moment(window.end)}`;
  }
  const last = new Date(new Date(window.end).getTime() - 1000).toISOString();
  return `${window.start.slice(0, 10)} to ${last.slice(0, 10)}`;
}

/** "3 days" of a number of seconds. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
  for (const [unit, length] of units) {
    const count = Math.floor(Math.abs(seconds) / length);
    if (count >= 1) return `${seconds < 0 ? "−" : ""}${count} ${unit}${count === 1 ? "" : "s"}`;
  }
  return "less than a minute";
}

export function size(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let place = 0;
  let value = bytes;
  while (value >= 1024 && place < units.length - 1) {
    value /= 1024;
    place += 1;
  }
  return `${place === 0 ? value : value.toFixed(1)} ${units[place]}`;
}

/** Four significant digits, as in the reports. */
export function number(value) {
  if (value === null || value === undefined) return "–";
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
}

/** A digest that can be compared by eye; the whole one is in its title. */
export function Digest({ digest }) {
  if (!digest) return h(Text, { as: "span" }, "–");
  return h(Code, { title: digest, variant: "plain" }, digest.replace("sha256:", "").slice(0, 12));
}

export function runAddress(dagId, runId) {
  return new URL(`dags/${part(dagId)}/runs/${part(runId)}`, document.baseURI).pathname;
}

export function RunLink({ run }) {
  if (!run) return h(Text, { as: "span" }, "–");
  return h(Link, { href: runAddress(run.dag_id, run.run_id), variant: "underline" }, run.run_id);
}

/** What is shown while something loads or instead of what couldn't be loaded. */
export function Waiting({ loaded, what }) {
  if (loaded.error) {
    return h(
      Notice,
      { status: "error", title: `${what} can't be shown` },
      `${loaded.error.message} `,
      h(Button, { size: "xs", variant: "outline", onClick: loaded.reload }, "Try again"),
    );
  }
  return h(HStack, { role: "status", p: 4 }, h(Spinner, { size: "sm" }), h(Text, null, `Loading ${what} …`));
}

export function Notice({ status, title, children }) {
  return h(
    Alert.Root,
    { status, role: status === "error" ? "alert" : "status", my: 2 },
    h(Alert.Indicator),
    h(Alert.Content, null, h(Alert.Title, null, title), children && h(Alert.Description, null, children)),
  );
}

/** A table with headers that screen readers can name its cells by. */
export function DataTable({ caption, headers, children }) {
  return h(
    Table.ScrollArea,
    { borderWidth: "1px", rounded: "md" },
    h(
      Table.Root,
      { size: "sm", variant: "line" },
      h(Table.Caption, { captionSide: "top", srOnly: true }, caption),
      h(
        Table.Header,
        null,
        h(
          Table.Row,
          null,
          headers.map((header) => h(Table.ColumnHeader, { key: header, scope: "col" }, header)),
        ),
      ),
      h(Table.Body, null, children),
    ),
  );
}
