"""Transforms by Keras' preprocessing layers, without Beam.

The result is laid out as tf.Transform lays out its own, so that whatever reads a transform graph
reads this one too.
"""

import gzip
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform import impl_helper
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from components.data_validation.example_batches import split_files
from components.data_validation.schema_inference import SCHEMA_FILE
from components.errors import ImprimaturError
from components.saved_model.reusable import find_resources
from components.tfrecord import frame
from components.transform.adaptation import adapt, parsed_batches
from components.transform.preprocessing_model import (
    build_model,
    feature_spec,
    num_values,
    storable_outputs,
)
from components.transform.request import RAW_METADATA, Request
from components.transform.user_function import UserFunction, user_code_error

_FILE = "transformed_examples-00000-of-00001.gz"
_GZIP_LEVEL = 1
_log = logging.getLogger(__name__)


def transform_by_keras(function: UserFunction, request: Request) -> None:
    """Adapt a user's layers on examples; write the graph, and the splits that are asked for.

    Args:
        function: ``preprocessing_layers``.
        request: what to transform, and where to write.

    Raises:
        UserCodeError: the function, or a layer that it made, raised.
        ConfigurationError: what it returned is no model; features that layers can't take.
        DataError: examples that don't fit the schema.
    """
    spec = feature_spec(request.schema)
    files = [
        file for name in request.analyze_splits for file in split_files(request.examples, name)
    ]
    try:
        model = build_model(function, spec, request.module_path)
        num_passes = adapt(model, parsed_batches(files, spec))
        _write_graph(model, spec, request)
        for name in request.transform_splits:
            batches = parsed_batches(split_files(request.examples, name), spec)
            _write_split(model, batches, request, name)
    except ImprimaturError:
        raise
    except Exception as error:  # whatever a user's layers raise when they are called
        what = f"the layers of {str(request.module_path)!r} raised"
        raise user_code_error(what, error, request.module_path) from error
    _log.info("%s features from %s, in %s pass(es)", len(model.output), len(spec), num_passes)


def _kept(model: Any) -> Any:
    """Return what the graph refers to, so that it is saved with it: variables, tables and files.

    The Keras model isn't kept itself: it would bring signatures of its own.
    """
    kept = tf.Module()
    kept.held_variables = [variable.value for variable in model.variables]
    kept.held_resources = find_resources(model)
    return kept


def _write_graph(model: Any, spec: Mapping[str, Any], request: Request) -> None:
    kept = _kept(model)

    def preprocess(inputs: Any) -> dict[str, Any]:
        tft.make_and_track_object(lambda: kept, name="preprocessing")
        return storable_outputs(model, {name: inputs[name] for name in spec})

    graph = request.graph
    types = impl_helper.get_type_specs_from_feature_specs(dict(spec))
    impl_helper.analyze_in_place(
        preprocess,
        force_tf_compat_v1=False,
        feature_specs=dict(spec),
        type_specs=types,
        transform_output_path=str(graph),
    )
    raw = dataset_metadata.DatasetMetadata(request.schema)
    metadata_io.write_metadata(raw, str(graph / RAW_METADATA))
    _write_domains(model, _schema_file(graph))


def _schema_file(graph: Path) -> Path:
    return graph / "transformed_metadata" / SCHEMA_FILE


def _write_domains(model: Any, file: Path) -> None:
    """Say of each output that counts something from 0 how many there are, as tf.Transform does."""
    layers = {output.name: None for output in model.output.values()}
    layers.update({layer.output.name: layer for layer in model.layers if _has_one_output(layer)})
    schema = text_format.Parse(file.read_text(encoding="utf-8"), schema_pb2.Schema())
    for feature in schema.feature:
        layer = layers.get(model.output[feature.name].name)
        count = None if layer is None else num_values(layer)
        if count is not None and feature.type == schema_pb2.INT:
            feature.int_domain.CopyFrom(
                schema_pb2.IntDomain(min=0, max=count - 1, is_categorical=True)
            )
    file.write_text(text_format.MessageToString(schema), encoding="utf-8")


def _has_one_output(layer: Any) -> bool:
    try:
        return not isinstance(layer.output, list | tuple | dict)
    except AttributeError:  # called more than once
        return False


def _write_split(model: Any, batches: Iterable[Any], request: Request, name: str) -> None:
    schema = text_format.Parse(
        _schema_file(request.graph).read_text(encoding="utf-8"), schema_pb2.Schema()
    )
    target = request.transformed_split(name)
    target.mkdir(parents=True)
    with (target / _FILE).open("wb") as file:
        for records in _encoded(model, batches, schema):
            file.write(gzip.compress(b"".join(map(frame, records)), _GZIP_LEVEL, mtime=0))


def _encoded(model: Any, batches: Iterable[Any], schema: Any) -> Iterator[list[bytes]]:
    converter = impl_helper.make_tensor_to_arrow_converter(schema)
    encoder = RecordBatchToExamplesEncoder(schema)

    compute = tf.function(lambda features: storable_outputs(model, features), autograph=False)
    for features in batches:
        yield encoder.encode(converter.convert(compute(features)))
