"""Which blessings open the door."""

import dataclasses
import json

import pytest

from components import signing
from components.errors import ConfigurationError
from components.records import Bound, Override, Subject

KEY = b"k" * 32


@pytest.mark.parametrize("missing", ["evaluation", "infra"])
def test_each_required_kind_must_be_there(workshop, missing):
    model = workshop.model()
    given = [blessing for blessing in workshop.blessings(model) if blessing.kind != missing]

    refused = workshop.push(model, given)

    assert refused.check == "blessing_missing"
    assert f"no {missing} blessing" in refused.findings[0].message
    assert workshop.visible() == []


def test_without_a_model_nothing_is_pushed(workshop):
    model = workshop.model()

    assert workshop.push(None, []).check == "blessing_missing"
    refused = workshop.push(None, workshop.blessings(model))
    assert refused.check == "blessing_missing"
    assert "no model" in refused.findings[0].message


def test_none_among_the_blessings_blesses_nothing(workshop):
    model = workshop.model()

    assert workshop.push(model, [None, *workshop.blessings(model)]).outcome == "pushed"
    refused = workshop.push(
        model, [None, *workshop.blessings(model)], required_kinds=["evaluation", "approval"]
    )
    assert refused.check == "blessing_missing"


@pytest.mark.parametrize("kind", ["evaluation", "infra", "approval", "data"])
def test_one_negative_blessing_refuses_even_if_it_is_not_required(workshop, kind):
    model = workshop.model(examples_digest="sha256:" + "e" * 64)
    given = workshop.blessings(model)
    subject = {"subject": Subject("examples", model.examples_digest)} if kind == "data" else {}
    given.append(
        workshop.bless(model, kind, False, findings=(workshop.failure(message="why"),), **subject)
    )

    refused = workshop.push(model, given)

    assert refused.check == "not_blessed"
    assert "why" in refused.findings[0].message
    assert refused.findings[1].message == "why"


def test_a_blessing_that_contradicts_itself_is_negative(workshop):
    model = workshop.model()
    odd = workshop.bless(model, findings=(workshop.failure(message="AUC is too low"),))

    refused = workshop.push(model, [odd, workshop.bless(model, "infra")])

    assert refused.check == "not_blessed"
    assert "says blessed, but" in refused.findings[0].message


def test_a_blessing_for_other_bytes_refuses(workshop):
    model = workshop.model()
    other = workshop.model("other")

    refused = workshop.push(model, [workshop.bless(other), workshop.bless(model, "infra")])

    assert refused.check == "other_bytes"
    assert other.digest in refused.findings[0].message
    assert model.digest in refused.findings[0].message


def test_a_blessing_of_the_warmed_up_bytes_is_for_other_bytes(workshop):
    model = workshop.model()
    served = workshop.with_warm_up(model)
    infra = workshop.bless(served, "infra", served_model=served)

    assert workshop.push(model, [workshop.bless(model), infra]).check == "other_bytes"


def test_a_data_blessing_must_be_for_the_examples_the_model_was_trained_on(workshop):
    digest = "sha256:" + "e" * 64
    model = workshop.model(examples_digest=digest)
    good = workshop.bless(model, "data", subject=Subject("examples", digest))
    bad = workshop.bless(model, "data", subject=Subject("examples", "sha256:" + "f" * 64))

    assert workshop.push(model, [*workshop.blessings(model), bad]).check == "other_bytes"
    assert workshop.push(model, [*workshop.blessings(model), good]).outcome == "pushed"


def test_a_blessing_for_another_destination_refuses(workshop):
    model = workshop.model()
    elsewhere = workshop.bless(model, "infra", destination=str(workshop.directory / "elsewhere"))
    here = workshop.bless(model, "infra", destination=str(workshop.base))

    refused = workshop.push(model, [workshop.bless(model), elsewhere])
    assert refused.check == "not_blessed"
    assert "elsewhere" in refused.findings[0].message
    assert workshop.push(model, [workshop.bless(model), here]).outcome == "pushed"


@pytest.mark.parametrize(
    "spoil",
    [
        {"kind": "horoscope"},
        {"schema_version": 2},
        {"type": "Model"},
        {"blessed": "yes"},
        {"blessed": None},
        {"unknown": 1},
        {"subject": {"type": "model"}},
        {"findings": [{"check": "x", "passed": True, "message": "m", "observed": float("nan")}]},
    ],
)
def test_a_malformed_blessing_refuses(workshop, spoil):
    model = workshop.model()
    evaluation, infra = (blessing.to_json() for blessing in workshop.blessings(model))

    refused = workshop.push(model, [{**evaluation, **spoil}, infra])

    assert refused.check == "not_blessed"
    assert "can't be read" in refused.findings[0].message
    assert workshop.visible() == []


@pytest.mark.parametrize("field", ["subject", "blessed", "kind", "findings", "validator"])
def test_a_truncated_blessing_refuses(workshop, field):
    model = workshop.model()
    evaluation, infra = (blessing.to_json() for blessing in workshop.blessings(model))
    del evaluation[field]

    refused = workshop.push(model, [evaluation, infra])

    assert refused.check == "not_blessed"
    assert field in refused.findings[0].message


def test_a_malformed_blessing_refuses_even_if_all_required_ones_are_there(workshop):
    model = workshop.model()

    assert workshop.push(model, [*workshop.blessings(model), {}]).check == "not_blessed"


@pytest.mark.parametrize("kinds", [[], ["horoscope"], "infra"])
def test_required_kinds_must_be_known(workshop, kinds):
    with pytest.raises(ConfigurationError, match="required_kinds"):
        workshop.push(workshop.model(), required_kinds=kinds)


def test_only_an_infra_blessing_may_carry_a_served_model(workshop):
    model = workshop.model()
    served = workshop.with_warm_up(model)
    evaluation = workshop.bless(model, served_model=served)

    refused = workshop.push(model, [evaluation, workshop.bless(model, "infra")])

    assert refused.check == "not_blessed"


def override(failure, **changes) -> Override:
    fields = {
        "check": failure.check,
        "metric": failure.metric,
        "slice": failure.slice,
        "observed": failure.observed,
        "bound": failure.bound,
        "reason": "known drift",
        "by": "ada",
    }
    return Override(**{**fields, **changes})


def push_with_override(workshop, failure, given, *, kind="evaluation", approval_for=None):
    model = workshop.model()
    failed = workshop.bless(model, kind, False, findings=(failure,))
    kept = [blessing for blessing in workshop.blessings(model) if blessing.kind != kind]
    approval = workshop.bless(approval_for or model, "approval", overrides=(given,))
    return workshop.push(model, [failed, *kept, approval])


def test_an_approval_may_override_a_failed_metric(workshop):
    failure = workshop.failure(bound=Bound(lower=0.7), slice={"carrier": "AA"})

    assert push_with_override(workshop, failure, override(failure)).outcome == "pushed"


@pytest.mark.parametrize(
    "changes",
    [
        {"metric": "accuracy"},
        {"check": "change_threshold"},
        {"slice": {"carrier": "UA"}},
        {"bound": Bound(lower=0.6)},
        {"bound": None},
        {"observed": None},
    ],
)
def test_an_override_must_name_exactly_what_failed(workshop, changes):
    failure = workshop.failure(bound=Bound(lower=0.7), slice={"carrier": "AA"})

    assert push_with_override(workshop, failure, override(failure, **changes)).check == (
        "not_blessed"
    )


@pytest.mark.parametrize(
    ("bound", "shown", "observed", "passes"),
    [
        (Bound(lower=0.7), 0.61, 0.60, False),
        (Bound(lower=0.7), 0.61, 0.62, True),
        (Bound(upper=0.3), 0.40, 0.41, False),
        (Bound(upper=0.3), 0.40, 0.39, True),
        (Bound(lower=0.5), 0.61, 0.61, True),
        (Bound(lower=0.5), 0.61, 0.60, False),
        (None, 0.61, 0.61, True),
        (None, 0.61, 0.62, False),
    ],
)
def test_an_override_is_void_if_the_value_is_worse_than_what_was_shown(
    workshop, bound, shown, observed, passes
):
    failure = workshop.failure(observed=observed, bound=bound)

    result = push_with_override(workshop, failure, override(failure, observed=shown))

    assert (result.to_json()["type"] == "PushedModel") is passes


def test_each_failed_finding_needs_its_override(workshop):
    model = workshop.model()
    first, second = workshop.failure("auc"), workshop.failure("accuracy")
    failed = workshop.bless(model, "evaluation", False, findings=(first, second))
    approval = workshop.bless(model, "approval", overrides=(override(first),))

    refused = workshop.push(model, [failed, workshop.bless(model, "infra"), approval])

    assert refused.check == "not_blessed"
    assert "accuracy" in refused.findings[0].message
    assert "auc" not in refused.findings[0].message


def test_nan_can_not_be_overridden(workshop):
    failure = workshop.failure(observed=None, message="auc is NaN")

    assert push_with_override(workshop, failure, override(failure)).check == "not_blessed"


def test_a_finding_without_a_metric_can_not_be_overridden(workshop):
    failure = workshop.failure(metric=None)

    assert push_with_override(workshop, failure, override(failure)).check == "not_blessed"


def test_an_infra_finding_can_not_be_overridden(workshop):
    failure = workshop.failure("latency_p99")

    refused = push_with_override(workshop, failure, override(failure), kind="infra")

    assert refused.check == "not_blessed"


def test_an_override_for_another_model_does_not_count(workshop):
    failure = workshop.failure()
    other = workshop.model("other")

    refused = push_with_override(workshop, failure, override(failure), approval_for=other)

    assert refused.check == "not_blessed"


@pytest.mark.parametrize("kind", ["evaluation", "infra"])
def test_overrides_outside_an_approval_do_not_count(workshop, kind):
    model = workshop.model()
    failure = workshop.failure()
    overrides = {kind: (override(failure),)}
    failed = workshop.bless(
        model, blessed=False, findings=(failure,), overrides=overrides.get("evaluation", ())
    )
    infra = workshop.bless(model, "infra", overrides=overrides.get("infra", ()))

    assert workshop.push(model, [failed, infra]).check == "not_blessed"


def test_two_infra_blessings_must_carry_the_same_served_model(workshop):
    model = workshop.model()
    served = workshop.with_warm_up(model)
    one = workshop.bless(model, "infra", served_model=served)
    other = dataclasses.replace(served, digest="sha256:" + "0" * 64)
    two = workshop.bless(model, "infra", served_model=other)

    refused = workshop.push(model, [workshop.bless(model), one, two])

    assert refused.check == "other_bytes"
    assert "different served models" in refused.findings[0].message
    assert workshop.push(model, [workshop.bless(model), one, one]).outcome == "pushed"


def test_a_negative_evaluation_without_any_finding_is_not_overridden(workshop):
    model = workshop.model()
    given = [
        workshop.bless(model, blessed=False),
        workshop.bless(model, "infra"),
        workshop.bless(model, "approval"),
    ]

    assert workshop.push(model, given).check == "not_blessed"


def test_with_a_key_signed_blessings_are_taken(workshop):
    model = workshop.model()
    signed = [signing.sign(blessing, KEY) for blessing in workshop.blessings(model)]
    travelled = [json.loads(json.dumps(blessing.to_json())) for blessing in signed]

    assert workshop.push(model, travelled, signing_key=KEY).outcome == "pushed"


def test_with_a_key_an_unsigned_blessing_refuses(workshop):
    model = workshop.model()
    evaluation, infra = workshop.blessings(model)

    refused = workshop.push(model, [signing.sign(evaluation, KEY), infra], signing_key=KEY)

    assert refused.check == "bad_signature"
    assert "infra blessing has no signature" in refused.findings[0].message


@pytest.mark.parametrize("change", ["content", "key", "signature"])
def test_a_forged_blessing_refuses(workshop, change):
    model = workshop.model()
    negative = workshop.bless(model, blessed=False, findings=(workshop.failure(),))
    signed = signing.sign(
        negative, b"another key, 32 bytes or longer.." if change == "key" else KEY
    )
    changes = {
        "content": {"blessed": True, "findings": ()},
        "key": {},
        "signature": {"signature": "hmac-sha256:ünïcode"},
    }[change]
    forged = dataclasses.replace(signed, **changes)
    infra = signing.sign(workshop.bless(model, "infra"), KEY)

    assert workshop.push(model, [forged, infra], signing_key=KEY).check == "bad_signature"


def test_a_blessing_of_another_model_replayed_with_its_signature_refuses(workshop):
    model, other = workshop.model(), workshop.model("other")
    given = [signing.sign(blessing, KEY) for blessing in workshop.blessings(other)]

    assert workshop.push(model, given, signing_key=KEY).check == "other_bytes"
