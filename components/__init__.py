"""The work that a continuous-training run does, in plain Python that never imports Airflow."""

__version__ = "0.1.0"
