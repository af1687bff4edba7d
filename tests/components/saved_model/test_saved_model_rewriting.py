"""The step that rewrites a trained model, and the push of what it made."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components import artifacts, pusher, records
from components.errors import ConfigurationError, DataError, InvalidModelError
from components.records import Model, Window
from components.saved_model import __main__ as command

ROWS = [{"row": [float(value) for value in row]} for row in np.eye(4)]


@pytest.fixture(scope="module")
def trained(exported):
    """The record of the exported model, as a trainer would leave it."""
    manifest = artifacts.read_manifest(exported)
    return Model(
        uri=str(exported),
        digest=manifest.digest,
        num_bytes=manifest.num_bytes,
        window=Window.parse("2020-01-01/2020-02-01"),
        hyperparameters={"units": 8},
    )


def test_command_rewrites_and_the_pusher_publishes(trained, write_examples, tmp_path, capfd):
    examples = write_examples(ROWS)
    output = tmp_path / "lite"
    arguments = ["--model", records.dump(trained), "--examples", records.dump(examples)]
    code = command.main(
        ["rewrite", *arguments, "--quantization", "float16", "--output-dir", str(output)]
    )
    assert code == 0
    record = Model.from_json(json.loads(capfd.readouterr().out.splitlines()[-1]))
    assert (record.format, record.uri) == ("tflite", str(output / "Format-TFLite"))
    assert record.digest == artifacts.digest(record.uri)
    assert (record.window, record.hyperparameters) == (trained.window, {"units": 8})
    blessing = records.load(output / "infra_blessing.json")
    assert (blessing.kind, blessing.blessed, blessing.subject.digest) == (
        "infra", True, record.digest
    )  # fmt: skip
    assert "within 0.01, on 4 examples" in blessing.findings[0].message
    assert "The original wasn't judged" in blessing.findings[-1].message

    result = pusher.push(
        model=record,
        blessings=[blessing],
        push_destination={"filesystem": {"base_directory": str(tmp_path / "serving")}},
        required_kinds=["infra"],
    )
    assert result.outcome == "pushed"
    pushed = Path(result.uri)
    assert [path.name for path in pushed.iterdir()] == ["model.tflite"]
    original = Path(record.uri) / "model.tflite"
    assert (pushed / "model.tflite").read_bytes() == original.read_bytes()


def test_rewrites_nothing_that_was_changed(trained, exported, write_examples, tmp_path):
    from components.saved_model.rewriting import rewrite_model

    copy = shutil.copytree(exported, tmp_path / "copy")
    (copy / "fingerprint.pb").write_bytes(b"")
    with pytest.raises(InvalidModelError, match=r"hasn't the digest sha256:.* of its record"):
        rewrite_model(
            model=replace(trained, uri=str(copy)),
            examples=write_examples(ROWS),
            output_dir=tmp_path / "lite",
        )
    assert not (tmp_path / "lite").exists()


@pytest.mark.parametrize(
    ("rows", "split_name", "error", "message"),
    [
        (ROWS, "test", ConfigurationError, "split is 'test', but the examples .* have 'eval'"),
        ([], None, DataError, "no examples in files"),
        ([{"other": 1.0}], None, DataError, r"\['row'\] .* can't be read from the examples"),
    ],
)
def test_refuses_examples_that_do_not_fit(
    trained, write_examples, tmp_path, rows, split_name, error, message
):
    from components.saved_model.rewriting import rewrite_model

    with pytest.raises(error, match=message):
        rewrite_model(
            model=trained,
            examples=write_examples(rows),
            output_dir=tmp_path / "lite",
            split_name=split_name,
        )
    assert not (tmp_path / "lite").exists()


def test_refuses_a_model_that_was_rewritten_already(trained, write_examples, tmp_path):
    from components.saved_model.rewriting import rewrite_model

    with pytest.raises(ConfigurationError, match="format is 'tflite'; expected a SavedModel"):
        rewrite_model(
            model=replace(trained, format="tflite"),
            examples=write_examples(ROWS),
            output_dir=tmp_path / "lite",
        )
