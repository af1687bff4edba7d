"""The level at which a line of a component's stderr was meant."""

import logging

import pytest

from operators._child_log import LevelReader

INFO, WARNING, ERROR = logging.INFO, logging.WARNING, logging.ERROR


def levels(*lines: str) -> list[int]:
    reader = LevelReader()
    read = [reader.read(line.encode() + b"\n") for line in lines]
    return [line.level for line in read if line is not None]


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("INFO components.trainer: started", INFO),
        ("WARNING components.trainer: slow", WARNING),
        ("ERROR components.trainer: no run_fn", ERROR),
        ("DEBUG components.trainer: detail", logging.DEBUG),
        ("CRITICAL root: out", logging.CRITICAL),
        ("step 50/300: loss 0.5", INFO),
        ("INFORMATION: not ours", INFO),
        ("I0000 00:00:1763726000.123456  1234 cpu_feature_guard.cc:227] This TensorFlow", INFO),
        ("W0000 00:00:1763726000.123456  1234 gpu_device.cc:2341] Cannot dlopen", WARNING),
        ("E0000 00:00:1763726000.123456  1234 cuda_dnn.cc:8579] Unable to register", ERROR),
        ("I1121 12:00:00.123456  1234 file.cc:12] message", INFO),
        ("2026-11-21 12:00:00.123456: I tensorflow/core/util/port.cc:153] oneDNN", INFO),
        ("2026-11-21 12:00:00.123456: W tensorflow/core/x.cc:1] careful", WARNING),
        ("2026-11-21 12:00:00.123456: F tensorflow/core/x.cc:1] check failed", logging.CRITICAL),
        ("WARNING: All log messages before absl::InitializeLog() is called are", WARNING),
        ("/site-packages/keras/src/x.py:12: UserWarning: no", WARNING),
        ("python -m components.trainer: error: argument --x: no", ERROR),
        ("__main__.py: error: the following arguments are required: --model", ERROR),
    ],
)
def test_a_line_says_its_level(line, level):
    assert levels(line) == [level]


def test_a_traceback_is_an_error_to_its_end():
    assert levels(
        "before",
        "Traceback (most recent call last):",
        '  File "module.py", line 3, in run_fn',
        "    1 / 0",
        "ZeroDivisionError: division by zero",
        "after",
    ) == [INFO, ERROR, ERROR, ERROR, ERROR, INFO]


def test_an_indented_line_belongs_to_the_one_before():
    assert levels("WARNING a: two lines,", "  the second", "INFO a: next", "  more") == [
        WARNING,
        WARNING,
        INFO,
        INFO,
    ]


def test_the_reason_is_the_last_error_line():
    reader = LevelReader()
    for line in (
        "Traceback (most recent call last):",
        "ValueError: x",
        "ERROR a.b: because",
        "I am",
    ):
        reader.read(line.encode())
    assert reader.reason == "because"


def test_without_an_error_line_the_reason_is_the_last_line():
    reader = LevelReader()
    assert reader.reason == "it wrote nothing to stderr"
    reader.read(b"Segmentation fault\n")
    reader.read(b"\n")
    assert reader.reason == "Segmentation fault"


def test_what_tensorflow_calls_an_error_is_no_reason():
    reader = LevelReader()
    reader.read(b"E0000 00:00:1763726000.123456  1234 cuda_platform.cc:52] failed call to cuInit")
    reader.read(b"INFO components.trainer: step 50")
    assert reader.reason == "step 50"


def test_our_own_lines_lose_their_prefix_and_keep_their_logger():
    line = LevelReader().read(b"ERROR components.trainer: no run_fn: see module.py\n")
    assert (line.logger, line.message) == ("components.trainer", "no run_fn: see module.py")


def test_terminal_control_is_taken_out():
    read = LevelReader().read
    assert read(b"10%\r 50%\r100% done\n").message == "100% done"
    assert read(b"\x1b[1mEpoch\x1b[0m 1\x08\x08/3\n").message == "Epoch 1/3"
    assert read(b"\x1b[0m\n") is None


def test_bytes_that_are_no_text_do_not_end_the_log():
    assert LevelReader().read(b"\xff\xfe ok\n").message.endswith(" ok")
