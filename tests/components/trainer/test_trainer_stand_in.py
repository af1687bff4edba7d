"""What users' modules take from TFX is there, in the process that trains."""

import importlib
import os
import subprocess
import sys
from collections import namedtuple

import pytest

from components.errors import ConfigurationError
from components.trainer import absent_module, stand_in
from components.trainer.child_process import PROJECT_ROOT
from components.trainer.fn_args import DataAccessor, FnArgs

ROOTS = absent_module.ROOTS


@pytest.fixture
def tfx(monkeypatch):
    """Import the stand-in here, and forget it afterwards."""
    monkeypatch.syspath_prepend(str(stand_in.FOLDER))
    finders = list(sys.meta_path)
    importlib.invalidate_caches()
    yield importlib.import_module
    sys.meta_path[:] = finders
    for name in [name for name in sys.modules if name.partition(".")[0] in ROOTS]:
        del sys.modules[name]


@pytest.fixture
def fileio(tfx):
    return tfx("tfx.v1.dsl.io.fileio")


def test_every_name_is_one_object(tfx):
    utils = tfx("tfx.components.trainer.fn_args_utils")
    v1 = tfx("tfx.v1")
    executor = tfx("tfx.components.trainer.executor")
    assert utils.FnArgs is v1.components.FnArgs is executor.TrainerFnArgs is FnArgs
    assert utils.DataAccessor is v1.components.DataAccessor is DataAccessor
    tuner = tfx("tfx.components.tuner.component")
    assert v1.components.TunerFnResult(tuner=1, fit_kwargs={}) == tuner.TunerFnResult(1, {})
    assert v1.proto.TrainArgs(num_steps=3).num_steps == 3
    assert v1.dsl.io.fileio.exists("/")
    assert tfx("tfx").STAND_IN
    assert v1.__version__


def test_loads_neither_tensorflow_nor_beam_and_has_absl_logging():
    """In a process of its own, as a grandchild of a training would."""
    code = (
        "import sys, absl\n"
        "from tfx import v1 as tfx\n"
        "from tfx.utils import io_utils, path_utils, json_utils, import_utils\n"
        "from tfx.components.util import tfxio_utils\n"
        "from tfx.components.trainer.rewriting import rewriter_factory, converters\n"
        "from tfx.types import standard_artifacts\n"
        "absl.logging.info('there')\n"
        "assert not {'tensorflow', 'apache_beam', 'keras'} & sys.modules.keys(), 'heavy'\n"
    )
    path = os.pathsep.join([str(stand_in.FOLDER), str(PROJECT_ROOT)])
    environment = {**os.environ, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-P", "-c", code], env=environment, check=True)


def test_what_is_absent_can_be_imported_annotated_derived_and_decorate(tfx):
    v1 = tfx("tfx.v1")
    dag_runner = tfx("tfx.orchestration.beam.beam_dag_runner")
    tfdv = tfx("tensorflow_data_validation")

    @v1.dsl.components.component
    def step(a: v1.dsl.components.Parameter[int], b: v1.types.Channel | None) -> tfdv.Anything:
        return a

    class Mine(v1.types.standard_artifacts.Model):
        kind = 3

    assert step(4, None) == 4
    assert Mine.kind == 3
    assert issubclass(Mine, v1.types.standard_artifacts.Model) is False  # each look-up is a new one
    with pytest.raises(absent_module.AbsentError, match=r"tfx\.v1\.types.*Model was called, but"):
        Mine()
    with pytest.raises(absent_module.AbsentError, match=r"BeamDagRunner was called.*isn't inst"):
        dag_runner.BeamDagRunner().run()
    with pytest.raises(absent_module.AbsentError, match=r"tfx\.v1\.proto\.PushDestination was"):
        v1.proto.PushDestination(filesystem=1)
    with pytest.raises(AttributeError):
        v1.__wrapped__  # noqa: B018


def test_an_installed_package_is_not_replaced(tfx, tmp_path, monkeypatch):
    (tmp_path / "tensorflow_data_validation.py").write_text("REAL = True")
    monkeypatch.syspath_prepend(str(tmp_path))
    tfx("tfx")
    assert tfx("tensorflow_data_validation").REAL


def test_finds_what_an_example_imports_in_its_checkout_or_beside_it(tfx, tmp_path, monkeypatch):
    folder = tmp_path / "tfx" / "examples" / "penguin"
    folder.mkdir(parents=True)
    (folder / "in_checkout.py").write_text("PLACE = 'checkout'")
    monkeypatch.setenv(absent_module.MODULE_FOLDER_VARIABLE, str(folder))
    assert tfx("tfx.examples.penguin.in_checkout").PLACE == "checkout"
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "copied.py").write_text("PLACE = 'beside'")
    monkeypatch.setenv(absent_module.MODULE_FOLDER_VARIABLE, str(alone))
    assert tfx("tfx.examples.taxi.copied").PLACE == "beside"


def test_fileio_does_not_overwrite_unless_asked(fileio, tmp_path):
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    with fileio.open(a, "wb+") as file:
        file.write(b"1")
    fileio.copy(a, b)
    with pytest.raises(OSError, match="exists already"):
        fileio.copy(a, b)
    with pytest.raises(OSError, match="exists already"):
        fileio.rename(a, b)
    fileio.copy(a, b, overwrite=True)
    fileio.rename(a, b, overwrite=True)
    assert fileio.listdir(str(tmp_path)) == ["b"]
    assert fileio.glob(str(tmp_path / "*")) == [b]
    assert fileio.stat(b).st_size == 1


def test_fileio_makes_and_removes_directories(fileio, tmp_path):
    deep = str(tmp_path / "x" / "y")
    fileio.makedirs(deep)
    fileio.makedirs(deep)
    fileio.mkdir(deep + "/z")
    assert [found[0] for found in fileio.walk(str(tmp_path))][-1] == deep + "/z"
    fileio.rmtree(str(tmp_path / "x"))
    assert not fileio.isdir(deep)


@pytest.mark.parametrize("name", ["open", "listdir", "remove", "rmtree", "stat", "mkdir"])
def test_fileio_has_its_own_error_for_what_is_not_there(fileio, tmp_path, name):
    with pytest.raises(fileio.NotFoundError):
        getattr(fileio, name)(str(tmp_path / "no" / "such"))


def test_io_utils_read_and_write(tfx, tmp_path):
    from tensorflow_metadata.proto.v0 import schema_pb2

    io_utils = tfx("tfx.utils.io_utils")
    path = str(tmp_path / "new" / "schema.pbtxt")
    io_utils.write_string_file(path, 'feature { name: "x" type: FLOAT }')
    message = schema_pb2.Schema()
    assert io_utils.parse_pbtxt_file(path, message) is message
    assert message.feature[0].name == "x"
    assert io_utils.SchemaReader().read(path) == message
    assert tfx("tfx.v1").utils.parse_pbtxt_file(path, schema_pb2.Schema()) == message
    assert io_utils.get_only_uri_in_dir(str(tmp_path / "new")) == path
    io_utils.copy_file(path, str(tmp_path / "other" / "a.txt"))
    with pytest.raises(RuntimeError, match="expected exactly one"):
        io_utils.get_only_uri_in_dir(str(tmp_path))
    with pytest.raises(FileNotFoundError, match="does not exist"):
        io_utils.read_string_file(str(tmp_path / "no"))


def test_copy_dir_replaces_and_filters(tfx, tmp_path):
    io_utils = tfx("tfx.utils.io_utils")
    source, target = tmp_path / "source", tmp_path / "target"
    for name in ("a.txt", "deep/b.txt", "deep/c.log"):
        io_utils.write_string_file(str(source / name), name)
    io_utils.write_string_file(str(target / "old"), "")
    io_utils.copy_dir(str(source), str(target), deny_regex_patterns=[r"\.log$"])
    found = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
    assert found == ["a.txt", "deep/b.txt"]


def test_json_path_and_import_utils(tfx, tmp_path):
    json_utils, path_utils = tfx("tfx.utils.json_utils"), tfx("tfx.utils.path_utils")
    assert json_utils.loads(json_utils.dumps({"b": 1, "a": [None]})) == {"a": [None], "b": 1}
    assert path_utils.serving_model_path("/m") == "/m/Format-Serving"
    assert path_utils.eval_model_path(str(tmp_path)) == str(tmp_path / "Format-Serving")
    import_utils = tfx("tfx.utils.import_utils")
    assert import_utils.import_class_by_path("collections.namedtuple") is namedtuple
    source = tmp_path / "fn_source.py"
    source.write_text("def f(): return 5")
    assert import_utils.import_func_from_source(str(source), "f")() == 5
    with pytest.raises(ImportError, match="has no 'g'"):
        import_utils.import_func_from_source(str(source), "g")
    sys.modules.pop("fn_source")


def test_rewrites_a_model_for_tflite(tfx, tmp_path):
    import numpy as np
    import tensorflow as tf

    factory = tfx("tfx.components.trainer.rewriting.rewriter_factory")
    converters = tfx("tfx.components.trainer.rewriting.converters")
    rewriter = tfx("tfx.components.trainer.rewriting.rewriter")
    module = tf.Module()
    module.factor = tf.Variable(3.0)
    spec = tf.TensorSpec([1], tf.float32, name="x")
    module.f = tf.function(lambda x: {"y": module.factor * x}, input_signature=[spec])
    source, target = str(tmp_path / "source"), str(tmp_path / "target")
    tf.saved_model.save(module, source, signatures={"serving_default": module.f})
    (tmp_path / "source" / "assets.extra").mkdir()
    (tmp_path / "source" / "assets.extra" / "note").write_text("kept")

    made = factory.create_rewriter("tfliterewriter", name="lite", unknown=1)
    converters.rewrite_saved_model(source, target, made, rewriter.ModelType.TFLITE_MODEL)

    with pytest.warns(UserWarning, match="deprecated"):
        interpreter = tf.lite.Interpreter(model_path=target + "/tflite")
    answer = interpreter.get_signature_runner()(x=np.array([2.0], np.float32))
    np.testing.assert_array_equal(answer["y"], [6.0])
    assert (tmp_path / "target" / "assets.extra" / "note").read_text() == "kept"
    with pytest.raises(ValueError, match="source and destination are both"):
        converters.rewrite_saved_model(source, source, made)
    with pytest.raises(ValueError, match=r"no rewriter 'Nope'; expected one of \['tfliterew"):
        factory.create_rewriter("Nope")


@pytest.mark.parametrize("form", ["function", "list"])
def test_rewrites_to_whole_numbers_alone(tfx, tmp_path, form):
    import numpy as np

    tf = pytest.importorskip("tensorflow")
    factory = tfx("tfx.components.trainer.rewriting.rewriter_factory")
    converters = tfx("tfx.components.trainer.rewriting.converters")
    module = tf.Module()
    module.weights = tf.Variable(np.eye(4, 3, dtype=np.float32))
    spec = tf.TensorSpec([1, 4], tf.float32, name="x")
    module.f = tf.function(lambda x: {"y": x @ module.weights}, input_signature=[spec])
    source, target = str(tmp_path / "source"), str(tmp_path / "target")
    tf.saved_model.save(module, source, signatures={"serving_default": module.f})
    rows = [[row[None]] for row in np.random.default_rng(1).random((20, 4), np.float32)]

    made = factory.create_rewriter(
        "TFLiteRewriter",
        name="lite",
        quantization_enable_full_integer=True,
        representative_dataset=rows if form == "list" else lambda: iter(rows),
    )
    converters.rewrite_saved_model(source, target, made)

    with pytest.warns(UserWarning, match="deprecated"):
        interpreter = tf.lite.Interpreter(model_path=target + "/tflite")
    ops = {op["op_name"]: op["inputs"] for op in interpreter._get_ops_details()}
    tensors = {one["index"]: one["dtype"] for one in interpreter.get_tensor_details()}
    assert [tensors[index] for index in ops["FULLY_CONNECTED"][:2]] == [np.int8, np.int8]


def test_finds_users_rewriters_and_names_the_step_that_fails(tfx):
    factory = tfx("tfx.components.trainer.rewriting.rewriter_factory")
    rewriter = tfx("tfx.components.trainer.rewriting.rewriter")

    class Custom(rewriter.BaseRewriter):
        name = "custom"
        _pre_rewrite_validate = _post_rewrite_validate = lambda *_: None

        def _rewrite(self, original_model, rewritten_model):
            raise ValueError("too big")

    with pytest.raises(ValueError, match="custom couldn't rewrite the model: too big"):
        factory.create_rewriter("CUSTOM").perform_rewrite(None, None)


def test_steps_aside_for_the_real_tfx(tmp_path, monkeypatch):
    monkeypatch.delenv(stand_in.VARIABLE, raising=False)
    assert stand_in.python_path() == [str(stand_in.FOLDER)]
    (tmp_path / "tfx" / "examples").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert stand_in.python_path() == [str(stand_in.FOLDER)]  # a folder alone is no package
    (tmp_path / "tfx" / "__init__.py").touch()
    importlib.invalidate_caches()
    assert stand_in.python_path() == [str(stand_in.FOLDER)]  # nor is a checkout's examples TFX
    (tmp_path / "tfx" / "components").mkdir()
    assert stand_in.python_path() == []
    monkeypatch.setenv(stand_in.VARIABLE, "stand_in")
    assert stand_in.python_path() == [str(stand_in.FOLDER)]


def test_refuses_a_wrong_choice_of_tfx(monkeypatch):
    monkeypatch.setenv(stand_in.VARIABLE, "installed")
    with pytest.raises(ConfigurationError, match="no tfx on the Python path; install it"):
        stand_in.python_path()
    monkeypatch.setenv(stand_in.VARIABLE, "mine")
    with pytest.raises(ConfigurationError, match=r"IMPRIMATUR_TFX is 'mine'; expected one of auto"):
        stand_in.python_path()
