"""What a user's ``run_fn`` gets: TFX's `FnArgs`, field by field, with TFX's meanings.

Source: ``tfx/components/trainer/fn_args_utils.py``. Light: imports TensorFlow only when a dataset
is asked for.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import attrs


class DataAccessor(NamedTuple):
    """Readers of the examples that don't need to know their file format.

    Each takes ``(file_pattern, options, schema)``, the options of `tfx_bsl.public.tfxio`.
    """

    tf_dataset_factory: Callable[..., Any]
    record_batch_factory: Callable[..., Iterator[Any]]
    data_view_decode_fn: Callable[..., Any] | None = None


@attrs.define(slots=False)
class FnArgs:
    """Arguments of ``run_fn``. Mutable, and users may attach more, as in TFX."""

    working_dir: str | None = None
    """Set by a tuner only."""
    train_files: list[str] | None = None
    """Patterns, for instance ``<examples>/Split-train/*``; gzip where a name ends in ``.gz``."""
    eval_files: list[str] | None = None
    train_steps: int | None = None
    """None where no number was given: train as long as the module thinks right."""
    eval_steps: int | None = None
    schema_path: str | None = None
    schema_file: str | None = None
    """The same, by its older name."""
    transform_graph_path: str | None = None
    transform_output: str | None = None
    """The same, by its older name."""
    data_accessor: DataAccessor | None = None
    serving_model_dir: str | None = None
    """Where the SavedModel shall be written; doesn't exist yet."""
    eval_model_dir: str | None = None
    model_run_dir: str | None = None
    """For checkpoints and logs; exists."""
    base_model: str | None = None
    """The SavedModel directory to start from."""
    hyperparameters: dict[str, Any] | None = None
    """KerasTuner's configuration: ``{"space": […], "values": {…}}``."""
    custom_config: dict[str, Any] | None = None


def example_accessor() -> DataAccessor:
    """Return the readers of serialized `tf.Example`s in TFRecord files."""
    return DataAccessor(_tf_dataset, _record_batches)


def _tf_dataset(file_pattern: Any, options: Any, schema: Any = None) -> Any:
    return _reader(file_pattern, schema).TensorFlowDataset(options)


def _record_batches(file_pattern: Any, options: Any, schema: Any = None) -> Iterator[Any]:
    batches: Iterator[Any] = _reader(file_pattern, schema).RecordBatches(options)
    return batches


def _reader(file_pattern: Any, schema: Any) -> Any:
    from tfx_bsl.public import tfxio

    return tfxio.TFExampleRecord(file_pattern, schema=schema, telemetry_descriptors=["Trainer"])
