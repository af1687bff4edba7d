"""What the demo's runs came to: a table, the reasons, and whether it is what was promised."""

from collections.abc import Sequence

from tabulate import tabulate

from components.records import Blessing, PushedModel, Refusal
from scripts.demo_run import Outcome

HEADERS = ("run", "window", "AUC", "live AUC", "evaluation", "served", "outcome", "then live")
NOTHING = "–"


def table_of(outcomes: Sequence[Outcome]) -> str:
    """Return one row per run. Both AUCs are measured on that run's own evaluation examples."""
    return tabulate(
        [_row(outcome) for outcome in outcomes],
        headers=HEADERS,
        tablefmt="simple",
        disable_numparse=True,
    )


def reasons_of(outcome: Outcome) -> list[str]:
    """Return the sentences that say why a model was refused."""
    verdicts = [verdict for verdict in (outcome.evaluation, outcome.infra) if verdict is not None]
    failed = [finding.message for verdict in verdicts for finding in verdict.failures]
    if failed or not isinstance(outcome.decision, Refusal):
        return failed
    return [finding.message for finding in outcome.decision.findings]


def broken_promises(outcomes: Sequence[Outcome]) -> list[str]:
    """Return what isn't as the demo says: the last run is the spoiled one.

    That a good month is refused because it is worse than what is live would be no broken promise,
    that it isn't compared would be.
    """
    first, *later, spoiled = outcomes
    return [
        *_problems_of_first(first),
        *(problem for outcome in later for problem in _problems_of_later(outcome)),
        *_problems_of_spoiled(spoiled),
    ]


def _problems_of_first(outcome: Outcome) -> list[str]:
    problems = []
    if not _was_pushed(outcome):
        problems.append(f"the first model, of {outcome.plan.label}, was not published")
    if outcome.evaluation is None or _baseline_version(outcome.evaluation) is not None:
        problems.append("the first model was compared with something, though nothing was live")
    return problems


def _problems_of_later(outcome: Outcome) -> list[str]:
    compared = None if outcome.evaluation is None else _baseline_version(outcome.evaluation)
    problems = []
    if compared is None or compared != outcome.live_before:
        problems.append(
            f"{outcome.plan.label} was compared with {compared}, and {outcome.live_before} was live"
        )
    blessed = outcome.evaluation is not None and outcome.evaluation.blessed
    if blessed != _was_pushed(outcome):
        problems.append(f"{outcome.plan.label}: the evaluation says {blessed}, the pusher not")
    return problems


def _problems_of_spoiled(outcome: Outcome) -> list[str]:
    problems = []
    if outcome.evaluation is None or outcome.evaluation.blessed:
        problems.append("the evaluation didn't notice that the labels were shuffled")
    if not isinstance(outcome.decision, Refusal) or outcome.tasks.get("pusher") != "skipped":
        problems.append("the spoiled model wasn't refused: the pusher isn't skipped")
    if outcome.tasks.get("report") != "success":
        problems.append("the spoiled run has no report")
    if outcome.live_after != outcome.live_before:
        problems.append(f"{outcome.live_before} was live, and now {outcome.live_after} is")
    return problems


def _row(outcome: Outcome) -> list[str]:
    candidate, live = _aucs(outcome.evaluation)
    return [
        outcome.plan.label,
        outcome.plan.window.start[: len("2013-01")],
        _number(candidate),
        _number(live),
        _verdict(outcome.evaluation),
        _verdict(outcome.infra),
        _decision(outcome),
        outcome.live_after or NOTHING,
    ]


def _aucs(blessing: Blessing | None) -> tuple[float | None, float | None]:
    """Return the overall AUC of the candidate and of the live model, on the same examples."""
    findings = [] if blessing is None else blessing.findings
    overall = [item for item in findings if item.metric == "auc" and not item.slice]
    observed = (item.observed for item in overall if item.observed is not None)
    baseline = (item.baseline for item in overall if item.baseline is not None)
    return next(observed, None), next(baseline, None)


def _baseline_version(blessing: Blessing) -> str | None:
    return None if blessing.baseline is None else blessing.baseline.version


def _was_pushed(outcome: Outcome) -> bool:
    decision = outcome.decision
    return isinstance(decision, PushedModel) and decision.version == outcome.live_after


def _verdict(blessing: Blessing | None) -> str:
    if blessing is None:
        return NOTHING
    return "blessed" if blessing.blessed else "not blessed"


def _decision(outcome: Outcome) -> str:
    if isinstance(outcome.decision, Refusal):
        return f"refused: {outcome.decision.check}"
    if isinstance(outcome.decision, PushedModel):
        return outcome.decision.outcome
    return NOTHING


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3f}"
