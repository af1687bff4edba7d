"""Keeps what tf.Transform's analyzers found in a window, so that later windows needn't look again.

::

    <directory>/<key>/          one data set: a split of one window; written whole or not at all
        METADATA-…, <index>-…   tf.Transform's own files, and their MANIFEST

The key names the examples' digest, the split, the schema, the user's folder and the version of
tf.Transform, so what is there is never out of date. tf.Transform reads it by `pickle`: whoever may
write to the directory may run code here.
"""

import hashlib
import json
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.beam import analysis_graph_builder, analyzer_cache
from tfx_bsl.public import tfxio

from components import example_files
from components.records import Examples
from components.trainer.user_module import folder_digest
from components.transform.request import Request, patterns_of

_KEY_CHARACTERS = 32
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AnalyzerCache:
    """Where it lies, and what is analyzed beside the window itself.

    Attributes:
        directory: None: everything is looked at, and nothing kept.
        earlier: examples of earlier windows, to be analyzed together with the request's.
    """

    directory: Path | None = None
    earlier: Sequence[Examples] = ()

    @contextmanager
    def prepare(self, request: Request) -> Iterator["Datasets"]:
        """Yield what a pipeline is to read; keep what it found if it ended well."""
        patterns = self._patterns(request)
        if self.directory is None:
            yield Datasets(request.schema, patterns)
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=self.directory) as new:
            datasets = Datasets(request.schema, patterns, self.directory, Path(new))
            _log.info("%s of %s data sets are cached", len(datasets.cached), len(patterns))
            yield datasets
            for directory in sorted(Path(new).iterdir()):
                target = self.directory / directory.name
                if not target.exists():
                    _publish(directory, target)

    def _patterns(self, request: Request) -> dict[Any, "Dataset"]:
        made_of = [
            tft.__version__,
            folder_digest(request.module_path),
            request.schema.SerializeToString(deterministic=True).hex(),
            json.dumps(request.custom_config, sort_keys=True),
        ]
        found = {}
        for examples in (request.examples, *self.earlier):
            for split, pattern in patterns_of(examples, request.analyze_splits).items():
                text = "\n".join([examples.digest, split, *made_of])
                name = hashlib.sha256(text.encode()).hexdigest()[:_KEY_CHARACTERS]
                found[analyzer_cache.DatasetKey(name)] = Dataset(examples, pattern)
        return found


@dataclass(frozen=True)
class Dataset:
    """A split of a window."""

    examples: Examples
    pattern: str


@dataclass
class Datasets:
    """All that is analyzed together.

    Attributes:
        schema: of all.
        found: by key.
        directory: of the cache, or None.
        new: where new entries are written.
    """

    schema: Any
    found: Mapping[Any, Dataset]
    directory: Path | None = None
    new: Path | None = None
    cached: set[Any] = field(init=False)

    def __post_init__(self) -> None:
        there = self.directory
        self.cached = {
            key for key in self.found if there is not None and (there / key.key).is_dir()
        }

    def analyze(self, pipeline: Any, preprocess: Callable[[Any], Any]) -> Any:
        """Add the analysis to a pipeline and return its transform function.

        Raises:
            DataError: examples that have to be read aren't those of their record.
        """
        source = self._source(*(dataset.pattern for dataset in self.found.values()))
        config = source.TensorAdapterConfig()
        if self.directory is None:
            self._check_unchanged(self.found)
            raw = pipeline | "ReadToAnalyze" >> source.BeamSource()
            return (raw, config) | tft_beam.AnalyzeDataset(preprocess)
        known = pipeline | analyzer_cache.ReadAnalysisCacheFromFS(
            str(self.directory), sorted(self.cached)
        )
        to_read = analysis_graph_builder.get_analysis_dataset_keys(
            preprocess,
            source.TensorAdapter().OriginalTypeSpecs(),
            set(self.found),
            known,
            force_tf_compat_v1=False,
        )
        self._check_unchanged(to_read)
        raw = {key: self._read(pipeline, key) if key in to_read else None for key in self.found}
        transform_fn, found = (raw, known, config) | tft_beam.AnalyzeDatasetWithCache(preprocess)
        new = {key: value for key, value in found.items() if key not in self.cached}
        if new:
            _ = new | analyzer_cache.WriteAnalysisCacheToFS(pipeline, str(self.new))
        return transform_fn

    def _source(self, *patterns: str) -> Any:
        return tfxio.TFExampleRecord(sorted(patterns), schema=self.schema)

    def _read(self, pipeline: Any, key: Any) -> Any:
        return pipeline | f"Read[{key.key}]" >> self._source(self.found[key].pattern).BeamSource()

    def _check_unchanged(self, keys: Iterable[Any]) -> None:
        """Check what is read. Of a window that is cached, the files needn't be there any more."""
        examples = {self.found[key].examples.uri: self.found[key].examples for key in keys}
        for one in examples.values():
            example_files.check_unchanged(one)


def _publish(directory: Path, target: Path) -> None:
    try:
        directory.rename(target)
    except OSError:
        if not target.is_dir():  # another run was quicker
            raise
