"""Runs a user's ``preprocessing_fn`` by tf.Transform, on any Beam runner."""

import logging
import tempfile
from collections.abc import Sequence
from typing import Any

import apache_beam as beam
import tensorflow_transform.beam as tft_beam
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_transform.tf_metadata import dataset_metadata
from tfx_bsl.public import tfxio

from components.errors import TransformError, UserCodeError
from components.transform.analyzer_cache import AnalyzerCache
from components.transform.materialization import write_transformed
from components.transform.request import RAW_METADATA, Request
from components.transform.user_function import UserFunction, said

_log = logging.getLogger(__name__)


def transform_by_beam(
    function: UserFunction,
    request: Request,
    cache: AnalyzerCache,
    beam_pipeline_args: Sequence[str],
) -> None:
    """Analyze examples; write the graph, and the splits that are asked for.

    Args:
        function: ``preprocessing_fn``.
        request: what to transform, and where to write.
        cache: what was analyzed before, and which windows count beside the request's own.
        beam_pipeline_args: Beam's options.

    Raises:
        UserCodeError: the function raised.
        TransformError: Beam failed, or an example doesn't fit.
    """
    options = PipelineOptions(list(beam_pipeline_args))
    try:
        with (
            tempfile.TemporaryDirectory(prefix="imprimatur-transform-") as scratch,
            tft_beam.Context(temp_dir=scratch, force_tf_compat_v1=False),
            cache.prepare(request) as datasets,
            beam.Pipeline(_default_runner(beam_pipeline_args), options) as pipeline,
        ):
            _add_steps(pipeline, function, request, datasets)
    except UserCodeError:
        raise
    except Exception as error:
        cause = _user_error(error)
        if cause is not None:
            raise cause from error
        _log.exception("tf.Transform failed")
        raise TransformError(
            f"the examples can't be transformed: {said(error)}; see the traceback above: "
            "examples that don't fit the schema or the preprocessing_fn, or the runner"
        ) from error


def _add_steps(pipeline: Any, function: UserFunction, request: Request, datasets: Any) -> None:
    transform_fn = datasets.analyze(pipeline, function.call)
    _ = transform_fn | tft_beam.WriteTransformFn(str(request.graph))
    writer = tft_beam.WriteMetadata(str(request.graph / RAW_METADATA), pipeline)
    _ = dataset_metadata.DatasetMetadata(request.schema) | "WriteRawMetadata" >> writer
    for name, pattern in request.patterns(request.transform_splits).items():
        one = tfxio.TFExampleRecord([pattern], schema=request.schema)
        write_transformed(pipeline, one, transform_fn, name, request.transformed_split(name))


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
