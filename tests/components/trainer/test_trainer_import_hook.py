"""Something is done to a module when it is imported, once, and not when it is only looked for."""

import importlib
import importlib.util
import sys

import pytest

from components.trainer import legacy_keras
from components.trainer.import_hook import after_import


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """Two importable modules, and an interpreter that forgets them afterwards."""
    (tmp_path / "late_module.py").write_text("VALUE = 1")
    (tmp_path / "other_module.py").write_text("import late_module")
    monkeypatch.syspath_prepend(str(tmp_path))
    finders = list(sys.meta_path)
    yield importlib.import_module
    sys.meta_path[:] = finders
    for name in ("late_module", "other_module"):
        sys.modules.pop(name, None)


def test_acts_once_on_a_later_import(fresh):
    seen = []
    after_import("late_module", lambda module: seen.append(module.VALUE))
    after_import("late_module", lambda module: seen.append("second"))
    assert importlib.util.find_spec("late_module") is not None
    assert seen == []
    fresh("other_module")
    module = fresh("late_module")
    assert sorted(map(str, seen)) == ["1", "second"]
    assert module.__spec__.loader is module.__loader__
    assert type(module.__loader__).__name__ == "SourceFileLoader"


def test_acts_at_once_on_what_is_imported(fresh):
    module = fresh("late_module")
    seen = []
    after_import("late_module", seen.append)
    assert seen == [module]


def test_passes_errors_of_the_import_on(fresh, tmp_path):
    (tmp_path / "late_module.py").write_text("1 / 0")
    after_import("late_module", pytest.fail)
    with pytest.raises(ZeroDivisionError):
        fresh("late_module")
    after_import("no_such_module", pytest.fail)
    with pytest.raises(ModuleNotFoundError):
        fresh("no_such_module")


def test_keras_is_tf_keras_where_it_is_wanted(tmp_path, monkeypatch):
    (tmp_path / "tf_keras" / "layers").mkdir(parents=True)
    (tmp_path / "tf_keras" / "__init__.py").write_text("__version__ = '2.0'")
    (tmp_path / "tf_keras" / "layers" / "__init__.py").write_text("class Dense: pass")
    mine = {name: module for name, module in sys.modules.items() if _is_keras(name)}
    for name in mine:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    finders = list(sys.meta_path)
    try:
        legacy_keras.install()
        keras, layers = importlib.import_module("keras"), importlib.import_module("keras.layers")
        legacy = importlib.import_module("tf_keras")
        assert keras is legacy
        assert layers.Dense is importlib.import_module("tf_keras.layers").Dense
        assert (legacy.__name__, legacy.__spec__.name) == ("tf_keras", "tf_keras")
        with pytest.raises(ModuleNotFoundError, match=r"'keras\.ops'.*with Keras 2.*keras=3"):
            importlib.import_module("keras.ops")
    finally:
        sys.meta_path[:] = finders
        for name in [name for name in sys.modules if _is_keras(name)]:
            del sys.modules[name]
        sys.modules.update(mine)


def _is_keras(name):
    return name.partition(".")[0] in ("keras", "tf_keras")
