"""What months of runs, or a backfill, found of a model: metrics by data window.

Read from the artifacts of a DAG and from the records of its serving folder. Nothing is locked or
written. What can't be read is named in the answer, and doesn't hide the rest.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import unquote

from components import records
from components.artifact_path import encode
from components.artifacts import RECORD_FILE
from components.errors import ConfigurationError
from components.evaluator.history_files import directories, load, read_table, version_record
from components.evaluator.report_metrics import TABLE_FILE
from components.looking import Look
from components.model_catalog.run_verdicts import newest_attempts
from components.record_parts import Part
from components.records import Blessing, Bound, Examples, Model, Window
from components.serving_folder import ServingFolder, Version
from components.serving_records import VersionRecord

Fate = Literal["live", "kept", "withdrawn", "removed"]
_NO_PATHS: list[Path] = []
_NOTHING: dict[str, Any] = {}


@dataclass(frozen=True)
class Evaluation(Part):
    """One model's evaluation in one slice. Numbers are null where they aren't defined."""

    run_id: str
    issued_at: str
    """Wall time; it orders evaluations of the same window."""
    model_digest: str
    blessed: bool
    window: Window | None = None
    """Of the data that the model was trained and judged on; null if that isn't known."""
    num_examples: int | None = None
    """In the slice."""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    baseline_metrics: Mapping[str, float | None] = field(default_factory=dict)
    """Of what was live then, on the same examples; empty where nothing was."""
    baseline_version: str | None = None
    bounds: Mapping[str, Bound] = field(default_factory=dict)
    """What thresholds asked of metrics in this slice."""
    reasons: tuple[str, ...] = ()
    """Why it wasn't blessed."""
    version: str | None = None
    """As which it was published, if it was."""
    fate: Fate | None = None
    """What became of that version."""
    report_uri: str | None = None


@dataclass(frozen=True)
class History(Part):
    """The evaluations of a model in one slice."""

    is_record: ClassVar[bool] = True

    dag_id: str
    slice: Mapping[str, Any]
    """Feature name → value; empty means overall."""
    evaluations: tuple[Evaluation, ...] = ()
    """By window, then by time; those without a window last."""
    problems: tuple[str, ...] = ()
    """What couldn't be read, in one sentence each."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of all metrics, as they come."""
        names = (name for each in self.evaluations for name in (*each.metrics, *each.bounds))
        return tuple(dict.fromkeys(names))


def read_history(
    *,
    artifacts_root: str | Path,
    dag_id: str,
    base_directory: str | Path | None = None,
    window: Window | None = None,
    slice: Mapping[str, Any] | None = None,
    newest: int | None = None,
) -> History:
    """Return what the runs of a DAG found.

    What was read stays in memory until its file changes: a server is asked again and again.

    Args:
        artifacts_root: holds ``<dag>/<run>/<task>[/<map index>]/<try>-<8 hex>/``.
        dag_id: as Airflow names it.
        base_directory: the serving folder: says which models were published, and what became of
            them; of those whose artifacts are gone it has verdicts and the metrics with
            thresholds. Evaluations against what is live in a folder of another name are those of
            another model, where a DAG makes several. None: not asked.
        window: only evaluations whose window lies within.
        slice: of which slice, as in findings; default: of all examples.
        newest: only so many runs, those that changed last, and so many versions; default: all.

    Raises:
        ConfigurationError: there are neither artifacts of the DAG nor such a serving folder.
    """
    root = Path(artifacts_root) / encode(dag_id)
    folder = None if base_directory is None else ServingFolder(base_directory)
    if not root.is_dir() and (folder is None or not folder.base_directory.is_dir()):
        raise ConfigurationError(
            f"there is no directory {str(root)!r}, so no artifacts of the DAG {dag_id!r}"
            + ("" if folder is None else f", and no serving folder {str(folder.base_directory)!r}")
            + "; name the root of the artifacts, and a DAG that has run"
        )
    look, where = Look(), dict(sorted((slice or {}).items()))
    published = {} if folder is None else _published(folder, look, newest)
    found = [*_of_artifacts(root, where, look, newest, folder)]
    known = {evaluation.model_digest for evaluation in found}
    found += [
        evaluation
        for digest, (record, _) in published.items()
        if digest not in known
        for evaluation in _of_version(record, where)
    ]
    evaluations = [_with_fate(each, published) for each in found if _lies_in(each, window)]
    return History(dag_id, where, tuple(sorted(evaluations, key=_order)), look.problems)


def _of_artifacts(
    root: Path,
    where: Mapping[str, Any],
    look: Look,
    newest: int | None,
    folder: ServingFolder | None,
) -> Iterator[Evaluation]:
    for run in look.attempt(partial(directories, root, newest), _NO_PATHS):
        found = dict(_records(run, look))
        windows = _windows(found.values())
        for path, record in found.items():
            if not isinstance(record, Blessing) or not _is_evaluation_for(folder, record):
                continue
            run_id = unquote(run.name) if record.run is None else record.run.run_id
            made = _evaluation(record, run_id, where)
            measured = look.attempt(partial(read_table, path / TABLE_FILE, where), _NOTHING)
            yield replace(made, window=_window_of(record, windows), **measured)


def _is_evaluation_for(folder: ServingFolder | None, blessing: Blessing) -> bool:
    if blessing.kind != "evaluation":
        return False
    compared = None if blessing.baseline is None else blessing.baseline.base_directory
    # By name: the same folder may be mounted elsewhere here.
    return folder is None or compared is None or Path(compared).name == folder.base_directory.name


def _records(run: Path, look: Look) -> Iterator[tuple[Path, records.Record]]:
    """Yield what the newest try of each task of a run made."""
    nothing: records.Record | None = None
    for attempt in look.attempt(lambda: list(newest_attempts(run)), _NO_PATHS):
        record = look.attempt(partial(load, attempt / RECORD_FILE), nothing)
        if record is not None:
            yield attempt, record


def _windows(found: Iterable[records.Record]) -> dict[str, Window]:
    """Return windows by the digests of models and examples."""
    return {
        record.digest: record.window
        for record in found
        if isinstance(record, Model | Examples) and record.window is not None
    }


def _window_of(blessing: Blessing, windows: Mapping[str, Window]) -> Window | None:
    examples = None if blessing.inputs is None else blessing.inputs.examples_digest
    return windows.get(blessing.subject.digest) or windows.get(examples or "")


def _evaluation(blessing: Blessing, run_id: str, where: Mapping[str, Any]) -> Evaluation:
    """Return what a blessing itself says."""
    here = [each for each in blessing.findings if each.metric and dict(each.slice) == dict(where)]
    return Evaluation(
        run_id=run_id,
        issued_at=blessing.issued_at,
        model_digest=blessing.subject.digest,
        blessed=blessing.blessed,
        metrics={str(each.metric): each.observed for each in here},
        baseline_metrics={
            str(each.metric): each.baseline for each in here if each.baseline is not None
        },
        baseline_version=None if blessing.baseline is None else blessing.baseline.version,
        bounds={
            str(each.metric): each.bound
            for each in here
            if each.bound is not None and each.check == "value_threshold"
        },
        reasons=tuple(finding.message for finding in blessing.failures),
        report_uri=blessing.report_uri,
    )


def _published(
    folder: ServingFolder, look: Look, newest: int | None
) -> dict[str, tuple[VersionRecord, Fate]]:
    """Return the newest version of each model, by the digest that it was trained to."""
    no_version: Version | None = None
    no_record: VersionRecord | None = None
    no_numbers: list[int] = []
    live = look.attempt(folder.live, no_version)
    found: dict[str, tuple[VersionRecord, Fate]] = {}
    for number in look.attempt(folder.recorded, no_numbers)[-(newest or 0) :]:
        record = look.attempt(partial(version_record, folder, number), no_record)
        if record is None:
            continue
        fate: Fate = "kept"
        if live is not None and live.number == number:
            fate = "live"
        elif record.state == "withdrawn" or record.state == "removed":
            fate = record.state
        found[record.trained_digest] = (record, fate)
    return found


def _of_version(record: VersionRecord, where: Mapping[str, Any]) -> Iterator[Evaluation]:
    """Yield the evaluation that a version was pushed with."""
    for blessing in record.blessings:
        if blessing.kind == "evaluation":
            run = blessing.run or record.run
            made = _evaluation(blessing, "" if run is None else run.run_id, where)
            yield replace(made, window=record.window)


def _with_fate(
    evaluation: Evaluation, published: Mapping[str, tuple[VersionRecord, Fate]]
) -> Evaluation:
    if evaluation.model_digest not in published:
        return evaluation
    record, fate = published[evaluation.model_digest]
    window = evaluation.window or record.window
    return replace(evaluation, version=record.version, fate=fate, window=window)


def _lies_in(evaluation: Evaluation, wanted: Window | None) -> bool:
    if wanted is None:
        return True
    window = evaluation.window
    return (
        window is not None
        and wanted.start_time <= window.start_time
        and window.end_time <= wanted.end_time
    )


def _order(evaluation: Evaluation) -> tuple[bool, str, str, str]:
    window = evaluation.window
    ends = ("", "") if window is None else (window.end, window.start)
    return window is None, *ends, evaluation.issued_at
