"""Looks at every example of some splits, and writes down what is there."""

import logging
import multiprocessing
from collections.abc import Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from tensorflow_metadata.proto.v0 import statistics_pb2

from components import artifacts, example_files
from components.data_validation.dataset_accumulator import SplitAccumulator
from components.data_validation.example_batches import BATCH_SIZE, read_batches, split_files
from components.data_validation.statistics_page import write_page
from components.data_validation.statistics_proto import dataset_statistics
from components.errors import ConfigurationError, DataError
from components.records import Examples, Run, Statistics

STATISTICS_FILE = "FeatureStats.pb"
"""TFX's name; a serialized `DatasetFeatureStatisticsList`."""
PAGE_FILE = "statistics.html"
_NUM_PARTS = 4
_MANY = 4 * BATCH_SIZE
"""Examples below which a second process would cost more than it saves."""
_log = logging.getLogger(__name__)


def generate_statistics(
    *,
    examples: Examples,
    output_dir: str | Path,
    splits: Sequence[str] = (),
    slice_features: Sequence[str] = (),
    baseline: Statistics | None = None,
    num_processes: int | None = None,
    run: Run | None = None,
) -> Statistics:
    """Compute the statistics of examples, by split and slice.

    Args:
        examples: what to look at.
        output_dir: gets ``Split-<name>/FeatureStats.pb``, ``statistics.html`` and ``record.json``.
        splits: which; default: all.
        slice_features: features with few values; each value makes a data set of its own.
        baseline: statistics to show beside these on the page, those of the published model's data.
        num_processes: how many share the work; default: one a core where there is enough to do.
        run: which task instance asks.

    Raises:
        ConfigurationError: no such split, or no such feature to slice by.
        DataError: no examples, broken files, or a feature that changes its type.
    """
    names = list(splits) or sorted(examples.splits, key=lambda name: (name != "train", name))
    if not names:
        raise ConfigurationError(f"the examples in {examples.uri!r} have no splits")
    example_files.check_unchanged(examples)
    with artifacts.new_directory(output_dir) as staging:
        found = {}
        for name in names:
            files = split_files(examples, name)
            count = _num_processes(num_processes, examples.splits[name].num_examples)
            split = _accumulate(files, tuple(slice_features), count)
            found[name] = _write(split, name, staging, slice_features)
        before = read_statistics(baseline) if baseline is not None else {}
        write_page(staging / PAGE_FILE, found, before, examples)
        record = Statistics(
            uri=str(Path(output_dir).absolute()),
            digest=artifacts.digest(staging, exclude={artifacts.RECORD_FILE}),
            examples_digest=examples.digest,
        )
        artifacts.write_record(record, staging)
    return record


def read_statistics(statistics: Statistics) -> dict[str, Any]:
    """Return the `DatasetFeatureStatisticsList` of each split.

    Raises:
        DataError: a file is missing, broken, or isn't what the record names.
    """
    paths = sorted(Path(statistics.uri).glob(f"Split-*/{STATISTICS_FILE}"))
    if not paths:
        raise DataError(f"there is no Split-*/{STATISTICS_FILE} in {statistics.uri!r}")
    found = {path.parent.name.removeprefix("Split-"): read_proto(path) for path in paths}
    digest = artifacts.digest(statistics.uri, exclude={artifacts.RECORD_FILE})
    if digest != statistics.digest:
        raise DataError(
            f"the statistics in {statistics.uri!r} have the digest {digest}, but their record says "
            f"{statistics.digest}: they were changed; compute them again"
        )
    return found


def read_proto(path: Path) -> Any:
    """Read one `DatasetFeatureStatisticsList`.

    Raises:
        DataError: missing or broken.
    """
    try:
        return statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise DataError(f"{str(path)!r} holds no DatasetFeatureStatisticsList: {error}") from error


def _num_processes(wanted: int | None, num_examples: int) -> int:
    if wanted is not None:
        return wanted
    return min(multiprocessing.cpu_count(), _NUM_PARTS) if num_examples >= _MANY else 1


def _accumulate(
    files: list[Path], slice_features: tuple[str, ...], num_processes: int
) -> SplitAccumulator:
    """Accumulate in shares that don't depend on the number of processes, and add them in order.

    So the same examples have the same statistics, bit by bit, on every machine.
    """
    shares = [range(first, _NUM_PARTS, num_processes) for first in range(num_processes)]
    if num_processes == 1:
        found = _accumulate_parts(files, slice_features, shares[0])
    else:
        # fork: the modules are loaded already, and no thread of ours runs
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(num_processes, mp_context=context) as pool:
            pending = [
                pool.submit(_accumulate_parts, files, slice_features, share) for share in shares
            ]
            found = {part: split for share in pending for part, split in share.result().items()}
    total = SplitAccumulator(slice_features)
    for part in sorted(found):
        total.merge(found[part])
    return total


def _accumulate_parts(
    files: list[Path], slice_features: tuple[str, ...], parts: Collection[int]
) -> dict[int, SplitAccumulator]:
    splits = {part: SplitAccumulator(slice_features) for part in parts}
    for part, batch in read_batches(files, parts, _NUM_PARTS):
        splits[part].add(batch)
    return splits


def _write(split: SplitAccumulator, name: str, staging: Path, slice_features: Sequence[str]) -> Any:
    whole = next(iter(split.datasets.values()))
    if whole.num_examples == 0:
        raise DataError(f"the split {name!r} has no examples")
    for feature in slice_features:
        if feature not in whole.features:
            raise ConfigurationError(
                f"there is no feature {feature!r} to slice by in the split {name!r}; it has "
                f"{', '.join(sorted(whole.features))}"
            )
    proto = statistics_pb2.DatasetFeatureStatisticsList(
        datasets=[dataset_statistics(*item) for item in split.datasets.items()]
    )
    directory = staging / f"Split-{name}"
    directory.mkdir()
    (directory / STATISTICS_FILE).write_bytes(proto.SerializeToString(deterministic=True))
    _log.info("%s: %d examples, %d features", name, whole.num_examples, len(whole.features))
    return proto
