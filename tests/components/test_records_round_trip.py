"""Any record comes back from JSON as it was."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from components import records
from components.errors import RecordError
from components.records import (
    RECORD_TYPES,
    Baseline,
    Blessing,
    Bound,
    Examples,
    Finding,
    HyperParameters,
    Inputs,
    Model,
    Override,
    PushedModel,
    Refusal,
    Run,
    Split,
    Subject,
    Validator,
    Window,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(TEXT, JSON, max_size=3)
WINDOWS = (
    st.lists(
        st.datetimes(timezones=st.timezones(), allow_imaginary=False).map(
            lambda moment: moment.replace(microsecond=0)
        ),
        min_size=2,
        max_size=2,
        unique_by=lambda moment: moment.timestamp(),
    )
    .map(lambda pair: sorted(pair, key=lambda moment: moment.timestamp()))
    .filter(lambda pair: 2 < pair[0].year < 9998 and pair[1].year < 9998)
    .map(lambda pair: Window(*[moment.isoformat() for moment in pair]))
)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


BOUNDS = st.builds(Bound, maybe(NUMBERS), maybe(NUMBERS))
FINDINGS = st.builds(
    Finding,
    check=TEXT,
    passed=st.booleans(),
    message=TEXT,
    metric=maybe(TEXT),
    slice=OBJECTS,
    observed=maybe(NUMBERS),
    bound=maybe(BOUNDS),
    baseline=maybe(NUMBERS),
    interval=maybe(BOUNDS),
)
RUNS = st.builds(Run, TEXT, TEXT, TEXT, st.integers(-1, 9), st.integers(1, 9), maybe(TEXT))
MODELS = st.builds(
    Model,
    uri=TEXT,
    digest=TEXT,
    num_bytes=st.integers(0, 2**60),
    format=st.sampled_from(["saved_model", "tflite"]),
    window=maybe(WINDOWS),
    examples_digest=maybe(TEXT),
    hyperparameters=OBJECTS,
    train_args=OBJECTS,
    eval_model_uri=maybe(TEXT),
)
SUBJECTS = st.builds(Subject, st.sampled_from(["examples", "model"]), TEXT)
OVERRIDES = st.builds(
    Override, TEXT, maybe(TEXT), OBJECTS, TEXT, TEXT, maybe(NUMBERS), maybe(BOUNDS)
)
BLESSINGS = st.builds(
    Blessing,
    kind=st.sampled_from(["data", "evaluation", "infra", "approval"]),
    blessed=st.booleans(),
    subject=SUBJECTS,
    findings=st.lists(FINDINGS, max_size=2).map(tuple),
    validator=st.builds(Validator, TEXT, TEXT, maybe(TEXT)),
    issued_at=TEXT,
    inputs=maybe(st.builds(Inputs, TEXT, TEXT)),
    baseline=maybe(st.builds(Baseline, maybe(TEXT), maybe(TEXT), maybe(TEXT))),
    served_model=maybe(MODELS),
    overrides=st.lists(OVERRIDES, max_size=1).map(tuple),
    run=maybe(RUNS),
    signature=maybe(TEXT),
)
DECIDED = st.builds(
    Finding, check=st.sampled_from(["hold", "policy"]), passed=st.just(value=False), message=TEXT
)
RECORDS = st.one_of(
    st.builds(
        Examples,
        uri=TEXT,
        splits=st.dictionaries(TEXT, st.builds(Split, TEXT, st.integers(0)), max_size=3),
        digest=TEXT,
        window=maybe(WINDOWS),
    ),
    *[
        st.builds(cls, TEXT, TEXT, TEXT)
        for cls in (records.Statistics, records.Schema, records.TransformGraph)
    ],
    st.builds(HyperParameters, TEXT, TEXT, TEXT, OBJECTS, maybe(NUMBERS), maybe(TEXT)),
    MODELS,
    BLESSINGS,
    st.builds(
        PushedModel,
        outcome=st.sampled_from(["pushed", "already_live"]),
        version=TEXT,
        uri=TEXT,
        digest=TEXT,
        trained_digest=TEXT,
        blessings=st.lists(BLESSINGS, max_size=2).map(tuple),
        replayed=st.booleans(),
        run=maybe(RUNS),
    ),
    st.builds(Refusal, st.lists(DECIDED, min_size=1, max_size=2).map(tuple), maybe(TEXT)),
)


@settings(max_examples=150, deadline=None)
@given(RECORDS)
def test_comes_back_as_it_was(record: records.Record) -> None:
    line = records.dump(record)

    assert line.splitlines() == [line]
    read = records.load(line)
    assert read == record
    assert type(read) is type(record)
    assert records.dump(read) == line


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([cls.__name__ for cls in RECORD_TYPES]), OBJECTS)
def test_any_json_is_a_record_or_a_record_error(name: str, value: dict[str, Any]) -> None:
    try:
        read = records.from_json(
            json.loads(json.dumps({"type": name, "schema_version": 1, **value}))
        )
    except RecordError:
        return
    assert type(read) in RECORD_TYPES


@settings(max_examples=150, deadline=None)
@given(BLESSINGS, st.data())
def test_a_damaged_record_is_a_record_error_or_still_a_record(
    blessing: Blessing, data: st.DataObject
) -> None:
    """Whatever stands in for a value anywhere, no other exception comes out."""
    value = blessing.to_json()
    node: Any = value
    while True:
        keys = sorted(node) if isinstance(node, dict) else range(len(node))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.booleans()):
            break
        node = node[key]
    node[key] = data.draw(JSON)
    try:
        read = records.from_json(value)
    except RecordError:
        return
    assert isinstance(read, Blessing)
