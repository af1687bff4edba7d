"""Which bytes are pushed, that they are those blessed, and who may read them."""

import os
import stat
from pathlib import Path

import pytest

from components import artifacts, pusher
from components.errors import InvalidModelError
from components.serving_folder import WARM_UP_FILE


def test_a_served_model_with_warm_up_is_pushed_in_place_of_the_trained_one(workshop):
    model = workshop.model()
    served = workshop.with_warm_up(model)
    infra = workshop.bless(model, "infra", served_model=served)

    pushed = workshop.push(model, [workshop.bless(model), infra])

    assert (pushed.digest, pushed.trained_digest) == (served.digest, model.digest)
    assert (Path(pushed.uri) / WARM_UP_FILE).read_text() == "requests"
    assert workshop.push(model).outcome == "already_live"


def test_the_model_may_be_left_out_if_an_infra_blessing_carries_it(workshop):
    model = workshop.model()
    infra = workshop.bless(model, "infra", served_model=workshop.with_warm_up(model))

    refused = workshop.push(None, [infra])
    pushed = workshop.push(None, [infra], required_kinds=["infra"])

    assert refused.check == "blessing_missing"
    assert "required_kinds=['infra']" in refused.findings[0].message
    assert (pushed.version, pushed.trained_digest) == ("20130201000000", model.digest)


@pytest.mark.parametrize(
    "extra", [{"assets.extra/saved_model_config.pb": "x"}, {"assets/vocabulary": "x"}]
)
def test_nothing_but_warm_up_may_be_added(workshop, extra):
    model = workshop.model()
    infra = workshop.bless(model, "infra", served_model=workshop.with_warm_up(model, **extra))

    refused = workshop.push(model, [workshop.bless(model), infra])

    assert refused.check == "other_bytes"
    assert workshop.visible() == []


def test_without_proof_a_served_model_is_refused_before_a_hold_is_looked_at(workshop):
    workshop.publish(2)
    pusher.hold(base_directory=str(workshop.base), reason="later")
    model = workshop.model("graph 3", 3)
    served = workshop.with_warm_up(model, extra="x")
    infra = workshop.bless(model, "infra", served_model=served)

    assert workshop.push(model, [workshop.bless(model), infra]).check == "other_bytes"


def test_a_model_that_has_warm_up_requests_keeps_them(workshop):
    model = workshop.with_warm_up(workshop.model())

    pushed = workshop.push(model)

    assert pushed.digest == pushed.trained_digest == model.digest
    assert (Path(pushed.uri) / WARM_UP_FILE).exists()


def test_changed_source_bytes_are_an_error_and_nothing_is_visible(workshop):
    model = workshop.model()
    (Path(model.uri) / "saved_model.pb").write_text("tampered")

    with pytest.raises(InvalidModelError, match="train again"):
        workshop.push(model)

    assert workshop.visible() == []


def test_changed_source_bytes_are_an_error_before_any_refusal(workshop):
    workshop.publish(2)
    pusher.hold(base_directory=str(workshop.base), reason="later")
    model = workshop.model("graph 3", 3)
    (Path(model.uri) / "extra").write_text("added")

    with pytest.raises(InvalidModelError, match="added"):
        workshop.push(model)


def test_a_directory_that_no_server_could_load_is_an_error(workshop):
    path = workshop.directory / "no model"
    path.mkdir()
    (path / "weights.h5").write_text("x")
    trained = workshop.model()
    model = type(trained)(uri=str(path), digest=artifacts.digest(path), num_bytes=1)

    with pytest.raises(InvalidModelError, match=r"saved_model\.pb"):
        workshop.push(model)


def test_modes_let_another_user_read_whatever_the_umask(workshop):
    before = os.umask(0o077)
    try:
        pushed = workshop.push(workshop.model())
    finally:
        os.umask(before)

    version = Path(pushed.uri)
    assert mode(workshop.base) == mode(version) == mode(version / "variables") == 0o755
    assert mode(version / "saved_model.pb") == 0o644
    assert mode(workshop.folder.record_path(20130201000000)) == 0o644


def test_modes_follow_those_of_the_base_directory(workshop):
    workshop.base.mkdir()
    workshop.base.chmod(0o2775)

    pushed = workshop.push(workshop.model())

    version = Path(pushed.uri)
    assert mode(version) == mode(version / "variables") == 0o2775
    assert mode(version / "saved_model.pb") == 0o664


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
