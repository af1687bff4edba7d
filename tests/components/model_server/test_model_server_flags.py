"""The command line: ours and TensorFlow Serving's, without starting anything."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from components.model_server import flags

ROOT = Path(__file__).resolve().parents[3]
# What `tensorflow_model_server --help` of the stock binary lists.
TENSORFLOW_SERVING_FLAGS = re.findall(
    r"\w+",
    """
    port grpc_socket_path rest_api_port rest_api_num_threads rest_api_timeout_in_ms
    rest_api_enable_cors_support enable_batching allow_version_labels_for_unavailable_models
    batching_parameters_file enable_per_model_batching_parameters model_config_file
    model_config_file_poll_wait_seconds model_name model_base_path num_load_threads
    num_unload_threads max_num_load_retries load_retry_interval_micros
    file_system_poll_wait_seconds flush_filesystem_caches tensorflow_session_parallelism
    tensorflow_session_config_file tensorflow_intra_op_parallelism tensorflow_inter_op_parallelism
    use_alts_credentials ssl_config_file platform_config_file per_process_gpu_memory_fraction
    saved_model_tags grpc_channel_arguments grpc_max_threads enable_model_warmup
    num_request_iterations_for_warmup version monitoring_config_file
    remove_unused_fields_from_bundle_metagraph prefer_tflite_model num_tflite_pools
    num_tflite_interpreters_per_pool enable_signature_method_name_check
    xla_cpu_compilation_enabled xla_gpu_compilation_enabled enable_profiler
    thread_pool_factory_config_file mixed_precision skip_initialize_tpu
    enable_grpc_healthcheck_service enable_serialization_as_tensor_content
    """,
)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    monkeypatch.delenv("MODEL_NAME", raising=False)
    monkeypatch.delenv("MODEL_BASE_PATH", raising=False)


def settings(*argv, base="--model_base_path=/models/m"):
    return flags.settings(flags.parse([base, *argv]))


def refusal(capsys, *argv):
    with pytest.raises(SystemExit) as ended:
        flags.parse(argv)
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_the_entry_point_of_the_image_works_here():
    read = settings(
        "--port=8500", "--rest_api_port=8501", "--model_name=m", "--max_num_load_retries=0"
    )
    assert (read.grpc_port, read.rest_port) == (8500, 8501)
    assert (read.model_name, read.model_base_path) == ("m", Path("/models/m"))


def test_underscores_and_dashes_and_both_forms_of_values():
    for argv in (
        ["--rest_api_num_threads=3"],
        ["--rest-api-num-threads=3"],
        ["--rest_api_num_threads", "3"],
        ["--rest_api_num_threads=9", "--rest-api-num-threads", "3"],
    ):
        assert settings(*argv).limits.num_rest_threads == 3


def test_values_keep_their_underscores():
    read = settings("--model_name=my_model", base="--model_base_path=/a_b/c_d")
    assert (read.model_name, read.model_base_path) == ("my_model", Path("/a_b/c_d"))


def test_what_is_not_given_comes_from_the_images_variables(monkeypatch):
    monkeypatch.setenv("MODEL_NAME", "half_plus_two")
    monkeypatch.setenv("MODEL_BASE_PATH", "/models")
    read = flags.settings(flags.parse([]))
    assert read.model_name == "half_plus_two"
    assert read.model_base_path == Path("/models/half_plus_two")
    given = flags.settings(flags.parse(["--model_base_path=/b", "--model_name=n"]))
    assert (given.model_name, given.model_base_path) == ("n", Path("/b"))


def test_the_name_is_default_where_nobody_names_it():
    assert settings().model_name == "default"


def test_a_base_path_is_required(capsys):
    assert "required: --model-base-path" in refusal(capsys, "--model_name=m")


def test_rest_is_off_by_their_zero_and_by_our_minus_one():
    assert settings("--rest_api_port=0").rest_port is None
    assert settings("--rest-port=-1").rest_port is None
    assert settings("--rest-port=0").rest_port == 0


@pytest.mark.parametrize(
    ("argv", "seen", "value"),
    [
        ("--rest_api_timeout_in_ms=1500", lambda s: s.limits.rest_timeout_seconds, 1.5),
        ("--rest_api_timeout_in_ms=0", lambda s: s.limits.rest_timeout_seconds, None),
        ("--grpc_max_threads=5", lambda s: s.limits.num_grpc_threads, 5),
        ("--max_num_load_retries=5", lambda s: s.loading.max_num_retries, 5),
        ("--load_retry_interval_micros=250000", lambda s: s.loading.retry_interval_seconds, 0.25),
        ("--load_retry_interval_micros=-1", lambda s: s.loading.retry_interval_seconds, 0),
        ("--file_system_poll_wait_seconds=0", lambda s: s.loading.poll_seconds, 0),
        ("--enable_model_warmup=false", lambda s: s.loading.warms_up, False),
        ("--enable_model_warmup", lambda s: s.loading.warms_up, True),
        ("--num_request_iterations_for_warmup=3", lambda s: s.loading.num_warmup_iterations, 3),
        ("--num_request_iterations_for_warmup=0", lambda s: s.loading.num_warmup_iterations, 1),
        ("--saved_model_tags=serve,gpu", lambda s: s.loading.tags, ("serve", "gpu")),
        ("--saved_model_tags=", lambda s: s.loading.tags, ("serve",)),
        ("--enable_signature_method_name_check", lambda s: s.loading.checks_method_names, True),
        ("--rest_api_enable_cors_support=true", lambda s: s.allows_any_origin, True),
        (
            "--grpc_channel_arguments=grpc.max_connection_age_ms=2000,grpc.x=y",
            lambda s: dict(s.grpc_channel_arguments),
            {"grpc.max_connection_age_ms": 2000, "grpc.x": "y"},
        ),
    ],
)
def test_flags_of_tensorflow_serving_have_their_effect(argv, seen, value):
    assert seen(settings(argv)) == value


@pytest.mark.parametrize("name", TENSORFLOW_SERVING_FLAGS)
def test_each_flag_of_tensorflow_serving_is_known(name):
    assert f"--{name.replace('_', '-')}" in flags.build_parser()._option_string_actions


def test_flags_without_effect_are_told():
    read = flags.parse(
        ["--model_base_path=/m", "--enable_batching=true", "--num_load_threads", "4"]
    )
    assert read.ignored_flags == ["--enable-batching", "--num-load-threads"]


@pytest.mark.parametrize(
    "argv",
    ["--ssl_config_file=/x", "--model_config_file=/x", "--use_alts_credentials"],
)
def test_what_would_be_another_server_is_refused(capsys, argv):
    assert "can't be had here: it " in refusal(capsys, "--model_base_path=/m", argv)


def test_the_same_flags_may_be_off():
    flags.parse(["--model_base_path=/m", "--ssl_config_file=", "--use_alts_credentials=false"])


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        ("--enable_batchin=true", "unrecognized arguments: --enable-batchin=true"),
        ("--model_nam=m", "unrecognized arguments"),
        ("-x", "unrecognized arguments: -x"),
        ("--port=0", "gRPC can't be off"),
        ("--port=65536", "'65536' is no port; expected 0 to 65535"),
        ("--rest_api_port=x", "invalid rest_api_port value: 'x'"),
        ("--grpc_max_threads=0", "'0' is too little; expected 1 or more"),
        ("--max_num_load_retries=-1", "'-1' is negative; expected 0 or more"),
        ("--enable_model_warmup=perhaps", "'perhaps' is neither true nor false"),
        ("--model_base_path=gs://b/m", "'gs://b/m' is a URL; expected a local directory"),
        ("--grpc_channel_arguments=x", "'x' isn't NAME=VALUE"),
    ],
)
def test_what_is_wrong_ends_with_2_and_says_so(capsys, argv, text):
    assert text in refusal(capsys, "--model_base_path=/m", argv)


def test_not_all_parallelisms_at_once(capsys):
    given = [f"--tensorflow_{name}_parallelism=2" for name in ("session", "intra_op", "inter_op")]
    assert "not all three" in refusal(capsys, "--model_base_path=/m", *given)


def test_the_version_is_tensorflows():
    command = [sys.executable, "-m", "components.model_server", "--version"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("TensorFlow Library: 2.")
