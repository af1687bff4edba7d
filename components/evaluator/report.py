"""Writes what an evaluation found for people: ``report.html``, one file that needs no other."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

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
        values: of all metrics.
        worse: how much worse it became by the metric of the ranking, 1 being the greatest change
            of all rows, from -1 (as much better) on; None where that isn't known.
    """

    name: str
    num_examples: str
    num_failures: int
    values: tuple[Value, ...]
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
    ranking = rank(case, blessing.findings)
    positions = ranking.positions[:MAX_SLICES]
    passed = _passed(blessing.findings)
    drawn, num_undrawn = panels(case)
    findings = sorted(blessing.findings, key=lambda finding: finding.passed)
    html = environment.get_template(_TEMPLATE).render(
        blessing=blessing,
        case=case,
        failures=blessing.failures[:MAX_FINDINGS],
        num_failures=len(blessing.failures),
        findings=findings[:MAX_FINDINGS],
        num_findings=len(findings),
        main=None if shown is None else _row(case, shown, passed, ranking, 0.0),
        metrics=[metric for metric in case.config.metrics if not metric.is_plot],
        ranking=ranking,
        rows=_rows(case, positions, passed, ranking),
        num_slices=len(ranking.positions),
        panels=drawn,
        num_undrawn=num_undrawn,
        files={"metrics": METRICS_FILE, "table": TABLE_FILE, "record": RECORD_FILE},
    )
    (directory / REPORT_FILE).write_text(html, encoding="utf-8")


_Passed = Mapping[tuple[SliceKey, str], list[bool]]


def _passed(findings: Sequence[Finding]) -> _Passed:
    """Return what became of the thresholds of each slice and metric."""
    passed: dict[tuple[SliceKey, str], list[bool]] = defaultdict(list)
    for finding in findings:
        if finding.metric is not None:
            passed[tuple(sorted(finding.slice.items())), finding.metric].append(finding.passed)
    return passed


def _rows(case: Case, positions: Sequence[int], passed: _Passed, ranking: Ranking) -> list[Row]:
    changes = [ranking.worsening(position) for position in positions]
    greatest = max((abs(change) for change in changes if change is not None), default=0.0)
    return [_row(case, position, passed, ranking, greatest) for position in positions]


def _row(case: Case, position: int, passed: _Passed, ranking: Ranking, greatest: float) -> Row:
    key = case.measurements.slices[position]
    worsening = ranking.worsening(position)
    return Row(
        name=describe(key).removeprefix("for "),
        num_examples=f"{int(case.measurements.num_examples[position]):,}",
        num_failures=int(ranking.num_failures[position]),
        values=tuple(
            _value(case, metric, position, passed.get((key, metric.name)))
            for metric in case.config.metrics
            if not metric.is_plot
        ),
        worse=worsening / greatest if worsening is not None and greatest > 0 else None,
    )


def _value(case: Case, metric: Metric, position: int, passed: list[bool] | None) -> Value:
    values = values_of(case, metric.name, position)
    candidate, baseline = values[CANDIDATE], values.get(BASELINE)
    change = ""
    if candidate is not None and baseline is not None:
        difference = candidate - baseline
        change = (
            "0" if difference == 0 else f"{'+' if difference > 0 else '−'}{_text(abs(difference))}"
        )
    return Value(
        metric=metric.title,
        candidate=_text(candidate),
        baseline=_text(baseline),
        change=change,
        passed=None if passed is None else all(passed),
    )


def _text(value: float | None) -> str:
    return "–" if value is None else wording.numbers(value)[0]
