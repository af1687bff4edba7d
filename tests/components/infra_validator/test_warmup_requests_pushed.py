"""From the trained model to the server: the bytes that were validated are those that are served."""

import numpy as np
import pytest

from components import artifacts, records
from components.errors import ConfigurationError, InvalidModelError
from components.infra_validator import validate
from components.infra_validator.warmup_requests import WARMUP_FILE
from components.model_server import LocalProcess, wait_until_available
from components.model_server.client import Deadline
from components.model_server.tensor_codec import strings
from components.pusher import push
from components.saved_model.session import ServingSession

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SECONDS = 180


@pytest.fixture
def model(good_model):
    manifest = artifacts.read_manifest(good_model)
    return records.Model(
        uri=str(good_model),
        digest=manifest.digest,
        num_bytes=manifest.num_bytes,
        window=records.Window("2013-01-01T00:00:00Z", "2013-02-01T00:00:00Z"),
    )


@pytest.fixture
def validated(infra_examples, tmp_path):
    def run(model):
        return validate(
            model=model,
            examples=infra_examples,
            serving_spec={"local_process": {}, "model_name": "flights"},
            validation_spec={"num_tries": 1},
            request_spec={"make_warmup": True},
            output_dir=tmp_path / "infra",
        )

    return run


def test_the_validated_bytes_are_pushed_and_the_server_warms_up(
    model, validated, tmp_path, infra_rows
):
    blessing = validated(model)
    assert blessing.blessed, blessing.failures
    served = blessing.served_model
    assert blessing.subject.digest == model.digest != served.digest
    assert served.window == model.window
    assert artifacts.digest(served.uri) == served.digest
    log = tmp_path / "infra" / "server-1.log"
    assert "Finished reading warmup data" in log.read_text()

    folder = tmp_path / "serving" / "flights"
    pushed = push(
        model=model,
        blessings=[blessing.to_json()],
        required_kinds=["infra"],
        push_destination={"filesystem": {"base_directory": str(folder)}},
    )
    assert isinstance(pushed, records.PushedModel), pushed
    assert (pushed.outcome, pushed.version) == ("pushed", "20130201000000")
    assert (pushed.digest, pushed.trained_digest) == (served.digest, model.digest)
    live = artifacts.read_manifest(folder / pushed.version)
    assert live.digest == served.digest
    assert live.without(WARMUP_FILE).digest == model.digest

    server = LocalProcess().start(folder, model_name="flights", log_path=tmp_path / "log")
    try:
        with wait_until_available(server, "flights", Deadline.after(SECONDS)) as client:
            answer = client.predict(
                "serving_default", {"examples": strings(infra_rows)}, Deadline.after(SECONDS)
            )
    finally:
        server.stop()
    assert "Finished reading warmup data" in (tmp_path / "log").read_text()
    assert "Number of warmup records read: 41" in (tmp_path / "log").read_text()
    with ServingSession(model.uri) as session:
        expected = session.run("serving_default", {"examples": np.array(infra_rows, object)})
    np.testing.assert_allclose(answer["score"], expected["score"], rtol=1e-6)


def test_other_bytes_than_the_validated_are_refused(model, validated, tmp_path):
    blessing = validated(model)
    served = tmp_path / "infra" / "served_model"
    (served / WARMUP_FILE).write_bytes(b"")
    with pytest.raises(InvalidModelError, match="bytes"):
        push(
            model=model,
            blessings=[blessing],
            required_kinds=["infra"],
            push_destination={"filesystem": {"base_directory": str(tmp_path / "serving")}},
        )
    assert not list((tmp_path / "serving").glob("[0-9]*"))


def test_a_model_that_has_warmup_requests_is_refused(damaged, validated, tmp_path):
    (damaged / WARMUP_FILE).parent.mkdir()
    (damaged / WARMUP_FILE).write_bytes(b"")
    with pytest.raises(ConfigurationError, match="has warm-up requests already"):
        validated(damaged)
    assert not (tmp_path / "infra").exists()
