"""tf.Transform through the command line, its results against pandas on the same rows."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from components import artifacts, records
from components.records import Examples, Split, TransformGraph
from components.tfrecord import frame, read_records

ROOT = Path(__file__).parents[3]
TRAIN = [{"miles": 100 + 10 * i, "carrier": "AA" if i % 3 else "UA"} for i in range(30)]
EVAL = [{"miles": 1000, "carrier": "AA"}, {"miles": 0, "carrier": "ZZ"}]
SCHEMA = """
feature { name: "miles" type: INT shape { dim { size: 1 } } presence { min_fraction: 1 } }
feature { name: "carrier" type: BYTES shape { dim { size: 1 } } presence { min_fraction: 1 } }
"""
MODULE = """
import tensorflow_transform as tft

def preprocessing_fn(inputs, custom_config):
    return {
        "miles": tft.scale_to_0_1(inputs["miles"]) * custom_config["factor"],
        "carrier": tft.compute_and_apply_vocabulary(
            inputs["carrier"], vocab_filename="carriers", num_oov_buckets=1
        ),
    }
"""


def write_split(directory, rows):
    from tensorflow.core.example import example_pb2

    directory.mkdir(parents=True)
    data = b""
    for row in rows:
        example = example_pb2.Example()
        example.features.feature["miles"].int64_list.value.append(row["miles"])
        example.features.feature["carrier"].bytes_list.value.append(row["carrier"].encode())
        data += frame(example.SerializeToString())
    (directory / "data.gz").write_bytes(gzip.compress(data))


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Examples, a schema and a module, as files."""
    directory = tmp_path_factory.mktemp("transform")
    examples = directory / "examples"
    write_split(examples / "Split-train", TRAIN)
    write_split(examples / "Split-eval", EVAL)
    record = Examples(
        str(examples),
        {
            "train": Split("Split-train/*", len(TRAIN)),
            "eval": Split("Split-eval/*", len(EVAL)),
        },
        artifacts.digest(examples),
    )
    artifacts.write_record(record, examples)
    (directory / "schema.pbtxt").write_text(SCHEMA)
    (directory / "good.py").write_text(MODULE)
    return directory


def run(given, module, name, *arguments, examples=None):
    (given / f"{name}.py").write_text(module)
    return subprocess.run(
        [
            *(sys.executable, "-m", "components.transform"),
            *("--examples", str(examples or given / "examples" / "record.json")),
            *("--schema", str(given / "schema.pbtxt")),
            *("--module-file", str(given / f"{name}.py")),
            *("--output-dir", str(given / f"out-{name}")),
            *arguments,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def transformed(given):
    done = run(
        given,
        MODULE,
        "module_of_user",
        *("--transform-splits", "eval", "--custom-config", '{"factor": 2}'),
    )
    assert done.returncode == 0, done.stderr
    return records.load(done.stdout.splitlines()[-1]), done


@pytest.mark.slow
def test_the_graph_lies_where_tf_transform_looks_for_it(transformed):
    record, _ = transformed

    assert isinstance(record, TransformGraph)
    graph = Path(record.uri)
    assert {path.name for path in graph.iterdir()} == {
        "metadata",
        "transformed_metadata",
        "transform_fn",
    }
    assert artifacts.digest(graph) == record.digest
    assert records.load(graph.parent / "record.json") == record


@pytest.mark.slow
def test_what_was_analyzed_is_the_training_split_alone(transformed):
    record, _ = transformed
    examples = records.load(Path(record.uri).parent / "transformed_examples" / "record.json")

    from tensorflow.core.example import example_pb2

    rows = []
    for file in sorted(Path(examples.uri).glob(examples.splits["eval"].file_pattern)):
        for data in read_records(file):
            feature = example_pb2.Example.FromString(data).features.feature
            rows.append(
                (feature["miles"].float_list.value[0], feature["carrier"].int64_list.value[0])
            )
    # minimum 100, maximum 390; AA is the commonest; what wasn't seen comes after the vocabulary
    expected = [(2 * (1000 - 100) / 290, 0), (2 * (0 - 100) / 290, 2)]
    assert sorted(rows) == [(pytest.approx(miles), carrier) for miles, carrier in sorted(expected)]
    assert artifacts.digest(examples.uri, exclude={"record.json"}) == examples.digest


@pytest.mark.slow
def test_nobody_is_asked_for_a_runner_of_the_network(transformed):
    _, done = transformed

    assert "prism" not in done.stderr.lower()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "code", "words"),
    [
        ("def preprocess(inputs): pass", 2, "has no function preprocessing_fn"),
        ("import nowhere", 1, "raised ModuleNotFoundError: No module named 'nowhere'"),
        ("def preprocessing_fn(inputs):\n    return inputs['fare']", 1,
         "preprocessing_fn of .* raised KeyError: 'fare'"),
    ],
)  # fmt: skip
def test_a_module_that_is_none_is_an_error_that_says_so(given, module, code, words, request):
    import re

    name = f"bad_{request.node.callspec.indices['module']}"
    done = run(given, module, name)

    assert done.returncode == code, done.stderr
    assert re.search(words, done.stderr)
    assert not (given / f"out-{name}").exists()


def test_a_split_that_is_not_there_is_named(given):
    done = run(given, MODULE, "split_missing", "--analyze-splits", "test")

    assert done.returncode == 2
    assert "no split 'test'; they have eval, train" in done.stderr


def test_examples_that_were_changed_are_an_error(given, tmp_path):
    record = json.loads((given / "examples" / "record.json").read_text())
    record["digest"] = "sha256:" + "0" * 64
    (tmp_path / "record.json").write_text(json.dumps(record))

    done = run(given, MODULE, "changed", examples=tmp_path / "record.json")
    assert done.returncode == 2
    assert "they were changed" in done.stderr
