"""Models as other DAGs see them: assets, and events when what is live changes."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote

from airflow.sdk import Asset, AssetAlias, Context

from components.artifact_path import encode
from components.records import PushedModel

ALIAS = AssetAlias("imprimatur-models")
"""Outlet of tasks that learn only at run time which model they change."""


def model_name(base_directory: str | Path) -> str:
    """Return what the model in a serving folder is called: as the folder is."""
    return unquote(Path(base_directory).name)


def model_asset(name: str) -> Asset:
    """Return the asset of the model that a server calls `name`."""
    return Asset(name=f"model/{name}", uri=f"x-imprimatur://model/{encode(name)}")


def hyperparameters_asset(name: str) -> Asset:
    """Return the asset of which each search for a model's hyperparameters makes an event."""
    return Asset(
        name=f"hyperparameters/{name}", uri=f"x-imprimatur://hyperparameters/{encode(name)}"
    )


def tell_outlets(
    outlets: Any, pushed: PushedModel, base_directory: str, context: Context, outcome: str
) -> None:
    """Give the task's outlets what is live now as their event's ``extra``.

    Args:
        outlets: of the task. An alias gets an event for the model's asset, but only if something
            changed; an asset always has one, because Airflow makes it.
        pushed: what is live now.
        base_directory: the serving folder, which is called as the model is.
        context: of the task instance.
        outcome: what happened: ``pushed``, ``already_live`` or ``rolled_back``.
    """
    extra = {**pushed.to_json(), "outcome": outcome}
    for outlet in outlets or ():
        if isinstance(outlet, Asset):
            context["outlet_events"][outlet].extra = extra
        elif isinstance(outlet, AssetAlias) and outcome != "already_live":
            asset = model_asset(model_name(base_directory))
            context["outlet_events"][outlet].add(asset, extra=extra)
