"""What makes one model's pipeline: where its data are, its files, its policies and its limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, AssetAlias

from components.artifact_path import encode
from components.errors import ConfigurationError
from operators import settings
from operators.model_asset import ALIAS, model_asset


@dataclass(frozen=True)
class Timeouts:
    """How long each task may take before it is stopped, and retried."""

    example_gen: timedelta = timedelta(hours=1)
    data_validation: timedelta = timedelta(hours=1)
    transform: timedelta = timedelta(hours=2)
    tuner: timedelta = timedelta(hours=12)
    trainer: timedelta = timedelta(hours=6)
    evaluator: timedelta = timedelta(hours=1)
    infra_validator: timedelta = timedelta(minutes=30)
    approval: timedelta = timedelta(days=3)
    """How long to wait for a person's answer; none is a no."""
    pusher: timedelta = timedelta(minutes=30)
    report: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """What makes one model's pipeline; strings may be Jinja templates, as in the operators."""

    name: str
    """Of the serving folder and the asset: what a model server calls the model."""
    serving_folder: str | None = None
    """A template, where one pipeline is mapped over several models; the pushes then emit events of
    the asset that is called as the folder is. None: that of `name`."""
    source: str | Sequence[str] | None = None
    """Of the data; see `ExampleGenOperator`."""
    time_column: str | None
    interval: str
    """Cron expression of the data intervals: those of the DAG's timetable."""
    timezone: str = "UTC"
    splits: Mapping[str, Any] | None = None
    features: Sequence[str] | None = None
    example_gen_arguments: Mapping[str, Any] = field(default_factory=dict)
    """More of `ExampleGenOperator`: ``lookback``; ``sql`` and ``conn_id`` instead of a source."""
    module_file: str
    """With ``run_fn``; relative to the DAG bundle."""
    schema_file: str | None = None
    """A ``schema.pbtxt`` that the data must be as; relative to the DAG bundle. None: no such
    check."""
    preprocessing_file: str | None = None
    """With ``preprocessing_fn`` or ``preprocessing_layers``; relative to the DAG bundle. It needs
    a `schema_file`. None: the module transforms by itself, or not."""
    transformed_splits: Sequence[str] = ()
    """Splits that the transform writes as transformed examples, and that `module_file` is given in
    place of the raw ones, as modules for TFX expect. Empty: the module applies the graph itself."""
    tune_args: Mapping[str, Any] | None = None
    """What a search by the module's ``tuner_fn`` may cost; see `TunerOperator`. The DAG's param
    ``tuning`` says when: ``newest`` (the last search's hyperparameters count), ``now`` or ``off``.
    None: no such task."""
    train_args: Mapping[str, Any] = field(default_factory=dict)
    eval_args: Mapping[str, Any] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    eval_config: str | Mapping[str, Any]
    """TFMA's EvalConfig; a path is relative to the DAG bundle."""
    first_run: str = "bless"
    """Or ``refuse``, where nothing is live yet."""
    missing_slice: str = "fail"
    """Or ``pass``, where no example belongs to the slices that a threshold is for."""
    serving_spec: Mapping[str, Any] = field(default_factory=settings.serving_spec)
    """How candidates are validated; see `InfraValidatorOperator`. Default: as the installation
    says (``IMPRIMATUR_SERVING_SPEC``)."""
    validation_spec: Mapping[str, Any] | None = None
    request_spec: Mapping[str, Any] | None = None
    confirm: Mapping[str, Any] | None = None
    """Servers that must say that they serve a new version; see `PusherOperator`."""
    approvers: Sequence[Mapping[str, str]] = ()
    """Who may answer where the push policy is ``ask``: ``{"id": …, "name": …}``. Empty: whoever
    may answer the DAG's required actions."""
    keep_versions: int = 5
    timeouts: Timeouts = field(default_factory=Timeouts)

    def __post_init__(self) -> None:
        if self.preprocessing_file is not None and self.schema_file is None:
            raise ConfigurationError(
                f"preprocessing_file is {self.preprocessing_file!r}, but there is no schema_file; "
                "a preprocessing module needs the schema of the features that it gets"
            )
        if self.transformed_splits and self.preprocessing_file is None:
            raise ConfigurationError(
                f"transformed_splits is {list(self.transformed_splits)!r}, but there is no "
                "preprocessing_file; name the module that transforms them"
            )

    @property
    def base_directory(self) -> str:
        """The serving folder, on the machine that asks."""
        return self.serving_folder or str(settings.serving_root() / encode(self.name))

    @property
    def outlet(self) -> Asset | AssetAlias:
        """The model as other DAGs see it: an event for each push."""
        return model_asset(self.name) if self.serving_folder is None else ALIAS
