"""What each kind of bad model is told; our server's real APIs in a thread of this process."""

import dataclasses
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest

from components.errors import PredictionError, ServerUnavailableError
from components.infra_validator import trial as trial_module
from components.infra_validator.checks import check
from components.infra_validator.question import make_questions
from components.infra_validator.server_fault import UndecidedFault
from components.infra_validator.serving_spec import DEFAULT_MODEL_NAME
from components.infra_validator.settings import Settings
from components.infra_validator.trial import Trial
from components.model_server import Endpoints

NAME = DEFAULT_MODEL_NAME
ORDER = [
    "loads",
    "signature",
    "answers",
    "declared_outputs",
    "no_nan",
    "same_answers",
    "latency",
    "latency",
    "latency",
    "throughput",
    "malformed_requests",
    "memory",
]


class ThreadServer:
    """The whole server on a model, in threads of this process."""

    image_digest = None

    def __init__(self, directory, log_path):
        from components.model_server.server import ModelServer
        from components.model_server.settings import Limits
        from components.model_server.settings import Settings as ServerSettings

        self.log_path = log_path
        self.code = None
        self.is_out_of_memory = False
        (log_path.parent / NAME).mkdir()
        (log_path.parent / NAME / "1").symlink_to(directory)
        reading, writing = os.pipe()
        settings = ServerSettings(
            NAME, log_path.parent / NAME, Limits(4, 1), grpc_port=0, ports_fd=writing
        )
        self._server = ModelServer(settings)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        with os.fdopen(reading) as ports:
            self._endpoints = Endpoints("127.0.0.1", json.loads(ports.readline())["grpc"])

    def endpoints(self, timeout_seconds):
        return self._endpoints

    def exit_code(self):
        return self.code

    def wait(self, timeout_seconds):
        return self.code

    def out_of_memory(self):
        return self.is_out_of_memory

    def peak_memory_bytes(self):
        return 1 << 30

    def stop(self):
        self._server.stop(0.0)
        self._thread.join()


class Offline:
    """Answers from a directory, in this process."""

    def __init__(self, directory, rows, questions):
        self.directory, self.rows, self.questions = directory, rows, questions

    def answers(self, deadline):
        from components.saved_model.session import ServingSession

        with ServingSession(self.directory) as session:
            return [
                session.run(
                    q.signature_name, {"examples": np.array(self.rows[q.start : q.stop], object)}
                )
                for q in self.questions
            ]


@pytest.fixture
def trial_of(infra_rows, tmp_path):
    """Start a server on a model; the offline answers may come from another."""
    servers = []

    def make(directory, *, offline=None, **settings):
        settings = Settings(**settings)
        servers.append(ThreadServer(directory, tmp_path / "server.log"))
        questions = make_questions(settings.signature_names, len(infra_rows))
        other = Offline(offline or directory, infra_rows, questions)
        return Trial(servers[-1], other, settings, infra_rows, questions)

    yield make
    for server in servers:
        server.stop()


def failures(trial):
    return [(finding.check, finding.message) for finding in check(trial) if not finding.passed]


def only_failure(trial):
    ((check_name, message),) = failures(trial)
    return check_name, message


def suspicion(trial):
    """Return what ended the checks where it can't be told whose fault it is."""
    with pytest.raises(UndecidedFault) as caught:
        list(check(trial))
    return caught.value.finding.check, caught.value.finding.message


def test_a_sound_model_passes_every_check(trial_of, good_model):
    findings = list(check(trial_of(good_model)))
    assert [finding.check for finding in findings] == ORDER
    assert all(finding.passed for finding in findings)
    by_check = {finding.check: finding for finding in findings}
    assert by_check["answers"].observed == 40
    assert by_check["same_answers"].observed == 0.0


def test_nan_answers(trial_of, save_model):
    model = save_model(lambda values, weights: {"score": tf_sqrt(values @ weights)})
    name, message = only_failure(trial_of(model))
    assert name == "no_nan"
    assert message.startswith("Output 'score' of 'serving_default' is NaN in ")


def tf_sqrt(values):
    import tensorflow as tf

    return tf.sqrt(values)


def test_answers_that_differ_from_those_offline(trial_of, good_model, save_model):
    other = save_model(lambda values, weights: {"score": values @ weights + 0.01})
    name, message = only_failure(trial_of(good_model, offline=other))
    assert name == "same_answers"
    assert "rows 0 to 31" in message
    assert "32 of 32 values differ, the first at [0, 0]" in message


def test_answers_that_differ_from_call_to_call(trial_of, save_model):
    import tensorflow as tf

    tf.random.set_seed(None)  # With one, the first answers of two processes are the same.
    model = save_model(lambda v, w: {"score": v @ w + tf.random.uniform(tf.shape(v @ w))})
    names = [name for name, _ in failures(trial_of(model))]
    assert names == ["same_answers", "malformed_requests"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda info: info.tensor_shape.dim.add(size=3), "has the shape [32, 1], declared is [-1"),
        (lambda info: setattr(info, "dtype", 2), "is float32, declared is double"),
    ],
    ids=["shape", "type"],
)
def test_outputs_that_are_not_what_the_signature_declares(trial_of, damaged, change, text):
    from tensorflow.core.protobuf import saved_model_pb2

    path = damaged / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    change(saved.meta_graphs[0].signature_def["serving_default"].outputs["score"])
    path.write_bytes(saved.SerializeToString())
    name, message = only_failure(trial_of(damaged))
    assert name == "declared_outputs"
    assert f"Output 'score' of 'serving_default' {text}" in message


@pytest.mark.parametrize(
    ("compute", "text"),
    [
        (lambda v, w: {"score": (v @ w)[:0]}, "answers with 0 rows of 'score'"),
        (lambda v, w: {"score": (v @ w)[:1]}, "answers with 1 rows of 'score'"),
        (lambda v, w: {"score": v @ w, "none": v[:0]}, "0 rows of 'none', 32 rows of 'score'"),
    ],
    ids=["none", "one", "another output"],
)
def test_rows_that_are_not_answered(trial_of, save_model, compute, text):
    name, message = only_failure(trial_of(save_model(compute)))
    assert name == "answers"
    assert "Asked about the 32 rows 0 to 31, 'serving_default'" in message
    assert text in message


def test_an_output_may_have_other_rows_if_another_has_those_asked(trial_of, save_model):
    import tensorflow as tf

    model = save_model(lambda v, w: {"score": v @ w, "flat": tf.reshape(v, [-1])})
    assert not failures(trial_of(model))


def test_a_single_text_is_an_answer_too(trial_of, save_model):
    import tensorflow as tf

    model = save_model(lambda v, w: {"score": v @ w, "version": tf.constant(b"v7\0")})
    assert not failures(trial_of(model))


def test_a_model_that_answers_like_a_broken_connection(trial_of, good_model, monkeypatch):
    """The server lives and tells its status, so a known-good model must decide."""
    from components.model_server.servable import Servable
    from components.model_server.status import Code, RequestError

    def predict(*_, **__):
        raise RequestError(Code.UNAVAILABLE, "the lookup service is away")

    trial = trial_of(good_model)
    monkeypatch.setattr(Servable, "predict", predict)
    name, message = suspicion(trial)
    assert name == "answers"
    assert "answered UNAVAILABLE, though it tells its status" in message
    assert "the lookup service is away" in message


def test_a_missing_signature(trial_of, save_model):
    model = save_model(lambda values, weights: {"y": values}, signature="other")
    assert only_failure(trial_of(model)) == (
        "signature",
        "The model has no signature 'serving_default'; it has ['other'].",
    )


def test_another_signature_by_name(trial_of, save_model):
    model = save_model(lambda values, weights: {"y": values}, signature="other")
    assert not failures(trial_of(model, signature_names=("other",)))


def test_a_signature_of_plain_tensors_is_asked_by_the_features_of_the_same_names(
    trial_of, save_model, good_model
):
    def compute(values, weights):
        return {"score": values @ weights}

    model = save_model(compute, parse=False)
    findings = list(check(trial_of(model, offline=good_model)))
    assert [finding.check for finding in findings if not finding.passed] == []
    assert "of ['serving_default'], the inputs are filled from the feat" in findings[1].message


def test_a_signature_whose_tensors_the_examples_do_not_have(trial_of, save_model):
    model = save_model(lambda values, weights: {"y": values}, parse=False, alias="b")
    name, message = only_failure(trial_of(model))
    assert name == "signature"
    assert message == (
        "The signature 'serving_default' doesn't take serialized examples, and its inputs "
        "{'b': 'float [-1, 2]'} can't be filled from features of these names: input 'b' takes "
        "float [-1, 2], and example 0 has no feature of that name."
    )


def test_a_model_that_answers_with_errors(trial_of, save_model):
    import tensorflow as tf

    def compute(values, weights):
        with tf.control_dependencies([tf.debugging.assert_greater(values, 1e9, "too small")]):
            return {"y": tf.identity(values)}

    name, message = only_failure(trial_of(save_model(compute)))
    assert name == "answers"
    assert "rows 0 to 31 to signature 'serving_default', the server answered INVALID" in message
    assert "too small" in message


def test_a_model_that_fails_for_a_single_row(trial_of, save_model):
    import tensorflow as tf

    def compute(values, weights):
        scores = tf.squeeze(values @ weights)
        return {"y": tf.reshape(scores, [tf.shape(scores)[0]])}

    name, message = only_failure(trial_of(save_model(compute)))
    assert name == "answers"
    assert "rows 0 to 0" in message


def test_a_keras_3_model_whose_variables_are_not_tracked(trial_of, tmp_path):
    import keras
    import tensorflow as tf

    model = keras.Sequential([keras.layers.Dense(1)])
    model(np.ones((1, 2), np.float32))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples):
        wanted = {"a": tf.io.FixedLenFeature([2], tf.float32)}
        return {"p": model(tf.io.parse_example(examples, wanted)["a"])}

    directory = tmp_path / "keras"
    tf.saved_model.save(model, str(directory), signatures={"serving_default": serve})
    name, message = only_failure(trial_of(directory))
    assert name == "answers"
    assert "Could not find variable" in message
    assert "model.export" in message


def test_of_a_model_that_does_not_load_in_time_it_cannot_be_told_why(trial_of, good_model):
    trial = trial_of(good_model, max_loading_time_seconds=0.3)
    trial.server.endpoints = lambda timeout_seconds: None
    check_name, message = suspicion(trial)
    assert check_name == "loads"
    assert "didn't answer for the model within 0.3 s" in message


@pytest.fixture
def status_server():
    """A server that has nothing to say but that a version ended with an error."""
    from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc

    class Service(model_service_pb2_grpc.ModelServiceServicer):
        def GetModelStatus(self, request, context):
            response = get_model_status_pb2.GetModelStatusResponse()
            ended = response.model_version_status.add(version=1, state=50)
            ended.status.error_code, ended.status.error_message = 3, "bad graph"
            return response

    server = grpc.server(ThreadPoolExecutor(1))
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Service(), server)
    endpoints = Endpoints("127.0.0.1", server.add_insecure_port("127.0.0.1:0"))
    server.start()
    yield endpoints
    server.stop(0).wait()


def test_a_server_that_says_the_model_cannot_be_loaded(trial_of, good_model, status_server):
    trial = trial_of(good_model)
    trial.server.endpoints = lambda timeout_seconds: status_server
    name, message = only_failure(trial)
    assert name == "loads"
    assert "the server can't load the model: bad graph" in message


def test_a_model_that_does_not_answer_offline(trial_of, good_model):
    trial = trial_of(good_model)

    def fail(deadline):
        raise PredictionError("no such op")

    trial.offline.answers = fail
    assert only_failure(trial) == (
        "same_answers",
        "Without a server the model doesn't answer: no such op",
    )


@pytest.mark.parametrize("code", [-11, -6, 0, 1, 3, 127, 255])
def test_of_a_server_that_ends_it_cannot_be_told_why(trial_of, good_model, code):
    trial = trial_of(good_model)
    trial.server.log_path.write_text("last words\n")
    trial.server.code = code
    name, message = suspicion(trial)
    assert name == "loads"
    assert message.endswith("the end of its log:\nlast words")


def test_a_server_that_ends_because_it_cannot_load_the_model_says_so(trial_of, good_model):
    trial = trial_of(good_model)
    text = "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: {…}"
    trial.server.log_path.write_text(text)
    trial.server.code = 255
    name, message = only_failure(trial)
    assert name == "loads"
    assert message.endswith(text)


def test_of_a_full_disk_it_cannot_be_told_who_filled_it(trial_of, good_model):
    trial = trial_of(good_model)
    text = "1 servable(s) did not become available: {… OSError: [Errno 28] No space left on device"
    trial.server.log_path.write_text(text)
    trial.server.code = 255
    name, message = suspicion(trial)
    assert name == "loads"
    assert message.endswith(text)


@pytest.mark.parametrize("code", [-9, -15, 137])
def test_a_server_that_took_too_much_memory(trial_of, good_model, code):
    trial = trial_of(good_model)
    trial.server.code, trial.server.is_out_of_memory = code, True
    name, message = suspicion(trial)
    assert name == "memory"
    assert message.startswith("The server took more memory than it was given and was ended, dur")


def test_the_memory_that_is_taken_is_held_against_the_limit(trial_of, good_model):
    trial = dataclasses.replace(trial_of(good_model), memory_bytes=1 << 30)
    finding = list(check(trial))[-1]
    assert (finding.check, finding.passed) == ("memory", True)
    assert (finding.observed, finding.bound.upper) == (1 << 30, 1 << 30)
    assert finding.message == "The server took at most 1.00 GiB of memory (it was given 1.00 GiB)."
    less = dataclasses.replace(trial, memory_bytes=(1 << 30) - 1)
    assert [name for name, _ in failures(less)] == ["memory"]


@pytest.mark.parametrize("code", [-9, -15, -2])
def test_a_server_that_was_ended_from_outside_is_no_verdict(trial_of, good_model, code):
    trial = trial_of(good_model)
    trial.server.code = code
    with pytest.raises(ServerUnavailableError, match="during the check 'loads'"):
        list(check(trial))


def test_a_port_that_is_taken_is_no_verdict(trial_of, good_model):
    trial = trial_of(good_model)
    trial.server.log_path.write_text("Failed to start server. Failed to BuildAndStart gRPC server")
    trial.server.code = 255
    with pytest.raises(ServerUnavailableError):
        list(check(trial))


def test_a_server_that_goes_away_while_it_is_asked_is_no_verdict(trial_of, good_model):
    trial = trial_of(good_model)
    findings = check(trial)
    assert next(findings).check == "loads"
    trial.server.stop()
    with pytest.raises(ServerUnavailableError, match=r"can't be reached.*though its process"):
        list(findings)


def test_of_a_server_that_dies_while_it_is_asked_it_cannot_be_told_why(trial_of, good_model):
    trial = trial_of(good_model)
    findings = check(trial)
    assert next(findings).check == "loads"
    trial.server.stop()
    trial.server.code = -11
    with pytest.raises(UndecidedFault, match="was killed by SIGSEGV") as caught:
        list(findings)
    assert caught.value.finding.check == "signature"


def test_of_a_model_that_does_not_answer_in_time_it_cannot_be_told_why(trial_of, save_model):
    import tensorflow as tf

    def compute(values, weights):
        steps = tf.while_loop(lambda i: i >= 0, lambda i: tf.maximum(i - 1, 0), [tf.constant(1)])
        with tf.control_dependencies(steps):
            return {"y": tf.identity(values)}

    name, message = suspicion(trial_of(save_model(compute), max_request_seconds=1.0))
    assert name == "answers"
    assert "rows 0 to 31 to signature 'serving_default', the server answered DEADLINE" in message


def test_the_questions_together_have_a_deadline(trial_of, good_model, monkeypatch):
    monkeypatch.setattr(trial_module, "MAX_ASKING_SECONDS", 0.0)
    name, message = suspicion(trial_of(good_model))
    assert name == "signature"
    assert message == (
        "The model didn't answer all that it was asked within 0 s, the next was the model's "
        "metadata; ask for fewer examples (request_spec.num_examples)."
    )


def test_latency_and_throughput_are_reported_and_held_against_bounds(trial_of, good_model):
    bounds = {"p50": 1e-6, "p99": 1e6}
    settings = {"max_latency_milliseconds": bounds, "min_requests_per_second": 1e9}
    findings = list(check(trial_of(good_model, **settings)))
    latency = {finding.metric: finding for finding in findings if finding.check == "latency"}
    assert {name: finding.passed for name, finding in latency.items()} == {
        "p50": False,
        "p95": True,
        "p99": True,
    }
    assert 0 < latency["p50"].observed <= latency["p95"].observed <= latency["p99"].observed
    assert latency["p50"].bound.upper == 1e-6
    assert latency["p95"].bound is None
    (throughput,) = [finding for finding in findings if finding.check == "throughput"]
    assert not throughput.passed
    assert throughput.bound.lower == 1e9
    assert throughput.observed > 1


def test_what_goes_wrong_in_our_server_is_an_answer_with_a_code(trial_of, good_model, monkeypatch):
    from components.model_server.servable import Servable

    def predict(*_, **__):
        raise ValueError("nobody thought of this")

    trial = trial_of(good_model)
    monkeypatch.setattr(Servable, "predict", predict)
    name, message = only_failure(trial)
    assert name == "answers"
    assert "INTERNAL: ValueError: nobody thought of this" in message
