"""Counts rows that are copies of others, exactly and in little memory.

Only 64-bit hashes are kept: on disk, in files by their first bits, so that each can be sorted in
memory. Rows that differ in what is neither a feature nor the time column count as copies.
"""

import collections
import contextlib
import logging
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from components.errors import ConfigurationError, DataError

Hashes = npt.NDArray[np.uint64]
_NUM_FILES = 64
_log = logging.getLogger(__name__)
_SHIFT = np.uint64(58)
_FEW = 64
"""So many different rows, each there as often as the others, aren't by chance."""


@dataclass(frozen=True)
class Repetition:
    """How often rows repeat.

    Attributes:
        num_rows: all of them.
        num_distinct: how many are left if each copy is taken away.
        multiple: every row is there this often, or some multiple of it.
        commonest: how often most of the different rows are there.
        num_commonest: how many these are.
    """

    num_rows: int
    num_distinct: int
    multiple: int
    commonest: int
    num_commonest: int

    @property
    def share(self) -> float:
        """The share of the rows that are copies of another."""
        return 1 - self.num_distinct / self.num_rows if self.num_rows else 0.0

    def check(self, max_share: float | None, *, has_times: bool) -> None:
        """Refuse data of which too much is repeated.

        Args:
            max_share: the greatest share of copies. None: any, unless every row is there several
                times over, as where a month was loaded twice; or, if `has_times`, most rows are
                equally often: twice but for its last days.
            has_times: whether copies happened at the same time. Of few features alone, most rows
                may be there equally often by their nature: one an hour, of weekday and hour.

        Raises:
            DataError: naming the numbers.
        """
        if max_share is None and self.multiple > 1 and self.num_distinct >= _FEW:
            raise DataError(
                f"every row is there {self.multiple} times over ({self.num_rows:,} rows, "
                f"{self.num_distinct:,} different ones): the data seem to have been loaded "
                f"{self.multiple} times; mend them, or say with --max-duplicates 1 that it is meant"
            )
        is_much = has_times and 2 * self.num_commonest > self.num_distinct >= _FEW
        if max_share is None and self.commonest > 1 and is_much:
            raise DataError(
                f"{self.num_commonest:,} of {self.num_distinct:,} different rows are there "
                f"{self.commonest} times: much of the data seems to have been loaded so "
                "often; mend them, or say with --max-duplicates 1 that it is meant"
            )
        if max_share is not None and self.share > max_share:
            raise DataError(
                f"{self.num_rows - self.num_distinct:,} of {self.num_rows:,} rows "
                f"({self.share:.1%}) are copies of others; expected at most {max_share:.1%} "
                "(--max-duplicates)"
            )
        if self.num_distinct < self.num_rows:
            _log.warning(
                "%s of %s rows are copies of others, in the columns that are features",
                f"{self.num_rows - self.num_distinct:,}",
                f"{self.num_rows:,}",
            )


def check_max_share(value: float | None) -> None:
    """Refuse what isn't a share.

    Raises:
        ConfigurationError: it isn't from 0 to 1.
    """
    if value is not None and not 0 <= value <= 1:
        raise ConfigurationError(f"max_duplicates is {value!r}; expected a share from 0 to 1")


class RepetitionCount:
    """Takes the hashes of rows as they come."""

    def __init__(self, files: list[IO[bytes]], paths: list[Path]) -> None:
        self._files = files
        self._paths = paths

    def add(self, hashes: Hashes) -> None:
        """Take the hashes of some rows."""
        ordered = np.sort(hashes)
        starts = np.arange(_NUM_FILES, dtype=np.uint64) << _SHIFT
        ends = [*np.searchsorted(ordered, starts).tolist(), len(ordered)]
        for file, start, end in zip(self._files, ends, ends[1:], strict=False):
            file.write(ordered[start:end].tobytes())

    def result(self) -> Repetition:
        """Return what all hashes so far say."""
        num_rows = num_distinct = multiple = 0
        how_many: collections.Counter[int] = collections.Counter()
        for file, path in zip(self._files, self._paths, strict=True):
            file.flush()
            hashes: Any = np.fromfile(path, np.uint64)
            times = np.unique(hashes, return_counts=True)[1]
            num_rows += len(hashes)
            num_distinct += len(times)
            multiple = math.gcd(multiple, int(np.gcd.reduce(times)) if len(times) else 0)
            often, counts = np.unique(times, return_counts=True)
            how_many.update(dict(zip(often.tolist(), counts.tolist(), strict=True)))
        commonest = how_many.most_common(1)[0] if how_many else (0, 0)
        return Repetition(num_rows, num_distinct, multiple, *commonest)


@contextlib.contextmanager
def counting_repetition(folder: Path) -> Iterator[RepetitionCount]:
    """Yield a count whose files lie in a new folder, which is removed afterwards."""
    folder.mkdir()
    try:
        with contextlib.ExitStack() as stack:
            paths = [folder / str(index) for index in range(_NUM_FILES)]
            yield RepetitionCount([stack.enter_context(path.open("wb")) for path in paths], paths)
    finally:
        shutil.rmtree(folder)
