"""What a training prints becomes lines that a log can hold."""

import io
import os
import threading

from components.trainer import live_output
from components.trainer.live_output import clean, copy_lines


class Chunks:
    """A pipe that gives one chunk at a time and lets time pass before each."""

    def __init__(self, *chunks, seconds=0.0):
        self.chunks = list(chunks)
        self.seconds = seconds
        self.now = 0.0

    def read(self, _):
        self.now += self.seconds
        return self.chunks.pop(0) if self.chunks else b""


def copied(source):
    target = io.StringIO()
    copy_lines(source, target, clock=lambda: source.now)
    return target.getvalue()


def test_copies_lines_however_they_arrive():
    assert copied(Chunks(b"on", b"e\ntw", b"o\n\nthree")) == "one\ntwo\n\nthree\n"


def test_keeps_characters_that_arrive_in_pieces():
    text = "naïve ✓\n".encode()
    assert copied(Chunks(text[:3], text[3:9], text[9:])) == "naïve ✓\n"


def test_keeps_only_the_last_state_of_a_progress_bar():
    bar = [f"\r\x1b[1m{step}/3\x1b[0m \x1b[32m━━━\x1b[0m".encode() for step in range(4)]
    assert copied(Chunks(*bar, b"\nnext\n")) == "3/3 ━━━\nnext\n"


def test_shows_a_long_progress_bar_now_and_then():
    bar = [f"\r{step}/6 ".encode() for step in range(7)]
    seconds = live_output.SECONDS_BETWEEN_UPDATES / 2
    assert copied(Chunks(*bar, b"\n", seconds=seconds)) == "1/6\n3/6\n5/6\n6/6\n"


def test_waits_after_a_whole_line_before_it_shows_a_bar():
    seconds = live_output.SECONDS_BETWEEN_UPDATES * 0.6
    source = Chunks(b"Epoch 1\n", b"\r1/2 ", b"\r2/2 \n", seconds=seconds)
    assert copied(source) == "Epoch 1\n2/2\n"


def test_removes_control_characters():
    assert clean("a\x00b\x1b[2Kc\x07\td") == "abc\td"
    assert clean("12/20\x08\x08\x08\x08\x0820/20") == "20/20"


def test_keras_progress_bar_leaves_one_clean_line(monkeypatch):
    import keras

    with io.StringIO() as drawn:
        monkeypatch.setattr("sys.stdout", drawn)
        bar = keras.utils.Progbar(3, verbose=1)
        for step in range(1, 4):
            bar.update(step, [("loss", 0.5)])
        text = drawn.getvalue()
    (line,) = copied(Chunks(text.encode())).splitlines()
    assert "\r" in text or "\x08" in text
    assert line.startswith("3/3")
    assert line.endswith("loss: 0.5000")
    assert line.isprintable()


def test_goes_on_reading_when_nobody_listens():
    class Deaf(io.StringIO):
        def write(self, _):
            raise BrokenPipeError

    source = Chunks(b"one\n", b"two\n")
    copy_lines(source, Deaf())
    assert not source.chunks


def test_shows_a_line_before_the_source_ends():
    reading, writing = os.pipe()
    shown = threading.Event()

    class Target(io.StringIO):
        def flush(self):
            shown.set()

    with os.fdopen(reading, "rb") as source, os.fdopen(writing, "wb", buffering=0) as sink:
        copier = threading.Thread(target=copy_lines, args=(source, Target()))
        copier.start()
        sink.write(b"first\n")
        assert shown.wait(10)
        sink.close()
        copier.join(10)


def test_what_tensorflow_says_without_a_gpu_is_no_error():
    line = "E0000 00:00:1795277057.795638   26218 cuda_platform.cc:52] failed call to cuInit: 303"
    assert copied(Chunks(f"{line}\n".encode())) == f"INFO tensorflow: {line}\n"
    real = "E0000 00:00:1795277057.795638   26218 op.cc:5] out of memory"
    assert copied(Chunks(f"{real}\n".encode())) == f"{real}\n"
