"""Tells what a blessing says: to the task's log, and to the metrics."""

import logging

from airflow.sdk import Context

from components.records import Blessing
from operators import metrics

_log = logging.getLogger(__name__)


def tell_verdict(blessing: Blessing, context: Context) -> None:
    """Log the verdict and each finding that failed, and count it."""
    for finding in blessing.failures:
        _log.warning("%s: %s", finding.check, finding.message)
    verdict = "Blessed" if blessing.blessed else "NOT blessed"
    _log.info(
        "%s (%s) by %s: %s of %s checks passed",
        verdict,
        blessing.kind,
        blessing.validator.name,
        len(blessing.findings) - len(blessing.failures),
        len(blessing.findings),
    )
    metrics.count(
        context,
        "imprimatur.verdicts",
        blessing.subject.digest,
        dag_id=context["ti"].dag_id,
        kind=blessing.kind,
        verdict=verdict.lower().replace(" ", "_"),
    )
