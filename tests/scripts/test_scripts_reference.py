"""Docstrings say of each operator's arguments what is so; the reference is made of them."""

import inspect
import subprocess
import sys

import pytest

import operators
from scripts.local_airflow import REPOSITORY
from scripts.reference import arguments_of, operator_lines, parameters_of

OPERATORS = [getattr(operators, name) for name in operators.__all__]


def signature_of(cls):
    made = vars(cls).get("__init__", object.__init__)
    return inspect.signature(inspect.unwrap(made)).parameters


@pytest.mark.parametrize("operator", OPERATORS)
def test_each_argument_is_described_and_nothing_else(operator):
    taken = {name for name in parameters_of(operator) if name != "trigger_rule"}
    inherited = {name for cls in operator.__mro__ for name in signature_of(cls)}
    said = set(arguments_of(operator))
    assert taken <= said
    assert said <= taken | inherited


@pytest.mark.parametrize("operator", OPERATORS)
def test_what_is_called_templated_is_a_template(operator):
    said = {name for name, text in arguments_of(operator).items() if "(templated)" in text}
    assert said == set(operator.template_fields)


def test_the_reference_has_a_row_for_each_argument():
    text = "\n".join(operator_lines())
    for operator in OPERATORS:
        section = text.partition(f"\n## {operator.__name__}\n")[2].partition("\n## ")[0]
        for name in arguments_of(operator):
            assert f"\n| `{name}`" in section


@pytest.mark.slow
def test_the_forms_of_all_dags_are_in_it(tmp_path):
    output = tmp_path / "reference.md"
    command = [sys.executable, "-m", "scripts.reference", "--output", str(output)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    text = output.read_text()
    for path in (REPOSITORY / "dags").glob("*.py"):
        assert f"\n## {path.stem}\n" in text
    assert "| Reason | `reason` |  | Kept in the serving folder's records" in text
