"""Reading that names what it can't read instead of stopping there."""

from collections.abc import Callable
from typing import TypeVar

from components.errors import ImprimaturError

_T = TypeVar("_T")


class Look:
    """Collects what couldn't be read while one thing is looked at."""

    def __init__(self) -> None:
        self._problems: dict[str, None] = {}

    @property
    def problems(self) -> tuple[str, ...]:
        """What couldn't be read so far."""
        return tuple(self._problems)

    def attempt(self, read: Callable[[], _T], otherwise: _T) -> _T:
        """Return what `read` returns; where it can't be read, note why and return `otherwise`."""
        try:
            return read()
        except (ImprimaturError, OSError) as error:
            self._problems[str(error)] = None
            return otherwise
