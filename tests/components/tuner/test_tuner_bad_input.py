"""What can't be searched is refused in one sentence; the modules end before TensorFlow is there."""

import pytest

from components.errors import ConfigurationError, DataError, TrainingError
from components.records import Split
from components.tuner import tune


@pytest.fixture
def attempt(tmp_path, examples):
    """Search with a module; afterwards there must be no trace of it."""
    output_dir = tmp_path / "tuner" / "out"

    def attempt(module_file, **arguments):
        try:
            return tune(
                **{
                    "module_file": module_file,
                    "examples": examples,
                    "output_dir": output_dir,
                    **arguments,
                }
            )
        finally:
            left = list(output_dir.parent.iterdir()) if output_dir.parent.exists() else []
            assert left == []

    return attempt


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("x = 1", ConfigurationError, r"taxi\.py' has no function tuner_fn; write tuner_fn"),
        ("def tuner_fn(a): return 3", ConfigurationError, r"returned a int; expected .*TunerFnRes"),
        ("def tuner_fn(a): 1 / 0", TrainingError, r"tuner_fn raised ZeroDivisionError"),
        ("import os\ndef tuner_fn(a): os._exit(5)", TrainingError, "exit code 5 and left no resul"),
        (
            "import collections\nR = collections.namedtuple('R', 'tuner fit_kwargs')\n"
            "def tuner_fn(a): return R(None, [])",
            ConfigurationError,
            "returned a R of NoneType and list; expected",
        ),
    ],
)
def test_names_what_is_wrong_with_a_module(attempt, write_module, source, error, message):
    with pytest.raises(error, match=message):
        attempt(write_module(source))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tune_args": {"max_trials": 0}}, "max_trials is 0"),
        (
            {"train_args": {"splits": ["test"]}},
            r"train_args\.splits names 'test', but the examples",
        ),
        ({"process": {"num_workers": 2}}, "num_workers is 2; a trial is one process"),
        ({"seed": -1}, "seed is -1"),
        ({"module_file": "/none/taxi.py"}, "'/none/taxi.py' doesn't exist"),
    ],
)
def test_refuses_what_could_never_be_searched(attempt, write_module, arguments, message):
    module = write_module("def tuner_fn(a): raise SystemExit")
    with pytest.raises(ConfigurationError, match=message):
        attempt(**{"module_file": module, **arguments})


def test_refuses_examples_without_rows(attempt, write_module, examples):
    from dataclasses import replace

    empty = replace(examples, splits=dict.fromkeys(("train", "eval"), Split("Split-train/*", 0)))
    with pytest.raises(DataError, match="nothing can be learnt"):
        attempt(write_module("x = 1"), examples=empty)
