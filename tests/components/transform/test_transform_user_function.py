"""A module for TFX can be imported by the transform, where TFX isn't installed."""

import subprocess
import sys
from pathlib import Path

import pytest

from components.transform import user_function

MODULE = """
import tensorflow_model_analysis as tfma
from tfx.components.trainer.fn_args_utils import DataAccessor, FnArgs

def preprocessing_fn(inputs):
    return inputs

def run_fn(fn_args: FnArgs) -> tfma.EvalConfig:
    raise AssertionError
"""
CODE = """
import pathlib, sys
from components.transform.user_function import find_function
found = find_function(sys.argv[1], pathlib.Path(sys.argv[1]), None)
print(found.name, found.call({"a": 1}), "tensorflow" in sys.modules)
"""


EXITS = """
import pathlib, sys
from components.errors import UserCodeError
from components.transform.user_function import find_function
try:
    find_function(sys.argv[1], pathlib.Path(sys.argv[1]), None).call({"a": 1})
except UserCodeError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("import sys\ndef preprocessing_fn(inputs):\n    sys.exit(0)\n", "SystemExit: 0 in line 3"),
        ("import sys\nsys.exit(0)\ndef preprocessing_fn(inputs): ...", "SystemExit: 0 in line 2"),
    ],
)
def test_a_module_that_exits_has_not_done_its_work(tmp_path, module, said):
    """Exit code 0 would say that there is a graph."""
    done = call(EXITS, tmp_path, module)
    assert said in done.stdout, done.stderr


def test_a_signal_to_end_is_no_fault_of_the_module(tmp_path):
    source = "import sys\ndef preprocessing_fn(inputs):\n    sys.exit(143)\n"
    assert call(EXITS, tmp_path, source).returncode == 143


def test_what_a_module_takes_from_tfx_is_there(tmp_path):
    done = call(CODE, tmp_path, MODULE)
    assert done.stdout == "preprocessing_fn {'a': 1} False\n", done.stderr


def call(code, tmp_path, module):
    path = tmp_path / "taxi_utils.py"
    path.write_text(module)
    return subprocess.run(
        [sys.executable, "-c", code, str(path)],
        cwd=Path(user_function.__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
