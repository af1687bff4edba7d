"""The command line's flags: our own, and those of TensorFlow Serving's `tensorflow_model_server`.

Names may be written with underscores or dashes, values as ``--name=value`` or ``--name value``, and
of a flag that is repeated the last counts, so that its command lines and the entry point of its
image work here unchanged. What it offers and this server doesn't is ignored with a warning where
that changes no answer, and refused where the server would not be what was asked for. Source:
`model_servers/main.cc`.
"""

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.model_server import flag_types
from components.model_server.settings import Limits, Loading, Settings

IGNORED_FLAGS = (
    "allow_version_labels_for_unavailable_models",
    "batching_parameters_file",
    "enable_batching",
    "enable_per_model_batching_parameters",
    "enable_profiler",
    "flush_filesystem_caches",
    "mixed_precision",
    "model_config_file_poll_wait_seconds",
    "monitoring_config_file",
    "num_load_threads",
    "num_tflite_interpreters_per_pool",
    "num_tflite_pools",
    "num_unload_threads",
    "per_process_gpu_memory_fraction",
    "remove_unused_fields_from_bundle_metagraph",
    "skip_initialize_tpu",
    "tensorflow_session_config_file",
    "thread_pool_factory_config_file",
    "xla_cpu_compilation_enabled",
    "xla_gpu_compilation_enabled",
)
"""Real flags of TensorFlow Serving that change how it answers, not what."""
REFUSED_FLAGS = {
    "enable_grpc_healthcheck_service": "it has no health service; ask GetModelStatus",
    "enable_serialization_as_tensor_content": "it answers in typed fields only",
    "grpc_socket_path": "it listens on TCP only",
    "model_config_file": "it serves one model; name it by --model-name and --model-base-path",
    "platform_config_file": "it knows one platform",
    "prefer_tflite_model": "it runs no TensorFlow Lite models",
    "ssl_config_file": "it speaks no TLS; put a proxy that does before it",
    "use_alts_credentials": "it speaks no ALTS; put a proxy that does before it",
}
"""Real flags without which it would be another server → why they can't be had."""
_EPILOG = """\
Speaks TensorFlow Serving's APIs. Ask it, for instance:
  curl http://127.0.0.1:8501/v1/models/NAME
  curl http://127.0.0.1:8501/v1/models/NAME:predict -d '{"instances": [{"b64": "..."}]}'

Takes tensorflow_model_server's flags too. --model-name is $MODEL_NAME, and --model-base-path is
$MODEL_BASE_PATH/NAME, where they aren't given.
"""
_NUM_THREADS = 4 * (os.cpu_count() or 1)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read a command line; exits with code 2 where it is wrong.

    Returns:
        With `ignored_flags`: those given that do nothing here.
    """
    parser = build_parser()
    arguments = parser.parse_args([_with_dashes(argument) for argument in argv])
    arguments.model_name = arguments.model_name or os.environ.get("MODEL_NAME") or "default"
    if arguments.model_base_path is None:
        root = os.environ.get("MODEL_BASE_PATH")
        if not root:
            parser.error(
                "the following arguments are required: --model-base-path "
                "(or the environment variable MODEL_BASE_PATH, the folder above it)"
            )
        arguments.model_base_path = Path(root) / arguments.model_name
    if _all_parallelisms(arguments):
        parser.error(
            "give either --tensorflow-session-parallelism, or --tensorflow-intra-op-parallelism "
            "and --tensorflow-inter-op-parallelism, not all three"
        )
    return arguments


def settings(arguments: argparse.Namespace) -> Settings:
    """Return what the server is told."""
    timeout = arguments.rest_api_timeout_in_ms
    return Settings(
        model_name=arguments.model_name,
        model_base_path=arguments.model_base_path.absolute(),
        limits=Limits(
            num_grpc_threads=arguments.grpc_max_threads,
            num_rest_threads=arguments.rest_api_num_threads,
            max_concurrent_requests=arguments.max_concurrent_requests,
            max_request_bytes=arguments.max_request_bytes,
            rest_timeout_seconds=timeout / 1000 if timeout > 0 else None,
        ),
        loading=Loading(
            poll_seconds=arguments.file_system_poll_wait_seconds,
            max_num_retries=arguments.max_num_load_retries,
            retry_interval_seconds=max(0, arguments.load_retry_interval_micros) / 1e6,
            tags=arguments.saved_model_tags,
            warms_up=arguments.enable_model_warmup,
            num_warmup_iterations=max(1, arguments.num_request_iterations_for_warmup),
            checks_method_names=arguments.enable_signature_method_name_check,
        ),
        host=arguments.host,
        grpc_port=arguments.grpc_port,
        rest_port=arguments.rest_port,
        grpc_channel_arguments=arguments.grpc_channel_arguments,
        allows_any_origin=arguments.rest_api_enable_cors_support,
        ports_fd=arguments.ports_fd,
    )


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; it knows names with dashes only."""
    parser = argparse.ArgumentParser(
        prog="python -m components.model_server",
        description="Serve the newest version below a folder, over gRPC and REST.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_model_flags(parser)
    _add_port_flags(parser)
    _add_limit_flags(parser)
    _add_loading_flags(parser)
    _add_flags_without_effect(parser)
    parser.add_argument(
        "--version", action=_ShowVersion, nargs=0, help="show TensorFlow's version and exit"
    )
    parser.add_argument("--ports-fd", type=int, metavar="FD", help=argparse.SUPPRESS)
    return parser


def _add_model_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model-base-path", type=flag_types.base_path, metavar="DIR",
        help="holds one folder per version, named by a whole number",
    )  # fmt: skip
    parser.add_argument("--model-name", metavar="NAME", help="default: default")
    parser.add_argument(
        "--saved-model-tags", type=flag_types.tags, default=("serve",), metavar="TAG,…",
        help="the meta graph's tags, all of them; default serve",
    )  # fmt: skip


def _add_port_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to bind; default 127.0.0.1")
    parser.add_argument(
        "--grpc-port", type=flag_types.port, default=8500, metavar="PORT",
        help="default 8500; 0 takes a free one",
    )  # fmt: skip
    parser.add_argument(
        "--rest-port", type=flag_types.rest_port, default=8501, metavar="PORT",
        help="default 8501; 0 takes a free one, -1 leaves REST off",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=flag_types.fixed_port, dest="grpc_port", metavar="PORT",
        default=argparse.SUPPRESS,
        help="--grpc-port, as TensorFlow Serving calls it",
    )  # fmt: skip
    parser.add_argument(
        "--rest-api-port", type=flag_types.rest_api_port, dest="rest_port", metavar="PORT",
        default=argparse.SUPPRESS,
        help="--rest-port, as TensorFlow Serving calls it; 0 leaves REST off",
    )  # fmt: skip
    parser.add_argument(
        "--rest-api-enable-cors-support", type=flag_types.boolean, nargs="?", const=True,
        default=False, metavar="BOOL", help="let web pages of any origin ask; default false",
    )  # fmt: skip
    parser.add_argument(
        "--grpc-channel-arguments", type=flag_types.channel_arguments, default=(),
        metavar="NAME=VALUE,…",
        help="gRPC's own, for instance grpc.max_connection_age_ms=2000",
    )  # fmt: skip


def _add_limit_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--grpc-max-threads", type=flag_types.positive, default=_NUM_THREADS, metavar="COUNT",
        help="gRPC requests worked on at once; default 4 for each CPU",
    )  # fmt: skip
    parser.add_argument(
        "--rest-api-num-threads", type=flag_types.positive, default=_NUM_THREADS, metavar="COUNT",
        help="REST requests worked on at once; default 4 for each CPU",
    )  # fmt: skip
    parser.add_argument(
        "--rest-api-timeout-in-ms", type=int, default=30_000, metavar="MILLISECONDS",
        help="of a REST request in the model; default 30000, 0 means none",
    )  # fmt: skip
    parser.add_argument(
        "--max-concurrent-requests", type=flag_types.positive, default=1024, metavar="COUNT",
        help="worked on and waiting, for each API; default 1024",
    )  # fmt: skip
    parser.add_argument(
        "--max-request-bytes", type=flag_types.positive, default=256 << 20, metavar="COUNT",
        help="of one request; default 256 MiB",
    )  # fmt: skip
    for name in ("session", "intra-op", "inter-op"):
        parser.add_argument(
            f"--tensorflow-{name}-parallelism", type=flag_types.not_negative, default=0,
            metavar="COUNT", help="threads of TensorFlow; default 0 lets it choose",
        )  # fmt: skip


def _add_loading_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--file-system-poll-wait-seconds", type=float, default=1.0, metavar="SECONDS",
        help="how often to look for a newer version; default 1, 0 looks once",
    )  # fmt: skip
    parser.add_argument(
        "--max-num-load-retries", type=flag_types.not_negative, default=0, metavar="COUNT",
        help="how often a version that can't be loaded is tried again; default 0",
    )  # fmt: skip
    parser.add_argument(
        "--load-retry-interval-micros", type=int, default=60_000_000, metavar="MICROSECONDS",
        help="between two tries; default one minute",
    )  # fmt: skip
    parser.add_argument(
        "--enable-model-warmup", type=flag_types.boolean, nargs="?", const=True, default=True,
        metavar="BOOL", help="replay a version's warm-up requests; default true",
    )  # fmt: skip
    parser.add_argument(
        "--num-request-iterations-for-warmup", type=int, default=0, metavar="COUNT",
        help="how often each warm-up request is asked; default once",
    )  # fmt: skip
    parser.add_argument(
        "--enable-signature-method-name-check", type=flag_types.boolean, nargs="?", const=True,
        default=False, metavar="BOOL",
        help="refuse signatures of another method than the one asked; default false",
    )  # fmt: skip


def _add_flags_without_effect(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(ignored_flags=[])
    for name in IGNORED_FLAGS:
        parser.add_argument(
            f"--{name.replace('_', '-')}", action=_Ignore, nargs="?", help=argparse.SUPPRESS
        )
    for name in REFUSED_FLAGS:
        parser.add_argument(
            f"--{name.replace('_', '-')}", action=_Refuse, nargs="?", const="true",
            help=argparse.SUPPRESS,
        )  # fmt: skip


class _Ignore(argparse.Action):
    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        namespace.ignored_flags = [*namespace.ignored_flags, option]


class _Refuse(argparse.Action):
    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        if values.lower() not in ("", "false", "0"):
            parser.error(f"{option}={values} can't be had here: {REFUSED_FLAGS[self.dest]}")


class _ShowVersion(argparse.Action):
    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        installed = {found.name: found.version for found in importlib.metadata.distributions()}
        version = installed.get("tensorflow") or installed.get("tensorflow-cpu", "not installed")
        sys.stdout.write(f"TensorFlow Library: {version}\n")
        parser.exit()


def _with_dashes(argument: str) -> str:
    name, separator, value = argument.partition("=")
    return name.replace("_", "-") + separator + value if name.startswith("--") else argument


def _all_parallelisms(arguments: argparse.Namespace) -> bool:
    return bool(
        arguments.tensorflow_session_parallelism
        and arguments.tensorflow_intra_op_parallelism
        and arguments.tensorflow_inter_op_parallelism
    )
