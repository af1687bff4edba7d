"""Our server, asked by clients that share no code with it: TensorFlow Serving's stubs, urllib."""

import base64
import json
import shutil
import time
import urllib.error
import urllib.request

import grpc
import numpy as np
import pytest
from grpc import StatusCode

NAME, VERSION = "demo", 7


@pytest.fixture(scope="module")
def apis():
    from tensorflow_serving import apis  # noqa: F401
    from tensorflow_serving.apis import (
        get_model_metadata_pb2,
        get_model_status_pb2,
        model_service_pb2_grpc,
        predict_pb2,
        prediction_service_pb2_grpc,
    )

    class Apis:
        predict = predict_pb2
        status = get_model_status_pb2
        metadata = get_model_metadata_pb2
        models = model_service_pb2_grpc
        prediction = prediction_service_pb2_grpc

    return Apis


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(server.endpoints(0).grpc_target) as channel:
        yield channel


@pytest.fixture(scope="module")
def predict(apis, channel):
    """Ask Predict with arrays; returns the response."""
    import tensorflow as tf

    stub = apis.prediction.PredictionServiceStub(channel)

    def ask(inputs, *, signature="", name=NAME, version=None, label=None, outputs=(), timeout=60):
        request = apis.predict.PredictRequest(output_filter=outputs)
        request.model_spec.name = name
        request.model_spec.signature_name = signature
        if version is not None:
            request.model_spec.version.value = version
        if label is not None:
            request.model_spec.version_label = label
        for alias, value in inputs.items():
            request.inputs[alias].CopyFrom(tf.make_tensor_proto(value))
        return stub.Predict(request, timeout=timeout)

    return ask


@pytest.fixture(scope="module")
def rest(server):
    """Send a request; returns the HTTP status and the body, read as JSON where it is."""

    def send(method, path, body=None, headers=None):
        data = body.encode() if isinstance(body, str) else body
        url = server.endpoints(0).rest_url + path
        request = urllib.request.Request(url, data, headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, read(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, read(error)

    def read(response):
        data = response.read()
        is_json = response.headers["Content-Type"] == "application/json"
        return json.loads(data) if is_json and data else data

    return send


PAIR = {"x": np.array([1.5, -2.0], np.float32), "n": np.array([1, 2], np.int32)}


def test_answers_examples_as_the_model_called_directly_does(predict, demo_model, examples):
    import tensorflow as tf

    rows, scores = examples
    response = predict({"examples": rows})
    answer = tf.make_ndarray(response.outputs["score"])
    np.testing.assert_allclose(answer, scores, rtol=1e-6)
    direct = tf.saved_model.load(str(demo_model)).signatures["serving_default"]
    np.testing.assert_array_equal(answer, direct(tf.constant(rows))["score"])


def test_the_answer_names_what_answered_and_uses_typed_fields(predict):
    response = predict(PAIR, signature="pair")
    spec = response.model_spec
    assert (spec.name, spec.signature_name, spec.version.value) == (NAME, "pair", VERSION)
    assert sorted(response.outputs) == ["double", "n", "raw_bytes", "text"]
    assert list(response.outputs["double"].float_val) == [3.0, -4.0]
    assert not response.outputs["double"].tensor_content


def test_an_empty_signature_name_means_the_default_one(predict, examples):
    response = predict({"examples": examples[0]}, version=VERSION)
    assert response.model_spec.signature_name == "serving_default"


def test_the_output_filter_chooses(predict):
    assert sorted(predict(PAIR, signature="pair", outputs=["n"]).outputs) == ["n"]


def test_shapes_are_not_compared_with_the_signature(predict):
    import tensorflow as tf

    answer = predict({"x": np.ones((3, 5), np.float32)}, signature="echo").outputs["y"]
    assert tf.make_ndarray(answer).shape == (3, 5)


def test_narrow_floats_come_over_grpc(predict):
    import tensorflow as tf

    outputs = predict({"x": np.array([0.5], np.float32)}, signature="narrow").outputs
    assert tf.make_ndarray(outputs["half"]).tolist() == [0.5]
    assert tf.make_ndarray(outputs["brain"]).tolist() == [0.5]


X = np.zeros(1, np.float32)


@pytest.mark.parametrize(
    ("inputs", "options", "code", "text"),
    [
        (PAIR, {"name": ""}, StatusCode.INVALID_ARGUMENT, "ModelSpec has no name specified."),
        (PAIR, {"name": "z"}, StatusCode.NOT_FOUND, "Servable not found for request: Latest(z)"),
        (PAIR, {"version": 8}, StatusCode.NOT_FOUND, "for request: Specific(demo, 8)"),
        (PAIR, {"label": "x"}, StatusCode.INVALID_ARGUMENT, "servable version label: x"),
        (PAIR, {"signature": "z"}, StatusCode.FAILED_PRECONDITION, 'key "z" not found.'),
        (
            {"x": X},
            {"signature": "pair"},
            StatusCode.INVALID_ARGUMENT,
            "input size does not match signature: 1!=2 len({x}) != len({n,x}). Sent extra: {}. "
            "Missing but required: {n}.",
        ),
        (
            {"x": X, "z": X},
            {"signature": "pair"},
            StatusCode.INVALID_ARGUMENT,
            "Signature input alias: n(feed name: pair_n:0) not found in request",
        ),
        (
            PAIR,
            {"signature": "pair", "outputs": ["q"]},
            StatusCode.INVALID_ARGUMENT,
            "output tensor alias not found in signature: q Outputs expected to be in the set",
        ),
        (
            PAIR,
            {"signature": "pair", "outputs": ["n", "n"]},
            StatusCode.INVALID_ARGUMENT,
            "duplicate output tensor alias: n",
        ),
        (
            {"x": ["text"]},
            {"signature": "echo"},
            StatusCode.INVALID_ARGUMENT,
            "Expects arg[0] to be float but string is provided",
        ),
        (
            {"examples": [b"\xff\xff"]},
            {},
            StatusCode.INVALID_ARGUMENT,
            "Could not parse example input",
        ),
    ],
)
def test_grpc_errors_have_tensorflow_servings_codes_and_words(predict, inputs, options, code, text):
    with pytest.raises(grpc.RpcError) as refused:
        predict(inputs, **options)
    assert refused.value.code() is code
    assert text in refused.value.details()


def test_long_errors_are_cut(predict):
    with pytest.raises(grpc.RpcError) as refused:
        predict(PAIR, signature="z" * 5000)
    assert len(refused.value.details()) == 1024
    assert refused.value.details().endswith("...TRUNCATED")


def test_metadata_describes_all_signatures(apis, channel):
    request = apis.metadata.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = NAME
    response = apis.prediction.PredictionServiceStub(channel).GetModelMetadata(request, timeout=30)
    signatures = apis.metadata.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert response.model_spec.version.value == VERSION
    assert {"serving_default", "pair", "__saved_model_init_op"} <= set(signatures.signature_def)


@pytest.mark.parametrize(
    ("fields", "text"),
    [([], "at least one metadata_field"), (["x"], "Metadata field x is not supported")],
)
def test_metadata_knows_one_field(apis, channel, fields, text):
    request = apis.metadata.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = NAME
    with pytest.raises(grpc.RpcError) as refused:
        apis.prediction.PredictionServiceStub(channel).GetModelMetadata(request, timeout=30)
    assert refused.value.code() is StatusCode.INVALID_ARGUMENT
    assert text in refused.value.details()


def test_status_ignores_a_label_and_knows_its_versions(apis, channel):
    stub = apis.models.ModelServiceStub(channel)
    request = apis.status.GetModelStatusRequest()
    request.model_spec.name = NAME
    request.model_spec.version_label = "whatever"
    states = {
        s.version: s.state for s in stub.GetModelStatus(request, timeout=30).model_version_status
    }
    assert states[VERSION] == apis.status.ModelVersionStatus.AVAILABLE
    request.model_spec.version.value = 99
    with pytest.raises(grpc.RpcError) as refused:
        stub.GetModelStatus(request, timeout=30)
    assert refused.value.details() == "Could not find version 99 of model demo"


def test_rest_rows_and_columns_give_the_same_answers_as_grpc(rest, examples):
    rows, scores = examples
    encoded = [{"b64": base64.b64encode(row).decode()} for row in rows]
    path = f"/v1/models/{NAME}:predict"
    status, row_form = rest("POST", path, json.dumps({"instances": encoded}))
    assert status == 200
    np.testing.assert_allclose(row_form["predictions"], scores, rtol=1e-6)
    _, column_form = rest("POST", path, json.dumps({"inputs": {"examples": encoded}}))
    assert column_form["outputs"] == row_form["predictions"]


def test_rest_names_several_outputs(rest):
    body = '{"signature_name": "pair", "instances": [{"x": 1, "n": 2}]}'
    assert rest("POST", f"/v1/models/{NAME}/versions/{VERSION}:predict", body) == (
        200,
        {"predictions": [{"double": 2.0, "n": 3, "raw_bytes": {"b64": "Mg=="}, "text": "2"}]},
    )


def test_rest_inflates_a_compressed_body(rest):
    import gzip

    body = gzip.compress(b'{"signature_name": "total", "inputs": [1, 2.5]}')
    path = f"/v1/models/{NAME}:predict"
    assert rest("POST", path, body, {"Content-Encoding": "gzip"}) == (200, {"outputs": 3.5})


def test_rest_status_and_metadata_have_tensorflow_servings_form(rest):
    _, status = rest("GET", f"/V1/models/{NAME}/versions/{VERSION}")
    assert status == {
        "model_version_status": [
            {
                "version": str(VERSION),
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }
    _, metadata = rest("GET", f"/v1/models/{NAME}/metadata")
    assert metadata["model_spec"] == {"name": NAME, "signature_name": "", "version": str(VERSION)}
    echo = metadata["metadata"]["signature_def"]["signature_def"]["echo"]
    assert echo["inputs"]["x"] == {
        "dtype": "DT_FLOAT",
        "name": "echo_x:0",
        "tensor_shape": {
            "dim": [{"size": "-1", "name": ""}, {"size": "2", "name": ""}],
            "unknown_rank": False,
        },
    }


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("POST", "/v1/models/z:predict", '{"instances": [1]}', 404, "Latest(z)"),
        ("POST", "/v1/models/z:predict", "{", 400, "JSON Parse error"),
        ("POST", "/v1/models/z%2Fy:predict", '{"instances": [1]}', 404, "Latest(z/y)"),
        ("POST", "/v1/models/demo/versions/8:predict", '{"inputs": 1}', 404, "Specific(demo, 8)"),
        ("POST", "/v1/models/demo/labels/x:predict", '{"inputs": 1}', 400, "version label: x"),
        (
            "POST",
            "/v1/models/demo:predict",
            '{"signature_name": "z"}',
            400,
            'Serving signature name: "z" not found in signature def',
        ),
        (
            "POST",
            "/v1/models/demo:predict",
            '{"signature_name": "total", "instances": [1]}',
            400,
            "Tensor name: sum has no shape information",
        ),
        (
            "POST",
            "/v1/models/demo:predict",
            '{"signature_name": "ragged_batch", "instances": [1]}',
            400,
            "Tensor name: two has inconsistent batch size: 2 expecting: 1",
        ),
        ("POST", "/v1/models/demo:predict?x=1", "{}", 400, "Malformed request: POST /v1/models/d"),
        ("POST", "/v1/models/demo:PREDICT", "{}", 400, "Malformed request: POST"),
        ("GET", "/v1/models/demo/", None, 400, "Malformed request: GET /v1/models/demo/"),
        ("GET", "/v1/models", None, 400, "Missing model name in request."),
        ("GET", "/v1/models/demo?x=1", None, 404, "Could not find any versions of model demo?x=1"),
        ("PUT", "/v1/models/demo", "{}", 400, "Malformed request: PUT /v1/models/demo"),
    ],
)
def test_rest_errors_have_tensorflow_servings_status_and_words(
    rest, method, path, body, status, text
):
    seen, answer = rest(method, path, body)
    assert seen == status
    assert list(answer) == ["error"]
    assert text in answer["error"]


def test_rest_answers_some_faults_without_a_body(rest):
    assert rest("GET", f"/v1/models/{NAME}/versions/{1 << 63}") == (400, b"")
    assert rest("OPTIONS", f"/v1/models/{NAME}") == (400, b"")
    assert rest("OPTIONS", "/v1/x", headers={"Origin": "http://a"}) == (200, b"")


def test_other_paths_get_a_page(rest):
    status, page = rest("GET", "/metrics")
    assert status == 404
    assert b"<TITLE>404 Not Found" in page


def test_requests_run_in_parallel_and_keep_apart(predict):
    from concurrent.futures import ThreadPoolExecutor

    def ask(value):
        inputs = {"x": np.array([value], np.float32), "n": np.array([value], np.int32)}
        return list(predict(inputs, signature="pair").outputs["n"].int_val)

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, range(200))) == [[value + 1] for value in range(200)]


def test_a_new_version_takes_over_and_gives_way_when_it_is_withdrawn(
    apis, channel, base_path, demo_model, predict
):
    staging = base_path / "staging-8"
    shutil.copytree(demo_model, staging)
    staging.rename(base_path / "8")
    try:
        wait_for(apis, channel, 8)
        assert predict(PAIR, signature="pair").model_spec.version.value == 8
    finally:
        (base_path / "8").rename(base_path / "8.withdrawn")
        wait_for(apis, channel, VERSION)
        shutil.rmtree(base_path / "8.withdrawn")


def wait_for(apis, channel, version):
    """Until this version and no other is available."""
    request = apis.status.GetModelStatusRequest()
    request.model_spec.name = NAME
    stub = apis.models.ModelServiceStub(channel)
    deadline = time.monotonic() + 60
    available = None
    while available != [version]:
        assert time.monotonic() < deadline, f"{available} instead of {version}"
        statuses = stub.GetModelStatus(request, timeout=30).model_version_status
        available = [s.version for s in statuses if s.state == s.AVAILABLE]
