"""What tf.Transform's analyzers found in one window is used for the next, without its files."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from components.transform import transform
from tests.components.transform.conftest import write_examples

pytestmark = pytest.mark.slow
MODULE = """
import tensorflow_transform as tft

def preprocessing_fn(inputs):
    return {
        "miles": tft.scale_to_z_score(inputs["miles"]),
        "carrier": tft.compute_and_apply_vocabulary(inputs["carrier"], num_oov_buckets=1),
    }
"""


def rows(seed, carrier):
    random = np.random.default_rng(seed)
    return [
        {"miles": float(np.float32(random.normal(1000 * seed, 10))), "carrier": carrier}
        for _ in range(50)
    ]


def test_a_window_that_was_analyzed_is_not_read_again(schema, tmp_path, user_module):
    import tensorflow_transform as tft

    windows = {"a": rows(1, "AA"), "b": rows(2, "BB")}
    examples = {
        name: write_examples(tmp_path / name, train=[{**row, "is_late": 0} for row in window])
        for name, window in windows.items()
    }
    module = user_module(MODULE)

    def run(name, *earlier):
        sys.modules.pop(Path(module).stem, None)  # each run has a process of its own
        return transform(
            examples=examples[name],
            schema=schema,
            module_file=module,
            output_dir=tmp_path / f"out-{name}",
            analyzer_cache=tmp_path / "cache",
            earlier_examples=[examples[other] for other in earlier],
        )

    run("a")
    kept = set((tmp_path / "cache").iterdir())
    assert len(kept) == 1
    shutil.rmtree(examples["a"].uri)  # what is cached needn't be there any more
    output = tft.TFTransformOutput(run("b", "a").uri)

    both = np.array([row["miles"] for row in windows["a"] + windows["b"]])
    given = {"miles": np.array([[1500.0]], np.float32), "carrier": np.array([[b"AA"]])}
    found = output.transform_features_layer()(given)
    np.testing.assert_allclose(found["miles"], [[(1500 - both.mean()) / both.std()]], rtol=1e-3)
    assert set(output.vocabulary_by_name("vocab_compute_and_apply_vocabulary_vocabulary")) == {
        b"AA",
        b"BB",
    }
    assert len(set((tmp_path / "cache").iterdir()) - kept) == 1  # b's, and nothing half-written
