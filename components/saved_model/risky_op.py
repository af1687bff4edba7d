"""Finds operations of a model that do more than compute.

What is looked at is what a server runs: to restore variables, to initialise, and to answer each
signature. The order of the first two is that of `tensorflow/cc/saved_model/loader.cc`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import DecodeError

from components.errors import InvalidModelError
from components.saved_model import messages
from components.saved_model.op_reach import Reach, ReachedNode
from components.saved_model.op_registry import known_ops
from components.saved_model.op_risk import why_risky

_TAGS = {"serve"}
_INIT_SIGNATURE = "__saved_model_init_op"
_INIT_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")
_ASSETS_COLLECTION = "saved_model_assets"
_FILENAME_INPUT = {
    "Restore": 0,
    "RestoreSlice": 0,
    "RestoreV2": 0,
    "InitializeTableFromTextFile": 1,
    "InitializeTableFromTextFileV2": 1,
}


@dataclass(frozen=True)
class RiskyOp:
    """An operation that does more than compute."""

    op: str
    node: str
    function: str | None
    """In which function of the graph; None for the graph itself."""
    why: str
    reached_by: str
    """What runs it."""

    def __str__(self) -> str:
        inside = f" in {self.function!r}" if self.function else ""
        return f"{self.op} {self.why} (node {self.node!r}{inside}, run by {self.reached_by})"


@dataclass(frozen=True)
class _Run:
    """One thing that a server has a session do."""

    name: str
    fetches: Sequence[str]
    feeds: Sequence[str]
    exempt: Sequence[str] = ()
    """Operations that may read the files that are fed."""


def find_risky_ops(model: Path) -> list[RiskyOp]:
    """Return the operations that touch files, run Python or other programs, or aren't TensorFlow's.

    Exempt are what every SavedModel has: the saver's functions, as far as they read the model's own
    variables, and tables that are initialised from the model's own assets.

    Args:
        model: a SavedModel directory.

    Raises:
        InvalidModelError: no SavedModel, one that can't be read, or none that is tagged ``serve``.
        ServerUnavailableError: TensorFlow's operations can't be listed.
    """
    try:
        graphs = [graph for graph in _read(model) if set(graph.meta_info_def.tags) == _TAGS]
        runs = [(graph.graph_def, run) for graph in graphs for run in _runs(graph)]
    except (DecodeError, text_format.ParseError, UnicodeDecodeError) as error:
        raise InvalidModelError(
            f"the SavedModel in {str(model)!r} can't be read: {error}; it isn't whole"
        ) from error
    if not graphs:
        raise InvalidModelError(
            f"the SavedModel in {str(model)!r} has no graph with the tags {sorted(_TAGS)}, the one "
            "that a server loads"
        )
    found = {
        (risky.op, risky.node, risky.function): risky
        for graph_def, run in reversed(runs)
        for risky in _risky_in(graph_def, run)
    }
    return [found[key] for key in sorted(found, key=lambda key: (key[0], key[2] or "", key[1]))]


def _read(model: Path) -> Sequence[Any]:
    binary, text = model / "saved_model.pb", model / "saved_model.pbtxt"
    if binary.is_file():
        saved = messages.SavedModel.FromString(binary.read_bytes())
    elif text.is_file():
        saved = messages.TextSavedModel()
        text_format.Parse(text.read_bytes(), saved, allow_unknown_field=True)
    else:
        raise InvalidModelError(
            f"{str(model)!r} holds no saved_model.pb; expected a SavedModel directory"
        )
    return list(saved.meta_graphs)


def _runs(graph: Any) -> Iterator[_Run]:
    assets = [asset.tensor_info.name for asset in _assets(graph)]
    saver = graph.saver_def
    if saver.restore_op_name:
        yield _Run(
            "the restoring of variables",
            [saver.restore_op_name],
            [saver.filename_tensor_name, *assets],
            ("Restore", "RestoreSlice", "RestoreV2"),
        )
    yield _Run(
        "the initialisation",
        list(_init_fetches(graph)),
        assets,
        ("InitializeTableFromTextFile", "InitializeTableFromTextFileV2"),
    )
    for name, signature in sorted(graph.signature_def.items()):
        if name != _INIT_SIGNATURE:
            yield _Run(
                f"the signature {name!r}",
                [tensor for info in signature.outputs.values() for tensor in _names(info)],
                [tensor for info in signature.inputs.values() for tensor in _names(info)],
            )


def _assets(graph: Any) -> Sequence[Any]:
    if graph.asset_file_def or _ASSETS_COLLECTION not in graph.collection_def:
        return list(graph.asset_file_def)
    packed = graph.collection_def[_ASSETS_COLLECTION].any_list.value
    return [messages.AssetFileDef.FromString(item.value) for item in packed]


def _init_fetches(graph: Any) -> Iterator[str]:
    if _INIT_SIGNATURE in graph.signature_def:
        for info in graph.signature_def[_INIT_SIGNATURE].outputs.values():
            yield from _names(info)
    for name in _INIT_COLLECTIONS:
        if name in graph.collection_def:
            yield from graph.collection_def[name].node_list.value


def _names(info: Any) -> Iterator[str]:
    sparse = info.coo_sparse
    names = (
        info.name,
        sparse.values_tensor_name,
        sparse.indices_tensor_name,
        sparse.dense_shape_tensor_name,
    )
    yield from filter(None, names)
    for component in info.composite_tensor.components:
        yield from _names(component)


def _risky_in(graph: Any, run: _Run) -> Iterator[RiskyOp]:
    reach = Reach(graph, run.fetches, run.feeds)
    for reached in reach.nodes:
        why = _why(reach, reached)
        if why is not None and not _is_exempt(reach, reached, run):
            node = reached.node
            yield RiskyOp(node.op, node.name, reached.function, why, run.name)


def _why(reach: Reach, reached: ReachedNode) -> str | None:
    op = reached.node.op
    why = why_risky(reached.node, lambda index: reach.constant(reached, index))
    if why is None and op not in known_ops() and op not in reach.library.functions:
        return "isn't an operation of TensorFlow: it runs code of a library that must be loaded"
    return why


def _is_exempt(reach: Reach, reached: ReachedNode, run: _Run) -> bool:
    op = reached.node.op
    return op in run.exempt and reach.is_fed(reached, _FILENAME_INPUT[op])
