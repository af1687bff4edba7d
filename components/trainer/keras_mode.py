"""Chooses the Keras that a module was written for, by what stands in its source.

TensorFlow 2.21 brings Keras 3; ``tf_keras`` is Keras 2 beside it. Both together in one process
don't fit each other, so the choice is made before anything is imported.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from components.errors import ConfigurationError

LEGACY = 2
CURRENT = 3
_BY_NAME: dict[object, int] = {2: LEGACY, 3: CURRENT, "2": LEGACY, "3": CURRENT, "legacy": LEGACY}
_LEGACY_IMPORTS = {
    "tf_keras": "Keras 2 by name",
    "tensorflow_hub": "layers of TensorFlow Hub are Keras 2",
    "tensorflow_ranking": "needs Keras 2",
    "tensorflow_decision_forests": "needs Keras 2",
    "tensorflow_recommenders": "needs Keras 2",
    "tensorflow_addons": "needs Keras 2",
}
_LEGACY_ATTRIBUTES = {
    "feature_column": "feature columns need Keras 2",
    "DenseFeatures": "Keras 3 has no DenseFeatures",
    "optimizers.legacy": "Keras 3 has no legacy optimizers",
    "optimizers.experimental": "Keras 3 has no experimental optimizers",
    "layers.experimental": "Keras 3 has no layers.experimental",
    "keras.experimental": "Keras 3 has no keras.experimental",
    "hub.KerasLayer": "layers of TensorFlow Hub are Keras 2",
    "keras.estimator": "Keras 3 has no estimators",
    "keras.wrappers": "Keras 3 has no keras.wrappers",
    "get_output_at": "Keras 3's layers have no get_output_at",
    "get_input_at": "Keras 3's layers have no get_input_at",
    "get_output_shape_at": "Keras 3's layers have no get_output_shape_at",
    "get_input_shape_at": "Keras 3's layers have no get_input_shape_at",
}
_LEGACY_ARGUMENTS = {
    "lr": "Keras 3's optimizers have no argument lr",
    "decay": "Keras 3's optimizers have no argument decay",
    "workers": "Keras 3's fit has no argument workers",
    "use_multiprocessing": "Keras 3's fit has no argument use_multiprocessing",
    "max_queue_size": "Keras 3's fit has no argument max_queue_size",
}
_OPTIMIZERS = frozenset(
    {"SGD", "RMSprop", "Adam", "AdamW", "Adagrad", "Adadelta", "Adamax", "Nadam", "Ftrl"}
)
_FITTING = frozenset({"fit", "evaluate", "predict"})
_CURRENT_ATTRIBUTES = {
    "keras.ops": "keras.ops is Keras 3's",
    "keras.random": "keras.random is Keras 3's",
    "TFSMLayer": "TFSMLayer is Keras 3's",
    "keras.export": "keras.export is Keras 3's",
    "keras.distribution": "keras.distribution is Keras 3's",
}


@dataclass(frozen=True)
class KerasChoice:
    """Which Keras, and why."""

    version: int
    reason: str


def choose(module: Path, version: int | str | None = None) -> KerasChoice:
    """Return the Keras to run a module with.

    Args:
        module: its file; what it imports from its own folder is looked at too.
        version: 2 (or ``legacy``) or 3 where somebody has decided; None looks at the source.

    Raises:
        ConfigurationError: `version` is something else.
    """
    if version is not None:
        if version not in _BY_NAME:
            raise ConfigurationError(f"keras is {version!r}; expected 2, 3, 'legacy' or nothing")
        return KerasChoice(_BY_NAME[version], "as was asked for")
    signs = list(_signs(module))
    legacy = [sign for sign in signs if sign.version == LEGACY]
    current = [sign for sign in signs if sign.version == CURRENT]
    if current and legacy:
        return KerasChoice(
            CURRENT, f"{current[0].reason}, although {legacy[0].reason}; keras=2 chooses the other"
        )
    if signs:
        return signs[0]
    return KerasChoice(CURRENT, "nothing in the source needs Keras 2")


def _signs(module: Path) -> Iterator[KerasChoice]:
    for path in _sources(module):
        tree = _parse(path)
        if tree is not None:
            for version, line, reason in sorted(_signs_in(tree)):
                yield KerasChoice(version, f"{path.name}, line {line}: {reason}")


def _parse(path: Path) -> ast.Module | None:
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # importing it will say so, with the line
        return None


def _sources(module: Path) -> Iterable[Path]:
    """Return a module and what it imports, directly or not, from its folder."""
    found: dict[Path, None] = {}
    waiting = [module]
    while waiting:
        path = waiting.pop()
        if path in found or not path.is_file():
            continue
        found[path] = None
        tree = _parse(path)
        names = [] if tree is None else [name.rpartition(".")[2] for name in _imports(tree)]
        waiting += [module.with_name(f"{name}.py") for name in names]
    return found


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module or ''}.{alias.name}" for alias in node.names)


def _signs_in(tree: ast.Module) -> Iterator[tuple[int, int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in _imports(node):
                if name.partition(".")[0] in _LEGACY_IMPORTS:
                    yield LEGACY, node.lineno, _LEGACY_IMPORTS[name.partition(".")[0]]
                yield from _named(f".{name}", node.lineno)
        elif isinstance(node, ast.Attribute):
            yield from _named(f".{ast.unparse(node)}", node.lineno)
        elif isinstance(node, ast.Call):
            yield from _wrong_arguments(node)
        elif isinstance(node, ast.FunctionDef):
            yield from _operations_on_keras_tensors(node)


def _named(name: str, line: int) -> Iterator[tuple[int, int, str]]:
    for version, names in ((LEGACY, _LEGACY_ATTRIBUTES), (CURRENT, _CURRENT_ATTRIBUTES)):
        for part, reason in names.items():
            if name.endswith(f".{part}"):
                yield version, line, reason


def _wrong_arguments(call: ast.Call) -> Iterator[tuple[int, int, str]]:
    name = ast.unparse(call.func).rpartition(".")[2]
    given = {keyword.arg for keyword in call.keywords if keyword.arg is not None}
    for argument, reason in _LEGACY_ARGUMENTS.items():
        callers = _OPTIMIZERS if argument in ("lr", "decay") else _FITTING
        if argument in given and name in callers:
            yield LEGACY, call.lineno, reason


def _operations_on_keras_tensors(function: ast.FunctionDef) -> Iterator[tuple[int, int, str]]:
    """Find ``tf.…(x)`` where ``x`` holds what ``Input(…)`` made in the same function."""
    tensors = {name for node in _own_nodes(function) for name in _made_of_inputs(node)}
    for node in _own_nodes(function):
        if isinstance(node, ast.Call) and _is_operation(ast.unparse(node.func)):
            given = {name for item in node.args for name in _names_given(item)}
            if given & tensors:
                yield LEGACY, node.lineno, "Keras 3 takes no tf operation on a Keras input"


def _own_nodes(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """Yield what stands in a function, but not in the functions within it."""
    waiting: list[ast.AST] = [*function.body]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def _made_of_inputs(node: ast.AST) -> Iterator[str]:
    """Yield the variables that a statement lets hold Keras inputs, singly or in a list or dict."""
    if isinstance(node, ast.Assign) and _holds_inputs(node.value):
        for target in node.targets:
            inner = target.value if isinstance(target, ast.Subscript) else target
            if isinstance(inner, ast.Name):
                yield inner.id
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        owner = node.func.value
        adds = node.func.attr == "append" and any(map(_holds_inputs, node.args))
        if adds and isinstance(owner, ast.Name):
            yield owner.id


def _holds_inputs(value: ast.AST) -> bool:
    if isinstance(value, ast.Call):
        return ast.unparse(value.func).rpartition(".")[2] == "Input"
    if isinstance(value, ast.List | ast.Tuple):
        return any(map(_holds_inputs, value.elts))
    if isinstance(value, ast.Dict):
        return any(map(_holds_inputs, value.values))
    if isinstance(value, ast.ListComp):
        return _holds_inputs(value.elt)
    return isinstance(value, ast.DictComp) and _holds_inputs(value.value)


def _names_given(argument: ast.AST) -> Iterator[str]:
    """Yield ``x`` of ``x``, ``x[…]``, ``[x, …]``, ``x.values()`` and ``list(x.values())``."""
    if isinstance(argument, ast.Name):
        yield argument.id
    for inner in _same_tensors(argument):
        yield from _names_given(inner)


def _same_tensors(value: ast.AST) -> Iterable[ast.AST]:
    match value:
        case ast.Subscript(value=owner):
            return [owner]
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return items
        case ast.Call(func=ast.Name(id="list"), args=items):
            return items
        case ast.Call(func=ast.Attribute(value=owner, attr="values")):
            return [owner]
    return []


def _is_operation(name: str) -> bool:
    return name.startswith(("tf.", "tensorflow.")) and ".keras." not in name
