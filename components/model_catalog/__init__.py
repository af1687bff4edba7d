"""What there is of each model under a serving root, for a page or a program that only looks.

Takes no lock, writes nothing, and loads neither TensorFlow nor Airflow. What is damaged is named in
the answer, so that one bad record doesn't hide the others.
"""

from components.model_catalog.run_verdicts import PublishedAs, RunVerdicts, read_run
from components.model_catalog.summary import ModelSummary, find_model, list_models
from components.model_catalog.version_page import VersionEntry, VersionPage, read_versions

__all__ = [
    "ModelSummary",
    "PublishedAs",
    "RunVerdicts",
    "VersionEntry",
    "VersionPage",
    "find_model",
    "list_models",
    "read_run",
    "read_versions",
]
