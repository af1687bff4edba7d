"""Which engine measures: on this machine, or by Apache Beam."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from components.errors import ConfigurationError

EngineName = Literal["local", "beam"]
ENGINE_NAMES: tuple[EngineName, ...] = get_args(EngineName)


@dataclass(frozen=True)
class EngineChoice:
    """An engine and its options.

    Attributes:
        name: ``local`` reads, asks and counts on this machine; ``beam`` does the same, to the same
            numbers, by Apache Beam.
        beam_pipeline_args: Beam's options, for instance ``--runner=FlinkRunner``; default: its
            runner within this process.

    Raises:
        ConfigurationError: no such engine, or Beam's options for another.
    """

    name: EngineName = "local"
    beam_pipeline_args: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.name not in ENGINE_NAMES:
            raise ConfigurationError(f"engine is {self.name!r}; expected 'local' or 'beam'")
        if self.beam_pipeline_args and self.name != "beam":
            raise ConfigurationError(
                f"beam_pipeline_args is {list(self.beam_pipeline_args)!r}, but engine is "
                f"{self.name!r}; set engine to 'beam', or leave them out"
            )
