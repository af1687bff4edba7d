"""What a SavedModel is made of, read from its files alone: nothing of it is run."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from components import artifacts
from components.errors import InvalidModelError
from components.saved_model import handle
from components.saved_model.object_graph_messages import SavedModel
from components.saved_model.output_origin import find_origins
from components.saved_model.structured_value import (
    dims_text,
    dtype_name,
    dtype_num_bytes,
    tensor_text,
    to_python,
)

_INIT_SIGNATURE = "__saved_model_init_op"
_RANDOM_OPS = ("RandomUniform", "StatelessRandomUniform", "RandomStandardNormal", "StatelessRandom")


@dataclass(frozen=True)
class SignatureDescription:
    """Inputs and outputs by name, each as ``float32[None, 4]``."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


@dataclass(frozen=True)
class TraceDescription:
    """One trace of ``__call__``."""

    arguments: Mapping[str, Any]
    """Name → a tensor's text, or the Python value that it was traced for."""
    outputs: Any
    origins: tuple[str, ...]
    """The operations that the outputs come from, past those that only copy or reshape."""
    is_random: bool
    """Whether it draws random numbers, as a dropout does."""


@dataclass(frozen=True)
class VariableDescription:
    """One variable."""

    name: str
    dtype: str
    shape: str
    num_bytes: int
    trained: bool
    """Whether it is in ``trainable_variables``."""
    listed: bool
    """Whether it is in ``variables``."""


@dataclass(frozen=True)
class ModelDescription:
    """One SavedModel."""

    directory: str
    num_bytes: int
    tensorflow_version: str
    signatures: Mapping[str, SignatureDescription]
    has_object_graph: bool
    """False of models of TensorFlow 1, and of some converters."""
    calls: tuple[TraceDescription, ...]
    variables: tuple[VariableDescription, ...]
    num_regularization_losses: int
    num_slot_variables: int
    """What an optimizer keeps for each variable."""
    optimizer_paths: tuple[str, ...]
    """Where optimizers hang in the object graph."""
    assets: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return JSON types."""
        return asdict(self)

    @property
    def num_parameters_bytes(self) -> int:
        """The size of all variables in memory."""
        return sum(variable.num_bytes for variable in self.variables)


def describe(directory: str | Path) -> ModelDescription:
    """Describe a SavedModel.

    Raises:
        InvalidModelError: none there, a module in the TF1 Hub format, or one that can't be read.
    """
    root = Path(directory)
    handle.check_model(root, str(directory))
    graph = _read(root)
    objects = _ObjectGraph(graph)
    return ModelDescription(
        directory=str(directory),
        num_bytes=artifacts.read_foreign_manifest(root).num_bytes,
        tensorflow_version=graph.meta_info_def.tensorflow_version,
        signatures={
            name: _signature(graph.signature_def[name])
            for name in sorted(graph.signature_def)
            if name != _INIT_SIGNATURE
        },
        has_object_graph=bool(objects.nodes),
        calls=tuple(objects.calls()),
        variables=tuple(objects.variables()),
        num_regularization_losses=len(objects.list_at("regularization_losses")),
        num_slot_variables=sum(len(node.slot_variables) for node in objects.nodes),
        optimizer_paths=tuple(objects.optimizers()),
        assets=tuple(sorted(asset.filename for asset in graph.asset_file_def)),
    )


def _read(root: Path) -> Any:
    binary = root / "saved_model.pb"
    if not binary.is_file():
        raise InvalidModelError(
            f"{str(root)!r} holds its graph as text (saved_model.pbtxt); expected saved_model.pb"
        )
    try:
        graphs = SavedModel.FromString(binary.read_bytes()).meta_graphs
    except (DecodeError, OSError) as error:
        raise InvalidModelError(f"{str(binary)!r} can't be read: {error}") from error
    if not graphs:
        raise InvalidModelError(f"{str(binary)!r} holds no graph; it isn't whole")
    return next((graph for graph in graphs if "serve" in graph.meta_info_def.tags), graphs[0])


def _signature(definition: Any) -> SignatureDescription:
    def texts(infos: Any) -> dict[str, str]:
        return {
            alias: tensor_text(infos[alias].dtype, infos[alias].tensor_shape)
            for alias in sorted(infos)
        }

    return SignatureDescription(texts(definition.inputs), texts(definition.outputs))


class _ObjectGraph:
    """The object graph of a `MetaGraphDef`."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.nodes = graph.object_graph_def.nodes
        self.root = self._children(0) if self.nodes else {}

    def _children(self, node_id: int) -> dict[str, int]:
        return {child.local_name: child.node_id for child in self.nodes[node_id].children}

    def list_at(self, name: str) -> list[int]:
        """Return the nodes of a list that hangs at the root; empty where there is none."""
        if name not in self.root:
            return []
        items = self._children(self.root[name])
        return [items[key] for key in sorted(filter(str.isdigit, items), key=int)]

    def calls(self) -> Iterator[TraceDescription]:
        """Yield the traces of ``__call__``."""
        if "__call__" not in self.root:
            return
        function = self.nodes[self.root["__call__"]].function
        spec = to_python(function.function_spec.fullargspec) or {}
        names = [name for name in spec.get("args", ()) if name != "self"]
        for concrete_name in function.concrete_functions:
            concrete = self.graph.object_graph_def.concrete_functions[concrete_name]
            given: Any = to_python(concrete.canonicalized_input_signature) or ((), {})
            origins = find_origins(self.graph.graph_def.library, concrete_name)
            yield TraceDescription(
                arguments={**dict(zip(names, given[0], strict=False)), **given[1]},
                outputs=to_python(concrete.output_signature),
                origins=tuple(sorted(origins.outputs)),
                is_random=any(op.startswith(_RANDOM_OPS) for op in origins.all_ops),
            )

    def variables(self) -> Iterator[VariableDescription]:
        """Yield each variable once, in the order of ``variables``, then the others."""
        listed, trained = self.list_at("variables"), set(self.list_at("trainable_variables"))
        others = [index for index, node in enumerate(self.nodes) if node.HasField("variable")]
        for index in dict.fromkeys([*listed, *others]):
            if self.nodes[index].HasField("variable"):
                yield _variable(
                    self.nodes[index].variable, trained=index in trained, listed=index in listed
                )

    def optimizers(self) -> Iterator[str]:
        """Yield the paths of what is called an optimizer, two levels deep."""
        for name, node_id in self.root.items():
            for inner in ("", *self._children(node_id)):
                path = f"{name}.{inner}".rstrip(".")
                if (inner or name).strip("_") == "optimizer":
                    yield path


def _variable(saved: Any, *, trained: bool, listed: bool) -> VariableDescription:
    dtype = dtype_name(saved.dtype)
    sizes = [dim.size for dim in saved.shape.dim]
    return VariableDescription(
        name=saved.name,
        dtype=dtype,
        shape=dims_text(sizes),
        num_bytes=dtype_num_bytes(dtype) * prod(max(size, 0) for size in sizes),
        trained=trained,
        listed=listed,
    )
