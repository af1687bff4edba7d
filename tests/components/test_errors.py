"""The exceptions, and what each becomes on a command line."""

import inspect
import re

from components import errors


def test_the_drawing_is_the_tree() -> None:
    """Each exception stands in the module's docstring below its parent, with its exit code."""
    drawn = re.findall(r"^ {4}([│├└─ ]*)(\w+Error) +(\d)", inspect.getdoc(errors) or "", re.M)
    path: list[str] = []
    parents, codes = {}, {}
    for lines, name, code in drawn:
        depth = len(lines) // 4
        path[depth:] = [name]
        parents[name], codes[name] = path[depth - 1] if depth else "Exception", int(code)
    classes = {name: cls for name, cls in vars(errors).items() if inspect.isclass(cls)}

    assert parents == {name: cls.__bases__[0].__name__ for name, cls in classes.items()}
    assert codes == {name: cls.exit_code for name, cls in classes.items()}


def test_wrong_values_are_value_errors_too() -> None:
    assert issubclass(errors.ConfigurationError, ValueError)
    assert issubclass(errors.RecordError, ValueError)


def test_how_a_server_died_is_not_how_a_command_ends() -> None:
    died = errors.ServerDiedError("killed", return_code=-9)

    assert died.return_code == -9
    assert died.exit_code == errors.EXIT_FAULT
