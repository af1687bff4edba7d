"""Where a number lies with some confidence."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from components.evaluator.exact_sum import Array

DEFAULT_CONFIDENCE = 0.95
"""Of the intervals that are shown where no threshold says another; TFMA's."""


@dataclass(frozen=True)
class Interval:
    """A two-sided interval of confidence; both ends belong to it.

    Attributes:
        lower: end.
        upper: end.
        confidence: the probability that an interval made in this way holds the true number.
    """

    lower: float
    upper: float
    confidence: float = DEFAULT_CONFIDENCE

    @property
    def percentage(self) -> str:
        """The confidence for people: ``95 %``."""
        return f"{self.confidence * 100:.10g} %"


@cache
def t_quantile(confidence: float, degrees_of_freedom: int) -> float:
    """Return how many standard errors a two-sided interval reaches: Student's t."""
    from scipy import special  # thresholds are read where no interval is ever made

    return float(special.stdtrit(degrees_of_freedom, (1 + confidence) / 2))


def largest_unseen_share(confidence: float, num_examples: Array) -> Array:
    """Return how frequent something may be that none of so many examples shows.

    The end of Clopper and Pearson's interval where nothing was seen, about 3.7 / n at 95 %.
    """
    return np.asarray(1 - ((1 - confidence) / 2) ** (1 / np.maximum(num_examples, 1)))
