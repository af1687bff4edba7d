"""The smallest model, from the package's penguins to a verdict on it."""

import csv
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from models.penguin import data

FOLDER = Path(data.__file__).parent


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("penguins") / "penguins.parquet"
    assert data.main(["--output", str(path)]) == 0
    return path


def test_the_data_are_the_penguins_that_were_measured(source):
    with data.find_penguins().open() as file:
        original = [row for row in csv.DictReader(file) if row["body_mass_g"] != "NA"]
    written = pq.read_table(source).to_pylist()
    assert len(written) == len(original) == 342
    for row, before in zip(written, original, strict=True):
        assert data.SPECIES[row["species"]] == before["species"]
        assert {name: row[name] for name in data.FEATURES} == pytest.approx(
            {name: float(before[name]) for name in data.FEATURES}
        )


def test_a_package_that_is_missing_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(data.importlib.util, "find_spec", lambda name: None)
    assert data.main(["--output", str(tmp_path / "out.csv")]) == 2
    assert "pip install palmerpenguins" in capsys.readouterr().err


@pytest.mark.slow
def test_the_model_knows_penguins_that_it_has_not_seen(source, tmp_path):
    from components.evaluator import evaluate
    from components.example_gen import generate
    from components.records import Window
    from components.trainer import train

    window = Window("2007-01-01", "2010-01-01")
    examples = generate(source=str(source), window=window, output_dir=tmp_path / "examples")
    model = train(
        module_file=str(FOLDER / "module.py"),
        examples=examples,
        train_args={"num_steps": 300},
        output_dir=tmp_path / "model",
    )
    blessing = evaluate(
        model=model,
        examples=examples,
        eval_config=FOLDER / "eval_config.json",
        output_dir=tmp_path / "evaluation",
    )
    accuracy = next(finding for finding in blessing.findings if finding.metric)
    assert blessing.blessed, blessing.failures
    assert accuracy.observed >= 0.9
    assert model.window == window
