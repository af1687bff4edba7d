"""Airflow operators, one per component."""
