"""``python -m components.model_server``: serve a folder of model versions."""

import argparse
import logging
import os
import sys
from pathlib import Path

from components.command_line import LOG_FORMAT
from components.parent_death import die_with_announced_parent

_EPILOG = """\
Speaks TensorFlow Serving's APIs. Ask it, for instance:
  curl http://127.0.0.1:8501/v1/models/NAME
  curl http://127.0.0.1:8501/v1/models/NAME:predict -d '{"instances": [{"b64": "..."}]}'
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        prog="python -m components.model_server",
        description="Serve the newest version below a folder, over gRPC and REST.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model-base-path", type=Path, required=True, metavar="DIR",
        help="holds one folder per version, named by a whole number",
    )  # fmt: skip
    parser.add_argument("--model-name", required=True, metavar="NAME")
    parser.add_argument(
        "--grpc-port", type=int, default=8500, metavar="PORT",
        help="default 8500; 0 takes a free one",
    )  # fmt: skip
    parser.add_argument(
        "--rest-port", type=int, default=8501, metavar="PORT",
        help="default 8501; 0 takes a free one, -1 leaves REST off",
    )  # fmt: skip
    parser.add_argument("--host", default="127.0.0.1", help="address to bind; default 127.0.0.1")
    parser.add_argument(
        "--file-system-poll-wait-seconds", type=float, default=1.0, metavar="SECONDS",
        help="how often to look for a newer version; default 1",
    )  # fmt: skip
    parser.add_argument("--ports-fd", type=int, metavar="FD", help=argparse.SUPPRESS)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Serve until a signal comes."""
    die_with_announced_parent()
    arguments = build_parser().parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # Keras 3 isn't loaded with TensorFlow: 20 % quicker
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    for chatty in ("tensorflow", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    from components.model_server.server import Settings, serve

    return serve(
        Settings(
            model_name=arguments.model_name,
            model_base_path=arguments.model_base_path.absolute(),
            host=arguments.host,
            grpc_port=arguments.grpc_port,
            rest_port=None if arguments.rest_port < 0 else arguments.rest_port,
            poll_seconds=arguments.file_system_poll_wait_seconds,
            ports_fd=arguments.ports_fd,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
