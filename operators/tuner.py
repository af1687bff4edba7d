"""Tuner: the user's tuner_fn, or what it found before."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from airflow.sdk import Asset, AssetAlias, BaseOperator, Context

from components.records import Examples, HyperParameters, Record, Schema, TransformGraph
from operators._component_task import (
    flag,
    json_object,
    resolve_path,
    run_component,
    task_boundary,
    upstream_record,
)
from operators._process import ChildProcess
from operators.data_gate import check_data

_OBJECTS = ("train_args", "eval_args", "tune_args", "custom_config", "process")
_RECORDS = {"examples": Examples, "schema": Schema, "transform_graph": TransformGraph}
_MAX_EVENTS = 20
"""Of an asset, somebody may have made the newest by hand, without a record."""
_log = logging.getLogger(__name__)


class TunerOperator(BaseOperator):
    """Search hyperparameters by a user's ``tuner_fn``, or take those of the last search.

    A search is rare and a training often: what a search finds is an event of `asset`, and a run
    that doesn't search reads the newest. A retry goes on where the failed try was.

    Args:
        module_file: Python file with ``tuner_fn(fn_args)``; relative to the DAG bundle. (templated)
        examples: an `Examples` record, the output of `ExampleGenOperator`. (templated)
        raw_examples: what `data_blessing` is for, where `examples` are transformed. (templated)
        data_blessing: the output of `ExampleValidatorOperator`; if given, nothing is searched
            unless the data are blessed. (templated)
        enabled: whether to search. (templated)
        reuse: where it doesn't search, whether the last search counts. (templated)
        asset: of which each search makes an event, with the `HyperParameters` as ``extra``.
        hyperparameters: values by name for what no search has chosen. (templated)
        train_args: of each trial, ``{"num_steps": N, "splits": […]}``, as TFX's. (templated)
        eval_args: the same for evaluation. (templated)
        tune_args: ``{"num_parallel_trials": N, "max_trials": N, "max_seconds": S}``. (templated)
        schema: a `Schema` record; becomes ``fn_args.schema_path``. (templated)
        transform_graph: a `TransformGraph` record; becomes ``fn_args.transform_graph_path``.
            (templated)
        custom_config: what ``fn_args.custom_config`` holds. (templated)
        keras: 2 or 3; by default what the module's source was written for. (templated)
        seed: of random numbers. (templated)
        process: ``log_level``, ``environment``, ``memory_limit_bytes``, ``cpus`` and ``gpus`` of
            each process that runs trials. (templated)

    Returns the `HyperParameters` record, its values put over `hyperparameters`; or these alone,
    values by name, where nothing was searched. `TrainerOperator` takes either.
    """

    template_fields: Sequence[str] = (
        *("module_file", "enabled", "reuse", "hyperparameters", "keras", "seed"),
        *("raw_examples", "data_blessing"),
        *_RECORDS,
        *_OBJECTS,
    )
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(
        (*_OBJECTS, *_RECORDS, "hyperparameters", "raw_examples", "data_blessing"), "json"
    )
    ui_color = "#e6f4ea"

    def __init__(
        self,
        *,
        module_file: str,
        examples: Any,
        raw_examples: Any = None,
        data_blessing: Any = None,
        enabled: bool | str = True,
        reuse: bool | str = True,
        asset: Asset | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
        train_args: Mapping[str, Any] | None = None,
        eval_args: Mapping[str, Any] | None = None,
        tune_args: Mapping[str, Any] | None = None,
        schema: Any = None,
        transform_graph: Any = None,
        custom_config: Mapping[str, Any] | None = None,
        keras: int | str | None = None,
        seed: int | str | None = None,
        process: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if asset is not None:  # by an alias: a run that doesn't search makes no event
            kwargs = {"inlets": [asset], "outlets": [AssetAlias(asset.name)], **kwargs}
        super().__init__(**kwargs)
        self.module_file = module_file
        self.examples = examples
        self.raw_examples = raw_examples
        self.data_blessing = data_blessing
        self._is_gated = data_blessing is not None
        self.enabled = enabled
        self.reuse = reuse
        self.asset = asset
        self.hyperparameters = hyperparameters
        self.train_args = train_args
        self.eval_args = eval_args
        self.tune_args = tune_args
        self.schema = schema
        self.transform_graph = transform_graph
        self.custom_config = custom_config
        self.keras = keras
        self.seed = seed
        self.process = process
        self._child = ChildProcess()

    def execute(self, context: Context) -> dict[str, Any]:
        """Search, or look for what was found."""
        with task_boundary():
            given = json_object("hyperparameters", self.hyperparameters) or {}
            found = self._found(context)
            if found is None:
                _log.info("nothing was searched: the hyperparameters are those that were given")
                return given
            return replace(found, values={**given, **found.values}).to_json()

    def on_kill(self) -> None:
        """Kill the search's process group."""
        self._child.kill()

    def _found(self, context: Context) -> HyperParameters | None:
        if flag("enabled", self.enabled):
            searched = self._search(context)
            self._publish(searched, context)
            return searched
        return self._newest(context) if flag("reuse", self.reuse) else None

    def _search(self, context: Context) -> HyperParameters:
        examples = self.examples if self.raw_examples is None else self.raw_examples
        judged = upstream_record("examples", examples, Examples)
        check_data(self.data_blessing, is_wired=self._is_gated, examples=judged, context=context)
        flags = {
            "module_file": resolve_path(self.module_file, context),
            **{name: json_object(name, getattr(self, name)) for name in _OBJECTS},
            **{name: self._record(name, kind) for name, kind in _RECORDS.items()},
            "keras": self.keras,
            "seed": self.seed,
        }
        record = run_component(self._child, "tuner", flags, context)
        return HyperParameters.from_json(record.to_json())

    def _record(self, name: str, kind: type[Record]) -> Record | None:
        value = getattr(self, name)
        if value is None and name != "examples":
            return None
        return upstream_record(name, value, kind)

    def _publish(self, found: HyperParameters, context: Context) -> None:
        if self.asset is not None:
            outlet = context["outlet_events"][AssetAlias(self.asset.name)]
            outlet.add(self.asset, extra=found.to_json())

    def _newest(self, context: Context) -> HyperParameters | None:
        """Return what the last search found; None if there was none.

        Raises:
            RecordError: it can't be read.
        """
        if self.asset is None:
            return None
        for event in context["inlet_events"][self.asset].ascending(False).limit(_MAX_EVENTS):
            extra = dict(event.extra or {})
            if extra.get("type") == HyperParameters.__name__:
                found = HyperParameters.from_json(extra)
                _log.info("of the search of %s: %s", event.timestamp, found.values)
                return found
        return None
