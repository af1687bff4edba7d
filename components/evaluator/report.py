"""Writes what an evaluation found for people: ``report.html``, one file that needs no other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jinja2
import numpy as np

from components.artifacts import RECORD_FILE
from components.evaluator import wording
from components.evaluator.judgement import BASELINE, CANDIDATE, Case
from components.evaluator.metric import Metric
from components.evaluator.report_metrics import METRICS_FILE, TABLE_FILE, values_of
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
    """

    metric: str
    candidate: str
    baseline: str
    change: str
    passed: bool | None


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
    """

    name: str
    num_examples: str
    num_failures: int
    values: tuple[Value, ...]
    change: str
    worse: float | None


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
        """The greatest change of the rows that are shown: bars are measured by it."""
        changes = map(self.ranking.worsening, self.ranking.positions[:MAX_SLICES])
        return max((abs(change) for change in changes if change is not None), default=0.0)

    def row(self, position: int, metrics: Sequence[Metric]) -> Row:
        """Return a slice."""
        measurements, ranking = self.case.measurements, self.ranking
        worsening = ranking.worsening(position)
        share = worsening / self.greatest if worsening is not None and self.greatest > 0 else None
        values = {metric.name: self.value(metric, position) for metric in metrics}
        ranked = ranking.metric is not None and ranking.metric.name in values
        return Row(
            name=describe(measurements.slices[position]).removeprefix("for "),
            num_examples=f"{int(measurements.num_examples[position]):,}",
            num_failures=int(ranking.num_failures[position]),
            values=tuple(values.values()),
            change=values[ranking.metric.name].change if ranking.metric and ranked else "",
            worse=None if share is None else min(1.0, max(-1.0, share)),
        )

    def value(self, metric: Metric, position: int) -> Value:
        """Return a metric of a slice."""
        values = values_of(self.case, metric.name, position)
        candidate, baseline = values[CANDIDATE], values.get(BASELINE)
        return Value(
            metric=metric.title,
            candidate=_text(candidate),
            baseline=_text(baseline),
            change=_signed(candidate, baseline),
            passed=self.passed.get((self.case.measurements.slices[position], metric.name)),
        )


def _signed(candidate: float | None, baseline: float | None) -> str:
    if candidate is None or baseline is None:
        return ""
    difference = candidate - baseline
    if difference == 0:
        return "0"
    return ("+" if difference > 0 else "−") + _text(abs(difference))


def _text(value: float | None) -> str:
    return "–" if value is None else wording.numbers(value)[0]
