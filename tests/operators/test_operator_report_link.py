"""Addresses in Airflow's page."""

from types import SimpleNamespace

import pytest

from operators.report_link import page_address, run_address


@pytest.mark.parametrize(
    ("map_index", "end"), [(None, ""), (-1, ""), (0, "/mapped/0"), (12, "/mapped/12")]
)
def test_the_address_of_a_task_names_its_map_index_if_it_has_one(map_index, end):
    ti = SimpleNamespace(
        dag_id="a b", run_id="manual__2013+00:00", task_id="t", map_index=map_index
    )
    address = f"{page_address()}/dags/a%20b/runs/manual__2013%2B00%3A00/tasks/t{end}"
    assert run_address({"ti": ti}) == address
