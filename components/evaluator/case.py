"""What is judged: a configuration, measurements, and what holds where there is no number."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from components.evaluator.confidence import Intervals
from components.evaluator.eval_config import EvalConfig, FirstRun
from components.evaluator.tally import Measurements

MissingSlice = Literal["fail", "pass"]
CANDIDATE = "candidate"
BASELINE = "baseline"


@dataclass(frozen=True)
class Case:
    """What is judged.

    Attributes:
        config: with the thresholds.
        measurements: of `CANDIDATE`, and of `BASELINE` if there is one.
        baseline_title: how sentences call the baseline.
        first_run: what holds without one.
        missing_slice: what holds where no example belongs to a threshold's slices.
        is_same_model: whether the baseline's bytes are the candidate's, so that nothing changes.
    """

    config: EvalConfig
    measurements: Measurements
    baseline_title: str
    first_run: FirstRun
    missing_slice: MissingSlice = "fail"
    is_same_model: bool = False

    @property
    def has_baseline(self) -> bool:
        """Whether there is something to compare with."""
        return BASELINE in self.measurements.models

    @cached_property
    def intervals(self) -> Intervals | None:
        """How sure the measurements are; None where that wasn't asked for."""
        if self.config.resampling is None:
            return None
        return Intervals(
            self.measurements, self.config.resampling, is_same_model=self.is_same_model
        )


def finite_or_none(value: float) -> float | None:
    """Return what a record may hold of a number."""
    return value if math.isfinite(value) else None
