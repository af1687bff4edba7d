"""TFX's patterns of spans and versions: ``span-{SPAN}/v{VERSION}/*`` or ``{YYYY}-{MM}-{DD}/*``.

A span is a number that grows, or a day; of each the greatest version counts. Without a range of
spans the newest is taken; of days, those in the window, where there is one. Source: TFX's
``tfx/components/example_gen/utils.py`` and ``range_config.proto``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from components.errors import ConfigurationError, DataError

_TOKEN = re.compile(r"\{(SPAN|VERSION|YYYY|MM|DD)(?::(\d+))?\}")
_WIDTHS = {"YYYY": 4, "MM": 2, "DD": 2}
_DATE = {"YYYY", "MM", "DD"}
_EPOCH = date(1970, 1, 1)
_GLOB = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
_RANGES = {
    "static_range": {"start_span_number", "end_span_number"},
    "rolling_range": {"start_span_number", "num_spans", "skip_num_recent_spans"},
}


@dataclass(frozen=True)
class SpanRange:
    """Which spans, as TFX's `RangeConfig` says it; the number of a day is that since 1970."""

    kind: str
    """``static_range`` or ``rolling_range``."""
    numbers: Mapping[str, int]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "SpanRange":
        """Read ``{"static_range": {…}}`` or ``{"rolling_range": {…}}``, also in camel case.

        Raises:
            ConfigurationError: anything else.
        """
        read = {_snake(key): item for key, item in value.items()}
        kind = next(iter(read), "")
        fields = read.get(kind)
        if len(read) != 1 or kind not in _RANGES or not isinstance(fields, Mapping):
            raise ConfigurationError(
                f'range_config is {dict(value)!r}; expected {{"static_range": '
                '{"start_span_number": 1, "end_span_number": 3}} or {"rolling_range": '
                '{"num_spans": 3}}'
            )
        numbers = {_snake(key): item for key, item in fields.items()}
        for name, number in numbers.items():
            whole = isinstance(number, int) and not isinstance(number, bool) and number >= 0
            if name not in _RANGES[kind] or not whole:
                raise ConfigurationError(
                    f"range_config.{kind} has {name}: {number!r}; expected whole numbers for "
                    f"{', '.join(sorted(_RANGES[kind]))}"
                )
        if kind == "rolling_range" and not numbers.get("num_spans"):
            raise ConfigurationError("range_config.rolling_range needs num_spans, 1 or more")
        return cls(kind, numbers)

    def select(self, spans: Sequence[int]) -> list[int]:
        """Return which of the spans that are there are meant."""
        first = self.numbers.get("start_span_number", 0)
        if self.kind == "static_range":
            last = self.numbers.get("end_span_number", first)
            return [span for span in spans if first <= span <= last]
        skipped = self.numbers.get("skip_num_recent_spans", 0)
        recent = sorted(spans)[: len(spans) - skipped]
        return [span for span in recent if span >= first][-self.numbers["num_spans"] :]


@dataclass(frozen=True)
class Spotted:
    """A file that fits a pattern, and which span and version it is of."""

    path: str
    span: int
    version: int


class SpanPattern:
    """One pattern.

    Raises:
        ConfigurationError: tokens that don't go together.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        tokens = [match[1] for match in _TOKEN.finditer(pattern)]
        dates = _DATE & set(tokens)
        spans = tokens.count("SPAN") == 1 and not dates
        days = dates == _DATE and "SPAN" not in tokens
        if len(set(tokens)) < len(tokens) or not (spans or days):
            raise ConfigurationError(
                f"the source {pattern!r} holds {tokens}; expected {{SPAN}} or {{YYYY}}, {{MM}} and "
                "{DD} together, each once, and {VERSION} beside them if there are versions"
            )
        self.has_dates = days
        self._regex = re.compile(_as_regex(pattern))

    @property
    def glob(self) -> str:
        """The pattern that finds its files."""
        return _TOKEN.sub("*", self.pattern)

    def spot(self, path: str) -> Spotted | None:
        """Return what a path says; None if it doesn't fit.

        Raises:
            DataError: a day that doesn't exist.
        """
        match = self._regex.fullmatch(path)
        if match is None:
            return None
        found = {name: int(number) for name, number in match.groupdict().items()}
        if not self.has_dates:
            return Spotted(path, found["SPAN"], found.get("VERSION", 0))
        try:
            day = date(found["YYYY"], found["MM"], found["DD"])
        except ValueError as error:
            raise DataError(f"{path!r} names a day that doesn't exist: {error}") from error
        return Spotted(path, (day - _EPOCH).days, found.get("VERSION", 0))


def has_tokens(source: str) -> bool:
    """Whether a source is such a pattern."""
    return _TOKEN.search(source) is not None


def newest_versions(files: Sequence[Spotted]) -> list[Spotted]:
    """Return of each span the files of its greatest version."""
    newest: dict[int, int] = {}
    for file in files:
        newest[file.span] = max(file.version, newest.get(file.span, 0))
    return [file for file in files if file.version == newest[file.span]]


def day_of(span: int) -> tuple[datetime, datetime]:
    """Return the day of a span, without a time zone."""
    start = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None) + timedelta(days=span)
    return start, start + timedelta(days=1)


def _as_regex(pattern: str) -> str:
    parts, position = [], 0
    for match in _TOKEN.finditer(pattern):
        parts.append(_glob_regex(pattern[position : match.start()]))
        width = int(match[2] or _WIDTHS.get(match[1], 0))
        parts.append(rf"(?P<{match[1]}>\d{f'{{{width}}}' if width else '+'})")
        position = match.end()
    return "".join([*parts, _glob_regex(pattern[position:])])


def _glob_regex(text: str) -> str:
    return "".join(
        _GLOB.get(part, re.escape(part)) for part in re.split(r"(\*\*/|\*\*|\*|\?)", text)
    )


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", str(name)).lower()
