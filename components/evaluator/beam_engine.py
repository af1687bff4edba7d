"""Runs models over examples by Apache Beam, on any runner, to the same numbers as `engine`.

::

    files ─ count ─────────┐ (side input: how many examples come before each file)
      └──── read, cut into pieces ─ group by batch ─ predict ─ combine ─ one `Sums`

Batches are those of the local engine, whatever the files: a model's answer may differ in its last
digit with the batch that an example is in. Sums are exact, so the order of adding is nothing.
"""

import logging
import pickle
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions

from components.errors import ConfigurationError, DataError, EvaluationError, ImprimaturError
from components.evaluator.beam_sums import Fault, Models, Predicted, Sums, SumsFn, faults_as_values
from components.evaluator.counting import Counter
from components.evaluator.eval_config import EvalConfig
from components.evaluator.example_parser import ExampleParser
from components.evaluator.example_reader import BATCH_SIZE, ExampleReader, Files, translated
from components.evaluator.tally import Tally

_RESULT = "sums.pickle"
_FAULTS = "faults"
_log = logging.getLogger(__name__)


def tally_by_beam(
    config: EvalConfig,
    reader: ExampleReader,
    models: Models,
    *,
    beam_pipeline_args: Sequence[str],
    scratch: Path,
) -> tuple[Tally, int]:
    """Measure all models on all examples.

    Args:
        config: metrics and slices.
        reader: the examples, in files that every worker sees.
        models: each is loaded once by every process that works.
        beam_pipeline_args: Beam's options; without ``--runner`` its runner within this process.
        scratch: a directory that every worker sees.

    Returns:
        The sums, and the number of examples.

    Raises:
        ConfigurationError: no such runner or option, or a custom metric that can't be loaded.
        DataError: examples that can't be read, or labels that don't fit the metrics.
        InvalidModelError: predictions that don't fit the metrics.
        EvaluationError: Beam failed.
    """
    for name in ("apache_beam", "root"):
        logging.getLogger(name).setLevel(logging.WARNING)
    result = scratch / _RESULT
    # Here first: what a worker raises while it sets up comes back as its runner likes.
    tally = Counter(config, models.titles).new_tally()
    try:
        options = PipelineOptions(list(beam_pipeline_args))
        _check_known(options, beam_pipeline_args)
        pipeline = beam.Pipeline(_default_runner(beam_pipeline_args), options)
    except ValueError as error:
        raise ConfigurationError(
            f"Beam doesn't take the options {list(beam_pipeline_args)!r}: {error}"
        ) from error
    _build(pipeline, config, reader, models, result)
    _run(pipeline)
    sums = _read_result(result)
    tally.merge(sums.tally)
    return tally, sums.num_examples


def _build(
    pipeline: Any,
    config: EvalConfig,
    reader: ExampleReader,
    models: Models,
    result: Path,
) -> None:
    files = reader.files
    numbered = pipeline | "Files" >> beam.Create(list(enumerate(files.paths)))
    counted = (
        numbered
        | "SpreadToCount" >> beam.Reshuffle()
        | "Count" >> beam.ParDo(_Count(files)).with_outputs(_FAULTS, main="counts")
    )
    predicted = (
        numbered
        | "SpreadToRead" >> beam.Reshuffle()
        | "Read" >> beam.FlatMap(_pieces, files, beam.pvalue.AsDict(counted.counts))
        | "Batch" >> beam.GroupByKey()
        | "Predict" >> beam.ParDo(_Predict(reader.parser, models))
    )
    _ = (
        (predicted, counted[_FAULTS])
        | beam.Flatten()
        | "Sum" >> beam.CombineGlobally(SumsFn(config, models)).without_defaults()
        | "Write" >> beam.Map(_write, str(result))
    )


def _run(pipeline: Any) -> None:
    try:
        pipeline.run().wait_until_finish()
    except Exception as error:
        # A runner raises what it likes. What this code says on purpose comes as a value.
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ImprimaturError):
            cause = cause.__cause__ or cause.__context__
        if cause is not None:
            raise cause from error
        _log.exception("Beam failed")
        said = str(error).strip().splitlines() or [""]
        raise EvaluationError(
            f"Beam can't evaluate: {type(error).__name__}: {said[0]}; see the traceback above"
        ) from error


def _read_result(result: Path) -> Sums:
    if not result.exists():
        raise EvaluationError(
            f"Beam's workers wrote no {str(result)!r}; expected a directory that they share with "
            "this machine: give an --output-dir that all see"
        )
    sums: Sums = pickle.loads(result.read_bytes())  # noqa: S301 - our own workers wrote it
    result.unlink()
    if sums.fault is not None:
        raise sums.fault.kind(sums.fault.message)
    return sums


def _names_runner(beam_pipeline_args: Sequence[str]) -> bool:
    return any(argument.split("=")[0] == "--runner" for argument in beam_pipeline_args)


def _check_known(options: PipelineOptions, beam_pipeline_args: Sequence[str]) -> None:
    """Refuse what Beam would pass over; another runner than its own may have options of its own."""
    known = options.get_all_options()
    unknown = options.get_all_options(retain_unknown_options=True).keys() - known.keys()
    if unknown and not _names_runner(beam_pipeline_args):
        names = ", ".join(f"--{name}" for name in sorted(unknown))
        raise ConfigurationError(
            f"beam_pipeline_args is {list(beam_pipeline_args)!r}, of which Beam doesn't know "
            f"{names}; correct it, or name with --runner the runner that takes it"
        )


def _default_runner(beam_pipeline_args: Sequence[str]) -> Any:
    """Return Beam's runner within this process, unless another is asked for.

    Its name for that, DirectRunner, first downloads a program and starts it.
    """
    if _names_runner(beam_pipeline_args):
        return None
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    return FnApiRunner()


class _Count(beam.DoFn):  # type: ignore[misc]  # Beam has no types
    """(number, path) of a file → (number, how many examples); a broken one is a fault."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def process(self, element: tuple[int, str]) -> Iterator[Any]:
        number, path = element
        try:
            count = sum(map(len, self._files.read_one(path, BATCH_SIZE)))
        except DataError as error:
            yield beam.pvalue.TaggedOutput(_FAULTS, Fault(-1, type(error), str(error)))
            return
        yield number, count


def _pieces(
    element: tuple[int, str], files: Files, counts: Mapping[int, int]
) -> Iterator[tuple[int, tuple[int, list[bytes]]]]:
    """Yield (batch, (how many came before, examples)) of a file; nothing if any file is broken."""
    if len(counts) < len(files.paths):
        return
    number, path = element
    start = sum(counts[before] for before in range(number))
    for examples in files.read_one(path, BATCH_SIZE):
        taken = 0
        while taken < len(examples):
            batch, offset = divmod(start, BATCH_SIZE)
            piece = examples[taken : taken + BATCH_SIZE - offset]
            yield batch, (start, piece)
            start, taken = start + len(piece), taken + len(piece)


class _Predict(beam.DoFn):  # type: ignore[misc]  # Beam has no types
    """A batch's pieces → the batch with predictions, or a fault."""

    def __init__(self, parser: ExampleParser, models: Models) -> None:
        self._parser = parser
        self._models = models

    def setup(self) -> None:
        self._loaded = self._models.load()

    def process(self, element: tuple[int, Any]) -> Iterator[Predicted | Fault]:
        number, pieces = element
        start = number * BATCH_SIZE

        def predict() -> Predicted:
            ordered = sorted(pieces, key=lambda piece: piece[0])
            serialized = tf.constant([each for _, piece in ordered for each in piece])
            (parsed,) = translated(
                map(self._parser.parse, [serialized]), [f"batch {number + 1} of the examples"]
            )
            batch = self._parser.batch(parsed[0], parsed[1], start)
            return Predicted(self._loaded.complete(batch), self._loaded.predict(batch))

        yield faults_as_values(predict, start)


def _write(sums: Any, path: str) -> None:
    partial = Path(f"{path}.partial")
    partial.write_bytes(pickle.dumps(sums))
    partial.replace(path)
