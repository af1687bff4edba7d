"""What is wrong with data or their schema, under TFDV's names.

Source of the names: `AnomalyInfo.Type` in `tensorflow_metadata/proto/v0/anomalies.proto`.
"""

from dataclasses import dataclass
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2


@dataclass(frozen=True)
class Anomaly:
    """One difference between data and schema."""

    feature: str
    """Empty where it is about the data set as a whole."""
    reason: str
    """A name of `AnomalyInfo.Type`."""
    message: str
    observed: float | None = None
    lower: float | None = None
    upper: float | None = None

    def reason_proto(self) -> Any:
        """Return the `AnomalyInfo.Reason`."""
        kind = anomalies_pb2.AnomalyInfo.Type.Value(self.reason)
        return anomalies_pb2.AnomalyInfo.Reason(
            type=kind, short_description=self.reason, description=self.message
        )


def is_checked(expected: Any) -> bool:
    """Return whether a feature of the schema counts; planned, deprecated and disabled don't."""
    stages = ("PLANNED", "ALPHA", "DEPRECATED", "DEBUG_ONLY", "DISABLED")
    stage = schema_pb2.LifecycleStage.Name(expected.lifecycle_stage)
    return stage not in stages and not expected.deprecated


def common_stats(feature: Any) -> Any:
    """Return the `CommonStatistics` of a `FeatureNameStatistics`."""
    kind = "num_stats" if feature.HasField("num_stats") else "string_stats"
    return getattr(feature, kind).common_stats
