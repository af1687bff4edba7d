"""Form fields that every training DAG has: which data, and whether to publish."""

from collections.abc import Mapping

from airflow.sdk import Param

WINDOW_FIELDS: Mapping[str, Param] = {
    "window_start": Param(
        None,
        type=["null", "string"],
        format="date-time",
        section="Data",
        title="Window start",
        description="First moment of the data to train on. Empty: the newest whole interval.",
    ),
    "window_end": Param(
        None,
        type=["null", "string"],
        format="date-time",
        section="Data",
        title="Window end",
        description="First moment after the data to train on. Give both or neither.",
    ),
}
PUBLISHING_FIELDS: Mapping[str, Param] = {
    "push_policy": Param(
        "auto",
        enum=["auto", "never", "ask"],
        section="Publishing",
        title="Push policy",
        description="auto publishes a blessed model; never trains and judges only; ask waits for "
        "a person's answer under Required Actions.",
    ),
    "backfill_push": Param(
        "never",
        enum=["never", "newer"],
        section="Publishing",
        title="Backfill push",
        description="The only policy that counts in a backfill: newer publishes a blessed model "
        "unless its window ends before that of the live one.",
    ),
}
