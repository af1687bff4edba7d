"""Assigns rows to splits: by a hash of the row or of a key, or by time."""

import bisect
import hashlib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from components.errors import ConfigurationError, DataError
from components.example_gen.moment import epoch_seconds
from components.example_gen.source import Table
from components.records import Window

DEFAULT_WEIGHTS: Mapping[str, float] = {"train": 2, "eval": 1}
_HASH_SPACE = 1 << 64


@dataclass(frozen=True)
class SplitConfig:
    """How rows are shared out.

    Attributes:
        weights: split → its share of the rows (of the time, when by time), in any unit; by time,
            the first split gets the oldest rows.
        by: ``hash``, so that a row is always in the same split; or ``time``, so that the last
            part of the window is held out.
        key: by hash: hash this column rather than the whole row, so that all rows of one key are
            in one split.
    """

    weights: Mapping[str, float]
    by: Literal["hash", "time"] = "hash"
    key: str | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "SplitConfig":
        """Read ``{"train": 2, "eval": 1}`` or ``{"weights": {…}, "by": "time"}`` or ``"key"``.

        Raises:
            ConfigurationError: anything else.
        """
        if "weights" not in value:
            value = {"weights": value}
        unknown = value.keys() - {"weights", "by", "key"}
        if unknown:
            raise ConfigurationError(
                f"splits has {sorted(unknown)}; expected weights, by and key, or only weights"
            )
        return cls(**value)

    def __post_init__(self) -> None:
        if not isinstance(self.weights, Mapping) or not self.weights:
            raise ConfigurationError(
                f'splits has the weights {self.weights!r}; expected for instance {{"train": 2, '
                '"eval": 1}'
            )
        for name, weight in self.weights.items():
            if not name.isidentifier():
                raise ConfigurationError(
                    f"a split is named {name!r}; expected letters, digits and underscores"
                )
            number = isinstance(weight, int | float) and not isinstance(weight, bool)
            if not number or not 0 < weight < math.inf:
                raise ConfigurationError(
                    f"the split {name!r} has the weight {weight!r}; expected a number above 0"
                )
        if self.by not in ("hash", "time"):
            raise ConfigurationError(f"splits.by is {self.by!r}; expected 'hash' or 'time'")
        if self.key is not None and self.by != "hash":
            raise ConfigurationError("splits.key goes with splits.by 'hash' only")

    @property
    def names(self) -> list[str]:
        """The splits, in the order in which they were given."""
        return list(self.weights)

    def bounds(self, whole: int) -> list[int]:
        """Return where each split but the last ends, on a scale from 0 to `whole`."""
        total = sum(self.weights.values())
        sums = itertools.accumulate(self.weights.values())
        return [int(whole * (part / total)) for part in sums][:-1]


class Splitter:
    """Says which split each row of a batch is in, by its index in `SplitConfig.names`."""

    def __init__(self, config: SplitConfig, table: Table, window: Window | None) -> None:
        self._config = config
        self._time_column = table.time_column
        if config.key is not None:
            table.check_columns([config.key], "the key of the splits")
            _check_is_scalar(table.schema.field(config.key))
        if config.by == "time":
            self._bounds = _time_bounds(config, table, window)
        else:
            self._bounds = config.bounds(_HASH_SPACE)

    @property
    def columns(self) -> list[str]:
        """What it needs to see beside the features."""
        if self._config.by == "time":
            return [str(self._time_column)]
        return [self._config.key] if self._config.key is not None else []

    def assign(self, batch: pa.RecordBatch, examples: Sequence[bytes]) -> list[int]:
        """Return a split for each row.

        Args:
            batch: with `columns`.
            examples: the rows' serialized examples, hashed where no key is configured.
        """
        if self._config.by == "time":
            column = batch.column(str(self._time_column))
            if column.null_count:
                raise DataError(
                    f"{column.null_count} rows have no time in the column {self._time_column!r}; "
                    "to split by time, give a window, which leaves them out, or fill them"
                )
            seconds = epoch_seconds(column, str(self._time_column)).to_pylist()
            return [bisect.bisect_right(self._bounds, second) for second in seconds]
        if self._config.key is None:
            return [bisect.bisect_right(self._bounds, _hash(example)) for example in examples]
        values = batch.column(self._config.key).to_pylist()
        split_of = {
            value: bisect.bisect_right(self._bounds, _hash(repr(value).encode()))
            for value in set(values)
        }
        return [split_of[value] for value in values]


def _check_is_scalar(field: pa.Field) -> None:
    if pa.types.is_nested(field.type):
        raise DataError(
            f"the key of the splits {field.name!r} holds {field.type}; expected one number, text "
            "or time a row"
        )


def _time_bounds(config: SplitConfig, table: Table, window: Window | None) -> list[int]:
    if table.time_column is None:
        raise ConfigurationError(
            "splits.by is 'time', but there is no time column; name it with --time-column"
        )
    if window is not None:
        start, end = int(window.start_time.timestamp()), int(window.end_time.timestamp())
    elif table.span is not None:
        start, end = int(table.span.first.timestamp()), int(table.span.last.timestamp()) + 1
    else:
        start, end = 0, 1
    return [start + bound for bound in config.bounds(end - start)]


def _hash(value: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(value, digest_size=8).digest(), "big")
