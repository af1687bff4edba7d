"""From an operator's arguments and Airflow's context to a component's command line, and back."""

import json
import logging
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from components import records
from components.artifact_path import artifact_directory
from components.errors import ConfigurationError, ImprimaturError, RecordError
from components.records import Refusal, Run
from operators import metrics, settings
from operators._process import (
    PROJECT_ROOT,
    ChildProcess,
    child_environment,
    component_command,
    to_airflow,
)
from operators._supervision import die_with_supervisor

REFUSAL_KEY = "refusal"
"""XCom key of a `Refusal`, read by the report, the notifiers and the UI."""
_MAX_REASONS = 3
T = TypeVar("T")


def run_component(
    child: ChildProcess,
    name: str,
    flags: Mapping[str, Any],
    context: Context,
    *,
    verb: str | None = None,
    signing_key: bytes | None = None,
    secrets: Mapping[str, str] | None = None,
) -> records.Record:
    """Run ``python -m components.<name>`` for a task, with a new artifact directory.

    Args:
        child: of the operator, whose `on_kill` kills it.
        name: of the component.
        flags: ``{"train_args": …}`` becomes ``--train-args``. None and False are left out, True is
            the bare flag; a record is written to a file, another mapping is given as JSON, and a
            list repeats its flag.
        context: of the task instance.
        verb: of a component that has several.
        signing_key: only for a component that runs no user's code.
        secrets: environment variables of the component; they stand in no command line.

    Raises:
        AirflowException: as `ChildProcess.run`.
    """
    run = run_of(context)
    output = artifact_directory(settings.artifacts_root(), run)
    with tempfile.TemporaryDirectory(prefix="imprimatur-") as inputs:
        arguments = [
            *([verb] if verb else []),
            *_arguments(flags, Path(inputs)),
            *("--output-dir", str(output), "--run", records.dump(run)),
        ]
        started = time.monotonic()
        record = child.run(
            component_command(name, arguments),
            logger=logging.getLogger(f"components.{name}"),
            environment={**child_environment(signing_key), **(secrets or {})},
        )
    metrics.timing(
        "imprimatur.component_duration",
        time.monotonic() - started,
        dag_id=run.dag_id,
        component=f"{name}_{verb}" if verb else name,
    )
    return record


@contextmanager
def task_boundary() -> Iterator[None]:
    """What the body of each `execute` stands in.

    The process dies with its supervisor, and an error of a component that is raised in this
    process becomes Airflow's: a retry, or a failure that isn't retried.
    """
    try:
        die_with_supervisor()
        yield
    except ImprimaturError as error:
        raise to_airflow(error) from error


def run_of(context: Context) -> Run:
    """Return which task instance asks."""
    ti: Any = context["ti"]
    bundle = getattr(ti, "bundle_instance", None)
    dag_version = getattr(ti, "dag_version_id", None)
    return Run(
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=-1 if ti.map_index is None else ti.map_index,
        try_number=ti.try_number,
        dag_version=None if dag_version is None else str(dag_version),
        bundle_version=getattr(bundle, "version", None),
    )


def upstream_record(name: str, value: Any, kind: type[T]) -> T:
    """Read what an upstream task returned.

    Raises:
        RecordError: it returned nothing, for instance because somebody marked it as success.
    """
    if value is None:
        raise RecordError(
            f"{name} is None: the upstream task left no {kind.__name__}, for instance because it "
            "was marked as success by hand; clear that task, so that it runs"
        )
    record = records.from_json(value)
    if not isinstance(record, kind):
        raise RecordError(f"{name} is a {type(record).__name__}; expected a {kind.__name__}")
    return record


def json_object(name: str, value: Any) -> dict[str, Any] | None:
    """Return a rendered argument that must be a JSON object.

    Raises:
        ConfigurationError: it isn't one.
    """
    if value is None or isinstance(value, Mapping):
        return value if value is None else dict(value)
    raise ConfigurationError(
        f"{name} is {value!r}; expected a dict. If a template makes it, give the operator or the "
        "DAG render_template_as_native_obj=True"
    )


def text_list(name: str, value: Any) -> list[str]:
    """Return a rendered argument that must be a list of texts; none of them for None.

    Raises:
        ConfigurationError: it is something else, for instance one text, whose letters would count.
    """
    if value is None:
        return []
    if isinstance(value, str) or not all(isinstance(each, str) for each in value):
        raise ConfigurationError(
            f"{name} is {value!r}; expected a list of texts. If a template makes it, give the "
            "operator or the DAG render_template_as_native_obj=True"
        )
    return list(value)


def flag(name: str, value: Any) -> bool:
    """Return a rendered argument that must be true or false.

    Raises:
        ConfigurationError: it is something else.
    """
    if not isinstance(value, bool):
        raise ConfigurationError(
            f"{name} is {value!r}; expected true or false. If a template makes it, give the "
            "operator or the DAG render_template_as_native_obj=True"
        )
    return value


def word_flag(name: str, value: Any) -> bool:
    """Return a flag that a form gave, where templates are rendered as text.

    Raises:
        ConfigurationError: it is neither true nor false.
    """
    return flag(name, {"True": True, "False": False}.get(value, value))


def resolve_path(path: str, context: Context) -> str:
    """Return a user's file as an absolute path.

    A relative one is looked for below the DAG bundle's root (so that it has the DAG's version),
    beside a bundle that is the folder ``dags``, and below the folder that holds ``operators``.

    Raises:
        ConfigurationError: there is no such file.
    """
    if Path(path).is_absolute():
        return path
    roots = [*_bundle_roots(context), PROJECT_ROOT]
    found = next((root / path for root in roots if (root / path).exists()), None)
    if found is None:
        raise ConfigurationError(
            f"there is no {path!r} below any of {', '.join(dict.fromkeys(map(str, roots)))}; "
            "give a path relative to the DAG bundle, or an absolute one"
        )
    return str(found.resolve())


def skip_refused(refusal: Refusal, context: Context) -> NoReturn:
    """Push the refusal to XCom and skip the task, saying why.

    Raises:
        AirflowSkipException: always.
    """
    context["ti"].xcom_push(key=REFUSAL_KEY, value=refusal.to_json())
    metrics.count(
        context,
        "imprimatur.refusals",
        refusal.model_digest or "",
        dag_id=context["ti"].dag_id,
        reason=refusal.check,
    )
    raise AirflowSkipException(f"refused ({refusal.check}): {reasons(refusal.findings)}")


def reasons(findings: Sequence[records.Finding]) -> str:
    """Return the first findings in one line, and how many more there are."""
    more = len(findings) - _MAX_REASONS
    text = "; ".join(finding.message.rstrip(".") for finding in findings[:_MAX_REASONS])
    return f"{text}; and {more} more" if more > 0 else text


def _bundle_roots(context: Context) -> list[Path]:
    bundle_path = getattr(getattr(context["ti"], "bundle_instance", None), "path", None)
    if bundle_path is None:
        return []
    root = Path(bundle_path)
    return [root, root.parent] if root.name == "dags" else [root]


def _arguments(flags: Mapping[str, Any], inputs: Path) -> Iterator[str]:
    for name, value in flags.items():
        for index, item in enumerate(value if isinstance(value, list) else [value]):
            if item is not None and item is not False:
                flag = "--" + name.replace("_", "-")
                value = "" if item is True else _argument(item, inputs / f"{name}-{index}.json")
                if value.startswith("-"):  # argparse would take it for a flag
                    yield f"{flag}={value}"
                else:
                    yield from (flag,) if item is True else (flag, value)


def _argument(item: Any, file: Path) -> str:
    value = item.to_json() if isinstance(item, records.RECORD_TYPES) else item
    if not isinstance(value, Mapping):
        return str(value)
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    if "schema_version" not in value:
        return text
    file.write_text(text, encoding="utf-8")  # a record may be longer than an argument can be
    return str(file)
