"""What runs too long in a model is ended by REST's own bound."""

import json

import numpy as np
import pytest


@pytest.fixture(scope="module")
def turning(tmp_path_factory):
    """A model that never ends, unless it is asked with 0; and its REST API with a short bound."""
    import tensorflow as tf

    from components.model_server.catalog import Catalog
    from components.model_server.rest_api import RestApi
    from components.model_server.served_model import ServedModel
    from components.model_server.server import _load
    from components.model_server.settings import Loading

    class Turning(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([], tf.float32, name="x")])
        def turn(self, x):
            return {"y": tf.while_loop(lambda y: y != 0, lambda y: [y + 0], [x])[0]}

    module = Turning()
    base_path = tmp_path_factory.mktemp("turning")
    tf.saved_model.save(module, str(base_path / "1"), signatures={"serving_default": module.turn})
    model = ServedModel("m", base_path, lambda path, number: _load(path, number, loading=Loading()))
    model.poll()
    yield RestApi(Catalog(model), timeout_seconds=0.5)
    model.unload_all()


def ask(api, value):
    answer = api.answer("POST", "/v1/models/m:predict", json.dumps({"inputs": value}).encode())
    return answer.status, json.loads(answer.body)


def test_a_request_that_takes_too_long_is_a_504(turning):
    assert ask(turning, 0) == (200, {"outputs": 0.0})
    status, body = ask(turning, 1)
    assert status == 504
    assert list(body) == ["error"]
    assert ask(turning, 0)[0] == 200


def test_a_default_signature_is_what_no_name_means(turning):
    document = {"signature_name": "serving_default", "inputs": float(np.float32(0))}
    answer = turning.answer(
        "POST", "/v1/models/m/versions/1:predict", json.dumps(document).encode()
    )
    assert answer.status == 200


def test_what_goes_wrong_without_a_code_is_a_json_error(turning, monkeypatch):
    from components.model_server.servable import Servable

    def predict(*_, **__):
        raise ValueError("nobody thought of this")

    monkeypatch.setattr(Servable, "predict", predict)
    assert ask(turning, 0) == (500, {"error": "ValueError: nobody thought of this"})
