"""Rewrites a SavedModel for TensorFlow Lite."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfx.components.trainer.rewriting.rewriter import BaseRewriter, ModelDescription, ModelType

EXTRA_ASSETS_DIRECTORY = "assets.extra"


class TFLiteRewriter(BaseRewriter):
    """Converts by `tf.lite.TFLiteConverter`.

    Args:
        name: for messages.
        filename: of the model in the destination.
        copy_assets: whether ``assets`` goes along.
        copy_assets_extra: whether ``assets.extra`` goes along.
        quantization_optimizations: the converter's ``optimizations``; none by default.
        quantization_supported_types: the converter's ``target_spec.supported_types``.
        quantization_enable_full_integer: all arithmetic with 8-bit integers; needs
            `representative_dataset`, and turns `tf.lite.Optimize.DEFAULT` on.
        signature_key: which signature to convert; the default one if None.
        representative_dataset: a function that yields lists of inputs, or such lists, that
            quantization is calibrated by.
        kwargs: accepted and not used, as in TFX.
    """

    def __init__(
        self,
        name: str,
        filename: str = "tflite",
        copy_assets: bool = True,
        copy_assets_extra: bool = True,
        quantization_optimizations: Sequence[Any] | None = None,
        quantization_supported_types: Sequence[Any] | None = None,
        quantization_enable_full_integer: bool = False,
        signature_key: str | None = None,
        representative_dataset: Callable[[], Iterable[Any]] | Iterable[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if quantization_enable_full_integer and representative_dataset is None:
            raise ValueError(
                "quantization_enable_full_integer is True without a representative_dataset; give "
                "one, for the ranges of the values to be measured"
            )
        self._name = name
        self._filename = os.fsdecode(filename)
        wanted = {"assets": copy_assets, EXTRA_ASSETS_DIRECTORY: copy_assets_extra}
        self._copied = [folder for folder, is_wanted in wanted.items() if is_wanted]
        self._optimizations = list(quantization_optimizations or [])
        self._supported_types = list(quantization_supported_types or [])
        self._is_full_integer = quantization_enable_full_integer
        if self._is_full_integer and tf.lite.Optimize.DEFAULT not in self._optimizations:
            self._optimizations.append(tf.lite.Optimize.DEFAULT)
        self._signature_key = signature_key
        self._representative_dataset = _as_function(representative_dataset)

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self._name

    def _pre_rewrite_validate(self, original_model: ModelDescription) -> None:
        if original_model.model_type != ModelType.SAVED_MODEL:
            raise ValueError(f"the original is {original_model.model_type}; expected SAVED_MODEL")

    def _rewrite(self, original_model: ModelDescription, rewritten_model: ModelDescription) -> None:
        if rewritten_model.model_type not in (ModelType.TFLITE_MODEL, ModelType.ANY_MODEL):
            raise ValueError(f"{rewritten_model.model_type} was asked for; expected TFLITE_MODEL")
        source = Path(os.fsdecode(original_model.path))
        target = Path(os.fsdecode(rewritten_model.path))
        target.mkdir(parents=True, exist_ok=True)
        (target / self._filename).write_bytes(self._convert(source))
        for folder in self._copied:
            if (source / folder).is_dir():
                shutil.copytree(source / folder, target / folder, dirs_exist_ok=True)

    def _convert(self, source: Path) -> bytes:
        with tempfile.TemporaryDirectory() as scratch:
            copy = Path(scratch) / "model"  # the converter refuses what isn't the model's own
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns(EXTRA_ASSETS_DIRECTORY))
            keys = {} if self._signature_key is None else {"signature_keys": [self._signature_key]}
            converter = tf.lite.TFLiteConverter.from_saved_model(str(copy), **keys)
            converter.optimizations = self._optimizations
            converter.target_spec.supported_types = self._supported_types
            converter.representative_dataset = self._representative_dataset
            if self._is_full_integer:
                converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            return bytes(converter.convert())

    def _post_rewrite_validate(self, rewritten_model: ModelDescription) -> None:
        path = Path(os.fsdecode(rewritten_model.path)) / self._filename
        if not path.is_file() or not path.stat().st_size:
            raise ValueError(f"{str(path)!r} wasn't written")


def _as_function(
    dataset: Callable[[], Iterable[Any]] | Iterable[Any] | None,
) -> Callable[[], Iterable[Any]] | None:
    """Return what the converter takes: it calls it."""
    if dataset is None or callable(dataset):
        return dataset
    examples = list(dataset)
    return lambda: examples
