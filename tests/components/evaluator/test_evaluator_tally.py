"""Partial results merge to exactly the same numbers, in any order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import DataError
from components.evaluator import tally as tally_module
from components.evaluator.histogram import ScoreHistogram
from components.evaluator.metric import METRIC_CLASSES, Variant, make_metrics
from components.evaluator.tally import Membership, Tally, Truth

example = st.tuples(
    st.sampled_from([0.0, 1.0]),
    st.one_of(st.floats(0, 1, width=32), st.sampled_from([0.5, 1.0, float("nan")])),
    st.floats(0, 100, width=32),
    st.sets(st.sampled_from([(), (("o", "JFK"),), (("o", "LGA"),), (("h", 7),)])),
)


SETTINGS = {
    "SensitivityAtSpecificity": {"specificity": 0.7},
    "SpecificityAtSensitivity": {"sensitivity": 0.7},
    "PrecisionAtRecall": {"recall": 0.7},
    "ThresholdAtRecall": {"recall": 0.7},
    "RecallAtPrecision": {"precision": 0.7},
    "RecallAtFalsePositiveRate": {"false_positive_rate": 0.3},
    "NDCG": {"gain_key": "gain", "top_k_list": [1, 3]},
}
OF_CLASSES = {name for name in METRIC_CLASSES if "Categorical" in name or "MultiClass" in name}


def metrics(num_classes=None):
    """Return all metrics that are about one number, or about several classes."""
    names = OF_CLASSES if num_classes else set(METRIC_CLASSES) - OF_CLASSES
    return [
        metric
        for name in sorted(names)
        for weighted in (False, True)
        for metric in make_metrics(
            name,
            {"name": f"{name} {weighted}", **SETTINGS.get(name, {})},
            Variant(weighted=weighted, query_key="query" if name == "NDCG" else ""),
        )
    ]


def tally_of(examples, batch_size=3):
    tally = Tally(metrics(), ["candidate", "baseline"])
    for start in range(0, len(examples), batch_size):
        batch = examples[start : start + batch_size]
        keys = sorted({key for *_, slices in batch for key in slices}, key=str)
        pairs = [(row, keys.index(key)) for row, (*_, slices) in enumerate(batch) for key in slices]
        labels, predictions, weights, _ = zip(*batch, strict=True)
        predictions = np.array(predictions)
        tally.add(
            truth_of(np.array(labels), np.array(weights)),
            {"candidate": {"": predictions}, "baseline": {"": 1 - predictions}},
            Membership(
                keys,
                np.array([row for row, _ in pairs], np.int64),
                np.array([position for _, position in pairs], np.int64),
            ),
        )
    return tally


def truth_of(labels, weights):
    """Let what an example is decide its query, so that the order of examples doesn't."""
    queries = np.where(weights > 3, "a", "b")
    of_query = np.where(weights > 3, 2.0, 0.5)
    return Truth({"": labels}, {"": of_query}, {"query": queries, "gain": labels})


def assert_same(one, other):
    assert one.slices == other.slices
    np.testing.assert_array_equal(one.num_examples, other.num_examples)
    for model, measured in one.models.items():
        assert measured.values.keys() == other.models[model].values.keys()
        for name, values in measured.values.items():
            np.testing.assert_array_equal(values, other.models[model].values[name], err_msg=name)
        assert measured.plots == other.models[model].plots


@given(
    st.lists(example, max_size=30),
    st.randoms(use_true_random=False),
    st.integers(1, 5),
    st.integers(1, 9),
)
def test_parts_in_any_order_give_the_same(examples, random, num_parts, batch_size):
    whole = tally_of(examples).measure()
    shuffled = list(examples)
    random.shuffle(shuffled)
    parts = [tally_of(shuffled[start::num_parts], batch_size) for start in range(num_parts)]
    random.shuffle(parts)
    merged = parts[0]
    for part in parts[1:]:
        merged.merge(part)
    assert_same(merged.measure(), whole)


def test_adds_after_it_has_measured_and_merged():
    generator = np.random.default_rng(3)
    examples = [
        (float(label), float(np.float32(score)), 1.25, {(), (("o", "JFK"),)})
        for label, score in zip(generator.integers(0, 2, 90), generator.random(90), strict=True)
    ]
    grown = tally_of(examples[:30])
    grown.measure()
    grown.merge(tally_of(examples[30:60]))
    grown.measure()
    grown.merge(tally_of(examples[60:]))
    assert_same(grown.measure(), tally_of(examples).measure())


def test_the_histogram_settles_before_it_holds_too_much(monkeypatch):
    generator = np.random.default_rng(5)
    examples = [
        (float(label), float(score), 2.0, {()})
        for label, score in zip(generator.integers(0, 2, 300), generator.random(300), strict=True)
    ]
    whole = tally_of(examples).measure()
    monkeypatch.setattr("components.evaluator.keyed_sum._MAX_PENDING", 10)
    assert_same(tally_of(examples).measure(), whole)
    accumulator = ScoreHistogram().accumulator()
    assert accumulator.result(2).buckets.size == 0


def test_keeps_models_and_slices_apart():
    rows = [(1.0, 0.9, 1.0, {(), (("o", "JFK"),)}), (0.0, 0.2, 1.0, {(), (("o", "LGA"),)})]
    measured = tally_of(rows).measure()
    assert measured.slices == ((), (("o", "JFK"),), (("o", "LGA"),))
    np.testing.assert_array_equal(measured.num_examples, [2, 1, 1])
    candidate, baseline = measured.models["candidate"], measured.models["baseline"]
    np.testing.assert_allclose(candidate.values["MeanPrediction False"], [0.55, 0.9, 0.2])
    np.testing.assert_allclose(baseline.values["MeanPrediction False"], [0.45, 0.1, 0.8])


def test_small_slices_get_no_metrics_but_overall_does():
    (metric,) = make_metrics("MeanLabel", {}, Variant())
    tally = Tally([metric], ["m"], min_slice_size=2)
    keys = [(), (("o", "JFK"),), (("o", "LGA"),)]
    rows, positions = np.array([0, 0]), np.array([0, 1])
    one, two = (Truth({"": np.ones(size)}, {"": None}) for size in (1, 2))
    tally.add(one, {"m": {"": np.ones(1)}}, Membership(keys, rows, positions))
    tally.add(
        two,
        {"m": {"": np.ones(2)}},
        Membership(keys[2:], np.array([0, 1]), np.zeros(2, int)),
    )
    values = tally.measure().models["m"].values["mean_label"]
    np.testing.assert_array_equal(values, [1.0, np.nan, 1.0])


def test_refuses_more_slices_than_memory_is_for(monkeypatch):
    monkeypatch.setattr(tally_module, "MAX_SLICES", 2)
    with pytest.raises(DataError, match=r"more than 2 slices, for instance \{'o'"):
        tally_of([(1.0, 0.5, 1.0, {(), (("o", "JFK"),), (("o", "LGA"),)})])
