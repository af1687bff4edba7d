"""Which rows are asked."""

import dataclasses

import pytest

from components.errors import ConfigurationError, DataError
from components.infra_validator.question import make_questions, read_rows
from components.records import Split


def test_every_row_is_asked_of_every_signature_and_the_first_alone():
    asked = [(q.signature_name, q.start, q.stop) for q in make_questions(["a", "b"], 40)]
    assert asked == [(name, *span) for name in ("a", "b") for span in ((0, 32), (32, 40), (0, 1))]


def test_one_row_is_asked_once():
    assert len(make_questions(["a"], 1)) == 1


def test_reads_as_many_rows_as_asked_for(infra_examples, infra_rows):
    assert read_rows(infra_examples, None, 7) == infra_rows[:7]
    assert read_rows(infra_examples, "eval", 1000) == infra_rows


def test_the_first_split_is_taken_where_there_is_no_eval(infra_examples, infra_rows):
    splits = {"train": infra_examples.splits["eval"]}
    other = dataclasses.replace(infra_examples, splits=splits)
    assert read_rows(other, None, 1) == infra_rows[:1]


def test_an_unknown_split_is_named(infra_examples):
    with pytest.raises(ConfigurationError, match=r"is 'test'; the examples have the splits \['e"):
        read_rows(infra_examples, "test", 1)


def test_no_rows_are_refused(infra_examples, tmp_path):
    (tmp_path / "examples" / "Split-eval" / "data_tfrecord-00000-of-00001").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="nothing is blessed for merely loading"):
        read_rows(infra_examples, None, 1)
    nothing = dataclasses.replace(infra_examples, splits={})
    with pytest.raises(ConfigurationError, match="have no splits"):
        read_rows(nothing, None, 1)


def test_files_that_are_gone_are_named(infra_examples):
    gone = dataclasses.replace(infra_examples, splits={"eval": Split("Split-eval/*.gz", 1)})
    with pytest.raises(DataError, match=r"matches 'Split-eval/\*\.gz'"):
        read_rows(gone, None, 1)
