"""Which examples are in which sample: what intervals are computed from.

A sample is drawn by a hash of an example's number, that is how many come before it in all files. So
it is the same for all models, slices and metrics, in every engine, and the next time too. Not by a
hash of its bytes: examples that are equal would always be drawn together, as if they were one.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from components.evaluator.exact_sum import Array

NUM_SAMPLES = 20
"""As many as TFMA takes."""
DEGREES_OF_FREEDOM = NUM_SAMPLES - 1
_WORD = 2.0**64
_POISSON_CDF = np.array(
    [0.36787944117144233, 0.7357588823428847, 0.9196986029286058, 0.9810118431238462,
     0.9963401531726563, 0.9994058151824183, 0.9999167588507119, 0.9999897508033253,
     0.999998874797402, 0.9999998885745216, 0.9999999899522336]
)  # fmt: skip
"""The probability that a Poisson variable of mean 1 is at most 0, 1, 2, …"""


class Method(Enum):
    """How samples are drawn, as TFMA's `ConfidenceIntervalOptions`.

    `JACKKNIFE` puts each example into one of 20 groups; a sample is all examples but one group.
    `POISSON_BOOTSTRAP` takes each example 0, 1, 2, … times into each of 20 samples, by a Poisson
    distribution of mean 1. By example, not by group: 20 groups would give it no more to draw from
    than the jackknife has, at a higher price.
    """

    JACKKNIFE = "JACKKNIFE"
    POISSON_BOOTSTRAP = "POISSON_BOOTSTRAP"


@dataclass(frozen=True)
class Resampling:
    """Draws samples, and says how they spread.

    Attributes:
        method: how samples are drawn.
    """

    method: Method = Method.JACKKNIFE

    def draw(self, numbers: Array, rows: Array, slices: Array) -> tuple[Array, Array]:
        """Return pairs of an example and a cell, which is slice · 20 + group or sample.

        Args:
            numbers: of the batch's examples, `(num_examples,)`, int64.
            rows: `(num_pairs,)`, int64: which example of the batch.
            slices: `(num_pairs,)`, int64: in which slice.
        """
        if self.method is Method.JACKKNIFE:
            return rows, slices * NUM_SAMPLES + groups_of(numbers)[rows]
        times = times_in_samples(numbers)[rows].ravel()
        cells = (slices[:, None] * NUM_SAMPLES + np.arange(NUM_SAMPLES)).ravel()
        return np.repeat(np.repeat(rows, NUM_SAMPLES), times), np.repeat(cells, times)

    def standard_error(self, samples: Array) -> Array:
        """Return the standard error of a number from what it is in samples.

        That of the jackknife is the standard deviation of the pseudo-values
        20 · value - 19 · sample over √20, in which the value itself cancels out. Source: TFMA's
        `jackknife.py` and `poisson_bootstrap.py`.

        Args:
            samples: `(…, 20)`, float64.

        Returns:
            `(…,)`; NaN where a sample is NaN or infinite.
        """
        known = np.all(np.isfinite(samples), axis=-1, keepdims=True)
        samples = np.where(known, samples, 0.0)
        deviation: Array = np.std(samples, axis=-1, ddof=1)
        deviation = np.where(np.ptp(samples, axis=-1) == 0, 0.0, deviation)  # and not 1e-17
        if self.method is Method.JACKKNIFE:
            deviation = deviation * DEGREES_OF_FREEDOM / np.sqrt(NUM_SAMPLES)
        return np.where(known[..., 0], deviation, np.nan)


def groups_of(numbers: Array) -> Array:
    """Return the jackknife's group of each example, `(num_examples,)`, int64, from 0 to 19."""
    return (_hash(numbers) >> np.uint64(32)).astype(np.int64) * NUM_SAMPLES >> 32


def times_in_samples(numbers: Array) -> Array:
    """Return how often each example is in each sample of the bootstrap, `(num_examples, 20)`."""
    seeds = _hash(np.arange(NUM_SAMPLES) + (1 << 62))
    drawn = _hash(_hash(numbers)[:, None] ^ seeds).astype(np.float64) / _WORD
    return np.searchsorted(_POISSON_CDF, drawn, side="right")


def _hash(numbers: Array) -> Array:
    """Mix 64-bit numbers: SplitMix64 (Steele, Lea and Flood, 2014)."""
    mixed = numbers.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))
