"""Finds which operations a function's outputs come from: logits, or probabilities?"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_PASSED_THROUGH = (
    "Cast",
    "ExpandDims",
    "Gather",
    "GatherNd",
    "GatherV2",
    "Identity",
    "IdentityN",
    "Reshape",
    "Slice",
    "Squeeze",
    "StopGradient",
    "StridedSlice",
    "Transpose",
)
_JOINED = ("ConcatV2", "Pack")
_WITH_A_CONSTANT = ("AddV2", "Maximum", "Minimum", "Mul", "RealDiv", "Sub")
"""They scale, shift or clip where one side is a constant."""
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")


@dataclass(frozen=True)
class Origins:
    """Operations of a function."""

    outputs: frozenset[str]
    """Those whose results it returns, past those that only copy, convert or reshape."""
    all_ops: frozenset[str]
    """All that it may run, in the functions that it calls too."""


def find_origins(library: Any, name: str) -> Origins:
    """Look into a function of a graph.

    Args:
        library: a `FunctionDefLibrary`, with each function's ``ret``.
        name: of the function; one that isn't there has no operations.
    """
    functions = {function.signature.name: function for function in library.function}
    if name not in functions:
        return Origins(frozenset(), frozenset())
    outputs = {
        op
        for argument in functions[name].signature.output_arg
        for op in _origins(functions, name, functions[name].ret[argument.name])
    }
    return Origins(frozenset(outputs), frozenset(_all_ops(functions, name)))


def _origins(functions: dict[str, Any], function: str, tensor: str) -> Iterator[str]:
    """Yield the operations that a tensor of a function comes from; none for its arguments."""
    nodes = {node.name: node for node in functions[function].node_def}
    name, _, output = tensor.partition(":")
    node = nodes.get(name)
    if node is None:
        return
    called = node.attr["f"].func.name if node.op in _CALLS else node.op
    if called in functions:
        index = int(output.rpartition(":")[2] or 0)
        arguments = functions[called].signature.output_arg
        if index < len(arguments):
            yield from _origins(functions, called, functions[called].ret[arguments[index].name])
    else:
        index = int(output.rpartition(":")[2] or 0) if node.op == "IdentityN" else 0
        yield from _origins_of_inputs(functions, function, node, index)


def _origins_of_inputs(
    functions: dict[str, Any], function: str, node: Any, index: int
) -> Iterator[str]:
    """Yield what lies before an operation that changes little, else the operation."""
    inputs = [name for name in node.input if not name.startswith("^")]
    if node.op in _PASSED_THROUGH and inputs:
        yield from _origins(functions, function, inputs[index])
    elif node.op in _JOINED:
        yield from (op for name in inputs for op in _origins(functions, function, name))
    elif node.op in _WITH_A_CONSTANT:
        sides = [set(_origins(functions, function, name)) for name in inputs]
        varying = [side for side in sides if side != {"Const"}]
        yield from varying[0] if len(varying) == 1 else [node.op]
    else:
        yield node.op


def _all_ops(functions: dict[str, Any], name: str) -> set[str]:
    ops: set[str] = set()
    waiting, seen = [name], set()
    while waiting:
        current = waiting.pop()
        if current in seen or current not in functions:
            continue
        seen.add(current)
        for node in functions[current].node_def:
            ops.add(node.op)
            waiting.append(node.op)
            for value in node.attr.values():
                waiting += [item.name for item in (value.func, *value.list.func) if item.name]
    return ops
