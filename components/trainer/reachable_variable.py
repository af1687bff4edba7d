"""Finds the variables that a model's signatures use, and those without a value or with NaN.

A signature may use a variable on a path that one example doesn't take, so that asking isn't
enough. In the graph of a SavedModel of TensorFlow 2 the variables are handles outside of all
functions, which get them as inputs.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from components.saved_model.session import ServingSession, Signature

_HANDLE = "VarHandleOp"
_MIN_FLOAT_BYTES = 2


def reachable_variables(meta_graph: Any, signatures: Iterable[Signature]) -> dict[str, int | None]:
    """Return the variable handles that the outputs of signatures depend on.

    Args:
        meta_graph: a `MetaGraphDef`.
        signatures: of the same model.

    Returns:
        The number of elements by the name of the node; None where the shape isn't known.
    """
    nodes = {node.name: node for node in meta_graph.graph_def.node}
    waiting = [
        _node_name(spec.tensor_name)
        for signature in signatures
        for spec in signature.outputs.values()
    ]
    seen: set[str] = set()
    found: dict[str, int | None] = {}
    while waiting:
        name = waiting.pop()
        if name in seen or name not in nodes:
            continue
        seen.add(name)
        if nodes[name].op == _HANDLE:
            found[name] = _num_elements(nodes[name])
        waiting += [_node_name(edge) for edge in nodes[name].input]
    return found


def uninitialized(session: ServingSession, variables: Mapping[str, int | None]) -> list[str]:
    """Return those of the variables that have no value in a session.

    Args:
        session: of the model; checks are added to its graph.
        variables: names of their handles.
    """
    if not variables:
        return []
    names = list(variables)
    graph = session._graph
    with graph.as_default():
        checks = [
            tf.raw_ops.VarIsInitializedOp(resource=graph.get_tensor_by_name(f"{name}:0"))
            for name in names
        ]
    answers = session._session.run(checks)
    return [name for name, is_there in zip(names, answers, strict=True) if not is_there]


def holding_nan(session: ServingSession, variables: Mapping[str, int | None]) -> list[str]:
    """Return those of the variables that hold NaN in a session.

    Args:
        session: of the model; checks are added to its graph.
        variables: names of their handles; all have a value.
    """
    graph = session._graph
    checks = {}
    with graph.as_default():
        for name in variables:
            handle = graph.get_tensor_by_name(f"{name}:0")
            dtype = handle.op.get_attr("dtype")
            if dtype.is_floating and dtype.size >= _MIN_FLOAT_BYTES:  # none smaller has is_nan
                value = tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype)
                checks[name] = tf.reduce_any(tf.math.is_nan(value))
    answers = session._session.run(checks)
    return [name for name, has_nan in answers.items() if has_nan]


def _node_name(edge: str) -> str:
    return edge.removeprefix("^").partition(":")[0]


def _num_elements(node: Any) -> int | None:
    sizes = [int(dim.size) for dim in node.attr["shape"].shape.dim]
    if node.attr["shape"].shape.unknown_rank or any(size < 0 for size in sizes):
        return None
    return math.prod(sizes)
