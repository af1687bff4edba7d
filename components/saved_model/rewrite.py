"""Rewrites SavedModels to other formats, and checks the result against the original.

::

    <directory>/
      model.tflite    as TensorFlow Serving names it
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from components.errors import ConfigurationError, InvalidModelError
from components.record_parts import Finding
from components.saved_model import tflite
from components.saved_model.answer_comparison import compare_answers
from components.saved_model.example_inputs import Inputs, answer_all, make_inputs
from components.saved_model.handle import check_model
from components.saved_model.session import DEFAULT_SIGNATURE, ServingSession, Signature
from components.saved_model.staging import replaced_model
from components.saved_model.tflite import Quantization, TFLiteModel

_log = logging.getLogger(__name__)
Format = Literal["tflite"]
TOLERANCES: dict[str, float] = {"none": 1e-4, "dynamic": 0.1, "float16": 0.01, "int8": 0.1}
"""By quantization: what is tolerated unless the caller says otherwise."""


@dataclass(frozen=True)
class Rewritten:
    """A model in its new format."""

    directory: Path
    num_bytes: int
    signature_name: str
    findings: tuple[Finding, ...]
    """One for each output that was compared."""


def rewrite(
    model: str | Path,
    directory: str | Path,
    *,
    examples: Inputs | Sequence[bytes],
    format: Format = "tflite",
    quantization: Quantization = "none",
    signature_name: str | None = None,
    tolerance: float | None = None,
) -> Rewritten:
    """Write a SavedModel in another format, if it answers as the original does.

    It may be called several times in one `run_fn`, for several formats of one training, after the
    SavedModel was exported.

    Args:
        model: a SavedModel directory.
        directory: another one; a model that is there is replaced.
        examples: real ones: serialized (`example_inputs.read_examples`), or arrays by input. All
            are compared; for int8 the ranges of values are learnt from them too, so give 100 or
            more then.
        format: only ``tflite`` yet.
        quantization: ``none``, ``dynamic``, ``float16`` or ``int8``.
        signature_name: None means ``serving_default``, or the only one that takes tensors where
            that takes serialized examples, which TFLite can't parse.
        tolerance: of the answers, as a part of each output's range; see `compare_answers`. None
            means that of `TOLERANCES`.

    Raises:
        ConfigurationError: a format or quantization that isn't known; a tolerance that is none;
            one directory in the other; a directory that holds something else.
        InvalidModelError: it can't be loaded or converted, or answers differently.
        DataError: examples that don't fit.
    """
    source, target = Path(model), Path(directory)
    _check_choices(format, quantization)
    bound = TOLERANCES[quantization] if tolerance is None else tolerance
    _check_tolerance(bound)
    check_model(source, str(model))
    _check_apart(source, target)
    with ServingSession(source) as session:
        signature = _choose(session, signature_name)
        inputs = make_inputs(signature, examples)
        expected = answer_all(lambda batch: session.run(signature.name, batch), signature, inputs)
    content = tflite.convert(source, signature, quantization, inputs)
    found = answer_all(TFLiteModel(content, signature.name).run, signature, inputs)
    findings = compare_answers(expected, found, bound)
    _check_answers(source, quantization, findings)
    with replaced_model(target) as staging:
        (staging / tflite.FILE).write_bytes(content)
    _log.info("%s as %s (%s), %s bytes", source, target, quantization, f"{len(content):,}")
    return Rewritten(target, len(content), signature.name, tuple(findings))


def _check_choices(format_name: Any, quantization: Any) -> None:
    for name, value, known in (
        ("format", format_name, get_args(Format)),
        ("quantization", quantization, get_args(Quantization)),
    ):
        if value not in known:
            raise ConfigurationError(f"{name} is {value!r}; expected one of {', '.join(known)}")


def _check_tolerance(tolerance: Any) -> None:
    is_number = isinstance(tolerance, int | float) and not isinstance(tolerance, bool)
    if not is_number or not 0 <= tolerance < math.inf:
        raise ConfigurationError(
            f"tolerance is {tolerance!r}; expected a number from 0, as a part of each output's "
            "range: 0.01 is one percent"
        )


def _check_apart(source: Path, target: Path) -> None:
    """Refuse to change the bytes of the model, or to remove it."""
    model, new = source.resolve(), target.resolve()
    if model == new or model in new.parents or new in model.parents:
        raise ConfigurationError(
            f"{str(target)!r} can't be written: it lies in the model {str(source)!r} or holds it, "
            "so the model would change; give a directory beside it"
        )


def _choose(session: ServingSession, name: str | None) -> Signature:
    if name is not None:
        return session.signature(name)
    default = session.signatures.get(DEFAULT_SIGNATURE)
    by_tensors = [item for item in session.signatures.values() if not item.takes_examples]
    if default is not None and (not default.takes_examples or len(by_tensors) != 1):
        return default
    if len(by_tensors) == 1:
        return by_tensors[0]
    return session.signature()


def _check_answers(model: Path, quantization: str, findings: Sequence[Finding]) -> None:
    failed = [finding for finding in findings if not finding.passed]
    if failed:
        reasons = "; ".join(finding.message.rstrip(".") for finding in failed)
        is_measured = any(finding.bound is not None for finding in failed)
        advice = "; quantize less, or give a higher tolerance" if is_measured else ""
        raise InvalidModelError(
            f"{str(model)!r} as TFLite with quantization {quantization!r} doesn't answer as it "
            f"should: {reasons}{advice}"
        )
