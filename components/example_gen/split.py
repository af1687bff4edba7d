"""Assigns rows to splits: by a hash of the row or of a key, by time, or as they were given."""

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
from components.example_gen.source import Rows, check_columns
from components.records import Window

DEFAULT_WEIGHTS: Mapping[str, float] = {"train": 2, "eval": 1}
HASH_SPACE = 1 << 64


@dataclass(frozen=True)
class SplitConfig:
    """How rows are shared out.

    Attributes:
        weights: split → its share of the rows (of the time, when by time), in any unit; by time,
            the first split gets the oldest rows.
        by: ``hash``, so that a row is always in the same split; ``time``, so that the last part of
            the window is held out; or ``column``, whose value is the split's name.
        key: by hash: hash this column rather than the whole row, so that all rows of one key are
            in one split. By column: which it is.
        patterns: split → its files, as a path or glob below the source; then nothing is assigned.
    """

    weights: Mapping[str, float]
    by: Literal["hash", "time", "column"] = "hash"
    key: str | None = None
    patterns: Mapping[str, str] | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "SplitConfig":
        """Read what the command line takes.

        ``{"train": 2, "eval": 1}``; ``{"weights": {…}, "by": "time"}`` or ``"key": COLUMN``;
        ``{"by": "column", "key": COLUMN, "names": ["train", "eval"]}``; or
        ``{"patterns": {"train": "train/*", "eval": "eval/*"}}``.

        Raises:
            ConfigurationError: anything else.
        """
        if "patterns" in value:
            return cls._of_patterns(value)
        if value.get("by") == "column":
            return cls._of_column(value)
        if "weights" not in value:
            value = {"weights": value}
        unknown = value.keys() - {"weights", "by", "key"}
        if unknown:
            raise ConfigurationError(
                f"splits has {sorted(unknown)}; expected weights, by and key, or only weights"
            )
        return cls(**value)

    @classmethod
    def _of_patterns(cls, value: Mapping[str, Any]) -> "SplitConfig":
        patterns = value["patterns"]
        texts = isinstance(patterns, Mapping) and all(
            isinstance(pattern, str) and pattern for pattern in patterns.values()
        )
        if len(value) != 1 or not texts or not patterns:
            raise ConfigurationError(
                f'splits is {dict(value)!r}; expected for instance {{"patterns": {{"train": '
                '"train/*", "eval": "eval/*"}}, and nothing else'
            )
        return cls(dict.fromkeys(patterns, 1.0), patterns=patterns)

    @classmethod
    def _of_column(cls, value: Mapping[str, Any]) -> "SplitConfig":
        names = value.get("names")
        texts = isinstance(names, list) and all(isinstance(name, str) for name in names)
        if set(value) != {"by", "key", "names"} or not texts or not names:
            raise ConfigurationError(
                f'splits is {dict(value)!r}; expected {{"by": "column", "key": COLUMN, "names": '
                '["train", "eval"]}'
            )
        return cls(dict.fromkeys(names, 1.0), by="column", key=value["key"])

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
        if self.by not in ("hash", "time", "column"):
            raise ConfigurationError(
                f"splits.by is {self.by!r}; expected 'hash', 'time' or 'column'"
            )
        if self.key is not None and (self.by == "time" or not isinstance(self.key, str)):
            raise ConfigurationError(
                f"splits.key is {self.key!r}; expected a column, and not by time"
            )

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

    def __init__(self, config: SplitConfig, rows: Rows, window: Window | None) -> None:
        self._config = config
        self._time_column = rows.roles.time_column
        if config.key is not None:
            check_columns(rows, [config.key], "the key of the splits")
            _check_is_scalar(rows.schema.field(config.key))
        if config.by == "time":
            self._bounds = _time_bounds(config, rows, window)
        else:
            self._bounds = config.bounds(HASH_SPACE)

    @property
    def columns(self) -> list[str]:
        """What it needs to see beside the features."""
        if self._config.by == "time":
            return [str(self._time_column)]
        return [self._config.key] if self._config.key is not None else []

    def assign(self, batch: pa.RecordBatch, hashes: Sequence[int]) -> list[int]:
        """Return a split for each row.

        Args:
            batch: with `columns`.
            hashes: `hash_of` the rows' serialized examples, used where no key is configured.
        """
        if self._config.by == "time":
            return self._by_time(batch)
        if self._config.key is None:
            return [bisect.bisect_right(self._bounds, number) for number in hashes]
        values = batch.column(self._config.key).to_pylist()
        find = self._by_name if self._config.by == "column" else self._by_key
        split_of = {value: find(value) for value in set(values)}
        return [split_of[value] for value in values]

    def _by_time(self, batch: pa.RecordBatch) -> list[int]:
        column = batch.column(str(self._time_column))
        if column.null_count:
            raise DataError(
                f"{column.null_count} rows have no time in the column {self._time_column!r}; to "
                "split by time, give a window, which leaves them out, or fill them"
            )
        seconds = epoch_seconds(column, str(self._time_column)).to_pylist()
        return [bisect.bisect_right(self._bounds, second) for second in seconds]

    def _by_key(self, value: Any) -> int:
        return bisect.bisect_right(self._bounds, hash_of(repr(value).encode()))

    def _by_name(self, value: Any) -> int:
        name = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
        if name not in self._config.names:
            raise DataError(
                f"a row has {value!r} in the column {self._config.key!r}, which isn't a split; "
                f"expected one of {', '.join(self._config.names)}: name it in splits.names, or "
                "leave such rows out of the source"
            )
        return self._config.names.index(name)


class OnlySplit:
    """Assigns all rows of a source to its first split: they were given as one."""

    columns: Sequence[str] = ()

    def assign(self, batch: pa.RecordBatch, hashes: Sequence[int]) -> list[int]:
        """Return 0 for each row."""
        del hashes
        return [0] * batch.num_rows


def hash_of(value: bytes) -> int:
    """Return a hash of 64 bits, the same in every process."""
    return int.from_bytes(hashlib.blake2b(value, digest_size=8).digest(), "big")


def _check_is_scalar(field: pa.Field) -> None:
    if pa.types.is_nested(field.type):
        raise DataError(
            f"the key of the splits {field.name!r} holds {field.type}; expected one number, text "
            "or time a row"
        )


def _time_bounds(config: SplitConfig, rows: Rows, window: Window | None) -> list[int]:
    if rows.roles.time_column is None:
        raise ConfigurationError(
            "splits.by is 'time', but there is no time column; name it with --time-column"
        )
    if window is not None:
        start, end = int(window.start_time.timestamp()), int(window.end_time.timestamp())
    elif rows.span is not None:
        start, end = int(rows.span.first.timestamp()), int(rows.span.last.timestamp()) + 1
    else:
        start, end = 0, 1
    return [start + bound for bound in config.bounds(end - start)]
