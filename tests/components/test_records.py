"""How strictly records are read."""

import copy
import dataclasses
import json
import time
import types
import typing
from pathlib import Path
from typing import Any

import pytest

from components import records
from components.errors import RecordError
from components.records import Blessing, Finding, Model, Refusal, Window
from tests.components.record_samples import BLESSING, FINDING, MODEL, RECORDS


def named(record: object) -> str:
    return type(record).__name__


def field_cases() -> list[Any]:
    return [
        pytest.param(record, field.name, id=f"{named(record)}.{field.name}")
        for record in RECORDS
        for field in dataclasses.fields(record)
    ]


class Strange:
    """Nothing that JSON could hold."""


def test_there_is_a_sample_of_every_record_type() -> None:
    assert {type(record) for record in RECORDS} == set(records.RECORD_TYPES)
    for record in RECORDS:
        assert None not in [getattr(record, field.name) for field in dataclasses.fields(record)]


@pytest.mark.parametrize("record", RECORDS, ids=named)
def test_survives_json(record: records.Record) -> None:
    assert records.from_json(json.loads(json.dumps(record.to_json(), allow_nan=False))) == record
    assert records.load(records.dump(record)) == record


@pytest.mark.parametrize("record", RECORDS, ids=named)
def test_begins_with_type_and_schema_version(record: records.Record) -> None:
    begin = list(record.to_json().items())[:2]

    assert begin == [("type", named(record)), ("schema_version", 1)]


def test_parts_inside_carry_no_type_but_records_inside_do() -> None:
    value = BLESSING.to_json()

    assert "type" not in value["findings"][0]
    assert "type" not in value["run"]
    assert value["served_model"]["type"] == "Model"


def test_a_window_and_a_finding_are_read_with_and_without_a_type() -> None:
    for part in (MODEL.window, FINDING):
        assert part is not None
        value = part.to_json()
        bare = {key: item for key, item in value.items() if key not in ("type", "schema_version")}
        assert value["type"] == named(part)
        assert type(part).from_json(value) == part
        assert type(part).from_json(bare) == part


@pytest.mark.parametrize(("record", "name"), field_cases())
def test_names_a_missing_field(record: records.Record, name: str) -> None:
    value = record.to_json()
    del value[name]

    with pytest.raises(RecordError, match=rf"{named(record)}\.{name} is missing"):
        records.from_json(value)


@pytest.mark.parametrize(("record", "name"), field_cases())
@pytest.mark.parametrize(
    "wrong",
    [Strange(), 1.5, True, "", 7, [1], {"": Strange()}],
    ids=["strange", "fraction", "true", "text", "number", "list", "strange object"],
)
def test_names_a_field_of_the_wrong_type_or_reads_it(
    record: records.Record, name: str, wrong: Any
) -> None:
    """A value that fits is kept as it is; any other is refused with the field's name."""
    value = {**record.to_json(), name: wrong}
    hint: Any = next(item.type for item in dataclasses.fields(record) if item.name == name)
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if type(wrong) in options or (type(wrong) is int and float in options):
        kept = records.from_json(value).to_json()[name]
        assert kept == wrong
        assert type(kept) is type(wrong)
    else:
        with pytest.raises(RecordError, match=rf"{named(record)}\.{name}"):
            records.from_json(value)


@pytest.mark.parametrize(("record", "name"), field_cases())
def test_only_fields_that_may_be_null_take_null(record: records.Record, name: str) -> None:
    hint = next(item.type for item in dataclasses.fields(record) if item.name == name)
    value = {**record.to_json(), name: None}

    if "None" in str(hint):
        assert getattr(records.from_json(value), name) is None
    else:
        with pytest.raises(RecordError, match=rf"{named(record)}\.{name} is None; expected"):
            records.from_json(value)


@pytest.mark.parametrize("record", RECORDS, ids=named)
def test_names_an_unknown_field(record: records.Record) -> None:
    with pytest.raises(RecordError, match=rf"{named(record)}\.colour isn't known"):
        records.from_json({**record.to_json(), "colour": "red"})


@pytest.mark.parametrize("record", RECORDS, ids=named)
def test_refuses_a_newer_schema_and_says_to_upgrade(record: records.Record) -> None:
    with pytest.raises(RecordError, match=r"schema_version is 2; .*upgrade Imprimatur"):
        records.from_json({**record.to_json(), "schema_version": 2})


@pytest.mark.parametrize("version", [0, -1, True, "1", 1.0, None])
def test_refuses_what_is_no_schema_version(version: object) -> None:
    with pytest.raises(RecordError, match=r"Model\.schema_version is .*; expected 1"):
        records.from_json({**MODEL.to_json(), "schema_version": version})


@pytest.mark.parametrize("name", ["type", "schema_version"])
def test_refuses_a_record_without_its_envelope(name: str) -> None:
    value = MODEL.to_json()
    del value[name]

    with pytest.raises(RecordError, match=r"type is None|schema_version is None"):
        records.from_json(value)


@pytest.mark.parametrize("kind", ["Modell", "model", "Window", "", None, 3, ["Model"], {}])
def test_refuses_an_unknown_type(kind: object) -> None:
    with pytest.raises(RecordError, match=r"type is .*; expected one of Blessing, Examples"):
        records.from_json({**MODEL.to_json(), "type": kind})


@pytest.mark.parametrize("value", [None, [], "Model", 3])
def test_refuses_what_is_no_object(value: Any) -> None:
    with pytest.raises(RecordError, match="expected a record, a JSON object with a type"):
        records.from_json(value)


def test_a_class_reads_no_other_record() -> None:
    with pytest.raises(RecordError, match=r"Blessing\.type is 'Model'; expected 'Blessing'"):
        Blessing.from_json(MODEL.to_json())


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_refuses_numbers_that_are_not_finite(number: float) -> None:
    with pytest.raises(RecordError, match=r"Finding\.observed is -?(nan|inf); .*write null"):
        dataclasses.replace(FINDING, observed=number)
    with pytest.raises(RecordError, match=r"Model\.hyperparameters\.rates\[1\] is"):
        dataclasses.replace(MODEL, hyperparameters={"rates": [1.0, number]})
    with pytest.raises(RecordError, match=r"Finding\.slice\.x is"):
        dataclasses.replace(FINDING, slice={"x": number})


@pytest.mark.parametrize(
    ("constant", "reason"),
    [
        ("NaN", "the JSON holds NaN"),
        ("-Infinity", "the JSON holds -Infinity"),
        ("1e999", r"Model\.hyperparameters\.dropout is inf"),
    ],
)
def test_refuses_json_with_numbers_that_are_not_finite(constant: str, reason: str) -> None:
    text = records.dump(MODEL).replace("0.1", constant)

    with pytest.raises(RecordError, match=rf"{reason}.*numbers in records are finite"):
        records.load(text)


def test_a_record_inside_a_field_may_leave_its_type_out_but_not_lie() -> None:
    value = copy.deepcopy(BLESSING.to_json())
    del value["served_model"]["type"], value["served_model"]["schema_version"]
    assert records.from_json(value) == BLESSING

    value["served_model"]["type"] = "Examples"
    with pytest.raises(RecordError, match=r"Blessing\.served_model\.type is 'Examples'"):
        records.from_json(value)


def test_names_the_field_deep_inside() -> None:
    value = copy.deepcopy(BLESSING.to_json())
    value["served_model"]["window"]["start"] = 3
    with pytest.raises(RecordError, match=r"Blessing\.served_model\.window\.start|Window\.start"):
        records.from_json(value)

    value = copy.deepcopy(BLESSING.to_json())
    value["findings"][0]["bound"]["middle"] = 0.5
    with pytest.raises(RecordError, match=r"Blessing\.findings\[0\]\.bound\.middle isn't known"):
        records.from_json(value)


@pytest.mark.parametrize(("name", "value"), [("kind", "luck"), ("kind", ["data"])])
def test_refuses_a_choice_that_is_none(name: str, value: object) -> None:
    with pytest.raises(RecordError, match=r"Blessing\.kind is .*; expected one of data, evalu"):
        records.from_json({**BLESSING.to_json(), name: value})


def test_true_is_no_number_and_one_is_no_truth() -> None:
    with pytest.raises(RecordError, match=r"Model\.num_bytes is True; expected a whole number"):
        dataclasses.replace(MODEL, num_bytes=True)
    with pytest.raises(RecordError, match=r"Blessing\.blessed is 1; expected true or false"):
        dataclasses.replace(BLESSING, blessed=1)  # type: ignore[arg-type]


def test_refuses_text_that_no_file_can_hold() -> None:
    broken = b"caf\xe9".decode("utf-8", errors="surrogateescape")

    with pytest.raises(RecordError, match=r"Model\.uri is 'caf.udce9', which isn't Unicode"):
        dataclasses.replace(MODEL, uri=broken)
    with pytest.raises(RecordError, match=r"a name in Model\.hyperparameters"):
        dataclasses.replace(MODEL, hyperparameters={broken: 1})


def test_stays_one_line_whatever_the_text_holds() -> None:
    ends = "\n \r \x0b \x0c \x1c \x85 \u2028 \u2029"
    model = dataclasses.replace(MODEL, hyperparameters={"text": ends, ends: "ü"})

    line = records.dump(model)

    assert line.splitlines() == [line]
    assert "ü" in line
    assert records.load(line) == model


def test_a_refusal_begins_with_a_known_check() -> None:
    luck = Finding(check="luck", passed=False, message="none")
    with pytest.raises(RecordError, match=r"must begin with a check .*got \['luck'\]"):
        Refusal((luck,))
    with pytest.raises(RecordError, match=r"must begin with a check"):
        Refusal(())
    hold = Finding(check="hold", passed=False, message="on hold")
    assert Refusal((hold, luck)).check == "hold"
    assert Refusal((hold,)).model_digest is None


def test_a_blessing_knows_what_failed() -> None:
    good = Finding(check="loads", passed=True, message="loads")

    assert dataclasses.replace(BLESSING, findings=(good, FINDING)).failures == (FINDING,)


@pytest.mark.parametrize(
    ("given", "start"),
    [
        ("2013-01-01", "2013-01-01T00:00:00Z"),
        ("2013-01-01T05:30:00", "2013-01-01T05:30:00Z"),
        ("2013-01-01T05:30:00Z", "2013-01-01T05:30:00Z"),
        ("2013-01-01T00:00:00+01:00", "2012-12-31T23:00:00Z"),
        ("2013-01-01T00:00:00-05:00", "2013-01-01T05:00:00Z"),
        (" 2013-01-01 ", "2013-01-01T00:00:00Z"),
    ],
)
def test_a_window_is_utc_and_naive_times_are_read_as_utc(
    given: str, start: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    window = Window(given, "2014-01-01")

    assert window.start == start
    assert window.start_time.isoformat().replace("+00:00", "Z") == start
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        ("2013-02-01", "2013-01-01", "not after"),
        ("2013-01-01", "2013-01-01", "not after"),
        ("2013-01-01T00:00:00Z", "2013-01-01T01:00:00+01:00", "not after"),
        ("2013-01-01", "February", "expected an ISO 8601 time"),
        ("2013-13-01", "2014-01-01", "expected an ISO 8601 time"),
        ("", "2014-01-01", "expected an ISO 8601 time"),
        ("0001-01-01T00:00:00+14:00", "2014-01-01", "expected an ISO 8601 time"),
        ("2013-01-01T00:00:00.5", "2014-01-01", "expected whole seconds"),
    ],
)
def test_refuses_what_is_no_window(start: str, end: str, reason: str) -> None:
    with pytest.raises(RecordError, match=reason):
        Window(start, end)


def test_parses_a_window_as_it_prints_one() -> None:
    window = Window.parse("2013-01-01/2013-02-01")

    assert str(window) == "2013-01-01T00:00:00Z/2013-02-01T00:00:00Z"
    assert Window.parse(str(window)) == window
    with pytest.raises(RecordError, match="expected START/END, for instance"):
        Window.parse("2013-01-01")


def test_loads_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps(MODEL.to_json(), indent=2), encoding="utf-8")

    assert records.load(path) == MODEL
    assert records.load(str(path)) == MODEL


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no record can be read from"),
        (b"\xff\xfe", "no record can be read from"),
        (b"", "isn't JSON"),
        (b'{"type": "Model"', "isn't JSON"),
        (b"[]", "expected a record, a JSON object"),
    ],
)
def test_says_what_a_file_lacks(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "record.json"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(RecordError, match=reason):
        records.load(path)


def test_a_directory_is_no_record(tmp_path: Path) -> None:
    with pytest.raises(
        RecordError, match=r"give the path of a record\.json, or the record as JSON"
    ):
        records.load(tmp_path)


def test_shortens_long_values_in_messages() -> None:
    with pytest.raises(RecordError) as caught:
        Model.from_json({**MODEL.to_json(), "digest": ["x" * 1000]})

    assert len(str(caught.value)) < 200
