"""What each kind of bad model is told; our server's real APIs in a thread of this process."""

import numpy as np
import pytest

from components.errors import PredictionError, ServerUnavailableError
from components.infra_validator.checks import Trial, check
from components.infra_validator.question import make_questions
from components.infra_validator.settings import Settings
from components.model_server import Endpoints

NAME = Settings.model_name
ORDER = [
    "loads",
    "signature",
    "answers",
    "declared_outputs",
    "no_nan",
    "same_answers",
    "malformed_requests",
]


class ThreadServer:
    """The server's gRPC API on a model, without a process of its own."""

    def __init__(self, directory, log_path):
        from components.model_server import grpc_api
        from components.model_server.catalog import Catalog
        from components.model_server.served_model import ServedModel
        from components.model_server.server import _load

        self.log_path = log_path
        self.code = None
        (log_path.parent / NAME).mkdir()
        (log_path.parent / NAME / "1").symlink_to(directory)
        self.model = ServedModel(NAME, log_path.parent / NAME, _load)
        self.model.poll()
        self._server, port = grpc_api.start(Catalog(self.model), "127.0.0.1:0", 2)
        self._endpoints = Endpoints("127.0.0.1", port)

    def endpoints(self, timeout_seconds):
        return self._endpoints

    def exit_code(self):
        return self.code

    def wait(self, timeout_seconds):
        return self.code

    def stop(self):
        self._server.stop(0).wait()
        self.model.unload_all()


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

    model = save_model(lambda v, w: {"score": v @ w + tf.random.uniform([1])})
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


def test_a_missing_signature(trial_of, save_model):
    model = save_model(lambda values, weights: {"y": values}, signature="other")
    assert only_failure(trial_of(model)) == (
        "signature",
        "The model has no signature 'serving_default'; it has ['other'].",
    )


def test_another_signature_by_name(trial_of, save_model):
    model = save_model(lambda values, weights: {"y": values}, signature="other")
    assert not failures(trial_of(model, signature_names=("other",)))


def test_a_signature_that_takes_no_examples(trial_of, save_model):
    model = save_model(lambda values, weights: {"y": values}, parse=False)
    name, message = only_failure(trial_of(model))
    assert name == "signature"
    assert "'serving_default' doesn't take serialized examples: it has the inputs {" in message
    assert "'float'" in message


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


def test_a_model_that_does_not_load_in_time(trial_of, good_model):
    trial = trial_of(good_model, max_loading_time_seconds=0.3)
    trial.server.endpoints = lambda timeout_seconds: None
    name, message = only_failure(trial)
    assert name == "loads"
    assert "didn't answer for the model within 0.3 s" in message


def test_a_server_that_says_the_model_cannot_be_loaded(trial_of, damaged):
    (damaged / "saved_model.pb").write_bytes(b"\x08\x01\x12\xff")
    name, message = only_failure(trial_of(damaged))
    assert name == "loads"
    assert "the server can't load the model" in message


def test_a_model_that_does_not_answer_offline(trial_of, good_model):
    trial = trial_of(good_model)

    def fail(deadline):
        raise PredictionError("no such op")

    trial.offline.answers = fail
    assert only_failure(trial) == (
        "same_answers",
        "Without a server the model doesn't answer: no such op",
    )


@pytest.mark.parametrize("code", [-11, -6, 0, 3, 255])
def test_a_server_that_crashes_is_the_models_fault(trial_of, good_model, code):
    trial = trial_of(good_model)
    trial.server.log_path.write_text("last words\n")
    trial.server.code = code
    name, message = only_failure(trial)
    assert name == "loads"
    assert message.endswith("the end of its log:\nlast words")


@pytest.mark.parametrize("code", [-9, -15, 1])
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


def test_a_server_that_dies_while_it_is_asked_is_the_models_fault(trial_of, good_model):
    trial = trial_of(good_model)
    findings = check(trial)
    assert next(findings).check == "loads"
    trial.server.stop()
    trial.server.code = -11
    (finding,) = findings
    assert (finding.check, finding.passed) == ("signature", False)
    assert "was killed by SIGSEGV" in finding.message
