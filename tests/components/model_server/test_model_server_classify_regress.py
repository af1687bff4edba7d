"""Classify, Regress and MultiInference, asked by TensorFlow Serving's stubs and by plain HTTP."""

import json
import urllib.error
import urllib.request

import grpc
import numpy as np
import pytest
from grpc import StatusCode

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"
ROWS = [{"a": [1.0, 2.0], "name": "ann"}, {"a": [-3.0, 0.5], "bonus": 2, "name": "bob"}]


def value(row):
    """What the demo model computes, by hand."""
    return np.float32(0.5 * row["a"][0] - 1.25 * row["a"][1] + row.get("bonus", 0))


def example(row):
    import tensorflow as tf

    message = tf.train.Example()
    for name, content in row.items():
        feature = message.features.feature[name]
        if name == "a":
            feature.float_list.value.extend(content)
        elif name == "bonus":
            feature.int64_list.value.append(content)
        else:
            feature.bytes_list.value.append(content.encode())
    return message


def fill(request, rows, signature, context=None):
    request.model_spec.name = "demo"
    request.model_spec.signature_name = signature
    if context is None:
        request.input.example_list.examples.extend(map(example, rows))
    else:
        listed = request.input.example_list_with_context
        listed.context.CopyFrom(example(context))
        listed.examples.extend(map(example, rows))
    return request


@pytest.fixture(scope="module")
def stub(server):
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    with grpc.insecure_channel(server.endpoints(0).grpc_target) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def classify(stub):
    from tensorflow_serving.apis import classification_pb2

    def ask(rows, signature="classify", context=None):
        request = fill(classification_pb2.ClassificationRequest(), rows, signature, context)
        return stub.Classify(request, timeout=60)

    return ask


@pytest.fixture(scope="module")
def regress(stub):
    from tensorflow_serving.apis import regression_pb2

    def ask(rows, signature="regress", context=None):
        request = fill(regression_pb2.RegressionRequest(), rows, signature, context)
        return stub.Regress(request, timeout=60)

    return ask


@pytest.fixture(scope="module")
def infer(stub):
    from tensorflow_serving.apis import inference_pb2

    def ask(*tasks, rows=ROWS):
        request = inference_pb2.MultiInferenceRequest()
        request.input.example_list.examples.extend(map(example, rows))
        for signature, method in tasks:
            task = request.tasks.add(method_name=method)
            task.model_spec.name = "demo"
            task.model_spec.signature_name = signature
        return stub.MultiInference(request, timeout=60)

    return ask


@pytest.fixture(scope="module")
def post(server):
    """Send a body to a verb; returns the HTTP status and the JSON."""

    def send(verb, body, model="demo"):
        url = f"{server.endpoints(0).rest_url}/v1/models/{model}:{verb}"
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data), timeout=60) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    return send


def pairs(result):
    return [[(entry.label, entry.score) for entry in row.classes] for row in result.classifications]


def expected_pairs(rows=ROWS):
    return [
        [(f"{row['name']}-yes", value(row)), (f"{row['name']}-no", -value(row))] for row in rows
    ]


def test_classify_answers_labels_and_scores_in_the_models_order(classify):
    response = classify(ROWS)
    assert pairs(response.result) == expected_pairs()
    spec = response.model_spec
    assert (spec.name, spec.signature_name, spec.version.value) == ("demo", "classify", 7)


def test_classify_without_scores_or_without_classes(classify):
    assert pairs(classify(ROWS[:1], "labels").result) == [[("ann-yes", 0.0), ("ann-no", 0.0)]]
    number = value(ROWS[0])
    assert pairs(classify(ROWS[:1], "scores").result) == [[("", number), ("", -number)]]


def test_regress_answers_one_number_for_each_example(regress):
    response = regress(ROWS)
    assert [r.value for r in response.result.regressions] == [value(row) for row in ROWS]
    assert response.model_spec.signature_name == "regress"


def test_a_context_belongs_to_all_examples_and_theirs_count_more(regress, classify):
    rows = [{"a": [1.0, 0.0]}, {"a": [2.0, 0.0], "bonus": 5}]
    context = {"bonus": 3, "name": "eve"}
    answers = [r.value for r in regress(rows, context=context).result.regressions]
    assert answers == [0.5 + 3, 1.0 + 5]
    assert pairs(classify(rows[:1], context=context).result)[0][0] == ("eve-yes", 3.5)


def test_many_tasks_are_answered_in_their_order(infer):
    response = infer(("regress", REGRESS), ("classify", CLASSIFY))
    first, second = response.results
    values = [value(row) for row in ROWS]
    assert [r.value for r in first.regression_result.regressions] == values
    assert pairs(second.classification_result) == expected_pairs()
    assert [r.model_spec.signature_name for r in response.results] == ["regress", "classify"]
    assert {r.model_spec.version.value for r in response.results} == {7}


@pytest.mark.parametrize(
    ("signature", "text"),
    [
        ("z", "No signature was found with the name: z"),
        ("pair", "Expected one input Tensor."),
        ("serving_default", "No classification inputs found in SignatureDef"),
        ("regress", 'to contain at least one of "classes" or "scores"'),
        ("exact", "Expected scores Tensor of DT_FLOAT. Got: DT_DOUBLE"),
    ],
)
def test_classify_refuses_what_is_no_classification(classify, signature, text):
    with pytest.raises(grpc.RpcError) as refused:
        classify(ROWS, signature)
    assert refused.value.code() is StatusCode.INVALID_ARGUMENT
    assert text in refused.value.details()


@pytest.mark.parametrize(
    ("signature", "text"),
    [
        ("z", "No signature was found with the name: z"),
        ("classify", "Expected one output Tensor."),
        ("scores", "No regression outputs found in SignatureDef"),
        ("wide", "either [batch_size] or [batch_size, 1] but got [2,2]"),
    ],
)
def test_regress_refuses_what_is_no_regression(regress, signature, text):
    with pytest.raises(grpc.RpcError) as refused:
        regress(ROWS, signature)
    assert refused.value.code() is StatusCode.INVALID_ARGUMENT
    assert text in refused.value.details()


def test_examples_are_required(regress):
    for context in (None, {"bonus": 1}):
        with pytest.raises(grpc.RpcError) as refused:
            regress([], context=context)
        assert refused.value.code() is StatusCode.INVALID_ARGUMENT
        assert refused.value.details() == "Input is empty."


def test_a_model_must_be_named(stub):
    from tensorflow_serving.apis import classification_pb2, inference_pb2

    with pytest.raises(grpc.RpcError) as refused:
        stub.Classify(classification_pb2.ClassificationRequest(), timeout=60)
    assert refused.value.details() == "Missing ModelSpec"
    with pytest.raises(grpc.RpcError) as refused:
        stub.MultiInference(inference_pb2.MultiInferenceRequest(), timeout=60)
    assert refused.value.details() == "ModelSpec has no name specified."


@pytest.mark.parametrize(
    ("tasks", "code", "text"),
    [
        ([("z", REGRESS)], StatusCode.INVALID_ARGUMENT, "not found in model graph: z"),
        (
            [("regress", REGRESS), ("regress", REGRESS)],
            StatusCode.INVALID_ARGUMENT,
            "Duplicate evaluation of signature: regress",
        ),
        (
            [("regress", "tensorflow/serving/predict")],
            StatusCode.UNIMPLEMENTED,
            "Unsupported signature method_name: tensorflow/serving/predict",
        ),
    ],
)
def test_tasks_are_checked(infer, tasks, code, text):
    with pytest.raises(grpc.RpcError) as refused:
        infer(*tasks)
    assert refused.value.code() is code
    assert text in refused.value.details()


def test_tasks_must_ask_one_model(stub):
    from tensorflow_serving.apis import inference_pb2

    request = inference_pb2.MultiInferenceRequest()
    for name, signature in (("demo", "regress"), ("other", "classify")):
        task = request.tasks.add(method_name=REGRESS)
        task.model_spec.name = name
        task.model_spec.signature_name = signature
    with pytest.raises(grpc.RpcError) as refused:
        stub.MultiInference(request, timeout=60)
    assert "must access the same model name" in refused.value.details()


def test_rest_classifies_with_results_of_label_and_score(post):
    status, body = post("classify", {"signature_name": "classify", "examples": ROWS})
    assert status == 200
    assert list(body) == ["results"]
    assert [[tuple(pair) for pair in row] for row in body["results"]] == expected_pairs()


def test_rest_regresses_and_shares_a_context(post):
    rows = [{"a": [1.0, 0.0]}, {"a": [2.0, 0.0], "bonus": 5}]
    body = {"signature_name": "regress", "context": {"bonus": 3}, "examples": rows}
    assert post("regress", body) == (200, {"results": [3.5, 6.0]})


def test_rest_takes_base64_single_values_and_bools(post):
    row = {"a": [0.0, 0.0], "name": {"b64": "w6k="}, "bonus": True}
    body = {"signature_name": "classify", "examples": [row]}
    assert post("classify", body) == (200, {"results": [[["é-yes", 1.0], ["é-no", -1.0]]]})


def test_rest_numbers_are_floats_only_with_a_point(post):
    body = b'{"signature_name": "regress", "examples": [{"a": [%s, 0.0]}]}'
    assert post("regress", body % b"2.0") == (200, {"results": [1.0]})
    status, answer = post("regress", body % b"2")
    assert status == 400
    assert "Unexpected element type in feature: a expecting type: int64" in answer["error"]
    status, answer = post("regress", b'{"signature_name": "regress", "examples": [{"a": [2, 0]}]}')
    assert status == 400
    assert "Data types don't match" in answer["error"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b"[]", "Is not object"),
        (b'{"signature_name": 1}', "'signature_name' key must be a string value."),
        (b"{}", "When method is classify, key 'examples' is expected and was not found"),
        (b'{"examples": 1}', "Expecting 'examples' value to be an list/array"),
        (b'{"examples": []}', "'examples' value is an empty array"),
        (b'{"examples": [1]}', "Example must be JSON object but got JSON Number"),
        (b'{"context": [], "examples": [{}]}', "Example must be JSON object but got JSON Array"),
        (b'{"examples": [{"a": null}]}', "Feature: a has element with unexpected JSON type: Null"),
        (b'{"examples": [{"a": [[1]]}]}', "Feature: a has element with unexpected JSON type: Arra"),
        (b'{"examples": [{"a": {"x": 1}}]}', "unexpected JSON type: Object"),
        (b'{"examples": [{"a": {"b64": "!"}}]}', "Unable to base64 decode"),
        (b'{"examples": [{"a": [1, "x"]}]}', "Unexpected element type in feature: a expecting"),
        (b'{"examples": [{"a": 18446744073709551615}]}', "has uint64_t element. Only int64_t is"),
    ],
)
def test_rest_bodies_are_read_before_the_model_is_looked_up(post, body, text):
    for verb in ("classify", "regress"):
        status, answer = post(verb, body, model="nobody")
        assert status == 400
        assert list(answer) == ["error"]
        assert text in answer["error"]


def test_rest_has_the_codes_of_grpc(post):
    assert post("regress", {"examples": [{}]}, model="nobody")[0] == 404
    status, answer = post("classify", {"signature_name": "z", "examples": [{}]})
    assert (status, answer["error"]) == (400, "No signature was found with the name: z")
