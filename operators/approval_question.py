"""What a person is asked before a push, and the blessing that their answer makes.

The question is kept before it is asked, and the answer is read with it: what a template or an
XCom says by the time of the answer doesn't count.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components import __version__
from components.override import may_be_overridden, override_of
from components.records import Blessing, Finding, Model, Run, Subject, Validator
from operators.report_link import report_address

APPROVE, REJECT = "Approve", "Reject"
REASON = "reason"
_MAX_ROWS = 40


@dataclass(frozen=True)
class Question:
    """What is to be decided: about which bytes, for where, and which failures may pass."""

    digest: str
    destination: str | None
    failures: tuple[Finding, ...]
    """Thresholds that were missed, and that a person may let pass."""

    def fields(self) -> dict[str, str]:
        """Return the form's override fields: name → the sentence of the missed threshold."""
        return {f"override_{n}": failure.message for n, failure in enumerate(self.failures, 1)}


@dataclass(frozen=True)
class Answer:
    """What the person said."""

    approved: bool
    inputs: Mapping[str, Any]
    by: str | None
    """None: nobody answered in time."""
    at: str


def question_of(model: Model, blessings: Sequence[Blessing]) -> Question:
    """Return the question about a model; its failures are those that can be overridden."""
    destinations = (b.baseline.base_directory for b in blessings if b.baseline is not None)
    failures = (
        failure
        for blessing in blessings
        for failure in blessing.failures
        if may_be_overridden(blessing, failure)
    )
    return Question(model.digest, next(destinations, None), tuple(failures))


def kept(question: Question, run: Run, at: str) -> Blessing:
    """Return what is kept of a question until it is answered: a record that can be signed.

    As a blessing it is negative, so it is good for nothing else.
    """
    return Blessing(
        kind="approval",
        blessed=False,
        subject=Subject("model", question.digest),
        findings=question.failures,
        validator=Validator("imprimatur.approval", __version__),
        issued_at=at,
        destination=question.destination,
        run=run,
    )


def kept_question(record: Blessing) -> Question:
    """Return the question that `kept` wrote down."""
    return Question(record.subject.digest, record.destination, record.findings)


def final_failures(model: Model, blessings: Sequence[Blessing]) -> list[Finding]:
    """Return what speaks against the model that no person may let pass; then nobody is asked."""
    return [finding for blessing in blessings for finding in _final(model, blessing)]


def _final(model: Model, blessing: Blessing) -> Iterator[Finding]:
    if blessing.kind != "data" and blessing.subject.digest != model.digest:
        yield _finding(f"the {blessing.kind} blessing is for other bytes, not for {model.digest}")
    failures = blessing.failures
    if not blessing.blessed and not failures:
        yield _finding(f"the {blessing.kind} blessing is negative, without a reason")
    yield from (failure for failure in failures if not may_be_overridden(blessing, failure))


def subject(model: Model, blessings: Sequence[Blessing]) -> str:
    """Return the headline of the question."""
    failures = sum(len(blessing.failures) for blessing in blessings)
    failed = f"{failures} check{'s' if failures > 1 else ''} failed"
    verdict = failed if failures else "all checks passed"
    window = f", data until {model.window.end}" if model.window is not None else ""
    return f"Publish {_short(model.digest)}{window}? ({verdict})"


def body(model: Model, blessings: Sequence[Blessing]) -> str:
    """Return what the person sees, as Markdown: bytes, reasons, metrics, slices, reports."""
    lines = [
        f"**Model** `{model.digest}`  ",
        f"**Data window** {model.window or 'none'}  ",
        f"**Compared with** {_compared(blessings)}",
        "",
    ]
    failures = [failure for blessing in blessings for failure in blessing.failures]
    if failures:
        lines += ["### Failed checks", *(f"- {_text(failure.message)}" for failure in failures)]
        lines += ["", "To let a threshold pass, tick it below and give a reason.", ""]
    for blessing in blessings:
        lines += _section(blessing)
    return "\n".join(lines)


def answered(question: Question, answer: Answer, run: Run) -> Blessing:
    """Return the approval: positive only if every missed threshold is ticked, with a reason."""
    reason = str(answer.inputs.get(REASON) or "").strip()
    ticked = [
        failure
        for name, failure in zip(question.fields(), question.failures, strict=True)
        if answer.inputs.get(name) is True
    ]
    objection = _objection(question, answer, ticked, reason)
    by = answer.by or "nobody"
    said = f": {reason}" if reason else ""
    message = objection or f"approved by {by} at {answer.at}{said}"
    return Blessing(
        kind="approval",
        blessed=objection is None,
        subject=Subject("model", question.digest),
        findings=(Finding("approval", objection is None, message),),
        validator=Validator("imprimatur.approval", __version__),
        issued_at=answer.at,
        destination=question.destination,
        overrides=tuple(override_of(failure, reason=reason, by=by) for failure in ticked)
        if objection is None
        else (),
        run=run,
    )


def not_asked(question: Question, failures: Sequence[Finding], run: Run, at: str) -> Blessing:
    """Return the negative approval of a model that nobody could approve."""
    message = f"nobody was asked, because no person may let this pass: {failures[0].message}"
    return Blessing(
        kind="approval",
        blessed=False,
        subject=Subject("model", question.digest),
        findings=(Finding("approval", False, message),),
        validator=Validator("imprimatur.approval", __version__),
        issued_at=at,
        destination=question.destination,
        run=run,
    )


def _objection(
    question: Question, answer: Answer, ticked: Sequence[Finding], reason: str
) -> str | None:
    if answer.by is None:
        return "nobody answered in time; to ask again, clear this task"
    said = f": {reason}" if reason else ""
    if not answer.approved:
        return f"rejected by {answer.by} at {answer.at}{said}"
    again = "to be asked again, clear this task"
    left = [failure for failure in question.failures if failure not in ticked]
    if left:
        return (
            f"{answer.by} approved, but didn't tick {len(left)} of {len(question.failures)} missed "
            f"thresholds, for instance: {left[0].message}; {again}"
        )
    if ticked and not reason:
        return f"{answer.by} let a missed threshold pass without a reason; {again}"
    return None


def _section(blessing: Blessing) -> Iterator[str]:
    address = report_address(blessing)
    title = {"evaluation": "Evaluation", "infra": "Serving", "data": "Data"}[blessing.kind]
    verdict = "blessed" if blessing.blessed else "**not blessed**"
    yield f"### {title}: {verdict}" + (f" – [report]({address})" if address else "")
    if blessing.kind == "evaluation":
        yield from _metrics(blessing)
    else:
        total = len(blessing.findings)
        yield f"{total - len(blessing.failures)} of {total} checks passed"
    yield ""


def _metrics(blessing: Blessing) -> Iterator[str]:
    """Yield a row for each metric of all examples, then those of slices that have thresholds."""
    rows = [*_overall(blessing), *_of_thresholds(blessing)]
    yield "| metric | slice | value | live | |"
    yield "|---|---|---|---|---|"
    yield from rows[:_MAX_ROWS]
    if len(rows) > _MAX_ROWS:
        yield f"\nand {len(rows) - _MAX_ROWS} more: see the report"


def _overall(blessing: Blessing) -> Iterator[str]:
    for slice_ in _read_slices(blessing):
        if slice_.get("slice") == {}:
            for name, values in slice_["metrics"].items():
                value, live = values.get("candidate"), values.get("baseline")
                yield f"| {_text(name)} | overall | {_number(value)} | {_number(live)} | |"


def _of_thresholds(blessing: Blessing) -> Iterator[str]:
    for finding in sorted(blessing.findings, key=lambda one: one.passed):
        if finding.metric is not None:
            where = ", ".join(f"{k}={v}" for k, v in finding.slice.items()) or "overall"
            verdict = "ok" if finding.passed else "**failed**"
            value, live = _number(finding.observed), _number(finding.baseline)
            yield f"| {_text(finding.metric)} | {_text(where)} | {value} | {live} | {verdict} |"


def _read_slices(blessing: Blessing) -> list[Any]:
    """Read the metrics that lie beside the report; none if they can't be read any more."""
    if blessing.report_uri is None:
        return []
    try:
        text = Path(blessing.report_uri).with_name("metrics.json").read_text(encoding="utf-8")
        slices: list[Any] = json.loads(text)["slices"]
    except (OSError, ValueError, KeyError):
        return []
    return slices


def _compared(blessings: Sequence[Blessing]) -> str:
    for blessing in blessings:
        baseline = blessing.baseline
        if blessing.kind == "evaluation" and baseline is not None and baseline.digest is not None:
            return f"version {baseline.version or 'given'}, `{_short(baseline.digest)}`"
    return "nothing: nothing is live"


def _finding(message: str) -> Finding:
    return Finding("approval", False, message)


def _short(digest: str) -> str:
    return digest[: len("sha256:") + 12]


def _number(value: Any) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:.4g}" if is_number else "–"


def _text(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|!" else c for c in text.replace("\n", " "))
