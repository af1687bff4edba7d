"""A disk that is full is a fault with one sentence, and leaves nothing that looks like a model."""

import pytest

from components.errors import TrainingError
from components.trainer import train


@pytest.fixture
def attempt(examples, write_module, tmp_path):
    """Train by a module that may write 100 kB to a file; return the error's text."""

    def attempt(body):
        lines = ["def run_fn(fn_args):", *(f"    {line}" for line in body.splitlines())]
        with pytest.raises(TrainingError) as caught:
            train(
                module_file=write_module("\n".join(lines)),
                examples=examples,
                output_dir=tmp_path / "models" / "out",
            )
        assert list((tmp_path / "models").iterdir()) == []
        return str(caught.value)

    return attempt


def test_names_a_full_disk_whatever_a_module_made_of_the_error(attempt):
    body = """
try:
    with open("/dev/full", "w") as file:
        file.write("x" * 100_000)
except OSError as error:
    raise RuntimeError("saving failed,\\n\\nsomehow")"""
    message = attempt(body)
    assert message.startswith("the disk is full: run_fn raised RuntimeError when it wrote (in '")
    assert "make room where artifacts are kept" in message
    assert "\n" not in message


@pytest.mark.slow
def test_names_what_tensorflow_could_not_write(attempt):
    """The limit on a file's size stands for the disk's: the same system call fails."""
    body = """
import resource
import keras
model = keras.Sequential([keras.Input((100,)), keras.layers.Dense(1000)])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
model.export(fn_args.serving_model_dir, verbose=False)"""
    message = attempt(body)
    assert message.startswith("a file became larger than this process may write: run_fn raised ")
