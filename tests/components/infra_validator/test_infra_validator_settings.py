"""TFX's specifications: what is read, what is refused by name."""

import pytest

from components.errors import ConfigurationError
from components.infra_validator.serving_spec import Resources, make_runner
from components.infra_validator.settings import read_settings
from components.model_server import LocalProcess

LOCAL = {"local_process": {}}
DOCKER = {"local_docker": {}}
DIGEST = "sha256:" + "0a" * 32


def images(spec):
    return [container.image for container in read_settings(spec).serving.containers]


def test_defaults_are_tfx_like():
    settings = read_settings(LOCAL)
    assert settings.max_loading_time_seconds == 300
    assert settings.num_tries == 5
    assert settings.num_examples == 100
    assert settings.signature_names == ("serving_default",)
    assert settings.model_name == "infra-validation-model"
    assert settings.op_policy == "warn"
    assert settings.max_latency_milliseconds is None
    assert not settings.make_warmup


def test_a_local_process_is_our_own_server():
    spec = read_settings({**LOCAL, "resources": {"memory": "2Gi"}}).serving
    assert spec.servers == (None,)
    assert spec.resources == Resources(memory_bytes=2 << 30)
    assert isinstance(make_runner(None, None, 1.0), LocalProcess)


def test_keys_may_be_written_in_camel_case():
    settings = read_settings(
        {"localProcess": {}, "modelName": "m"},
        {"maxLoadingTimeSeconds": 7, "numTries": 2},
        {"numExamples": 3, "splitName": "s", "tensorflowServing": {"signatureNames": ["a", "b"]}},
    )
    assert settings.model_name == "m"
    assert (settings.max_loading_time_seconds, settings.num_tries) == (7, 2)
    assert (settings.num_examples, settings.split_name) == (3, "s")
    assert settings.signature_names == ("a", "b")


def test_whole_numbers_may_be_text_or_end_with_a_zero_and_null_is_unset():
    settings = read_settings(
        {**LOCAL, "local_docker": None, "resources": None, "model_name": ""},
        {"max_loading_time_seconds": "7", "num_tries": 2.0, "op_policy": None},
        {"num_examples": None, "split_name": "", "tensorflow_serving": None},
    )
    assert (settings.max_loading_time_seconds, settings.num_tries) == (7, 2)
    assert (settings.num_examples, settings.split_name) == (100, None)


def test_bounds_of_latency_and_throughput():
    settings = read_settings(
        LOCAL,
        {
            "max_latency_milliseconds": {"p50": 5, "p99": 12.5},
            "min_requests_per_second": 100,
            "max_request_time_seconds": 2.5,
            "op_policy": "refuse",
        },
    )
    assert settings.max_latency_milliseconds == {"p50": 5.0, "p99": 12.5}
    assert settings.min_requests_per_second == 100
    assert settings.max_request_seconds == 2.5
    assert settings.op_policy == "refuse"


@pytest.mark.parametrize(
    ("binary", "expected"),
    [
        ({}, ["tensorflow/serving:latest"]),
        ({"tags": ["2.19.0", "2.19.0", "latest-gpu"]},
         ["tensorflow/serving:2.19.0", "tensorflow/serving:latest-gpu"]),
        ({"image_name": "registry:5000/team/server", "tags": ["1"], "digests": [DIGEST]},
         ["registry:5000/team/server:1", f"registry:5000/team/server@{DIGEST}"]),
    ],
    ids=["default", "tags", "tag-and-digest"],
)  # fmt: skip
def test_each_tag_and_each_digest_is_an_image(binary, expected):
    assert images({**DOCKER, "tensorflow_serving": binary}) == expected


def test_docker_settings_reach_the_runner():
    (container,) = read_settings(
        {
            "tensorflow_serving": {"tags": ["2.19.0"]},
            "local_docker": {
                "client_base_url": "tcp://engine:2375",
                "client_api_version": "1.44",
                "client_timeout_seconds": "20",
                "host_ip_address": "10.0.0.1",
                "host_path_map": {"/opt/airflow": "/srv/airflow"},
                "pull": "never",
                "model_server_arguments": ["--enable_batching"],
            },
            "resources": {"memory": "512Mi", "cpus": 1.5, "pids": 64},
        }
    ).serving.containers
    assert container.client_base_url == "tcp://engine:2375"
    assert container.client_api_version == "1.44"
    assert container.client_timeout_seconds == 20
    assert container.host_name == "10.0.0.1"
    assert container.host_path_map == (("/opt/airflow", "/srv/airflow"),)
    assert container.pull == "never"
    assert container.model_server_arguments == ("--enable_batching",)
    assert (container.memory_bytes, container.cpus, container.pids_limit) == (512 << 20, 1.5, 64)


@pytest.mark.parametrize(
    ("memory", "num_bytes"),
    [(1000, 1000), ("2000", 2000), ("1k", 1000), ("1.5Gi", 3 << 29), ("2G", 2 * 10**9)],
)
def test_amounts_of_memory(memory, num_bytes):
    spec = read_settings({**LOCAL, "resources": {"memory": memory}}).serving
    assert spec.resources.memory_bytes == num_bytes


@pytest.mark.parametrize(
    ("specs", "text"),
    [
        (({},), "serving_spec names no platform"),
        (({"tensorflow_serving": {}},), "serving_spec names no platform"),
        (({**LOCAL, **DOCKER},), "names local_process and local_docker; expected one"),
        (({"kubernetes": {}},), r"kubernetes isn't offered: .*KubernetesPodOperator"),
        (({**LOCAL, "tensorflow_serving": {}},), "names tensorflow_serving and local_process"),
        (({"local_proces": {}},), r"serving_spec\.local_proces isn't known; expected only"),
        (({"local_process": {"port": 1}},), r"local_process\.port isn't known; expected no field"),
        (({"local_process": 5},), r"local_process is 5; expected a JSON object"),
        (({**LOCAL, "localProcess": {}},), r"local_process is given twice"),
        (({**LOCAL, "model_name": "a/b"},), r"model_name is 'a/b'; expected letters"),
        (({**LOCAL, "model_name": "ümlaut"},), r"model_name is 'ümlaut'; expected letters"),
        (({**LOCAL, "resources": {"cpus": 1}},), r"cpus or pids of a local process"),
        (({**LOCAL, "resources": {"memory": "4g"}},), r"memory is '4g'; expected bytes"),
        (({**LOCAL, "resources": {"memory": 0}},), r"memory is 0; expected bytes"),
        (({**LOCAL, "resources": {"gpu": 1}},), r"resources\.gpu isn't known"),
        (({**DOCKER, "tensorflow_serving": {"tags": "1"}},), r"tags is '1'; expected a list"),
        (({**DOCKER, "tensorflow_serving": {"tags": ["a b"]}},), r"tags is 'a b'; expected let"),
        (({**DOCKER, "tensorflow_serving": {"digests": ["abc"]}},), r"digests is 'abc'; expec"),
        (
            ({**DOCKER, "tensorflow_serving": {"image_name": "a:1"}},),
            r"image_name is 'a:1'; expected a name without tag",
        ),
        (({"local_docker": {"privileged": True}},), r"local_docker\.privileged isn't known"),
        (({"local_docker": {"pull": "no"}},), r"pull is 'no'; expected missing or never or"),
        (({"local_docker": {"host_path_map": {"a": "/b"}}},), r"holds 'a'; expected absolute"),
        (({"local_docker": {"host_path_map": []}},), r"host_path_map is \[\]; expected"),
        (
            ({"local_docker": {"host_name": "a", "host_ip_address": "b"}},),
            "has host_name and host_ip_address",
        ),
        ((LOCAL, {"num_tries": 0}), r"num_tries is 0; expected a whole number from 1 up"),
        ((LOCAL, {"max_loading_time_seconds": "5s"}), r"max_loading_time_seconds is '5s'"),
        ((LOCAL, {"max_loading_time_seconds": 1.5}), r"max_loading_time_seconds is 1.5"),
        ((LOCAL, {"num_tries": 2**31}), r"num_tries is 2147483648; expected a whole number fr"),
        ((LOCAL, {"num_tries": "9" * 5000}), r"expected a whole number from 1"),
        ((LOCAL, {"num_tries": "٣"}), r"num_tries is '٣'; expected a whole number"),
        ((LOCAL, {"timeout": 5}), r"validation_spec\.timeout isn't known"),
        ((LOCAL, {"op_policy": "ignore"}), r"op_policy is 'ignore'; expected warn or refuse"),
        ((LOCAL, {"max_latency_milliseconds": {"p90": 1}}), r"p90 isn't known; expected only p50"),
        ((LOCAL, {"max_latency_milliseconds": {}}), r"max_latency_milliseconds is empty"),
        ((LOCAL, {"max_latency_milliseconds": {"p50": 0}}), r"p50 is 0; expected a number above"),
        ((LOCAL, {"min_requests_per_second": float("nan")}), r"is nan; expected a number above 0"),
        ((LOCAL, {}, {"num_examples": True}), r"num_examples is True"),
        ((LOCAL, {}, {"split_name": 5}), r"split_name is 5; expected text"),
        ((LOCAL, {}, {"make_warmup": 1}), r"make_warmup is 1; expected true or false"),
        ((LOCAL, {}, {"tensorflow_serving": {"signature_names": "a"}}), "expected a list"),
        ((LOCAL, {}, {"tensorflow_serving": {"signature_names": [""]}}), "is ''; expected text"),
        ((LOCAL, {}, {"tensorflow_serving": {"signature": []}}), r"signature isn't known"),
    ],
)
def test_refuses_by_name(specs, text):
    with pytest.raises(ConfigurationError, match=text):
        read_settings(*specs)
