"""Says in a task's log what a blessing says."""

import logging

from components.records import Blessing

_log = logging.getLogger(__name__)


def log_verdict(blessing: Blessing) -> None:
    """Log the verdict, and each finding that failed."""
    for finding in blessing.failures:
        _log.warning("%s: %s", finding.check, finding.message)
    _log.info(
        "%s (%s) by %s: %s of %s checks passed",
        "Blessed" if blessing.blessed else "NOT blessed",
        blessing.kind,
        blessing.validator.name,
        len(blessing.findings) - len(blessing.failures),
        len(blessing.findings),
    )
