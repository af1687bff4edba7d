"""Writes a split transformed, as `tf.Example`s."""

from pathlib import Path
from typing import Any

import apache_beam as beam
import tensorflow_transform.beam as tft_beam
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

FILE_PREFIX = "transformed_examples"


def write_transformed(
    pipeline: Any, source: Any, transform_fn: Any, name: str, target: Path
) -> None:
    """Add the steps that transform a split and write it to a Beam pipeline.

    Args:
        pipeline: Beam's.
        source: a `TFXIO` that reads the split.
        transform_fn: what `AnalyzeDataset` gave.
        name: of the split.
        target: the directory of the gzipped TFRecords.
    """
    raw = pipeline | f"Read[{name}]" >> source.BeamSource()
    transformed, metadata = (
        (raw, source.TensorAdapterConfig()),
        transform_fn,
    ) | f"Transform[{name}]" >> tft_beam.TransformDataset(output_record_batches=True)
    _ = (
        transformed
        | f"Encode[{name}]"
        >> beam.FlatMap(_encode, beam.pvalue.AsSingleton(metadata.deferred_metadata))
        | f"Write[{name}]"
        >> beam.io.WriteToTFRecord(str(target / FILE_PREFIX), file_name_suffix=".gz")
    )


def _encode(element: Any, metadata: Any) -> list[bytes]:
    batch, _ = element
    encoded: list[bytes] = RecordBatchToExamplesEncoder(metadata.schema).encode(batch)
    return encoded
