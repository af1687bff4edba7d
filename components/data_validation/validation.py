"""Compares statistics with a schema, and with the published model's data: a data blessing."""

import logging
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, path_pb2

from components import __version__, artifacts
from components.data_validation.anomaly import Anomaly
from components.data_validation.comparison import find_shifts
from components.data_validation.schema_check import find_mistakes, unchecked
from components.data_validation.schema_comparison import find_anomalies
from components.data_validation.schema_inference import read_schema
from components.data_validation.statistics_generation import read_statistics
from components.errors import ConfigurationError
from components.records import (
    Blessing,
    Bound,
    Examples,
    Finding,
    Run,
    Schema,
    Statistics,
    Subject,
    Validator,
    now,
)

ANOMALIES_FILE = "SchemaDiff.pb"
"""TFX's name; a serialized `Anomalies`."""
_SKEWED, _SKEWED_FROM = "train", "eval"
_log = logging.getLogger(__name__)


def validate(
    *,
    examples: Examples,
    statistics: Statistics,
    schema: Schema | str | Path,
    output_dir: str | Path,
    baseline: Statistics | None = None,
    environment: str | None = None,
    exclude_splits: Iterable[str] = (),
    run: Run | None = None,
) -> Blessing:
    """Judge examples by their statistics.

    Args:
        examples: what is judged.
        statistics: of exactly these examples.
        schema: what they shall be: a record, or a ``schema.pbtxt``.
        output_dir: gets ``Split-<name>/SchemaDiff.pb`` and ``anomalies.pbtxt`` as TFX writes them,
            and ``record.json``.
        baseline: statistics of the published model's data, for the schema's drift comparators;
            without them drift isn't checked, which a finding says.
        environment: which of the schema's environments the examples belong to.
        exclude_splits: splits that aren't judged.
        run: which task instance asks.

    Returns:
        A blessing of kind ``data``; not blessed if there is any anomaly.

    Raises:
        ConfigurationError: statistics of other examples or of too few splits, or no schema.
        DataError: the statistics can't be read, or were changed.
    """
    if statistics.examples_digest != examples.digest:
        raise ConfigurationError(
            f"the statistics are of the examples {statistics.examples_digest}, but those to be "
            f"judged are {examples.digest}; compute statistics of these"
        )
    expected = read_schema(Path(schema.uri) if isinstance(schema, Schema) else Path(schema))
    splits = _judged(examples, statistics, set(exclude_splits))
    before = None if baseline is None else _first(read_statistics(baseline))
    mistakes = list(find_mistakes(expected))
    found = {
        name: list(_of_split(name, dataset, splits, before, expected, environment))
        for name, dataset in splits.items()
    }
    findings = [_finding("In the schema", mistake) for mistake in mistakes]
    findings += [
        _finding(f"In the split {name!r}", anomaly)
        for name, items in found.items()
        for anomaly in items
    ]
    findings += _passed(findings, splits, expected, has_baseline=before is not None)
    for finding in findings:
        _log.log(logging.INFO if finding.passed else logging.WARNING, "%s", finding.message)
    with artifacts.new_directory(output_dir) as staging:
        for name, items in found.items():
            _write(staging / f"Split-{name}", [*mistakes, *items], expected)
        blessing = Blessing(
            kind="data",
            blessed=all(finding.passed for finding in findings),
            subject=Subject(type="examples", digest=examples.digest),
            findings=tuple(findings),
            validator=Validator(name="imprimatur.data_validation", version=__version__),
            issued_at=now(),
            report_uri=str(Path(output_dir).absolute()),
            run=run,
        )
        artifacts.write_record(blessing, staging)
    return blessing


def _judged(examples: Examples, statistics: Statistics, excluded: set[str]) -> dict[str, Any]:
    """Return the statistics of each split that is judged: a blessing is for all that aren't named.

    Raises:
        ConfigurationError: a split of the examples has none, or none is left.
        DataError: the statistics can't be read, or were changed.
    """
    found = read_statistics(statistics)
    for name in sorted(examples.splits.keys() - found.keys() - excluded):
        raise ConfigurationError(
            f"there are no statistics of the split {name!r}, so that it can't be judged; compute "
            "them, or name it in exclude_splits"
        )
    splits = {name: proto.datasets[0] for name, proto in found.items() if name not in excluded}
    if not splits:
        raise ConfigurationError("no split is left to judge; exclude fewer")
    return splits


def _of_split(
    name: str, dataset: Any, splits: dict[str, Any], before: Any, schema: Any, environment: Any
) -> Iterable[Anomaly]:
    yield from find_anomalies(dataset, schema, environment=environment)
    if before is not None:
        yield from find_shifts(
            dataset,
            before,
            schema,
            comparator="drift_comparator",
            against="the data of the published model",
        )
    if name == _SKEWED and _SKEWED_FROM in splits:
        yield from find_shifts(
            dataset,
            splits[_SKEWED_FROM],
            schema,
            comparator="skew_comparator",
            against=f"the split {_SKEWED_FROM!r}",
        )


def _finding(where: str, anomaly: Anomaly) -> Finding:
    has_bound = anomaly.lower is not None or anomaly.upper is not None
    return Finding(
        check=anomaly.reason.lower(),
        passed=False,
        message=f"{where}: {anomaly.message}.",
        metric=anomaly.feature or None,
        observed=_finite(anomaly.observed),
        bound=Bound(lower=anomaly.lower, upper=anomaly.upper) if has_bound else None,
    )


def _finite(value: float | None) -> float | None:
    """Return a number as records hold it: of infinity the message speaks."""
    return None if value is None or not math.isfinite(value) else float(value)


def _passed(
    failures: list[Finding], splits: dict[str, Any], schema: Any, *, has_baseline: bool
) -> list[Finding]:
    found = []
    if not failures:
        count = sum(dataset.num_examples for dataset in splits.values())
        text = (
            f"{count:,} examples in {', '.join(sorted(splits))} are as the schema of "
            f"{len(schema.feature)} features wants them."
        )
        found.append(Finding(check="schema", passed=True, message=text))
    if not has_baseline and any(f.HasField("drift_comparator") for f in schema.feature):
        text = (
            "There are no statistics of a published model's data to compare with: drift was not "
            "checked."
        )
        found.append(Finding(check="drift_unchecked", passed=True, message=text))
    has_both = _SKEWED in splits and _SKEWED_FROM in splits
    if not has_both and any(f.HasField("skew_comparator") for f in schema.feature):
        text = (
            f"The splits {_SKEWED!r} and {_SKEWED_FROM!r} weren't both judged (only "
            f"{', '.join(sorted(splits))}): skew was not checked."
        )
        found.append(Finding(check="skew_unchecked", passed=True, message=text))
    for feature, names in unchecked(schema):
        what = f"Of the feature {feature!r}" if feature else "Of the schema"
        text = f"{what}, {', '.join(names)} {'isn' if len(names) == 1 else 'aren'}'t checked."
        found.append(Finding(check="schema_unchecked", passed=True, message=text))
    return found


def _write(directory: Path, anomalies: list[Anomaly], schema: Any) -> None:
    """Write an `Anomalies`: binary as TFX does, and as text for people."""
    proto = anomalies_pb2.Anomalies(
        baseline=schema, anomaly_name_format=anomalies_pb2.Anomalies.SERIALIZED_PATH
    )
    for anomaly in anomalies:
        info = (
            proto.anomaly_info[anomaly.feature] if anomaly.feature else proto.dataset_anomaly_info
        )
        info.severity = anomalies_pb2.AnomalyInfo.ERROR
        if anomaly.feature:
            info.path.CopyFrom(path_pb2.Path(step=[anomaly.feature]))
        info.reason.append(anomaly.reason_proto())
        info.description = "; ".join(reason.description for reason in info.reason)
        several = len(info.reason) > 1
        info.short_description = "Multiple errors" if several else anomaly.reason
    directory.mkdir()
    (directory / ANOMALIES_FILE).write_bytes(proto.SerializeToString(deterministic=True))
    text = text_format.MessageToString(proto)
    (directory / "anomalies.pbtxt").write_text(text, encoding="utf-8")


def _first(statistics: dict[str, Any]) -> Any:
    name = "train" if "train" in statistics else min(statistics)
    return statistics[name].datasets[0]
