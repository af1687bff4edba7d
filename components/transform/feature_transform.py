"""Reads a transform graph in a training, and takes it along into the exported model."""

from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform.saved import saved_transform_io_v2


class FeatureTransform(tf.Module):  # type: ignore[misc]  # TensorFlow has no types
    """A transform graph as a function from raw to transformed features.

    It is for any Keras, where `tft.TransformFeaturesLayer` is a layer of Keras 2. In an export,
    track it: ``archive.track(transform)``, or ``export(…, tracked=[transform])``.

    Args:
        directory: a transform graph: ``fn_args.transform_graph_path``.
    """

    def __init__(self, directory: str | Path) -> None:
        super().__init__(name="feature_transform")
        self._output = tft.TFTransformOutput(str(directory))
        self._loader = saved_transform_io_v2.SavedModelLoader(self._output.transform_savedmodel_dir)
        self._tracked = self._loader.__dict__  # as TransformFeaturesLayer does

    def __call__(self, raw: dict[str, Any]) -> dict[str, Any]:
        """Transform raw features by name; outputs of which some input is missing are left out."""
        transformed: dict[str, Any] = self._loader.apply_transform_model(raw)
        return transformed

    def raw_feature_spec(self, *without: str) -> dict[str, Any]:
        """Return how `tf.io.parse_example` reads raw features.

        Args:
            without: the label, say, which isn't known when a server is asked.
        """
        spec: dict[str, Any] = self._output.raw_feature_spec()
        return {name: item for name, item in spec.items() if name not in without}

    def feature_spec(self) -> dict[str, Any]:
        """Return how `tf.io.parse_example` reads transformed features."""
        spec: dict[str, Any] = self._output.transformed_feature_spec()
        return spec

    def num_values(self, name: str) -> int:
        """Return how many whole numbers from 0 a transformed feature can be, as an embedding asks.

        Raises:
            KeyError: the graph doesn't say: the feature is no index.
        """
        return int(self._output.transformed_domains()[name].max) + 1
