"""What a run's artifacts and the serving folders say of it."""

import os

import pytest

from components import records
from components.artifact_path import artifact_directory
from components.model_catalog import read_run
from components.model_catalog.run_verdicts import PublishedAs
from tests.components.pusher.pusher_workshop import Workshop

DAG = "flights"
RUN = "scheduled__2013-02-01T00:00:00+00:00"


@pytest.fixture
def workshop(tmp_path):
    made = Workshop(tmp_path)
    made.base = tmp_path / "serving" / DAG
    return made


@pytest.fixture
def keep(tmp_path, workshop):
    """Return a function that keeps a record as the artifact of a try."""

    def keep(record, task_id, try_number=1, **fields):
        run = workshop.run(task_id, try_number, dag_id=DAG, run_id=RUN, **fields)
        directory = artifact_directory(tmp_path / "artifacts", run)
        directory.mkdir(parents=True)
        (directory / "record.json").write_text(records.dump(record))
        return directory

    return keep


def read(tmp_path, dag_id=DAG, run_id=RUN):
    return read_run(tmp_path / "artifacts", tmp_path / "serving", dag_id, run_id)


def test_a_run_without_artifacts_has_no_verdicts(tmp_path):
    verdicts = read(tmp_path)
    assert (verdicts.models, verdicts.blessings, verdicts.published) == ((), (), ())
    assert verdicts.problems == ()


def test_blessings_come_in_the_order_they_are_asked_for(tmp_path, workshop, keep):
    model = workshop.model()
    keep(model, "a_trainer")
    for kind in ("infra", "evaluation", "approval"):
        keep(workshop.bless(model, kind), f"b_{kind}")
    verdicts = read(tmp_path)
    assert verdicts.models == (model,)
    kinds = [blessing.kind for blessing in verdicts.blessings]
    assert kinds == ["evaluation", "infra", "approval"]


def test_of_a_task_that_was_tried_again_the_last_try_counts(tmp_path, workshop, keep):
    model = workshop.model()
    for number in (2, 10, 9):
        issued = f"2026-01-{number:02d}T00:00:00Z"
        blessing = workshop.bless(model, blessed=number == 10)
        keep(type(blessing)(**{**vars(blessing), "issued_at": issued}), "evaluator", number)
    assert [blessing.issued_at for blessing in read(tmp_path).blessings] == ["2026-01-10T00:00:00Z"]


def test_a_try_that_left_no_record_does_not_hide_the_one_before(tmp_path, workshop, keep):
    model = workshop.model()
    keep(model, "trainer", 1)
    (keep(model, "trainer", 2) / "record.json").unlink()
    assert read(tmp_path).models == (model,)


def test_each_index_of_a_mapped_task_counts(tmp_path, workshop, keep):
    models = [workshop.model(name) for name in ("a", "b")]
    for index, model in enumerate(models):
        keep(model, "trainer", map_index=index)
    assert list(read(tmp_path).models) == models


def test_a_damaged_record_is_named_and_hides_no_other(tmp_path, workshop, keep):
    model = workshop.model()
    (keep(model, "evaluator") / "record.json").write_text("{")
    keep(model, "trainer")
    verdicts = read(tmp_path)
    assert verdicts.models == (model,)
    assert len(verdicts.problems) == 1
    assert "evaluator" in verdicts.problems[0]


def test_the_version_that_came_of_it_is_found(tmp_path, workshop):
    for month, run_id in ((2, "earlier"), (3, RUN), (4, "later")):
        workshop.push(
            workshop.model(str(month), month), run=workshop.run(dag_id=DAG, run_id=run_id)
        )
    assert read(tmp_path).published == (PublishedAs(DAG, "20130301000000"),)
    assert read(tmp_path, dag_id="other").published == ()


@pytest.mark.parametrize("run_id", ["..", "../../x", "/", ".", os.sep + "etc"])
def test_no_run_id_leads_out_of_the_artifacts(tmp_path, workshop, run_id):
    outside = tmp_path / "trainer" / "1-abcdef01"
    outside.mkdir(parents=True)
    (outside / "record.json").write_text(records.dump(workshop.model()))
    assert read(tmp_path, run_id=run_id).models == ()
    assert read(tmp_path, dag_id=run_id, run_id=run_id).models == ()
