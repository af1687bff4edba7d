"""Writes what an evaluation found for people: ``report.html``, one file that needs no other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jinja2
import numpy as np

from components.artifacts import RECORD_FILE
from components.evaluator import wording
from components.evaluator.judgement import BASELINE, CANDIDATE, SLICE_MISSING, Case
from components.evaluator.metric import Metric
from components.evaluator.report_metrics import (
    CHANGE,
    METRICS_FILE,
    TABLE_FILE,
    estimates_of,
    values_of,
)
from components.evaluator.report_panel import panels
from components.evaluator.report_ranking import Ranking, rank
from components.evaluator.slice_detail import choose_slice
from components.evaluator.slice_key import SliceKey, describe
from components.records import Blessing, Finding

REPORT_FILE = "report.html"
MAX_SLICES = 200
"""In the report; all are in the files for programs."""
MAX_REASONS = 20
MAX_FINDINGS = 200
_TEMPLATE = "report.html.jinja"


@dataclass(frozen=True)
class Value:
    """A metric in a slice, for people.

    Attributes:
        metric: its title.
        candidate: a dash where it isn't defined.
        baseline: likewise.
        change: with its sign; empty where there is none.
        passed: whether its thresholds hold; None without.
        intervals: model or ``change`` → interval, of those that have one.
    """

    metric: str
    candidate: str
    baseline: str
    change: str
    passed: bool | None
    intervals: Mapping[str, str]


@dataclass(frozen=True)
class Row:
    """A slice.

    Attributes:
        name: for people.
        num_examples: likewise.
        num_failures: thresholds that failed.
        values: of metrics.
        change: of the metric of the ranking, with its sign; empty where there is none.
        worse: how much worse it became by the metric of the ranking, 1 being the greatest change
            of all rows, from -1 (as much better) on; None where that isn't known.
        whisker: where the interval of that begins and ends, within -1 and 1; None without.
        is_sure: whether the change isn't chance: there is an interval without 0, or none was asked
            for.
        interval: of the change, for people; empty without.
    """

    name: str
    num_examples: str
    num_failures: int
    values: tuple[Value, ...]
    change: str
    worse: float | None
    whisker: tuple[float, float] | None
    is_sure: bool
    interval: str


def write_report(case: Case, blessing: Blessing, directory: Path) -> None:
    """Write the page. However many slices and findings there are, it stays readable."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["count"] = "{:,}".format
    measurements = case.measurements
    shown = choose_slice(measurements.slices, measurements.num_examples)
    table = _Table(case, rank(case, blessing.findings), _passed(blessing.findings))
    metrics = [metric for metric in case.config.metrics if not metric.is_plot]
    by_slice = [metric for metric in metrics if not _is_number_of_examples(case, metric)]
    drawn, num_undrawn = panels(case)
    findings = _by_harm(blessing.findings, case, table.ranking)
    html = environment.get_template(_TEMPLATE).render(
        blessing=blessing,
        case=case,
        failures=[finding for finding in findings[:MAX_REASONS] if not finding.passed],
        num_failures=len(blessing.failures),
        findings=findings[:MAX_FINDINGS],
        num_findings=len(findings),
        num_unjudged=sum(map(_is_unjudged, findings)),
        main=None if shown is None else table.row(shown, metrics),
        metrics=by_slice,
        ranking=table.ranking,
        rows=[table.row(each, by_slice) for each in table.ranking.positions[:MAX_SLICES]],
        num_slices=len(table.ranking.positions),
        panels=drawn,
        num_undrawn=num_undrawn,
        files={"metrics": METRICS_FILE, "table": TABLE_FILE, "record": RECORD_FILE},
    )
    (directory / REPORT_FILE).write_text(html, encoding="utf-8")


def _passed(findings: Sequence[Finding]) -> dict[tuple[SliceKey, str], bool]:
    """Return whether all thresholds of a slice and metric hold."""
    passed: dict[tuple[SliceKey, str], bool] = {}
    for finding in findings:
        if finding.metric is not None:
            place = tuple(sorted(finding.slice.items())), finding.metric
            passed[place] = passed.get(place, True) and finding.passed
    return passed


def _is_unjudged(finding: Finding) -> bool:
    """Return whether a threshold passed for want of a baseline, or of examples in its slices."""
    compares_nothing = finding.check == "change_threshold" and finding.baseline is None
    return finding.passed and (compares_nothing or finding.check == SLICE_MISSING)


def _by_harm(findings: Sequence[Finding], case: Case, ranking: Ranking) -> list[Finding]:
    """Return those that failed first; of them those about no slice or overall, then by slice."""
    slices = case.measurements.slices
    ranks = {slices[position]: number for number, position in enumerate(ranking.positions, start=1)}
    return sorted(
        findings,
        key=lambda each: (each.passed, ranks.get(tuple(sorted(each.slice.items())), 0)),
    )


def _is_number_of_examples(case: Case, metric: Metric) -> bool:
    """Return whether a metric says no more than the number that stands beside a slice anyway."""
    measurements = case.measurements
    return all(
        np.array_equal(measured.values[metric.name], measurements.num_examples)
        for measured in measurements.models.values()
    )


@dataclass(frozen=True)
class _Table:
    """Where rows come from."""

    case: Case
    ranking: Ranking
    passed: Mapping[tuple[SliceKey, str], bool]

    @cached_property
    def greatest(self) -> float:
        """The greatest change of the rows that are shown: bars are measured by it.

        Or the end of an interval, if that isn't far more.
        """
        shown = self.ranking.positions[:MAX_SLICES]
        changes = [abs(each) for each in map(self.ranking.worsening, shown) if each is not None]
        intervals = filter(None, map(self.ranking.worsening_interval, shown))
        ends = [abs(end) for interval in intervals for end in interval]
        greatest = max(changes, default=0.0)
        return max(greatest, min(max(ends, default=0.0), 2 * greatest))

    def row(self, position: int, metrics: Sequence[Metric]) -> Row:
        """Return a slice."""
        measurements, ranking = self.case.measurements, self.ranking
        worsening = ranking.worsening(position)
        share = worsening / self.greatest if worsening is not None and self.greatest > 0 else None
        values = {metric.name: self.value(metric, position) for metric in metrics}
        ranked = values.get(ranking.metric.name) if ranking.metric is not None else None
        ends = ranking.worsening_interval(position)
        whisker = None
        if ends is not None and share is not None:
            whisker = (_limited(ends[0] / self.greatest), _limited(ends[1] / self.greatest))
        return Row(
            name=describe(measurements.slices[position]).removeprefix("for "),
            num_examples=f"{int(measurements.num_examples[position]):,}",
            num_failures=int(ranking.num_failures[position]),
            values=tuple(values.values()),
            change="" if ranked is None else ranked.change,
            worse=None if share is None else _limited(share),
            whisker=whisker,
            is_sure=ranking.estimates is None or (ends is not None and ends[0] * ends[1] > 0),
            interval="" if ranked is None else ranked.intervals.get(CHANGE, ""),
        )

    def value(self, metric: Metric, position: int) -> Value:
        """Return a metric of a slice."""
        values = values_of(self.case, metric.name, position)
        candidate, baseline = values[CANDIDATE], values.get(BASELINE)
        found = {
            what: estimates.interval(position)
            for what, estimates in estimates_of(self.case, metric).items()
        }
        return Value(
            metric=metric.title,
            candidate=_text(candidate),
            baseline=_text(baseline),
            change=_signed(candidate, baseline),
            passed=self.passed.get((self.case.measurements.slices[position], metric.name)),
            intervals={
                what: wording.ends_of(interval, signed=what == CHANGE)
                for what, interval in found.items()
                if interval is not None
            },
        )


def _limited(share: float) -> float:
    return min(1.0, max(-1.0, share))


def _signed(candidate: float | None, baseline: float | None) -> str:
    if candidate is None or baseline is None:
        return ""
    difference = candidate - baseline
    if difference == 0:
        return "0"
    return ("+" if difference > 0 else "−") + _text(abs(difference))


def _text(value: float | None) -> str:
    return "–" if value is None else wording.numbers(value)[0]
