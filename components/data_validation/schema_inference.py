"""Guesses from statistics what data shall be like; a person corrects the guess."""

from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components import artifacts
from components.data_validation.statistics_generation import read_statistics
from components.errors import ConfigurationError
from components.records import Run, Schema, Statistics

SCHEMA_FILE = "schema.pbtxt"
"""TFX's name; a `Schema` as text proto."""
MAX_DOMAIN_SIZE = 100
_PREFERRED_SPLIT = "train"


def infer_schema(
    *,
    statistics: Statistics,
    output_dir: str | Path,
    split: str | None = None,
    max_domain_size: int = MAX_DOMAIN_SIZE,
    curated: str | Path | None = None,
    run: Run | None = None,
) -> Schema:
    """Infer a schema as TFDV does, or take the one that somebody keeps.

    Types, presence (required where no example lacks it), how many values, and the values of texts
    that have few.

    Args:
        statistics: of the data that are as they shall be.
        output_dir: gets ``schema.pbtxt`` and ``record.json``.
        split: which; default: ``train``, or the first.
        max_domain_size: texts with more different values get no domain.
        curated: a ``schema.pbtxt`` that is taken instead of inferring one.
        run: which task instance asks.

    Raises:
        ConfigurationError: no such split, or `curated` is no schema.
        DataError: the statistics can't be read.
    """
    if curated is not None:
        schema = read_schema(Path(curated))
    else:
        found = read_statistics(statistics)
        name = split or (_PREFERRED_SPLIT if _PREFERRED_SPLIT in found else min(found))
        if name not in found:
            raise ConfigurationError(
                f"the statistics in {statistics.uri!r} have no split {name!r}; they have "
                f"{', '.join(sorted(found))}"
            )
        schema = schema_of(found[name].datasets[0], max_domain_size)
    with artifacts.new_directory(output_dir) as staging:
        (staging / SCHEMA_FILE).write_text(text_format.MessageToString(schema), encoding="utf-8")
        record = Schema(
            uri=str(Path(output_dir).absolute()),
            digest=artifacts.digest(staging, exclude={artifacts.RECORD_FILE}),
            examples_digest=statistics.examples_digest,
        )
        artifacts.write_record(record, staging)
    return record


def schema_of(dataset: Any, max_domain_size: int = MAX_DOMAIN_SIZE) -> Any:
    """Return the `Schema` of a `DatasetFeatureStatistics`."""
    schema = schema_pb2.Schema()
    for feature in dataset.features:
        _add(schema, feature, dataset.num_examples, max_domain_size)
    return schema


def read_schema(path: Path) -> Any:
    """Read a `Schema` from text proto; of a directory, its ``schema.pbtxt``.

    Raises:
        ConfigurationError: missing, or no schema.
    """
    file = path / SCHEMA_FILE if path.is_dir() else path
    try:
        return text_format.Parse(file.read_text(encoding="utf-8"), schema_pb2.Schema())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise ConfigurationError(
            f"no schema can be read from {str(file)!r}: {error}; expected a tensorflow_metadata "
            "Schema as text proto"
        ) from error


def _add(schema: Any, feature: Any, num_examples: int, max_domain_size: int) -> None:
    kind = "num_stats" if feature.HasField("num_stats") else "string_stats"
    stats = getattr(feature, kind)
    common = stats.common_stats
    inferred = schema.feature.add(name=".".join(feature.path.step) or feature.name)
    type_name = feature.Type.Name(feature.type)
    is_bytes = type_name == "STRING" and bool(stats.invalid_utf8_count)
    inferred.type = schema_pb2.FeatureType.Value("BYTES" if type_name == "STRING" else type_name)
    if common.num_non_missing == 0:
        return
    inferred.presence.min_count = 1
    if common.num_non_missing == num_examples:
        inferred.presence.min_fraction = 1.0
    _infer_valency(inferred, common, num_examples)
    if type_name == "STRING" and not is_bytes and 0 < stats.unique <= max_domain_size:
        values = sorted(bucket.label for bucket in stats.rank_histogram.buckets)
        schema.string_domain.add(name=inferred.name, value=values)
        inferred.domain = inferred.name


def _infer_valency(inferred: Any, common: Any, num_examples: int) -> None:
    """A fixed number of values in every example is a shape: dense, as tf.Transform reads it."""
    fixed = common.min_num_values == common.max_num_values
    if fixed and common.min_num_values > 0 and common.num_non_missing == num_examples:
        inferred.shape.dim.add(size=common.min_num_values)
    elif common.max_num_values > 1:
        inferred.value_count.min = 1
    else:
        inferred.value_count.min = inferred.value_count.max = 1
