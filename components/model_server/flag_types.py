"""What the values of the command line's flags may be."""

import argparse
from pathlib import Path


def base_path(text: str) -> Path:
    """A local directory."""
    if "://" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is a URL; expected a local directory")
    return Path(text)


def tags(text: str) -> tuple[str, ...]:
    """Names between commas; none means ``serve``."""
    return tuple(tag for tag in text.split(",") if tag) or ("serve",)


def port(text: str) -> int:
    """A port; 0 means a free one."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; expected 0 to 65535")
    return number


def fixed_port(text: str) -> int:
    """A port that isn't 0."""
    if port(text) == 0:
        raise argparse.ArgumentTypeError("gRPC can't be off; expected a port, 1 to 65535")
    return int(text)


def rest_port(text: str) -> int | None:
    """A port; 0 means a free one, negative none (None)."""
    return None if int(text) < 0 else port(text)


def rest_api_port(text: str) -> int | None:
    """A port; 0 means none (None)."""
    return port(text) or None


def positive(text: str) -> int:
    """A whole number, 1 or more."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is too little; expected 1 or more")
    return number


def not_negative(text: str) -> int:
    """A whole number, 0 or more."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is negative; expected 0 or more")
    return number


def boolean(text: str) -> bool:
    """``true`` or ``false``, as TensorFlow's flags are written."""
    values = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return values[text.lower()]


def channel_arguments(text: str) -> tuple[tuple[str, int | str], ...]:
    """Pairs ``name=value`` between commas; whole numbers become such."""
    pairs: list[tuple[str, int | str]] = []
    for part in filter(None, text.split(",")):
        name, separator, value = part.partition("=")
        if not name or not separator:
            raise argparse.ArgumentTypeError(f"{part!r} isn't NAME=VALUE")
        try:
            pairs.append((name, int(value)))
        except ValueError:
            pairs.append((name, value))
    return tuple(pairs)
