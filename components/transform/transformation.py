"""Runs a user's ``preprocessing_fn`` by tf.Transform, on any Beam runner."""

import inspect
import logging
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from components import artifacts, example_files
from components.data_validation.schema_inference import SCHEMA_FILE, read_schema
from components.errors import ConfigurationError, TransformError, UserCodeError
from components.records import Examples, Run, Schema, Split, TransformGraph
from components.trainer.user_module import find_module, import_module

GRAPH_DIRECTORY = "transform_graph"
"""TFX's name; holds ``metadata``, ``transformed_metadata`` and ``transform_fn``."""
EXAMPLES_DIRECTORY = "transformed_examples"
_RAW_METADATA = "metadata"
_log = logging.getLogger(__name__)


def transform(
    *,
    examples: Examples,
    schema: Schema | str | Path,
    module_file: str,
    output_dir: str | Path,
    analyze_splits: Sequence[str] = ("train",),
    transform_splits: Sequence[str] = (),
    custom_config: Mapping[str, Any] | None = None,
    beam_pipeline_args: Sequence[str] = (),
    run: Run | None = None,
) -> TransformGraph:
    """Analyze examples by a user's ``preprocessing_fn`` and write the graph that transforms them.

    Args:
        examples: the raw examples.
        schema: what they are: a record, or a ``schema.pbtxt``. Features that aren't in it aren't
            read.
        module_file: with ``preprocessing_fn(inputs)`` or ``preprocessing_fn(inputs,
            custom_config)``.
        output_dir: gets ``transform_graph/``, ``record.json``, and, where splits are to be
            transformed, ``transformed_examples/`` with a record of its own.
        analyze_splits: from which vocabularies, means and the like are computed: never from what
            a model is judged on.
        transform_splits: splits to write transformed; default: none, the graph is applied while
            training.
        custom_config: handed to ``preprocessing_fn``.
        beam_pipeline_args: Beam's options, for instance ``--runner=FlinkRunner``; default: its
            direct runner in this process.
        run: which task instance asks.

    Returns:
        The record; its ``uri`` is the directory that `tft.TFTransformOutput` takes.

    Raises:
        ConfigurationError: no such split, no module, no ``preprocessing_fn``, no schema.
        DataError: the examples aren't those of the record, or don't fit the schema.
        UserCodeError: ``preprocessing_fn`` raised.
        TransformError: Beam failed, or an example doesn't fit.
    """
    path = find_module(module_file)
    expected = read_schema(Path(schema.uri) if isinstance(schema, Schema) else Path(schema))
    patterns = _patterns(examples, (*analyze_splits, *transform_splits))
    if not analyze_splits:
        raise ConfigurationError("analyze_splits is empty; name the split that is trained on")
    example_files.check_unchanged(examples)
    # tensorflow_transform sets it when it is imported, and Keras would be two at once
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "0")
    preprocess = _preprocessing_fn(module_file, path, custom_config)
    with artifacts.new_directory(output_dir) as staging:
        _run(
            preprocess,
            expected,
            analyze=[patterns[name] for name in analyze_splits],
            materialize={name: patterns[name] for name in transform_splits},
            staging=staging,
            beam_pipeline_args=beam_pipeline_args,
        )
        final = Path(output_dir).absolute()
        if transform_splits:
            _record_examples(examples, transform_splits, staging, final)
        record = TransformGraph(
            uri=str(final / GRAPH_DIRECTORY),
            digest=artifacts.digest(staging / GRAPH_DIRECTORY),
            examples_digest=examples.digest,
        )
        artifacts.write_record(record, staging)
    return record


def _patterns(examples: Examples, names: Sequence[str]) -> dict[str, str]:
    for name in names:
        if name not in examples.splits:
            raise ConfigurationError(
                f"the examples in {examples.uri!r} have no split {name!r}; they have "
                f"{', '.join(sorted(examples.splits)) or 'none'}"
            )
    return {name: str(Path(examples.uri) / examples.splits[name].file_pattern) for name in names}


def _preprocessing_fn(
    module_file: str, path: Path, custom_config: Mapping[str, Any] | None
) -> Callable[[Any], Any]:
    try:
        module = import_module(module_file, path)
    except ConfigurationError:
        raise
    except Exception as error:
        _log.exception("%s can't be imported", path)
        raise UserCodeError(f"importing {str(path)!r} raised {_said(error)}") from error
    function = getattr(module, "preprocessing_fn", None)
    if not callable(function):
        raise ConfigurationError(
            f"{str(path)!r} has no function preprocessing_fn; write preprocessing_fn(inputs), "
            "which returns the transformed features by name"
        )
    takes_config = "custom_config" in inspect.signature(function).parameters

    def preprocess(inputs: Any) -> Any:
        try:
            return (
                function(inputs, custom_config=custom_config) if takes_config else function(inputs)
            )
        except Exception as error:
            _log.exception("preprocessing_fn raised")
            raise UserCodeError(
                f"preprocessing_fn of {str(path)!r} raised {_said(error)}"
            ) from error

    return preprocess


def _run(
    preprocess: Callable[[Any], Any],
    schema: Any,
    *,
    analyze: Sequence[str],
    materialize: Mapping[str, str],
    staging: Path,
    beam_pipeline_args: Sequence[str],
) -> None:
    import apache_beam as beam
    import tensorflow_transform.beam as tft_beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from tensorflow_transform.tf_metadata import dataset_metadata
    from tfx_bsl.public import tfxio

    from components.transform.materialization import write_transformed

    for name in ("absl", "apache_beam", "tensorflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    graph = staging / GRAPH_DIRECTORY
    options = PipelineOptions(list(beam_pipeline_args))
    source = tfxio.TFExampleRecord(list(analyze), schema=schema)
    metadata = dataset_metadata.DatasetMetadata(schema)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="imprimatur-transform-") as scratch,
            beam.Pipeline(_default_runner(beam_pipeline_args), options) as pipeline,
            tft_beam.Context(temp_dir=scratch, force_tf_compat_v1=False),
        ):
            raw = pipeline | "ReadToAnalyze" >> source.BeamSource()
            transform_fn = (raw, source.TensorAdapterConfig()) | tft_beam.AnalyzeDataset(preprocess)
            _ = transform_fn | tft_beam.WriteTransformFn(str(graph))
            writer = tft_beam.WriteMetadata(str(graph / _RAW_METADATA), pipeline)
            _ = metadata | "WriteRawMetadata" >> writer
            for name, pattern in materialize.items():
                target = staging / EXAMPLES_DIRECTORY / f"Split-{name}"
                one = tfxio.TFExampleRecord([pattern], schema=schema)
                write_transformed(pipeline, one, transform_fn, name, target)
    except UserCodeError:
        raise
    except Exception as error:
        cause = _user_error(error)
        if cause is not None:
            raise cause from error
        _log.exception("tf.Transform failed")
        raise TransformError(
            f"the examples can't be transformed: {_said(error)}; see the traceback above: "
            "examples that don't fit the schema or the preprocessing_fn, or the runner"
        ) from error


def _default_runner(beam_pipeline_args: Sequence[str]) -> Any:
    """Return Beam's runner within this process, unless another is asked for.

    Its name for that, DirectRunner, first downloads a program and starts it.
    """
    if any(argument.startswith("--runner") for argument in beam_pipeline_args):
        return None
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    return FnApiRunner()


def _user_error(error: BaseException | None) -> UserCodeError | None:
    """Return what the user's function raised, from below what Beam made of it."""
    while error is not None:
        if isinstance(error, UserCodeError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _record_examples(examples: Examples, splits: Sequence[str], staging: Path, final: Path) -> None:
    directory = staging / EXAMPLES_DIRECTORY
    record = Examples(
        uri=str(final / EXAMPLES_DIRECTORY),
        splits={
            name: Split(f"Split-{name}/*.gz", examples.splits[name].num_examples) for name in splits
        },
        digest=artifacts.digest(directory),
        window=examples.window,
        schema_uri=str(final / GRAPH_DIRECTORY / "transformed_metadata" / SCHEMA_FILE),
    )
    artifacts.write_record(record, directory)


def _said(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}"
