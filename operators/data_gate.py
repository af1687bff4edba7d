"""Keeps bad data from costing a training: whoever takes a data blessing is skipped without one."""

from typing import Any

from airflow.sdk import Context

from components import signing
from components.errors import RecordError
from components.records import Blessing, Examples, Finding, Refusal
from operators._component_task import skip_refused
from operators._signing import signing_key


def check_data(data_blessing: Any, *, is_wired: bool, examples: Examples, context: Context) -> None:
    """Skip the task unless the data are blessed.

    Args:
        data_blessing: what the upstream task left.
        is_wired: whether the operator was given one at all; without, nothing is checked.
        examples: what the blessing must be for.
        context: of the task instance.

    Raises:
        AirflowSkipException: refused (``data_not_blessed``).
    """
    if not is_wired:
        return
    findings = _objections(data_blessing, examples)
    if findings:
        skip_refused(Refusal(findings=findings), context)


def _objections(data_blessing: Any, examples: Examples) -> tuple[Finding, ...]:
    if data_blessing is None:
        return _refuse(
            "there is no data blessing: the task that judges left no verdict, for instance because "
            "it was marked as success by hand; clear it"
        )
    try:
        blessing = Blessing.from_json(data_blessing)
    except RecordError as error:
        return _refuse(f"the data blessing can't be read: {error}")
    key = signing_key()
    if key is not None and not signing.is_signed(blessing, key):
        return _refuse("the data blessing isn't signed with this installation's key")
    if blessing.kind != "data" or blessing.subject.digest != examples.digest:
        return _refuse(
            f"the blessing given is a {blessing.kind} blessing for {blessing.subject.digest}; "
            f"expected a data blessing for these examples, {examples.digest}"
        )
    if blessing.blessed and not blessing.failures:
        return ()
    return (*_refuse("the data are not blessed"), *blessing.failures)


def _refuse(message: str) -> tuple[Finding, ...]:
    return (Finding(check="data_not_blessed", passed=False, message=message),)
