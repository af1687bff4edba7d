"""Partial results merge to exactly the same numbers, in any order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import DataError
from components.evaluator import tally as tally_module
from components.evaluator.metric import METRIC_CLASSES, make_metric
from components.evaluator.statistic import ScoreHistogram
from components.evaluator.tally import Membership, Tally

example = st.tuples(
    st.sampled_from([0.0, 1.0]),
    st.one_of(st.floats(0, 1, width=32), st.sampled_from([0.5, 1.0, float("nan")])),
    st.floats(0, 100, width=32),
    st.sets(st.sampled_from([(), (("o", "JFK"),), (("o", "LGA"),), (("h", 7),)])),
)


def metrics():
    return [
        make_metric(name, {"name": f"{name} {weighted}"}, weighted=weighted)
        for name in METRIC_CLASSES
        for weighted in (False, True)
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
            np.array(labels),
            {"candidate": predictions, "baseline": 1 - predictions},
            np.array(weights),
            Membership(
                keys,
                np.array([row for row, _ in pairs], np.int64),
                np.array([position for _, position in pairs], np.int64),
            ),
        )
    return tally


def assert_same(one, other):
    assert one.slices == other.slices
    np.testing.assert_array_equal(one.num_examples, other.num_examples)
    for model, measured in one.models.items():
        assert measured.values.keys() == other.models[model].values.keys()
        for name, values in measured.values.items():
            np.testing.assert_array_equal(values, other.models[model].values[name], err_msg=name)


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
    monkeypatch.setattr("components.evaluator.statistic._MAX_PENDING", 10)
    assert_same(tally_of(examples).measure(), whole)
    accumulator = ScoreHistogram().accumulator()
    assert accumulator.result(2)[1].buckets.size == 0


def test_keeps_models_and_slices_apart():
    rows = [(1.0, 0.9, 1.0, {(), (("o", "JFK"),)}), (0.0, 0.2, 1.0, {(), (("o", "LGA"),)})]
    measured = tally_of(rows).measure()
    assert measured.slices == ((), (("o", "JFK"),), (("o", "LGA"),))
    np.testing.assert_array_equal(measured.num_examples, [2, 1, 1])
    candidate, baseline = measured.models["candidate"], measured.models["baseline"]
    np.testing.assert_allclose(candidate.values["MeanPrediction False"], [0.55, 0.9, 0.2])
    np.testing.assert_allclose(baseline.values["MeanPrediction False"], [0.45, 0.1, 0.8])


def test_small_slices_get_no_metrics_but_overall_does():
    metric = make_metric("MeanLabel", {}, weighted=False)
    tally = Tally([metric], ["m"], min_slice_size=2)
    keys = [(), (("o", "JFK"),), (("o", "LGA"),)]
    rows, positions = np.array([0, 0]), np.array([0, 1])
    tally.add(np.ones(1), {"m": np.ones(1)}, None, Membership(keys, rows, positions))
    tally.add(
        np.ones(2),
        {"m": np.ones(2)},
        None,
        Membership(keys[2:], np.array([0, 1]), np.zeros(2, int)),
    )
    values = tally.measure().models["m"].values["mean_label"]
    np.testing.assert_array_equal(values, [1.0, np.nan, 1.0])


def test_refuses_more_slices_than_memory_is_for(monkeypatch):
    monkeypatch.setattr(tally_module, "MAX_SLICES", 2)
    with pytest.raises(DataError, match=r"more than 2 slices, for instance \{'o'"):
        tally_of([(1.0, 0.5, 1.0, {(), (("o", "JFK"),), (("o", "LGA"),)})])
