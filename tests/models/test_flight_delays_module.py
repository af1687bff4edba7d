"""The flight model, trained on January 2013 by the trainer's command line."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from components import artifacts, example_gen, records
from components.records import Window
from components.transform import transform
from models.flight_delays import data

FOLDER = Path(data.__file__).parent
PROJECT_ROOT = FOLDER.parents[1]
NUM_STEPS = 200


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """January's flights, two of three to train on."""
    directory = tmp_path_factory.mktemp("january")
    source = directory / "flights.parquet"
    data.write_atomically(data.read_flights(data.find_flights()), source)
    return example_gen.generate(
        source=source,
        time_column="time_hour",
        window=Window("2013-01-01", "2013-02-01"),
        output_dir=directory / "examples",
    )


@pytest.fixture(scope="module")
def transform_graph(examples, tmp_path_factory):
    return transform(
        examples=examples,
        schema=FOLDER / "schema.pbtxt",
        module_file="models.flight_delays.preprocessing",
        output_dir=tmp_path_factory.mktemp("transformed") / "graph",
    )


@pytest.fixture(scope="module")
def trained(examples, transform_graph, tmp_path_factory):
    """What the command line printed, and the model's record."""
    output_dir = tmp_path_factory.mktemp("trained") / "model"
    command = [
        sys.executable, "-m", "components.trainer",
        "--module-file", "models/flight_delays/module.py",
        "--examples", f"{examples.uri}/record.json",
        "--transform-graph", str(Path(transform_graph.uri).with_name("record.json")),
        "--train-args", json.dumps({"num_steps": NUM_STEPS}),
        "--eval-args", '{"num_steps": 20}',
        "--output-dir", str(output_dir),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done, records.Model.from_json(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def session(trained):
    from components.saved_model.session import ServingSession

    with ServingSession(trained[1].uri) as session:
        yield session


@pytest.fixture(scope="module")
def held_out(examples):
    import tensorflow as tf

    files = sorted(str(file) for file in (Path(examples.uri) / "Split-eval").iterdir())
    dataset = tf.data.TFRecordDataset(files, "GZIP")
    return np.array(list(dataset.as_numpy_iterator()), object)


def features_of(serialized):
    import tensorflow as tf

    from models.flight_delays.module import FEATURES, LABEL

    spec = {name: tf.io.FixedLenFeature([], dtype) for name, dtype in FEATURES.items()}
    label = {LABEL: tf.io.FixedLenFeature([], tf.int64)}
    parsed = tf.io.parse_example(serialized, {**spec, **label})
    features = {name: value.numpy() for name, value in parsed.items()}
    return features, features.pop(LABEL)


def auc_bound():
    """The lowest AUC over all flights that the evaluation accepts."""
    config = json.loads((FOLDER / "eval_config.json").read_text())
    (metric,) = (m for m in config["metrics_specs"][0]["metrics"] if m["class_name"] == "AUC")
    (overall,) = (t for t in metric["per_slice_thresholds"] if t["slicing_specs"] == [{}])
    return overall["threshold"]["value_threshold"]["lower_bound"]


def test_command_line_records_what_it_trained(trained, examples):
    done, model = trained
    assert done.stdout.count("\n") == 1
    assert records.load(Path(model.uri).with_name("record.json")) == model
    assert Path(model.uri).name == "Format-Serving"
    assert artifacts.digest(model.uri) == model.digest
    size = sum(file.stat().st_size for file in Path(model.uri).rglob("*") if file.is_file())
    assert model.num_bytes == size
    assert (model.window, model.examples_digest) == (examples.window, examples.digest)
    assert model.train_args == {"num_steps": NUM_STEPS, "splits": ["train"]}
    sources = [path for path in artifacts.list_files(FOLDER) if "__pycache__" in path]
    assert model.module_digest == artifacts.digest(FOLDER, exclude=sources)


def test_progress_is_shown_in_clean_lines(trained):
    lines = trained[0].stderr.splitlines()
    (epoch,) = [line for line in lines if " epoch 1/1: " in line]
    assert epoch.startswith(f"INFO components.trainer.progress: epoch 1/1: step {NUM_STEPS}")
    assert "loss 0." in epoch
    assert all(line.isprintable() for line in lines)
    assert any(line.startswith("evaluation: auc 0.") for line in lines)


def test_finds_late_flights_among_those_it_has_not_seen(session, held_out):
    labels = features_of(held_out)[1]
    answer = session.run("serving_default", {"examples": held_out})["probability"]
    assert answer.shape == (len(held_out),)
    assert roc_auc_score(labels, answer) >= 0.65 > auc_bound()
    assert answer.mean() == pytest.approx(labels.mean(), abs=0.03)


def test_raw_signature_answers_the_same(session, held_out):
    features, _ = features_of(held_out[:100])
    raw = session.run("serving_raw", features)["probability"]
    answer = session.run("serving_default", {"examples": held_out[:100]})["probability"]
    np.testing.assert_allclose(raw, answer, rtol=1e-6)


def test_what_is_served_was_learnt_from_the_training_split(transform_graph, examples, held_out):
    """Counted by hand from the examples: the commonest carrier has index 1, an unknown one 0."""
    import tensorflow as tf

    from components.transform.feature_transform import FeatureTransform

    files = sorted(str(file) for file in (Path(examples.uri) / "Split-train").iterdir())
    records_ = np.array(list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()), object)
    trained_on, _ = features_of(records_)
    by_count = [name for name, _ in Counter(trained_on["carrier"].tolist()).most_common()]
    features, _ = features_of(held_out[:50])
    features["carrier"][0] = b"??"
    found = FeatureTransform(transform_graph.uri)(
        {name: tf.constant(value)[:, tf.newaxis] for name, value in features.items()}
    )
    indices = [by_count.index(name) + 1 for name in features["carrier"][1:]]
    assert found["carrier"].numpy()[:, 0].tolist() == [0, *indices]
    logarithms = np.log1p(trained_on["distance"].astype(np.float64))
    expected = (np.log1p(features["distance"]) - logarithms.mean()) / logarithms.std()
    np.testing.assert_allclose(found["numbers"][:, -1], expected, atol=1e-4)


def test_answers_about_carriers_and_times_never_seen(session, held_out):
    features, _ = features_of(held_out[:2])
    odd = {"carrier": [b"??", b""], "dest": [b"XYZ", b""], "hour": [24, -1], "weekday": [7, -1]}
    answer = session.run("serving_raw", {**features, **odd, "distance": [0, -5]})["probability"]
    assert ((answer > 0) & (answer < 1)).all()


def train_here(examples, transform_graph, directory, **hyperparameters):
    """Run `run_fn` in this process."""
    from models.flight_delays import module

    arguments = SimpleNamespace(
        train_files=[f"{examples.uri}/Split-train/*"],
        eval_files=[f"{examples.uri}/Split-eval/*"],
        transform_graph_path=transform_graph.uri,
        train_steps=NUM_STEPS,
        eval_steps=None,
        serving_model_dir=str(directory),
        hyperparameters={"space": [], "values": hyperparameters},
    )
    module.run_fn(arguments)


def test_shuffled_labels_teach_nothing(examples, transform_graph, held_out, tmp_path):
    from components.saved_model.session import ServingSession

    train_here(examples, transform_graph, tmp_path / "model", shuffle_labels=True)
    with ServingSession(tmp_path / "model") as session:
        answer = session.run("serving_default", {"examples": held_out})["probability"]
    auc = roc_auc_score(features_of(held_out)[1], answer)
    assert auc == pytest.approx(0.5, abs=0.07)
    assert auc < auc_bound()


def test_refuses_a_hyperparameter_that_it_does_not_know(examples, transform_graph, tmp_path):
    with pytest.raises(ValueError, match=r"unknown hyperparameters \['learningrate'\].*batch_size"):
        train_here(examples, transform_graph, tmp_path / "model", learningrate=0.1)


def test_counts_steps_from_epochs_where_none_are_given(tmp_path):
    import tensorflow as tf

    from models.flight_delays import module

    with tf.io.TFRecordWriter(str(tmp_path / "five.gz"), "GZIP") as writer:
        for _ in range(5):
            writer.write(b"")
    assert module.count_batches(module.read_batches([f"{tmp_path}/*"], batch_size=2)) == 3
    with pytest.raises(FileNotFoundError, match="no examples match"):
        module.read_batches([f"{tmp_path}/*.none"], batch_size=2)


def test_parent_of_a_training_loads_no_tensorflow():
    code = "import components.trainer.__main__, sys; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, check=True)
