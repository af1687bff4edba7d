"""``python -m components.model_server``: serve a folder of model versions."""

import argparse
import logging
import os
import sys

from components import log_output
from components.errors import EXIT_USAGE, ConfigurationError
from components.model_server import flags
from components.parent_death import die_with_announced_parent

_log = logging.getLogger("components.model_server")


def main(argv: list[str] | None = None) -> int:
    """Serve until a signal comes."""
    die_with_announced_parent()
    arguments = flags.parse(sys.argv[1:] if argv is None else argv)
    _prepare_tensorflow(arguments)
    try:
        log_output.configure("INFO")
    except ConfigurationError as error:
        sys.stderr.write(f"ERROR components.model_server: {error}\n")
        return EXIT_USAGE
    for chatty in ("tensorflow", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    for flag in arguments.ignored_flags:
        _log.warning("%s does nothing in this server", flag)
    from components.model_server.server import serve

    return serve(flags.settings(arguments))


def _prepare_tensorflow(arguments: argparse.Namespace) -> None:
    """Set what TensorFlow reads from the environment when it is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # Keras 3 isn't loaded with TensorFlow: 20 % quicker
    both = arguments.tensorflow_session_parallelism
    for variable, count in (
        ("TF_NUM_INTRAOP_THREADS", arguments.tensorflow_intra_op_parallelism or both),
        ("TF_NUM_INTEROP_THREADS", arguments.tensorflow_inter_op_parallelism or both),
    ):
        if count:
            os.environ[variable] = str(count)


if __name__ == "__main__":
    exit_code = main()
    logging.shutdown()
    # Not sys.exit: it would wait for requests that are still in TensorFlow.
    os._exit(exit_code)
