"""The step after a training that rewrites its model, with a blessing for the bytes that came out.

::

    <output_dir>/
      record.json            the Model; its uri is Format-TFLite, its format tflite
      Format-TFLite/         model.tflite
      infra_blessing.json    says that these bytes load, and answer as the original does
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from components import __version__, artifacts
from components.errors import ConfigurationError, InvalidModelError
from components.records import (
    Blessing,
    Examples,
    Model,
    Refusal,
    Run,
    Subject,
    Validator,
    dump,
    now,
)
from components.saved_model.example_inputs import read_examples
from components.saved_model.original_verdict import refuse_unblessed, verdict_finding
from components.saved_model.rewrite import rewrite
from components.saved_model.tflite import Quantization

TFLITE_DIRECTORY = "Format-TFLite"
BLESSING_FILE = "infra_blessing.json"


def rewrite_model(
    *,
    model: Model,
    examples: Examples,
    output_dir: str | Path,
    blessings: Sequence[Blessing] = (),
    quantization: Quantization = "none",
    signature_name: str | None = None,
    tolerance: float | None = None,
    split_name: str | None = None,
    num_examples: int = 200,
    run: Run | None = None,
    signing_key: bytes | None = None,
) -> Model | Refusal:
    """Rewrite a trained model to TFLite and bless the result for the pusher.

    The blessing is of the kind ``infra``: the interpreter loaded these bytes, and they answered
    real examples as the original does. An evaluation of the original isn't one of these bytes, so
    it is asked here, by `blessings`, and they are pushed with ``required_kinds=["infra"]``.

    Args:
        model: a SavedModel.
        examples: real ones, to compare the answers on, and for int8 to learn from.
        output_dir: written whole or not at all.
        blessings: of the original; a negative one, or one for other bytes, refuses. Without any
            the blessing says that the original wasn't judged.
        quantization: see `rewrite`.
        signature_name: see `rewrite`.
        tolerance: see `rewrite`.
        split_name: None means ``eval`` where there is one, else the first by name.
        num_examples: how many at most.
        run: the task instance that asks; kept in the blessing.
        signing_key: what `blessings` must be signed with; None where they aren't.

    Raises:
        ConfigurationError: no such split; wrong settings.
        InvalidModelError: it has other bytes than its record says; or see `rewrite`.
        DataError: no examples, or some that don't fit.
    """
    patterns = _pattern(examples, split_name)
    if model.format != "saved_model":
        raise ConfigurationError(f"the model's format is {model.format!r}; expected a SavedModel")
    if artifacts.digest(model.uri) != model.digest:
        raise InvalidModelError(
            f"the model in {model.uri!r} hasn't the digest {model.digest} of its record: it was "
            "changed; train it again"
        )
    refused = refuse_unblessed(model, blessings, signing_key)
    if refused is not None:
        return refused
    rows = read_examples(patterns, num_examples)
    with artifacts.new_directory(output_dir) as staging:
        done = rewrite(
            model.uri,
            staging / TFLITE_DIRECTORY,
            examples=rows,
            quantization=quantization,
            signature_name=signature_name,
            tolerance=tolerance,
        )
        manifest = artifacts.read_manifest(done.directory)
        record = dataclasses.replace(
            model,
            uri=str(Path(output_dir).absolute() / TFLITE_DIRECTORY),
            digest=manifest.digest,
            num_bytes=manifest.num_bytes,
            format="tflite",
            eval_model_uri=None,
        )
        blessing = Blessing(
            kind="infra",
            blessed=all(finding.passed for finding in done.findings),
            subject=Subject(type="model", digest=record.digest),
            findings=(*done.findings, verdict_finding(blessings)),
            validator=Validator("imprimatur.saved_model.rewrite", __version__),
            issued_at=now(),
            run=run,
        )
        (staging / BLESSING_FILE).write_text(dump(blessing) + "\n", encoding="utf-8")
        artifacts.write_record(record, staging)
    return record


def _pattern(examples: Examples, split_name: str | None) -> str:
    default = "eval" if "eval" in examples.splits else min(examples.splits, default="eval")
    name = split_name or default
    if name not in examples.splits:
        raise ConfigurationError(
            f"the split is {name!r}, but the examples in {examples.uri!r} have "
            f"{', '.join(map(repr, examples.splits)) or 'no splits'}; name one of these"
        )
    return str(Path(examples.uri) / examples.splits[name].file_pattern)
