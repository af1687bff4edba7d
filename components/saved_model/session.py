"""Runs a SavedModel as TensorFlow Serving's C++ does: graph, session, signature feeds and fetches.

`tf.saved_model.load` rebuilds Python objects and finds variables by their place in the object
graph; TensorFlow Serving restores them by the graph's restore op. A model can answer through one
and fail through the other, so what is judged here runs the way it will be served. Source of the
order of steps: `tensorflow/cc/saved_model/loader.cc`.
"""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import config_pb2
from tensorflow.python.client import pywrap_tf_session

from components.errors import InvalidModelError, PredictionError

DEFAULT_SIGNATURE = "serving_default"
INIT_SIGNATURE = "__saved_model_init_op"
SERVE_TAGS = ("serve",)


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a signature."""

    tensor_name: str
    """In the graph, for instance ``serving_default_examples:0``; empty for composite tensors."""
    dtype: tf.DType
    shape: tuple[int | None, ...] | None
    """None where a dimension may vary; None as a whole where the rank may."""


@dataclass(frozen=True)
class Signature:
    """What a model can be asked, by the aliases that a request uses."""

    name: str
    method_name: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]

    @property
    def takes_examples(self) -> bool:
        """Whether the only input is a vector of strings: serialized `tf.Example`s."""
        specs = list(self.inputs.values())
        if len(specs) != 1 or specs[0].dtype != tf.string:
            return False
        return specs[0].shape is None or len(specs[0].shape) == 1


class ServingSession:
    """A SavedModel in a session of its own. Calls may come from several threads.

    Args:
        directory: holds ``saved_model.pb``.
        tags: the meta graph's tag set, exactly.
        num_threads: for the operations of one call and among calls; None lets TensorFlow choose.
        threads_spin: whether TensorFlow's threads look for more work for a while before they
            sleep; good where nothing else needs the cores.

    Raises:
        InvalidModelError: no SavedModel there, or one that can't be restored and initialised.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        tags: Sequence[str] = SERVE_TAGS,
        num_threads: int | None = None,
        threads_spin: bool = True,
    ) -> None:
        self.directory = Path(directory)
        threads = num_threads or 0
        config = config_pb2.ConfigProto(
            intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads
        )
        config.experimental.disable_thread_spinning = not threads_spin
        self._graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=self._graph, config=config)
        self._handles: dict[str, Any] = {}
        try:
            self._meta_graph = self._load(tags)
            self._session._extend_graph()
        except BaseException:
            self._session.close()
            raise

    def _load(self, tags: Sequence[str]) -> Any:
        if not any(
            (self.directory / name).is_file() for name in ("saved_model.pb", "saved_model.pbtxt")
        ):
            raise InvalidModelError(
                f"{str(self.directory)!r} holds no saved_model.pb; expected a SavedModel directory"
            )
        try:
            with self._graph.as_default(), _silence_deprecations():
                return tf.compat.v1.saved_model.load(self._session, list(tags), str(self.directory))
        except (tf.errors.OpError, RuntimeError, OSError, ValueError, DecodeError) as error:
            raise InvalidModelError(
                f"the SavedModel in {str(self.directory)!r} can't be loaded for tags "
                f"{list(tags)}: {error}"
            ) from error

    @cached_property
    def signatures(self) -> Mapping[str, Signature]:
        """All signatures but the initialiser's, by name."""
        definitions = self._meta_graph.signature_def
        return {
            name: _read_signature(name, definitions[name])
            for name in sorted(definitions)
            if name != INIT_SIGNATURE
        }

    @property
    def meta_graph(self) -> Any:
        """The `MetaGraphDef` that was loaded."""
        return self._meta_graph

    def signature(self, name: str = DEFAULT_SIGNATURE) -> Signature:
        """Return one signature.

        Raises:
            InvalidModelError: there is none of that name; the message lists those there are.
        """
        if name not in self.signatures:
            raise InvalidModelError(
                f"the model in {str(self.directory)!r} has no signature {name!r}; it has "
                f"{', '.join(map(repr, self.signatures)) or 'none'}: export it with that name, "
                "or name another"
            )
        return self.signatures[name]

    def run(
        self,
        signature_name: str,
        inputs: Mapping[str, Any],
        output_names: Collection[str] | None = None,
        *,
        timeout_seconds: float | None = None,
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Answer one request.

        Args:
            signature_name: one of `signatures`.
            inputs: alias → array.
            output_names: which outputs to compute; None means all.
            timeout_seconds: the session gives up after this time; None means never.

        Raises:
            InvalidModelError: no such signature.
            PredictionError: inputs that don't fit, or an operation that failed.
        """
        signature = self.signature(signature_name)
        if inputs.keys() != signature.inputs.keys():
            raise PredictionError(
                f"signature {signature_name!r} takes the inputs {sorted(signature.inputs)}; "
                f"got {sorted(inputs)}"
            )
        wanted = signature.outputs if output_names is None else output_names
        fetches = {alias: signature.outputs[alias].tensor_name for alias in wanted}
        feeds = {signature.inputs[alias].tensor_name: value for alias, value in inputs.items()}
        options = config_pb2.RunOptions(timeout_in_ms=_milliseconds(timeout_seconds))
        try:
            answers = self._session.run(fetches, feeds, options=options)
        except (tf.errors.OpError, TypeError, ValueError, RuntimeError) as error:
            raise PredictionError(f"signature {signature_name!r} failed: {error}") from error
        return {alias: _as_array(answer) for alias, answer in answers.items()}

    def execute(
        self,
        feeds: Mapping[str, np.ndarray[Any, Any]],
        fetches: Sequence[str],
        *,
        timeout_seconds: float | None = None,
    ) -> list[np.ndarray[Any, Any]]:
        """Run the graph as TensorFlow Serving's C++ does: nothing is converted, nothing checked.

        `run` goes through `tf.compat.v1.Session.run`, which casts what it is fed and compares
        shapes with the placeholders; a server does neither. This is the call below it, 3 times
        quicker for a small model.

        Args:
            feeds: tensor name → array of exactly its dtype.
            fetches: tensor names.
            timeout_seconds: as in `run`.

        Raises:
            tensorflow.errors.OpError: unchanged, with its code; but InvalidArgumentError wherever
                the text isn't UTF-8, which TensorFlow's binding can't raise: it quotes the request.
        """
        options = config_pb2.RunOptions(timeout_in_ms=_milliseconds(timeout_seconds))
        buffer = pywrap_tf_session.TF_NewBufferFromString(options.SerializeToString())
        try:
            answers = self._session._call_tf_sessionrun(
                buffer,
                {self._handle(name): value for name, value in feeds.items()},
                [self._handle(name) for name in fetches],
                [],
                None,
            )
        except UnicodeDecodeError as error:
            text = error.object.decode("utf-8", errors="replace")
            raise tf.errors.InvalidArgumentError(None, None, text) from error
        finally:
            pywrap_tf_session.TF_DeleteBuffer(buffer)
        return [_as_array(answer) for answer in answers]

    def _handle(self, tensor_name: str) -> Any:
        if tensor_name not in self._handles:
            try:
                tensor = self._graph.get_tensor_by_name(tensor_name)
            except (KeyError, ValueError) as error:
                raise tf.errors.InvalidArgumentError(
                    None,
                    None,
                    f"Tensor {tensor_name}, specified in either feed_devices or fetch_devices "
                    "was not found in the Graph",
                ) from error
            self._handles[tensor_name] = tensor._as_tf_output()
        return self._handles[tensor_name]

    def close(self) -> None:
        """Free the session's variables and tables."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def _silence_deprecations() -> Iterator[None]:
    """Keep TensorFlow from advising `tf.saved_model.load`, which isn't how models are served."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _as_array(answer: Any) -> np.ndarray[Any, Any]:
    """Return an answer as an array; TensorFlow gives a single text as plain bytes."""
    if isinstance(answer, bytes | str):
        array = np.empty((), dtype=object)
        array[()] = answer
        return array
    return np.asarray(answer)


def _milliseconds(seconds: float | None) -> int:
    return 0 if seconds is None else max(1, int(seconds * 1000))


def _read_signature(name: str, definition: Any) -> Signature:
    return Signature(
        name=name,
        method_name=definition.method_name,
        inputs={alias: _read_spec(info) for alias, info in sorted(definition.inputs.items())},
        outputs={alias: _read_spec(info) for alias, info in sorted(definition.outputs.items())},
    )


def _read_spec(info: Any) -> TensorSpec:
    shape = tf.TensorShape(info.tensor_shape)
    dims = None if shape.rank is None else tuple(shape.as_list())
    return TensorSpec(tensor_name=info.name, dtype=tf.as_dtype(info.dtype), shape=dims)
