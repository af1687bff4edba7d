"""``scripts/reference``: what each operator takes and each DAG's form asks, as Markdown.

From the docstrings of `operators` and the params of ``dags/``, so that it says what the code does.
"""

import argparse
import inspect
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]


def main(argv: list[str] | None = None) -> int:
    """Print the reference, or write it to a file."""
    parser = argparse.ArgumentParser(prog="scripts/reference", description=__doc__)
    parser.add_argument("--output", type=Path, help="a file to write; default: stdout")
    given = parser.parse_args(argv)
    text = "\n".join([*operator_lines(), *dag_lines()]) + "\n"
    if given.output is None:
        sys.stdout.write(text)
    else:
        given.output.write_text(text, encoding="utf-8")
    return 0


def operator_lines() -> Iterator[str]:
    """Yield the operators' reference, line by line."""
    import operators  # noqa: TID251 - it is about them

    yield "# Operators"
    yield ""
    yield "Arguments are given by name. Those marked † are templates. All take BaseOperator's too."
    for name in operators.__all__:
        yield ""
        yield from _operator(name, getattr(operators, name))


def dag_lines() -> Iterator[str]:
    """Yield the reference of the DAGs' forms, line by line."""
    yield ""
    yield "# DAGs"
    for dag_id, dag in sorted(_dags().items()):
        yield ""
        yield f"## {dag_id}"
        yield ""
        yield inspect.cleandoc(dag.doc_md or dag.description or "")
        if dag.params:
            yield ""
            yield from _table(("field", "param", "default", "what it does"), _params(dag))


def arguments_of(operator: type) -> dict[str, str]:
    """Return what an operator's docstring says of each argument."""
    import docstring_parser

    parsed = docstring_parser.parse(
        inspect.getdoc(operator) or "", docstring_parser.DocstringStyle.GOOGLE
    )
    return {
        parameter.arg_name: " ".join((parameter.description or "").split())
        for parameter in parsed.params
    }


def parameters_of(operator: type) -> dict[str, inspect.Parameter]:
    """Return an operator's own arguments by name, those of its bases in `operators` among them."""
    found: dict[str, inspect.Parameter] = {}
    for cls in reversed(operator.__mro__):
        if cls.__module__.partition(".")[0] == "operators" and "__init__" in vars(cls):
            signature = inspect.signature(inspect.unwrap(vars(cls)["__init__"]))
            found |= {
                name: parameter
                for name, parameter in signature.parameters.items()
                if parameter.kind is inspect.Parameter.KEYWORD_ONLY
            }
    return found


def _operator(name: str, operator: type) -> Iterator[str]:
    said = arguments_of(operator)
    text = inspect.getdoc(operator) or ""
    before, _, after = text.partition("\nArgs:\n")
    yield f"## {name}"
    yield ""
    yield before.strip()
    if said:
        defaults = {name: _default(it) for name, it in parameters_of(operator).items()}
        rows = [
            (
                f"`{argument}`" + (" †" if "(templated)" in text_ else ""),
                defaults.get(argument, ""),
                text_.replace("(templated)", "").strip(),
            )
            for argument, text_ in said.items()
        ]
        yield ""
        yield from _table(("argument", "default", "what it is"), rows)
    returns = after[after.find("\nReturns") :].strip() if "\nReturns" in after else ""
    if returns:
        yield ""
        yield returns


def _default(parameter: inspect.Parameter) -> str:
    return "required" if parameter.default is inspect.Parameter.empty else f"`{parameter.default}`"


def _params(dag: Any) -> Iterator[tuple[str, str, str, str]]:
    for name, param in dag.params.items():
        schema = param.schema
        choices = f" One of {', '.join(map(str, schema['enum']))}." if "enum" in schema else ""
        default = "" if not param.has_value else f"`{param.value}`"
        text = " ".join(str(param.description or schema.get("description_md", "")).split())
        yield (str(schema.get("title", name)), f"`{name}`", default, text + choices)


def _table(headers: tuple[str, ...], rows: Any) -> Iterator[str]:
    yield f"| {' | '.join(headers)} |"
    yield f"|{'---|' * len(headers)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '∣') for cell in row)} |"


def _dags() -> dict[str, Any]:
    """Return the DAGs of ``dags/``, read with a home that is thrown away."""
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"AIRFLOW_HOME": home, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        from airflow.dag_processing.dagbag import DagBag  # noqa: TID251 - as Airflow reads them

        bag = DagBag(str(REPOSITORY / "dags"))
    if bag.import_errors:
        raise SystemExit(f"scripts/reference: {bag.import_errors}")
    return dict(bag.dags)


if __name__ == "__main__":
    sys.exit(main())
