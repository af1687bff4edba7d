"""The stack of docker-compose.yml on a real engine: a run, a rollback, and what may go wrong.

The tests follow one another on one stack: each month's model goes over that of the month before.
"""

import time

import pytest

from tests.integration.stack_installation import (
    DAG_ID,
    SERVING_BYTES,
    Stack,
    Watch,
    require_compose,
    running_stack,
    skip,
)

pytestmark = [pytest.mark.docker, pytest.mark.slow]
JANUARY, FEBRUARY, MARCH, APRIL = (
    "20240201000000",
    "20240301000000",
    "20240401000000",
    "20240501000000",
)
FACTORS = {JANUARY: 0.5, FEBRUARY: 0.25, MARCH: 0.125, APRIL: 0.75}
SCORE = 2.0


@pytest.fixture(scope="module")
def stack(docker_client, tmp_path_factory):
    require_compose()
    with running_stack(docker_client, tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="module")
def first_run(stack):
    """January goes live; what was seen of the containers that validated it."""
    with Watch(stack.engine).watching() as seen:
        stack.trigger("january", 1, factor=FACTORS[JANUARY])
        state = stack.finish("january")
    assert state == "success", stack.report()
    return seen


def answer(stack: Stack) -> float:
    body = {"signature_name": "serving_raw", "instances": [{"score": SCORE}]}
    found = stack.server.http.post(f"/v1/models/{DAG_ID}:predict", json=body).raise_for_status()
    (prediction,) = found.json()["predictions"]
    return prediction


def assert_served(stack: Stack, version: str) -> None:
    stack.wait_until(lambda: stack.server.served() == version, f"{version} is served", 120.0)
    assert answer(stack) == SCORE * FACTORS[version]
    assert stack.live() == version


def assert_nothing_is_half_done(stack: Stack) -> None:
    command = ["python", "-m", "components.pusher", "lint", str(stack.serving)]
    code, said = stack.container("worker").exec_run(command)
    assert code == 0, said.decode()
    assert not list(stack.serving.glob(".imprimatur/staging-*"))


def test_no_secret_is_in_a_containers_settings(stack):
    secrets = [path.read_text() for path in stack.state.glob("secrets/*")]
    assert len(secrets) == 9
    for service in stack.compose.services():
        attributes = stack.engine.api.inspect_container(service.container)
        text = str([attributes["Config"], attributes["Args"], attributes["Path"]])
        assert not [secret for secret in secrets if secret in text], service.name


def test_nothing_listens_beyond_this_machine(stack):
    for service in stack.compose.services():
        attributes = stack.engine.api.inspect_container(service.container)
        for bindings in (attributes["NetworkSettings"]["Ports"] or {}).values():
            assert {binding["HostIp"] for binding in bindings or ()} <= {"127.0.0.1"}


def test_workers_have_neither_the_database_nor_its_address(stack):
    for name in ("worker", "worker-training"):
        code, said = stack.container(name).exec_run(["ls", "/run/secrets"])
        assert code == 0
        assert said.decode().split() == ["api_secret_key", "broker_url", "result_backend"]
        code, said = stack.container(name).exec_run(["getent", "hosts", "postgres"])
        assert code != 0, said


def test_a_model_goes_live_by_celery_and_is_served(stack, first_run):
    states = stack.client.task_states(DAG_ID, "january")
    assert set(states.values()) == {"success"}
    assert_served(stack, JANUARY)
    assert_nothing_is_half_done(stack)


def test_a_pool_has_as_many_slots_as_its_worker_takes(stack):
    for pool, slots in (("training", 1), ("default_pool", 2), ("on_call", 1)):
        answer = stack.client.http.get(f"/api/v2/pools/{pool}").raise_for_status()
        assert answer.json()["slots"] == slots


def test_who_trains_has_no_engine_and_can_write_nothing_that_is_served(stack):
    worker = stack.container("worker-training")
    assert worker.exec_run(["test", "-S", "/var/run/docker.sock"])[0] != 0
    assert stack.container("worker").exec_run(["test", "-S", "/var/run/docker.sock"])[0] == 0
    code, said = worker.exec_run(["touch", str(stack.state / "serving" / DAG_ID / "x")])
    assert (code, b"Read-only file system" in said) == (1, True)
    networks = worker.attrs["NetworkSettings"]["Networks"]
    assert list(networks) == [f"{stack.compose.settings.project}_airflow"]


def test_trainings_have_a_worker_of_their_own(stack, first_run):
    task = stack.task("january", "trainer")
    assert (task["queue"], task["pool"]) == ("training", "training")
    assert stack.service("worker-training").container.startswith(task["hostname"])
    other = stack.task("january", "evaluator")
    assert stack.service("worker").container.startswith(other["hostname"])


def test_the_container_that_validated_saw_this_one_model(stack, first_run):
    (seen,) = first_run
    (mount,) = seen["attributes"]["Mounts"]
    assert (mount["Type"], mount["RW"]) == ("bind", False)
    assert mount["Source"].startswith(str(stack.state / "artifacts" / DAG_ID))
    models = [path for path in seen["files"] if path.endswith("saved_model.pb")]
    assert len(models) == 1
    networks = seen["attributes"]["NetworkSettings"]["Networks"]
    assert list(networks) == [stack.compose.settings["VALIDATION_NETWORK"]]


def test_a_run_outlives_its_stores(stack, first_run):
    """Redis and PostgreSQL are started again while a model is trained."""
    gate = stack.state / "data" / "gate"
    gate.touch()
    stack.trigger("february", 2, factor=FACTORS[FEBRUARY], wait_for=str(gate))
    stack.wait_until(lambda: "the training waits" in stack.log("february", "trainer"), "it trains")
    for name in ("redis", "postgres"):
        stack.restart(name)
        stack.wait_until_healthy(name)
    gate.unlink()
    assert stack.finish("february") == "success", stack.report()
    assert stack.task("february", "trainer")["try_number"] == 1
    assert_served(stack, FEBRUARY)
    assert_nothing_is_half_done(stack)


def test_a_model_server_that_starts_again_serves_the_same(stack, first_run):
    live = stack.live()
    stack.restart("model-server")
    stack.wait_until_healthy("model-server")
    assert_served(stack, live)


def test_a_rollback_is_served_too_and_outlives_a_broker_that_is_killed(stack, first_run):
    """It waits in Redis' queue, which is on disk, while Redis is killed."""
    worker = stack.container("worker")
    worker.pause()
    try:
        conf = {"model": DAG_ID, "from_version": FEBRUARY, "reason": "a test of the stack"}
        stack.client.trigger("imprimatur_rollback", "back", conf, note="test")

        def is_queued():
            states = stack.client.task_states("imprimatur_rollback", "back")
            return set(states.values()) == {"queued"}

        stack.wait_until(is_queued, "the rollback is queued")
        time.sleep(3.0)  # Redis writes to its disk once a second
        redis = stack.container("redis")
        redis.kill()  # by SIGKILL, so that it writes nothing more
        redis.start()
        stack.wait_until_healthy("redis")
    finally:
        worker.unpause()
    assert stack.finish("back", "imprimatur_rollback") == "success", stack.report()
    (task,) = stack.tasks("back", "imprimatur_rollback")
    assert (task["try_number"], task["pool"]) == (1, "on_call")
    assert_served(stack, JANUARY)
    conf = {"model": DAG_ID, "reason": "the test goes on"}
    stack.client.trigger("imprimatur_resume", "on", conf, note="test")
    assert stack.finish("on", "imprimatur_resume") == "success", stack.report()


def test_a_killed_worker_is_replaced_and_the_training_tried_again(stack, first_run):
    gate = stack.state / "data" / "gate"
    gate.touch()
    stack.trigger("march", 3, factor=FACTORS[MARCH], wait_for=str(gate))
    stack.wait_until(lambda: "the training waits" in stack.log("march", "trainer"), "it trains")
    before = stack.service("worker-training").num_restarts
    stack.kill("worker-training")
    stack.wait_until(
        lambda: stack.service("worker-training").num_restarts > before, "it starts again", 60.0
    )
    gate.unlink()
    assert stack.finish("march") == "success", stack.report()
    assert stack.task("march", "trainer")["try_number"] == 2
    assert_served(stack, MARCH)
    assert_nothing_is_half_done(stack)


def test_a_full_serving_volume_fails_the_push_and_a_retry_heals_it(stack, first_run):
    if not stack.is_serving_small:
        skip("this user can't mount a small file system")
    live = stack.live()
    ballast = stack.state / "serving" / "ballast"
    with pytest.raises(OSError, match="No space left"):
        ballast.write_bytes(bytes(2 * SERVING_BYTES))
    stack.trigger("april", 4, factor=FACTORS[APRIL])
    stack.wait_until(
        lambda: stack.state_of("april", "pusher") in ("up_for_retry", "failed"), "the push fails"
    )
    assert "No space left on device" in stack.log("april", "pusher")
    assert stack.server.served() == live == stack.live()
    ballast.unlink()
    assert stack.finish("april") == "success", stack.report()
    assert_served(stack, APRIL)
    assert_nothing_is_half_done(stack)
