"""The README's examples for other images say what works: their command runs in a container."""

import ast
import io
import re
import sys
import tarfile

import docker.types
import pytest

from components import artifacts, records
from components.records import Examples, Model
from tests.docker_images import ROOT

EMPTY = "imprimatur-test-empty:1"
COMMAND = ["python", "-m", "components.trainer"]
MODULE = """
import tensorflow as tf

def run_fn(fn_args):
    module = tf.Module()
    module.weight = tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples):
        row = tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([], tf.float32)})
        return {"y": module.weight * row["x"]}

    tf.saved_model.save(module, fn_args.serving_model_dir, {"serving_default": serve})
"""
# A tf.train.Example with x, 1.0, byte by byte.
EXAMPLE = bytes.fromhex("0a0f 0a0d 0a0178 1208 1206 0a040000803f")


@pytest.fixture(scope="module")
def readme():
    return (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def example(readme):
    """The arguments of the README's DockerOperator."""
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    (block,) = (text for text in blocks if text.startswith("DockerOperator("))
    call = ast.parse(block).body[0].value
    return {keyword.arg: keyword.value for keyword in call.keywords}


def test_both_examples_run_the_command_that_operators_run(readme, example):
    assert ast.literal_eval(example["command"])[:3] == COMMAND
    assert f"cmds={COMMAND}".replace("'", '"') in readme


@pytest.fixture
def machine(example, tmp_path):
    """What the example mounts, with examples and a module in it; host folder by target."""
    folders = {}
    for mount in example["mounts"].elts:
        target, _, kind = map(ast.literal_eval, mount.args)
        assert kind == "bind"
        folders[target] = tmp_path / target.strip("/")
        folders[target].mkdir()
    from components import tfrecord

    for split in ("train", "eval"):
        directory = folders["/artifacts"] / "examples" / f"Split-{split}"
        directory.mkdir(parents=True)
        tfrecord.write_records(directory / "data", [EXAMPLE])
    there = folders["/artifacts"] / "examples"
    splits = {name: records.Split(f"Split-{name}/*", 1) for name in ("train", "eval")}
    digest = artifacts.digest(there)
    artifacts.write_record(Examples("/artifacts/examples", splits, digest), there)
    (folders["/models"] / "taxi").mkdir()
    (folders["/models"] / "taxi" / "module.py").write_text(MODULE)
    return folders


@pytest.fixture
def image(docker_client):
    """An empty image: what is run in it is this machine's, mounted."""
    content = io.BytesIO()
    tarfile.open(fileobj=content, mode="w").close()
    name, tag = EMPTY.split(":")
    docker_client.api.import_image_from_data(content.getvalue(), repository=name, tag=tag)
    return EMPTY


@pytest.mark.docker
@pytest.mark.slow
def test_the_command_of_the_example_trains_in_a_container(docker_client, image, example, machine):
    ours = {*map(str, (ROOT, sys.prefix, sys.base_prefix)), "/usr", "/bin", "/lib", "/lib64"}
    mounts = [docker.types.Mount(path, path, "bind", read_only=True) for path in sorted(ours)]
    for mount in example["mounts"].elts:
        target = ast.literal_eval(mount.args[0])
        flags = {keyword.arg: ast.literal_eval(keyword.value) for keyword in mount.keywords}
        mounts.append(docker.types.Mount(target, str(machine[target]), "bind", **flags))
    container = docker_client.containers.create(
        image,
        ast.literal_eval(example["command"]),
        mounts=mounts,
        tmpfs={"/tmp": ""},
        network_disabled=True,
        environment={"PATH": f"{sys.prefix}/bin:/usr/bin", "PYTHONPATH": str(ROOT)},
    )
    try:
        container.start()
        code = container.wait()["StatusCode"]
        shown = container.logs(stdout=True, stderr=False).decode()
        assert code == 0, container.logs().decode()[-3000:]
    finally:
        container.remove(force=True)
    model = records.load(shown.splitlines()[-1])
    assert isinstance(model, Model)
    assert model.uri == "/artifacts/model/Format-Serving"
    here = machine["/artifacts"] / "model"
    assert records.load(str(here / "record.json")) == model
    assert artifacts.digest(here / "Format-Serving") == model.digest
    assert model.module_digest is not None
