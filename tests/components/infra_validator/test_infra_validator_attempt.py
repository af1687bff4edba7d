"""What becomes of servers that fail, of several images, and of the bytes: with servers of paper."""

import dataclasses
import logging
import os

import pytest

from components import artifacts, records
from components.errors import (
    ConfigurationError,
    InvalidModelError,
    ServerUnavailableError,
)
from components.infra_validator import attempt, candidate, validate, validation
from components.infra_validator.server_fault import UndecidedFault
from components.infra_validator.warmup_requests import WARMUP_FILE
from components.records import Finding

LOCAL = {"local_process": {}}
PASSED = Finding("loads", True, "It loads.")
OPS = Finding("ops", True, "Only computes.")


class PaperServer:
    """Stands for a server; what it was started with is kept."""

    def __init__(self, container, memory_bytes, base_path, model_name, log_path):
        self.container = container
        self.memory_bytes = memory_bytes
        self.files = artifacts.read_manifest(base_path / "1")
        self.model = base_path / "1"
        self.model_name = model_name
        self.modes = {oct(path.stat().st_mode) for path in [base_path, *base_path.rglob("*")]}
        self.log_path = log_path
        self.image_digest = container and f"sha256:{container.image[-1] * 64}"
        self.num_stops = 0
        log_path.write_text("first\nlast words\n")

    def stop(self):
        self.num_stops += 1


class PaperOffline:
    def __init__(self, model, work, rows, questions, max_request_seconds, memory_bytes):
        work.mkdir()
        self.memory_bytes = memory_bytes

    def stop(self):
        pass


@dataclasses.dataclass
class Stage:
    """What the servers do, and what was started."""

    outcomes: list = dataclasses.field(default_factory=list)
    servers: list = dataclasses.field(default_factory=list)
    trials: list = dataclasses.field(default_factory=list)
    suspicions: list = dataclasses.field(default_factory=list)
    control_fails: bool = False


@pytest.fixture
def stage(monkeypatch):
    stage = Stage()

    class Runner:
        def __init__(self, container, memory_bytes, max_seconds):
            self.given = (container, memory_bytes)

        def start(self, base_path, *, model_name, log_path):
            stage.servers.append(PaperServer(*self.given, base_path, model_name, log_path))
            return stage.servers[-1]

    def check(trial):
        stage.trials.append(trial)
        for outcome in stage.outcomes.pop(0) if stage.outcomes else [PASSED]:
            if isinstance(outcome, Exception):
                raise outcome
            yield outcome

    def check_infrastructure(control, start, **given):
        stage.suspicions.append(given["suspicion"])
        assert stage.servers[-1].num_stops > 0  # the first one is out of the way
        if stage.control_fails:
            raise ServerUnavailableError("a known-good model isn't served either")

    monkeypatch.setattr(attempt, "make_runner", Runner)
    monkeypatch.setattr(attempt, "OfflineProcess", PaperOffline)
    monkeypatch.setattr(attempt, "check", check)
    monkeypatch.setattr(attempt, "check_infrastructure", check_infrastructure)
    monkeypatch.setattr(attempt, "available_memory_bytes", lambda: 1000)
    monkeypatch.setattr(validation, "check_ops", lambda model, policy: OPS)
    return stage


@pytest.fixture
def model(tmp_path):
    directory = tmp_path / "model"
    (directory / "variables").mkdir(parents=True)
    (directory / "saved_model.pb").write_bytes(saved_model())
    (directory / "variables" / "variables.index").write_bytes(b"index")
    return directory


def saved_model(dtype=7, dims=(-1,)):
    from components.saved_model.messages import SavedModel

    saved = SavedModel()
    graph = saved.meta_graphs.add()
    graph.meta_info_def.tags.append("serve")
    info = graph.signature_def["serving_default"].inputs["examples"]
    info.name, info.dtype = "examples:0", dtype
    for size in dims:
        info.tensor_shape.dim.add(size=size)
    return saved.SerializeToString()


@pytest.fixture
def judge(stage, model, infra_examples, tmp_path):
    def run(*, model=model, serving_spec=None, validation_spec=None, request_spec=None):
        return validate(
            model=model,
            examples=infra_examples,
            serving_spec=serving_spec or LOCAL,
            validation_spec=validation_spec,
            request_spec=request_spec,
            output_dir=tmp_path / "infra",
        )

    return run


def files(directory):
    return sorted(path.name for path in directory.iterdir())


def test_a_server_gets_a_copy_and_is_stopped(judge, stage, model, tmp_path):
    blessing = judge(serving_spec={**LOCAL, "model_name": "flights"})
    (server,) = stage.servers
    assert server.files.digest == artifacts.digest(model) == blessing.subject.digest
    assert server.model.parent.name == server.model_name == "flights"
    assert not server.model.exists()
    assert server.num_stops > 0
    assert blessing.blessed
    assert [finding.check for finding in blessing.findings] == ["ops", "loads", "bytes_unchanged"]
    assert blessing.served_model is None
    assert blessing.validator.image_digest is None
    assert files(tmp_path / "infra") == ["record.json", "server-1.log"]


def test_a_server_under_another_user_can_read_its_copy(judge, stage, model):
    before = os.umask(0o077)
    try:
        judge()
    finally:
        os.umask(before)
    assert stage.servers[0].modes == {"0o40755", "0o100644"}


def test_a_model_may_be_called_as_it_likes(judge, stage, infra_examples):
    for name in ("offline", "models", "try-1", "record.json"):
        assert judge(serving_spec={**LOCAL, "model_name": name}).blessed


def test_each_image_must_pass_and_is_named(judge, stage, tmp_path):
    stage.outcomes = [[PASSED], [Finding("loads", False, "Too new.")]]
    spec = {"tensorflow_serving": {"tags": ["1", "2"]}, "local_docker": {}}
    blessing = judge(serving_spec=spec)
    assert [server.container.image for server in stage.servers] == [
        "tensorflow/serving:1",
        "tensorflow/serving:2",
    ]
    assert not blessing.blessed
    (failure,) = blessing.failures
    assert failure.message == "tensorflow/serving:2: Too new."
    assert blessing.validator.image_digest == f"sha256:{'1' * 64}, sha256:{'2' * 64}"
    assert files(tmp_path / "infra") == ["record.json", "server-1.log", "server-2.log"]


def test_one_image_needs_no_name_in_the_findings(judge, stage):
    blessing = judge(serving_spec={"local_docker": {}})
    assert blessing.findings[1].message == "It loads."
    assert blessing.validator.image_digest is not None


def test_faults_are_tried_again_and_logs_are_kept(judge, stage, tmp_path, caplog):
    stage.outcomes = [[PASSED, ServerUnavailableError("no network")]] * 2
    with caplog.at_level(logging.INFO):
        blessing = judge(validation_spec={"num_tries": 3})
    assert blessing.blessed
    assert len(stage.servers) == 3
    assert [finding.check for finding in blessing.findings].count("loads") == 1
    assert "try 2 of 3: no network" in caplog.text
    assert "server-2.log: last words" in caplog.text
    assert files(tmp_path / "infra") == ["record.json", *(f"server-{n}.log" for n in (1, 2, 3))]


def test_a_fault_that_stays_is_raised_and_its_log_is_in_ours(judge, stage, tmp_path, caplog):
    stage.outcomes = [[ServerUnavailableError("no network")]] * 2
    with caplog.at_level(logging.INFO), pytest.raises(ServerUnavailableError, match="no network"):
        judge(validation_spec={"num_tries": 2})
    assert len(stage.servers) == 2
    assert all(server.num_stops for server in stage.servers)
    assert caplog.text.count("last words") == 2
    assert not (tmp_path / "infra").exists()


def test_no_try_is_begun_when_time_is_over(judge, stage, monkeypatch):
    monkeypatch.setattr(attempt, "_MAX_TRYING_SECONDS", 0.0)
    stage.outcomes = [[ServerUnavailableError("no network")]]
    with pytest.raises(ServerUnavailableError, match="no network"):
        judge()
    assert len(stage.servers) == 1


def test_a_full_disk_here_is_a_fault_that_leaves_nothing(judge, stage, tmp_path, monkeypatch):
    def fill(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(candidate.shutil, "copyfile", fill)
    with pytest.raises(OSError, match="No space left"):
        judge()
    assert stage.servers == []
    assert files(tmp_path) == ["examples", "model"]


def test_verdicts_are_not_tried_again(judge, stage):
    stage.outcomes = [[Finding("loads", False, "Broken.")]]
    assert not judge().blessed
    assert len(stage.servers) == 1


def test_a_known_good_model_that_is_served_puts_it_on_the_model(judge, stage):
    stage.outcomes = [[PASSED, UndecidedFault("answers", "It crashed.")]]
    blessing = judge()
    assert stage.suspicions == ["It crashed."]
    (failure,) = blessing.failures
    assert failure.check == "answers"
    assert failure.message == (
        "A known-good model was served the same way, so it is the model: It crashed."
    )
    assert [finding.check for finding in blessing.findings] == [
        "ops",
        "loads",
        "answers",
        "bytes_unchanged",
    ]


def test_a_known_good_model_that_is_not_served_makes_it_a_fault(judge, stage, tmp_path):
    stage.outcomes = [[UndecidedFault("loads", "It crashed.")]] * 2
    stage.control_fails = True
    with pytest.raises(ServerUnavailableError, match="isn't served either"):
        judge(validation_spec={"num_tries": 2})
    assert len(stage.servers) == 2
    assert not (tmp_path / "infra").exists()


def test_without_a_limit_a_local_process_gets_a_share_of_what_is_free(judge, stage):
    judge()
    assert stage.servers[0].memory_bytes == stage.trials[0].memory_bytes == 450
    assert stage.trials[0].offline.memory_bytes == 450


def test_a_limit_is_the_servers_and_the_least_that_the_other_process_gets(judge, stage):
    judge(serving_spec={**LOCAL, "resources": {"memory": 100}})
    assert stage.servers[0].memory_bytes == stage.trials[0].memory_bytes == 100
    assert stage.trials[0].offline.memory_bytes == 450
    judge(serving_spec={**LOCAL, "resources": {"memory": 5000}})
    assert stage.trials[1].offline.memory_bytes == 5000


def test_without_a_limit_a_container_gets_a_share_of_what_is_free(judge, stage):
    judge(serving_spec={"local_docker": {}})
    assert stage.servers[0].memory_bytes == 450


def test_a_model_that_the_policy_refuses_is_never_started(judge, stage, monkeypatch):
    refused = Finding("ops", False, "Writes files.")
    monkeypatch.setattr(validation, "check_ops", lambda model, policy: refused)
    blessing = judge(validation_spec={"op_policy": "refuse"})
    assert stage.servers == []
    assert blessing.findings == (refused,)
    assert not blessing.blessed


def test_a_graph_that_cannot_be_read_is_not_blessed_even_if_it_is_served(judge, stage, monkeypatch):
    unreadable = Finding("ops", False, "It can't be read.")
    monkeypatch.setattr(validation, "check_ops", lambda model, policy: unreadable)
    assert judge().failures == (unreadable,)
    stage.outcomes = [[Finding("loads", False, "Broken.")]]
    assert [failure.check for failure in judge().failures] == ["loads"]


def test_a_model_that_changes_while_it_is_validated_is_an_error(judge, stage, model, monkeypatch):
    start = attempt.make_runner

    def change(*given):
        (model / "more").write_text("x")
        return start(*given)

    monkeypatch.setattr(attempt, "make_runner", change)
    stage.outcomes = [[ServerUnavailableError("no network")]]
    with pytest.raises(InvalidModelError, match="was changed while it was validated"):
        judge()


def test_warm_up_requests_are_in_what_is_served_and_in_what_is_to_be_pushed(
    judge, stage, model, tmp_path
):
    manifest = artifacts.read_manifest(model)
    window = records.Window("2013-01-01", "2013-02-01")
    record = records.Model(str(model), manifest.digest, manifest.num_bytes, window=window)
    blessing = judge(model=record, request_spec={"make_warmup": True})
    served = blessing.served_model
    assert blessing.subject.digest == manifest.digest
    assert served.uri == str(tmp_path / "infra" / "served_model")
    assert served.window == window
    found = artifacts.read_manifest(served.uri)
    assert (found.digest, found.num_bytes) == (served.digest, served.num_bytes)
    assert found.without(WARMUP_FILE) == manifest
    assert stage.servers[0].files == found
    assert artifacts.read_manifest(model) == manifest


def test_a_model_that_cannot_be_warmed_up_is_told_by_the_server(judge, stage, model):
    (model / "saved_model.pb").write_bytes(b"\xff\xff")
    stage.outcomes = [[Finding("loads", False, "Broken.")]]
    blessing = judge(request_spec={"make_warmup": True})
    assert not blessing.blessed
    assert blessing.served_model is None


def test_warm_up_requests_need_a_signature_that_takes_examples(judge, model):
    (model / "saved_model.pb").write_bytes(saved_model(dtype=1, dims=(-1, 2)))
    with pytest.raises(ConfigurationError, match="'serving_default' doesn't take serialized"):
        judge(request_spec={"make_warmup": True})


def test_warm_up_requests_need_a_binary_graph(judge, model):
    (model / "saved_model.pb").rename(model / "saved_model.pbtxt")
    with pytest.raises(ConfigurationError, match=r"make_warmup needs a saved_model\.pb"):
        judge(request_spec={"make_warmup": True})


def test_an_empty_directory_is_no_model(judge, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidModelError, match="is empty; expected a SavedModel"):
        judge(model=tmp_path / "empty")


def test_an_output_directory_in_the_models_is_refused(stage, model, infra_examples):
    with pytest.raises(ConfigurationError, match="is in the model's"):
        validate(
            model=model, examples=infra_examples, serving_spec=LOCAL, output_dir=model / "infra"
        )
    assert files(model) == ["saved_model.pb", "variables"]


def test_signatures_are_read_as_they_are_written(model):
    signatures = candidate.read_signatures(model)
    assert str(signatures["serving_default"]["examples"]) == "string [-1]"
