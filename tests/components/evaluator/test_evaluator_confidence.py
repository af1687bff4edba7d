"""Intervals against scikit-learn on the same samples, closed forms, and their own coverage."""

import pickle

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from components.errors import DataError
from components.evaluator import resample_tally
from components.evaluator.confidence import Intervals
from components.evaluator.metric import Variant, make_metrics
from components.evaluator.resampling import Method, Resampling, groups_of, times_in_samples
from components.evaluator.tally import Membership, Tally, Truth

METHODS = list(Method)
ODD = (("odd", 1),)


def metrics_of(*class_names, weighted=False):
    return [
        metric
        for name in class_names
        for metric in make_metrics(name, {}, Variant(weighted=weighted))
    ]


def draw(generator, size):
    """Return labels, and the predictions of a better and a worse model that err alike."""
    labels = (generator.random(size) < 0.3).astype(float)
    score = generator.normal(size=size) + 1.2 * labels - 1.2
    worse = 0.9 * score + 0.5 * generator.normal(size=size)
    return labels, *(1 / (1 + np.exp(-each)) for each in (score, worse))


def add(tally, start, labels, candidate, baseline, weights=None):
    """Add examples; every second one by its number is in the slice `ODD` too."""
    rows = np.arange(len(labels))
    odd = np.flatnonzero((start + rows) % 2 == 1)
    membership = Membership(
        [(), ODD],
        np.concatenate([rows, odd]),
        np.concatenate([np.zeros_like(rows), np.ones_like(odd)]),
    )
    predictions = {"candidate": {"": candidate}, "baseline": {"": baseline}}
    tally.add(Truth({"": labels}, {"": weights}, {}, start), predictions, membership)


def estimates_of(data, metrics, method=Method.JACKKNIFE, start=0, weights=None):
    tally = Tally(metrics, ["candidate", "baseline"], resampling=Resampling(method))
    add(tally, start, *data, weights)
    return Intervals(tally.measure(), Resampling(method))


def samples_of(size, method):
    """Return which examples are in each sample, repeated as often as they are."""
    numbers = np.arange(size)
    if method is Method.JACKKNIFE:
        groups = groups_of(numbers)
        return [np.flatnonzero(groups != group) for group in range(20)]
    times = times_in_samples(numbers)
    return [np.repeat(numbers, times[:, sample]) for sample in range(20)]


def test_groups_and_times_are_random():
    numbers = np.arange(1_000_000, 1_200_000)
    groups, times = groups_of(numbers), times_in_samples(numbers)
    assert stats.chisquare(np.bincount(groups, minlength=20)).pvalue > 0.01
    pairs = np.bincount(groups[:-1] * 20 + groups[1:], minlength=400)
    assert stats.chisquare(pairs).pvalue > 0.01
    assert groups.max() == 19
    expected = stats.poisson.pmf(np.arange(6), 1)
    observed = np.bincount(times.ravel().clip(max=6), minlength=7)
    expected = np.append(expected, 1 - expected.sum()) * times.size
    assert stats.chisquare(observed, expected).pvalue > 0.01
    correlations = np.corrcoef(np.concatenate([times[1:], times[:-1]], axis=1).T)
    assert np.abs(correlations - np.eye(40)).max() < 0.012


SKLEARN = {
    "BinaryAccuracy": lambda y, p, w: np.average((p > 0.5) == y, weights=w),
    "Precision": lambda y, p, w: sklearn_metrics.precision_score(y, p > 0.5, sample_weight=w),
    "AUC": lambda y, p, w: sklearn_metrics.roc_auc_score(y, p, sample_weight=w),
    "BrierScore": lambda y, p, w: sklearn_metrics.brier_score_loss(y, p, sample_weight=w),
    "TruePositives": lambda y, p, w: np.sum(w * y * (p > 0.5)),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_standard_errors_are_those_of_the_metric_in_each_sample(method, weighted):
    generator = np.random.default_rng(4)
    size = 3_000
    data = draw(generator, size)
    weights = generator.integers(0, 9, size) / 4 if weighted else None
    metrics = metrics_of(*SKLEARN, weighted=weighted)
    intervals = estimates_of(data, metrics, method, weights=weights)
    labels, *predictions = data
    weights = np.ones(size) if weights is None else weights
    scale = 19 / np.sqrt(20) if method is Method.JACKKNIFE else 1
    for position, inside in ((0, np.arange(size)), (1, np.arange(1, size, 2))):
        chosen = [rows[np.isin(rows, inside)] for rows in samples_of(size, method)]
        for metric, compute in zip(metrics, SKLEARN.values(), strict=True):
            of_models = np.array(
                [[compute(labels[r], p[r], weights[r]) for r in chosen] for p in predictions]
            )
            ours = [
                intervals.of_metric(metric, "candidate"),
                intervals.of_metric(metric, "baseline"),
                intervals.of_change(metric, "candidate", "baseline"),
                intervals.of_change(metric, "candidate", "baseline", relative=True),
            ]
            change = of_models[0] - of_models[1]
            theirs = [*of_models, change, change / of_models[1]]
            for mine, samples in zip(ours, theirs, strict=True):
                assert mine.errors[position] == pytest.approx(
                    scale * np.std(samples, ddof=1), rel=2e-3
                ), metric.name


@pytest.mark.parametrize("method", METHODS)
def test_an_interval_holds_the_truth_as_often_as_it_says(method):
    generator = np.random.default_rng(6)
    metrics = metrics_of("MeanPrediction", "BinaryAccuracy", "BrierScore")
    labels, *predictions = draw(generator, 1_000_000)
    true = {
        "mean_prediction": [p.mean() for p in predictions],
        "binary_accuracy": [((p > 0.5) == labels).mean() for p in predictions],
        "brier_score": [np.square(p - labels).mean() for p in predictions],
    }
    num_rounds, size = 200, 1_000
    hits, errors, values = [], [], []
    for number in range(num_rounds):
        intervals = estimates_of(draw(generator, size), metrics, method, start=number * size)
        made = [
            (intervals.of_metric(metric, "candidate"), true[metric.name][0]) for metric in metrics
        ] + [
            (
                intervals.of_change(metric, "candidate", "baseline"),
                true[metric.name][0] - true[metric.name][1],
            )
            for metric in metrics
        ]
        ends = [each.interval(0) for each, _ in made]
        hits.append([i.lower <= truth <= i.upper for i, (_, truth) in zip(ends, made, strict=True)])
        errors.append([each.errors[0] for each, _ in made])
        values.append([each.values[0] for each, _ in made])
    coverage = np.mean(hits, axis=0)
    assert (coverage > 0.9).all(), coverage
    assert 0.93 < coverage.mean() < 0.97, coverage
    spread = np.std(values, axis=0, ddof=1)
    np.testing.assert_allclose(np.sqrt(np.mean(np.square(errors), axis=0)), spread, rtol=0.15)
    # Closed form of a mean, much surer than the spread of 200.
    exact = np.sqrt(true["binary_accuracy"][0] * (1 - true["binary_accuracy"][0]) / size)
    assert np.sqrt(np.mean(np.square(errors), axis=0))[1] == pytest.approx(exact, rel=0.04)


@pytest.mark.parametrize("method", METHODS)
def test_the_error_of_a_change_is_that_of_a_paired_bootstrap(method):
    data = draw(np.random.default_rng(8), 2_000)
    (metric,) = metrics_of("BinaryAccuracy")
    hits = [(predictions > 0.5) == data[0] for predictions in data[1:]]
    theirs = stats.bootstrap(
        hits, lambda one, other, axis: one.mean(axis) - other.mean(axis),
        paired=True, vectorized=True, n_resamples=2_000, rng=np.random.default_rng(1),
    )  # fmt: skip
    ours = [
        estimates_of(data, [metric], method, start=start)
        .of_change(metric, "candidate", "baseline")
        .errors[0]
        for start in range(0, 320_000, 2_000)
    ]
    assert np.sqrt(np.mean(np.square(ours))) == pytest.approx(theirs.standard_error, rel=0.05)
    apart = np.sqrt(sum(np.var(each) / len(each) for each in hits))
    assert theirs.standard_error < 0.8 * apart


@pytest.mark.parametrize("method", METHODS)
def test_parts_in_any_order_give_the_same_samples(method):
    generator = np.random.default_rng(9)
    data = [*draw(generator, 4_000), generator.random(4_000)]
    metrics = metrics_of("AUC", "BinaryAccuracy") + metrics_of("BinaryCrossentropy", weighted=True)

    def tally_of(starts, size):
        tally = Tally(metrics, ["candidate", "baseline"], resampling=Resampling(method))
        for start in starts:
            add(tally, int(start), *(column[start : start + size] for column in data))
        return tally

    whole = tally_of([0], 4_000).measure()
    starts = generator.permutation(np.arange(0, 4_000, 50))
    first, *others = (tally_of(part, 50) for part in np.array_split(starts, 4))
    for other in others:
        first.merge(pickle.loads(pickle.dumps(other)))
    merged = first.measure()
    assert merged.slices == whole.slices
    for model, measured in whole.models.items():
        assert measured.samples.keys() == {metric.name for metric in metrics}
        for name, samples in measured.samples.items():
            assert np.isfinite(samples).all()
            np.testing.assert_array_equal(merged.models[model].samples[name], samples)


def test_what_none_of_many_examples_shows_may_still_be():
    ones = np.ones(400)
    metrics = metrics_of("BinaryAccuracy", "Precision")
    intervals = estimates_of((ones, ones, ones), metrics)
    estimates = intervals.of_metric(metrics[0], "candidate")
    exact = stats.binomtest(400, 400).proportion_ci(0.95)
    interval = estimates.interval(0)
    assert (interval.lower, interval.upper) == pytest.approx((exact.low, exact.high))
    change = intervals.of_change(metrics[0], "candidate", "baseline").interval(0, 0.9)
    assert change.upper == -change.lower == pytest.approx(1 - 0.05 ** (1 / 400))
    # Of how many examples a precision is isn't known here.
    assert intervals.of_metric(metrics[1], "candidate").errors[0] == 0
    assert intervals.of_metric(metrics[1], "candidate").interval(0) is None


@pytest.mark.parametrize("method", METHODS)
def test_nothing_can_be_told_where_a_sample_is_empty(method):
    metrics = metrics_of("BinaryAccuracy", "MeanLabel")
    size = 30 if method is Method.JACKKNIFE else 3
    intervals = estimates_of([column[:size] for column in draw(np.random.default_rng(2), 40)],
                             metrics, method)  # fmt: skip
    assert min(map(len, np.array_split(np.arange(size), 2))) < 20
    for metric in metrics:
        assert intervals.of_metric(metric, "candidate").interval(0) is None


def test_nothing_can_be_told_where_a_sample_has_no_value():
    """One positive: a sample without it has no recall."""
    labels = np.zeros(1_000)
    labels[7] = 1
    (metric,) = metrics_of("Recall")
    predictions = np.linspace(0, 1, 1_000)
    intervals = estimates_of((labels, predictions, predictions), [metric])
    assert np.isnan(intervals.of_metric(metric, "candidate").errors[0])
    assert intervals.of_metric(metric, "candidate").interval(0) is None


def test_interval_widens_with_its_confidence_and_ends_where_the_metric_does():
    generator = np.random.default_rng(3)
    labels = (np.arange(200) >= 100).astype(float)
    good = np.clip(labels * 0.9 + 0.05 + 0.35 * generator.normal(size=200), 0, 1)
    (metric,) = metrics_of("AUC")
    estimates = estimates_of((labels, good, good), [metric]).of_metric(metric, "candidate")
    narrow, wide, all_of_it = (estimates.interval(0, each) for each in (0.5, 0.95, 0.999999))
    assert wide.lower < narrow.lower < estimates.values[0] < narrow.upper < wide.upper
    assert narrow.upper - narrow.lower == pytest.approx(
        2 * stats.t.ppf(0.75, 19) * estimates.errors[0]
    )
    assert all_of_it.upper == 1.0


def test_counts_of_examples_and_rankings_have_no_interval():
    kinds = {"ExampleCount": {}, "ConfusionMatrixAtThresholds": {}, "AUC": {}}
    metrics = metrics_of(*kinds)
    ranking = make_metrics("NDCG", {"gain_key": "g", "top_k_list": [1]}, Variant(query_key="q"))
    assert [metric.has_interval for metric in (*metrics, *ranking)] == [False, False, True, False]
    data = draw(np.random.default_rng(1), 500)
    intervals = estimates_of(data, metrics)
    assert intervals.of_metric(metrics[0], "candidate") is None
    assert intervals.of_change(metrics[0], "candidate", "baseline") is None


def test_refuses_more_slices_than_it_can_hold(monkeypatch):
    monkeypatch.setattr(resample_tally, "MAX_SLICES", 1)
    with pytest.raises(DataError, match=r"more than 1 slices, and intervals take 20 times"):
        estimates_of(draw(np.random.default_rng(1), 50), metrics_of("AUC"))
