"""How well a model puts the examples of a query in order."""

from collections.abc import Mapping

import numpy as np

from components.errors import ConfigurationError, DataError
from components.evaluator.exact_sum import Array
from components.evaluator.metric.kind import Asked, Computation, Kind, Takes, divide
from components.evaluator.query_list import QueryLists, Ranked


def _ndcg(asked: Asked) -> Mapping[str, Computation]:
    gain_key, cutoffs = asked.settings["gain_key"], asked.settings["top_k_list"]
    if not isinstance(gain_key, str) or not gain_key:
        raise ConfigurationError(
            f"gain_key is {gain_key!r}; expected the name of the feature that says how relevant "
            "an example is"
        )
    if not isinstance(cutoffs, list) or not cutoffs or any(
        isinstance(k, bool) or not isinstance(k, int) or k < 1 for k in cutoffs
    ):  # fmt: skip
        raise ConfigurationError(f"top_k_list is {cutoffs!r}; expected a list of integers from 1")
    statistic = QueryLists(asked.query_key, gain_key, asked.weighted)
    return {
        f" (top_k {k})": Computation(
            (statistic,), lambda ranked, k=k: compute_ndcg(ranked, k), (gain_key,)
        )
        for k in cutoffs
    }


def compute_ndcg(ranked: Ranked, k: int) -> Array:
    """Return the normalised discounted cumulative gain at `k`, `(num_slices,)`.

    DCG = Σ gain / log2(rank + 1) over the first k, divided by what the best order would give;
    averaged over queries by their examples' weight. Queries without any gain are left out. NaN
    without queries. Source: TFMA's `ndcg.py`; Järvelin and Kekäläinen, 2002.

    Raises:
        DataError: the examples of one query have different weights.
    """
    if not len(ranked.queries):
        return np.full(ranked.num_slices, np.nan)
    starts = np.flatnonzero(np.diff(ranked.queries, prepend=-1))
    sizes = np.diff(np.append(starts, len(ranked.queries)))
    if not np.array_equal(ranked.weights, np.repeat(ranked.weights[starts], sizes)):
        raise DataError(
            "the examples of one query have different weights; NDCG takes one weight for each query"
        )
    achieved = _discounted(ranked.gains, ranked.queries, starts, k)
    best_order = np.lexsort((-ranked.gains, ranked.queries))
    best = _discounted(ranked.gains[best_order], ranked.queries, starts, k)
    counts = np.maximum.reduceat(ranked.gains, starts) > 0
    weights = np.where(counts, ranked.weights[starts], 0.0)
    shares = np.zeros(len(starts))
    np.divide(achieved, best, out=shares, where=best > 0)
    slices = ranked.slices[starts]
    return divide(
        np.bincount(slices, weights=shares * weights, minlength=ranked.num_slices),
        np.bincount(slices, weights=weights, minlength=ranked.num_slices),
    )


def _discounted(gains: Array, queries: Array, starts: Array, k: int) -> Array:
    ranks = np.arange(len(gains)) - starts[queries]
    discounted = np.where(ranks < k, gains / np.log2(ranks + 2), 0.0)
    return np.add.reduceat(discounted, starts)


KINDS = {
    "NDCG": Kind(
        "ndcg",
        _ndcg,
        {"gain_key": None, "top_k_list": None},
        takes=Takes.NUMBERS,
        needs_query=True,
        lowest=0,
        highest=1,
    ),
}
