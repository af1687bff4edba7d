"""Version numbers: from data time, never used twice."""

from components.errors import ConfigurationError
from components.records import Window
from components.version_files import MAX_VERSION


def next_number(*, window: Window | None, highest: int, wanted: int | None = None) -> int:
    """Return the number of a new version.

    Args:
        window: what the model has seen; its end becomes ``YYYYMMDDhhmmss`` in UTC.
        highest: the highest number ever used in the folder; 0 if none.
        wanted: what the caller asks for instead.

    Raises:
        ConfigurationError: the wanted number isn't above the highest, or none is left.
    """
    if wanted is not None:
        if wanted <= highest:
            raise ConfigurationError(
                f"version is {wanted}, but {highest} was used in this folder already and numbers "
                f"only rise; give {highest + 1} or more, or leave the version out"
            )
        return wanted
    number = max(window_number(window), highest + 1)
    if number > MAX_VERSION:
        raise ConfigurationError(
            f"the highest number of the folder is {highest}: no 64-bit number is left above it; "
            "use another base directory"
        )
    return number


def window_number(window: Window | None) -> int:
    """Return the end of a window as a number, 0 without one."""
    return 0 if window is None else int(window.end_time.strftime("%Y%m%d%H%M%S"))
