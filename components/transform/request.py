"""What is to be transformed: the same for either way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.records import Examples

GRAPH_DIRECTORY = "transform_graph"
"""TFX's name; holds ``metadata``, ``transformed_metadata`` and ``transform_fn``."""
EXAMPLES_DIRECTORY = "transformed_examples"
RAW_METADATA = "metadata"


@dataclass(frozen=True)
class Request:
    """Examples, their schema, and where the results go.

    Attributes:
        examples: of this window.
        schema: the `Schema` proto of the raw features.
        module_path: of the user's file, for messages.
        analyze_splits: what vocabularies, means and the like are computed from.
        transform_splits: what is written transformed.
        staging: a directory that isn't published yet.
        custom_config: of the user's function.
    """

    examples: Examples
    schema: Any
    module_path: Path
    analyze_splits: Sequence[str]
    transform_splits: Sequence[str]
    staging: Path
    custom_config: Mapping[str, Any] | None = None

    @property
    def graph(self) -> Path:
        """The directory that gets the transform graph."""
        return self.staging / GRAPH_DIRECTORY

    def patterns(self, splits: Sequence[str]) -> Mapping[str, str]:
        """Return the file pattern of each of some splits."""
        return patterns_of(self.examples, splits)

    def transformed_split(self, name: str) -> Path:
        """Return the directory of a transformed split."""
        return self.staging / EXAMPLES_DIRECTORY / f"Split-{name}"


def patterns_of(examples: Examples, splits: Sequence[str]) -> dict[str, str]:
    """Return the absolute file pattern of each of some splits."""
    return {name: str(Path(examples.uri) / examples.splits[name].file_pattern) for name in splits}
