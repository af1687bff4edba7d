"""Finds the nodes of a graph that a fetch runs, nested functions included."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_COPIES = ("Identity", "IdentityN", "PlaceholderWithDefault")
_ON_VARIABLE = ("AssignVariableOp", "ReadVariableOp", "VarIsInitializedOp")
_INTERFACE = "api_implements"
_Tensor = tuple[str | None, str]
"""The function that it is in, and its name there: ``node:0``, ``node:output:0``, or an argument."""
_UNKNOWN: _Tensor = (None, "")


@dataclass(frozen=True)
class ReachedNode:
    """A node, and the function that it stands in; None means the graph itself."""

    node: Any
    function: str | None


class Library:
    """The functions of a graph.

    Args:
        definition: a `FunctionDefLibrary`.
    """

    def __init__(self, definition: Any) -> None:
        self.functions: Mapping[str, Any] = {
            function.signature.name: function for function in definition.function
        }
        self._gradients = {item.function_name: item.gradient_func for item in definition.gradient}
        self._implementations: dict[bytes, list[str]] = {}
        for name, function in self.functions.items():
            if _INTERFACE in function.attr:
                interface = function.attr[_INTERFACE].s
                self._implementations.setdefault(interface, []).append(name)

    def called_by(self, node: Any) -> Iterator[str]:
        """Yield the functions that a node may run: by its operation, or by any attribute."""
        if node.op in self.functions:
            yield node.op
        for value in node.attr.values():
            yield from _named(value)

    def in_place_of(self, name: str) -> Iterator[str]:
        """Yield what may run where a function is named: its gradient, or another implementation.

        Grappler chooses among the functions that have the same ``api_implements``.
        """
        if name in self._gradients:
            yield self._gradients[name]
        function = self.functions.get(name)
        if function is not None and _INTERFACE in function.attr:
            yield from self._implementations[function.attr[_INTERFACE].s]


def _named(value: Any) -> Iterator[str]:
    for function in (*([value.func] if value.HasField("func") else []), *value.list.func):
        yield function.name
        for nested in function.attr.values():
            yield from _named(nested)


class Reach:
    """What a session runs to compute some fetches.

    In the graph itself these are the fetches and all before them, up to what is fed. In a function
    every node counts: those with side effects run though no result needs them.

    Args:
        graph: a `GraphDef`.
        fetches: names of tensors or nodes.
        feeds: names of tensors that the caller gives.
    """

    def __init__(self, graph: Any, fetches: Sequence[str], feeds: Sequence[str] = ()) -> None:
        self.library = Library(graph.library)
        self._feeds = {_tensor(name) for name in feeds}
        self._by_function: dict[str | None, dict[str, Any]] = {
            None: {node.name: node for node in graph.node}
        }
        self._callers: dict[str, list[ReachedNode]] = {}
        self.nodes: list[ReachedNode] = []
        self._walk_graph(fetches)
        self._walk_functions()

    def _walk_graph(self, fetches: Sequence[str]) -> None:
        graph = self._by_function[None]
        waiting = [name for name in fetches if _tensor(name) not in self._feeds]
        seen = set()
        while waiting:
            name = _node_name(waiting.pop())
            if name in seen or name not in graph:
                continue
            seen.add(name)
            self.nodes.append(ReachedNode(graph[name], None))
            waiting += [
                source
                for source in graph[name].input
                if source.startswith("^") or _tensor(source) not in self._feeds
            ]

    def _walk_functions(self) -> None:
        position = 0
        while position < len(self.nodes):
            reached = self.nodes[position]
            position += 1
            for name in self.library.called_by(reached.node):
                self._callers.setdefault(name, []).append(reached)
                self._enter(name)

    def _enter(self, name: str) -> None:
        waiting = [name]
        while waiting:
            entered = waiting.pop()
            if entered in self._by_function or entered not in self.library.functions:
                continue
            nodes = self.library.functions[entered].node_def
            self._by_function[entered] = {node.name: node for node in nodes}
            self.nodes += [ReachedNode(node, entered) for node in nodes]
            waiting += self.library.in_place_of(entered)

    def is_fed(self, reached: ReachedNode, index: int) -> bool:
        """Whether an input of a node is always one of the tensors that the caller gives."""
        origins = self._origins(reached, index)
        return bool(origins) and all(
            function is None and tensor in self._feeds for function, tensor in origins
        )

    def constant(self, reached: ReachedNode, index: int) -> bytes | None:
        """Return the one text that an input of a node always is; None where it isn't known."""
        texts = set()
        for function, tensor in self._origins(reached, index):
            node = self._by_function[function].get(_node_name(tensor))
            if node is None or node.op != "Const" or len(node.attr["value"].tensor.string_val) != 1:
                return None
            texts.add(node.attr["value"].tensor.string_val[0])
        return texts.pop() if len(texts) == 1 else None

    def _origins(self, reached: ReachedNode, index: int) -> set[_Tensor]:
        """Return the tensors that an input is a copy of; empty where it can't be told."""
        found: set[_Tensor] = set()
        seen: set[_Tensor] = set()
        waiting = _input(reached, index)
        while waiting:
            tensor = waiting.pop()
            if tensor in seen:
                continue
            seen.add(tensor)
            if tensor is _UNKNOWN:
                return set()
            before = self._before(*tensor)
            if before:
                waiting += before
            else:
                found.add(tensor)
        return found

    def _before(self, function: str | None, tensor: str) -> list[_Tensor]:
        """Return what a tensor is copied from; nothing where it is made or fed."""
        if function is None and tensor in self._feeds:
            return []
        if function is not None and ":" not in tensor:
            return self._given(function, tensor)
        node = self._by_function[function].get(_node_name(tensor))
        if node is None:
            return [_UNKNOWN]
        if node.op == "ReadVariableOp":
            return [_UNKNOWN] if function is not None else self._assigned(node)
        if node.op not in _COPIES:
            return []
        index = tensor.rpartition(":")[2]
        return _input(ReachedNode(node, function), int(index)) if index.isdecimal() else [_UNKNOWN]

    def _assigned(self, read: Any) -> list[_Tensor]:
        """Return what a variable holds that the same run sets first, and nothing else changes.

        So `tf.saved_model.save` passes an asset's path on.
        """
        handle = _tensor(next(iter(read.input), ""))
        users = [
            reached
            for reached in self.nodes
            if reached.function is None and handle in map(_tensor, reached.node.input)
        ]
        assigns = [user for user in users if user.node.op == "AssignVariableOp"]
        first = any(f"^{assign.node.name}" in read.input for assign in assigns)
        if (
            not first
            or self._is_shared(handle)
            or any(u.node.op not in _ON_VARIABLE for u in users)
        ):
            return [_UNKNOWN]
        return [tensor for assign in assigns for tensor in _input(assign, 1)]

    def _is_shared(self, handle: str) -> bool:
        graph = self._by_function[None]
        node = graph.get(_node_name(handle))
        if node is None or node.op != "VarHandleOp":
            return True
        name = _variable_name(node)
        return any(
            other.op == "VarHandleOp" and other is not node and _variable_name(other) == name
            for other in graph.values()
        )

    def _given(self, function: str, argument: str) -> list[_Tensor]:
        """Return what an argument of a function is, in each call of it."""
        arguments = self.library.functions[function].signature.input_arg
        names = [item.name for item in arguments]
        callers = self._callers.get(function, [])
        by_position = not any(
            item.number_attr or item.type_list_attr for item in arguments
        ) and all(caller.node.op in (*_CALLS, function) for caller in callers)
        if argument not in names or not callers or not by_position:
            return [_UNKNOWN]
        index = names.index(argument)
        return [tensor for caller in callers for tensor in _input(caller, index)]


def _variable_name(handle: Any) -> bytes:
    name: bytes = handle.attr["shared_name"].s
    return name or handle.name.encode()


def _input(reached: ReachedNode, index: int) -> list[_Tensor]:
    names = [name for name in reached.node.input if not name.startswith("^")]
    if index >= len(names):
        return [_UNKNOWN]
    name = names[index]
    return [(reached.function, name if reached.function else _tensor(name))]


def _node_name(name: str) -> str:
    return name.removeprefix("^").partition(":")[0]


def _tensor(name: str) -> str:
    """Return the full name: in a graph, ``x`` means ``x:0``."""
    return name if ":" in name else f"{name}:0"
