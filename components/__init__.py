"""The work that a continuous-training run does, in plain Python that never imports Airflow."""
